//! A writer that many tasks share: whole records, in the order of the calls, one system call for all that wait.
//!
//! | call | takes its place | ends when |
//! |---|---|---|
//! | [`write`](QueuedWriter::write) | at the call | the stream has taken the whole record |
//! | [`send`](QueuedWriter::send) | at the call | the record is accepted: it fits under the [limit](Builder::limit) |
//! | [`try_send`](QueuedWriter::try_send) | at the call | at once |
//! | [`flush`](QueuedWriter::flush) | at the call | the stream has taken all before it, and is flushed |
//! | [`close`](QueuedWriter::close) | at the call | the stream has taken all before it, and is closed |
//!
//! For a [`TcpStream`](crate::TcpStream), what the stream has taken is with the kernel.
//!
//! # Rules
//! - Strictly in the order of the calls, of all kinds. No record is ever torn or mixed with another.
//! - Dropping a future withdraws its record if the stream has taken nothing of it; a record that the stream has begun
//!   is finished by the writer.
//! - An error of the stream fails everybody who waits, in order, and everybody who comes later, with the number of
//!   bytes that the stream had taken.
//! - When the last handle is dropped, the writer goes on until all is out, and closes the stream. Futures are not
//!   handles.
//! - When the context ends, so does the writer's task: who waits gets [`WriteError::Ended`], what was accepted is lost.
//! - Accepted records are bounded by the limit. A `write` needs no bound: each is a future that somebody holds.

mod batch;
mod builder;
mod error;
mod futures;
mod node;
mod shared;
mod state;
mod stats;
mod task;

use std::fmt;
use std::rc::Rc;

use ::futures::io::AsyncWrite;
use bytes::Bytes;

use futures::Waiter;
use shared::Shared;
use state::State;

pub use builder::Builder;
pub use error::{TrySendError, WriteError};
pub use futures::{Close, Flush, Send, Write};
pub use stats::WriterStats;

/// Writes whole records of many tasks to one stream; the rules stand at the [module](self).
///
/// A `QueuedWriter` is a handle; clones are handles of the same writer. Not `Send`: it lives on its context's thread.
/// The stream belongs to a task of the writer's own.
///
/// ```
/// use futures::AsyncReadExt;
/// use tevent_context::Context;
/// use tevent_net::{QueuedWriter, TcpListener, TcpStream};
///
/// # fn main() -> std::io::Result<()> {
/// # Context::new()?.block_on(async {
/// # let listener = TcpListener::bind("127.0.0.1:0")?;
/// # let stream = TcpStream::connect(listener.local_addr()?).await?;
/// # let (mut peer, _) = listener.accept().await?;
/// let writer = QueuedWriter::new(stream);
/// let second = writer.clone();
/// let request = writer.write("request "); // has its place now
/// second.send("body").await?; // accepted, behind the request
/// request.await?; // with the kernel
/// writer.close().await?; // and so is all the rest
/// # let mut received = String::new();
/// # peer.read_to_string(&mut received).await?;
/// # assert_eq!(received, "request body");
/// # Ok(())
/// # })
/// # }
/// ```
#[must_use = "dropping the last handle closes the writer"]
pub struct QueuedWriter {
    shared: Rc<Shared>,
}

impl QueuedWriter {
    /// A writer with the bounds that suit most, and its task on the context that runs on this thread.
    ///
    /// # Panics
    /// If no context runs on this thread.
    #[track_caller]
    pub fn new(stream: impl AsyncWrite + Unpin + 'static) -> Self {
        Self::builder().build(stream)
    }

    /// A writer with bounds of one's own.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Hands over a record, now, and returns the future of its end: ready when the stream has taken the whole record.
    ///
    /// # Errors
    /// [`WriteError::Closed`] with the record after [`close`](Self::close); the others when the stream has ended.
    ///
    /// # Cancel safety
    /// Dropping the future withdraws the record if the stream has taken nothing of it; if it has begun, the record is
    /// finished.
    pub fn write(&self, record: impl Into<Bytes>) -> Write {
        let record = record.into();
        Write(match self.shared.hand_over(|state| state.write(record)) {
            Ok(place) => Waiter::at(&self.shared, place),
            Err(refusal) => Waiter::refused(refusal),
        })
    }

    /// Hands over a record, now, and returns the future of its acceptance. It is accepted when its bytes, with those of
    /// all accepted records that the stream has not taken, are within the [limit](Builder::limit); one that is larger
    /// than the limit, when no others are unsent. Most are accepted at the call.
    ///
    /// What happens to an accepted record shows at the next [`flush`](Self::flush) or [`close`](Self::close).
    ///
    /// # Errors
    /// [`WriteError::Closed`] with the record after [`close`](Self::close); the others when the stream has ended.
    ///
    /// # Cancel safety
    /// Dropping the future before the record is accepted withdraws it. A record that was accepted goes out.
    #[inline]
    pub fn send(&self, record: impl Into<Bytes>) -> Send {
        let record = record.into();
        if self.append(&record) {
            return Send(Waiter::done(Ok(())));
        }
        self.send_whole(record)
    }

    /// Hands over a record if it is accepted at once; see [`send`](Self::send).
    ///
    /// # Errors
    /// [`TrySendError`], with the record.
    pub fn try_send(&self, record: impl Into<Bytes>) -> Result<(), TrySendError> {
        let record = record.into();
        if self.append(&record) {
            return Ok(());
        }
        self.shared.hand_over(|state| state.try_send(record))
    }

    /// Waits until all that was handed over before this call is with the stream, and the stream is flushed.
    ///
    /// # Errors
    /// [`WriteError::Io`], [`WriteError::Ended`]: also if the stream has ended before.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect on the records.
    pub fn flush(&self) -> Flush {
        let place = self.shared.hand_over(State::flush);
        Flush(self.waiter(place))
    }

    /// Takes no more records, from any handle; waits until all that was handed over is out, and closes the stream.
    ///
    /// A second close waits for the same end.
    ///
    /// # Errors
    /// [`WriteError::Io`], [`WriteError::Ended`]: also if the stream has ended before.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect: the writer goes on closing.
    pub fn close(&self) -> Close {
        let place = self.shared.hand_over(|state| {
            state.close();
            state.wait_for_close()
        });
        Close(self.waiter(place))
    }

    /// Whether the writer takes no more records: it was closed, or the stream has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.with(|state| !state.is_open())
    }

    /// What has gone through so far, and what waits.
    #[must_use]
    pub fn stats(&self) -> WriterStats {
        self.shared.with(|state| state.stats())
    }

    /// The short way of a small record: copied, and done with.
    #[inline]
    fn append(&self, record: &[u8]) -> bool {
        record.len() <= batch::COPY_MAX && self.shared.hand_over(|state| state.append(record))
    }

    fn send_whole(&self, record: Bytes) -> Send {
        Send(match self.shared.hand_over(|state| state.send(record)) {
            Ok(Some(place)) => Waiter::at(&self.shared, place),
            Ok(None) => Waiter::done(Ok(())),
            Err(refusal) => Waiter::refused(refusal),
        })
    }

    /// The waiter at a place, or of what is over already.
    fn waiter(&self, place: Option<state::Place>) -> Waiter {
        match place {
            Some(place) => Waiter::at(&self.shared, place),
            None => Waiter::done(self.shared.with(|state| state.result())),
        }
    }
}

impl Clone for QueuedWriter {
    fn clone(&self) -> Self {
        self.shared.handles.update(|handles| handles + 1);
        Self {
            shared: Rc::clone(&self.shared),
        }
    }
}

impl Drop for QueuedWriter {
    fn drop(&mut self) {
        self.shared.handles.update(|handles| handles - 1);
        if self.shared.handles.get() == 0 {
            self.shared.close();
        }
    }
}

impl fmt::Debug for QueuedWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuedWriter")
            .field("closed", &self.is_closed())
            .field("stats", &self.stats())
            .finish()
    }
}
