//! Why a record did not go out.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

/// Why a record, a flush or a close has failed.
///
/// [`Io`](Self::Io) and [`Ended`](Self::Ended) are the end of the stream, and everybody who waits gets the same one, in
/// the order of the calls. `sent` counts from the writer's beginning, so it tells a peer's protocol where the stream
/// broke. The records that were waiting are gone; keep a clone of what should go another way (cloning [`Bytes`] copies
/// nothing).
#[derive(Clone)]
#[non_exhaustive]
pub enum WriteError {
    /// The stream has failed.
    Io {
        /// What it said, shared by all who waited.
        error: Arc<io::Error>,
        /// Bytes that the stream has taken before.
        sent: u64,
    },
    /// The writer's task is gone: its context was dropped or had ended before, or the stream panicked.
    Ended {
        /// Bytes that the stream has taken before.
        sent: u64,
    },
    /// The writer was closed before the call. Here is the record.
    Closed(Bytes),
}

impl WriteError {
    /// Bytes that the stream has taken before it ended; `None` if the record was only refused.
    #[must_use]
    pub fn sent(&self) -> Option<u64> {
        match self {
            Self::Io { sent, .. } | Self::Ended { sent } => Some(*sent),
            Self::Closed(_) => None,
        }
    }

    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Io { error, .. } => error.kind(),
            Self::Ended { .. } => io::ErrorKind::Other,
            Self::Closed(_) => io::ErrorKind::BrokenPipe,
        }
    }
}

/// Why [`try_send`](super::QueuedWriter::try_send) did not accept a record, and the record.
#[derive(Clone)]
#[non_exhaustive]
pub enum TrySendError {
    /// As many bytes as the limit allows are unsent, or others wait to be accepted.
    Full(Bytes),
    /// The writer has been closed.
    Closed(Bytes),
    /// The stream has ended.
    Failed(Bytes, WriteError),
}

impl TrySendError {
    /// The record that was not accepted.
    #[must_use]
    pub fn into_record(self) -> Bytes {
        match self {
            Self::Full(record) | Self::Closed(record) | Self::Failed(record, _) => record,
        }
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { error, sent } => {
                write!(f, "the stream failed after {sent} bytes: {error}")
            }
            Self::Ended { sent } => write!(f, "the writer's task ended after {sent} bytes"),
            Self::Closed(_) => f.write_str("the writer has been closed"),
        }
    }
}

impl fmt::Display for TrySendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("the writer has accepted as much as it may"),
            Self::Closed(_) => f.write_str("the writer has been closed"),
            Self::Failed(_, error) => error.fmt(f),
        }
    }
}

/// Shows the length of a record, not the record.
impl fmt::Debug for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { error, sent } => f
                .debug_struct("Io")
                .field("error", error)
                .field("sent", sent)
                .finish(),
            Self::Ended { sent } => f.debug_struct("Ended").field("sent", sent).finish(),
            Self::Closed(record) => write!(f, "Closed({} bytes)", record.len()),
        }
    }
}

/// Shows the length of a record, not the record.
impl fmt::Debug for TrySendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(record) => write!(f, "Full({} bytes)", record.len()),
            Self::Closed(record) => write!(f, "Closed({} bytes)", record.len()),
            Self::Failed(record, error) => {
                write!(f, "Failed({} bytes, {error:?})", record.len())
            }
        }
    }
}

impl Error for WriteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(&**error),
            _ => None,
        }
    }
}

impl Error for TrySendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(_, error) => Some(error),
            _ => None,
        }
    }
}

/// Of the kind of the stream's error; `BrokenPipe` for a closed writer, `Other` for one that has ended.
impl From<WriteError> for io::Error {
    fn from(error: WriteError) -> Self {
        Self::new(error.kind(), error)
    }
}
