//! A reader that many tasks share: whole PDUs, in the order of the calls.
//!
//! A PDU (protocol data unit) is whatever the protocol takes as one: a frame with its header, a line, so many bytes.
//!
//! # Rules
//! - Strictly in the order of the calls: the first call gets the first PDU. A call takes its place at once, not when it
//!   is first polled.
//! - No PDU is ever torn. What has come of one is kept by the reader, not by the call: if a call is dropped, at any
//!   time, its PDU goes whole to the next one. A PDU leaves the reader in the moment in which its call is ready.
//! - The end of the stream between two PDUs is `None`, for the call whose turn it is and for all later ones. A failure,
//!   or an end inside a PDU, is an error, the same for all.
//! - A PDU that is longer than the limit is an error, before any memory is taken for it.
//! - The call whose turn it is drives the stream. As with every queue, a task that keeps it without polling it holds up
//!   those behind.
//! - The reader keeps at most one PDU of the limit and one read more, whatever the peer announces.

mod error;
mod future;
mod stream;

use std::{cell::Cell, fmt, rc::Rc};

use futures::io::AsyncRead;
use tevent_queue::TeventQueue;

use stream::Buffered;

pub use error::ReadError;
pub use future::ReadPdu;

/// Reads whole PDUs for many tasks from one stream; the rules stand at the [module](self).
///
/// A `QueuedReader` is a handle; clones are handles of the same reader, and so are the futures of its calls. When the
/// last one is dropped, so is the stream, with what was read ahead. Not `Send`: it lives on one thread.
///
/// The peer here sends the length of each PDU in its first byte:
///
/// ```
/// use futures::{executor::block_on, future::join, io::Cursor};
/// use tevent_net::QueuedReader;
///
/// fn length(come: &[u8]) -> Option<usize> {
///     let body = *come.first()?; // nothing has come yet
///     Some(1 + usize::from(body))
/// }
///
/// # fn main() -> Result<(), tevent_net::ReadError> {
/// let reader = QueuedReader::new(Cursor::new(*b"\x05first\x06second"), 64);
/// let (first, second) = (reader.read_pdu(length), reader.read_pdu(length));
/// let (second, first) = block_on(join(second, first)); // polled the other way round
/// assert_eq!(first?.unwrap(), "\x05first");
/// assert_eq!(second?.unwrap(), "\x06second");
/// assert_eq!(block_on(reader.read_pdu(length))?, None); // the end
/// # Ok(())
/// # }
/// ```
pub struct QueuedReader<R> {
    queue: TeventQueue,
    shared: Rc<Shared<R>>,
}

/// What the handles of one reader share.
struct Shared<R> {
    /// `None` while the call whose turn it is works with it: streams and decoders are foreign code, and may come back.
    /// For good if one of them has panicked.
    stream: Cell<Option<Box<Buffered<R>>>>,
    /// In bytes.
    limit: usize,
}

impl<R: AsyncRead + Unpin> QueuedReader<R> {
    /// A reader of PDUs that are at most `limit` bytes long, all included. It needs no context: whatever drives the
    /// stream will do.
    #[must_use]
    pub fn new(stream: R, limit: usize) -> Self {
        Self {
            queue: TeventQueue::new("queued reader"),
            shared: Rc::new(Shared {
                stream: Cell::new(Some(Box::new(Buffered::new(stream)))),
                limit,
            }),
        }
    }

    /// Takes the last place, now, and returns the future of one PDU. `None` is the end of the stream.
    ///
    /// `length` looks at what has come so far, from the first byte of the PDU on, and tells how long the PDU is, header
    /// and all; `None` means that more has to come before that can be told. It is asked before anything has come, and
    /// then whenever more has, until it tells.
    ///
    /// Different calls may read in different ways; a call reads where the one before it ended.
    ///
    /// # Errors
    /// [`ReadError`]; once the stream has failed or ended inside a PDU, all later calls get the same.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the line and loses nothing: the PDU goes to the next call, also if some of it has
    /// been read. Where the answers to several requests come in the order of the requests, this shifts them: there,
    /// read on in a task of its own and drop the answer instead.
    #[track_caller]
    pub fn read_pdu<D>(&self, length: D) -> ReadPdu<R, D>
    where
        D: FnMut(&[u8]) -> Option<usize>,
    {
        ReadPdu::new(self.queue.entry(), self.clone(), length)
    }

    /// Takes the last place, now, and returns the future of the next so many bytes. `None` is the end of the stream
    /// before the first of them.
    ///
    /// # Errors
    /// As [`read_pdu`](Self::read_pdu); [`TooLong`](ReadError::TooLong) if it is more than the limit, and nothing is
    /// lost.
    ///
    /// # Cancel safety
    /// As [`read_pdu`](Self::read_pdu).
    #[track_caller]
    pub fn read_exact(
        &self,
        bytes: usize,
    ) -> ReadPdu<R, impl FnMut(&[u8]) -> Option<usize> + use<R>> {
        self.read_pdu(move |_| Some(bytes))
    }
}

impl<R> QueuedReader<R> {
    /// Lets nobody read any more: who waits, in order, and who comes later gets [`ReadError::Closed`]. The call whose
    /// turn it is finishes undisturbed.
    pub fn close(&self) {
        self.queue.close();
    }

    /// Calls that have not ended, the one with the turn included.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }
}

impl<R> Clone for QueuedReader<R> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
            shared: Rc::clone(&self.shared),
        }
    }
}

impl<R> fmt::Debug for QueuedReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuedReader")
            .field("waiting", &self.waiting())
            .field("limit", &self.shared.limit)
            .finish_non_exhaustive()
    }
}
