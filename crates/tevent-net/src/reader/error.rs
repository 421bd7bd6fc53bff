//! Why there is no PDU.

use std::{error::Error, fmt, io, sync::Arc};

/// Why a call got no PDU. [`Io`](Self::Io), [`Torn`](Self::Torn) and [`Panicked`](Self::Panicked) have ended the
/// reader: every later call gets the same.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The stream has failed.
    Io {
        /// What it said, shared by all calls.
        error: Arc<io::Error>,
        /// Bytes that had come before, in all.
        received: u64,
    },
    /// The stream has ended inside a PDU.
    Torn {
        /// Bytes of the PDU that had come.
        left: usize,
    },
    /// The PDU is longer than the reader's limit, or more bytes than that did not tell its length. It has not been
    /// taken: the next call looks at the same bytes, and if it reads in the same way, gets the same error.
    TooLong {
        /// How long it is, or how many bytes have come of it.
        length: usize,
        /// The reader's limit.
        limit: usize,
    },
    /// The reader was [closed](super::QueuedReader::close) before the call's turn.
    Closed,
    /// The stream, or a function that tells the length of a PDU, has panicked.
    Panicked,
}

impl ReadError {
    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Io { error, .. } => error.kind(),
            Self::Torn { .. } => io::ErrorKind::UnexpectedEof,
            Self::TooLong { .. } => io::ErrorKind::InvalidData,
            Self::Closed => io::ErrorKind::NotConnected,
            Self::Panicked => io::ErrorKind::Other,
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { error, received } => {
                write!(f, "the stream failed after {received} bytes: {error}")
            }
            Self::Torn { left } => {
                write!(f, "the stream ended inside a PDU, after {left} bytes of it")
            }
            Self::TooLong { length, limit } => {
                write!(
                    f,
                    "a PDU of {length} bytes or more is over the limit of {limit}"
                )
            }
            Self::Closed => f.write_str("the reader has been closed"),
            Self::Panicked => f.write_str("the stream of the reader has panicked"),
        }
    }
}

impl Error for ReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(&**error),
            _ => None,
        }
    }
}

/// Of the kind of the stream's error; `UnexpectedEof` for a torn PDU, `InvalidData` for one that is too long,
/// `NotConnected` for a closed reader.
impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        Self::new(error.kind(), error)
    }
}
