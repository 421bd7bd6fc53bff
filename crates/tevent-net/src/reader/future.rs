//! One call of a reader: waits for its turn, then for its PDU.

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::io::AsyncRead;
use tevent_core::panics::Panics;
use tevent_queue::{QueueEntry, QueueGuard};

use super::{QueuedReader, ReadError};

/// The future of [`QueuedReader::read_pdu`] and [`QueuedReader::read_exact`].
///
/// # Cancel safety
/// Dropping it leaves the line and loses nothing: the PDU goes whole to the next call.
///
/// # Panics
/// When polled after it was ready.
#[must_use = "dropping it gives its place in the line up"]
pub struct ReadPdu<R, D> {
    // Dropped before the reader's handle: a turn ends while the reader is there.
    stage: Stage,
    reader: QueuedReader<R>,
    length: D,
    /// What `length` has told.
    known: Option<usize>,
}

enum Stage {
    Waiting(QueueEntry),
    Reading(QueueGuard),
    Over,
}

impl<R, D> ReadPdu<R, D> {
    pub(super) fn new(entry: QueueEntry, reader: QueuedReader<R>, length: D) -> Self {
        Self {
            stage: Stage::Waiting(entry),
            reader,
            length,
            known: None,
        }
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReadError>> {
        match &mut self.stage {
            Stage::Waiting(entry) => match ready!(Pin::new(entry).poll(cx)) {
                Ok(guard) => self.stage = Stage::Reading(guard),
                Err(_) => return Poll::Ready(Err(ReadError::Closed)),
            },
            Stage::Reading(_) => {}
            Stage::Over => panic!("a read of a queued reader was polled after it was ready"),
        }
        Poll::Ready(Ok(()))
    }
}

impl<R, D> ReadPdu<R, D>
where
    R: AsyncRead + Unpin,
    D: FnMut(&[u8]) -> Option<usize>,
{
    /// Reads, in the turn. The stream is out of the reader meanwhile: if it panics, it is gone.
    fn poll_pdu(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, ReadError>> {
        let shared = &self.reader.shared;
        let Some(mut stream) = shared.stream.take() else {
            return Poll::Ready(Err(ReadError::Panicked));
        };
        let polled = stream.poll_pdu(cx, shared.limit, &mut self.known, &mut self.length);
        shared.stream.set(Some(stream));
        polled
    }
}

impl<R, D> Future for ReadPdu<R, D>
where
    R: AsyncRead + Unpin,
    D: FnMut(&[u8]) -> Option<usize>,
{
    type Output = Result<Option<Bytes>, ReadError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let output = match ready!(self.poll_turn(cx)) {
            Ok(()) => ready!(self.poll_pdu(cx)),
            Err(error) => Err(error),
        };
        // A panic of the next one's waker must not cost this one what it has read.
        let mut panics = Panics::default();
        let stage = mem::replace(&mut self.stage, Stage::Over);
        panics.guard(|| drop(stage));
        panics.discard();
        Poll::Ready(output)
    }
}

/// Nothing in it is pinned: the stream is in the reader, and is `Unpin` itself.
impl<R, D> Unpin for ReadPdu<R, D> {}

impl<R, D> fmt::Debug for ReadPdu<R, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_tuple("ReadPdu");
        match &self.stage {
            Stage::Waiting(entry) => shown.field(entry),
            Stage::Reading(guard) => shown.field(guard),
            Stage::Over => shown.field(&"over"),
        };
        shown.finish()
    }
}
