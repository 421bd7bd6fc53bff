//! The writer's own task: one loop that drives the stream.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::io::AsyncWrite;

use super::WriteError;
use super::batch::{Batch, Bounds};
use super::shared::Shared;
use super::state::{Finished, State, Step};

/// Rounds in one poll: after so many, others have their turn, however much the stream takes.
const ROUNDS_PER_POLL: u32 = 4;

/// The task of one writer: owns the stream. Dropping it before it has ended fails everybody who waits.
pub(super) struct Driver<S> {
    stream: S,
    shared: Rc<Shared>,
    bounds: Bounds,
    batch: Batch,
    finished: Finished,
}

impl<S: AsyncWrite + Unpin> Driver<S> {
    pub(super) fn new(stream: S, shared: Rc<Shared>, bounds: Bounds) -> Self {
        Self {
            stream,
            shared,
            bounds,
            batch: Batch::default(),
            finished: Finished::default(),
        }
    }

    /// Ready when the stream is closed, or has failed.
    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut rounds = 0;
        loop {
            self.shared.settle(&mut self.finished);
            match self.shared.with(|state| state.next_step()) {
                Step::Write | Step::Settle if rounds == ROUNDS_PER_POLL => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Step::Write => {
                    ready!(self.write_batch(cx))?;
                    rounds += 1;
                }
                Step::Settle => rounds += 1,
                Step::Flush => ready!(self.flush(cx))?,
                Step::Close => return Pin::new(&mut self.stream).poll_close(cx),
                Step::Idle => {
                    self.shared.set_idle();
                    return Poll::Pending;
                }
            }
        }
    }

    fn write_batch(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { batch, shared, .. } = self;
        let offered = shared.with(|state| batch.gather(state, self.bounds));
        let written = batch.poll_write(Pin::new(&mut self.stream), cx);
        shared.with(|state| batch.give_back(state));
        match ready!(written)? {
            0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            // Nobody knows what has become of the records: none may end well.
            count if count > offered => Poll::Ready(Err(took_more_than_offered())),
            count => {
                shared.with(|state| state.take(count));
                Poll::Ready(Ok(()))
            }
        }
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // New records need not wait for the end of a flush that nobody waits for.
        self.shared.set_idle();
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.shared.with(State::flushed);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Future for Driver<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.shared.register_task(cx.waker());
        match ready!(self.drive(cx)) {
            Ok(()) => self.shared.end(|_| Ok(())),
            Err(error) => self.shared.end(|sent| {
                Err(WriteError::Io {
                    error: Arc::new(error),
                    sent,
                })
            }),
        }
        Poll::Ready(())
    }
}

impl<S> Drop for Driver<S> {
    fn drop(&mut self) {
        self.shared.end(|sent| Err(WriteError::Ended { sent }));
    }
}

#[cold]
fn took_more_than_offered() -> io::Error {
    let message = "the stream says that it took more bytes than it was offered";
    io::Error::new(io::ErrorKind::InvalidData, message)
}
