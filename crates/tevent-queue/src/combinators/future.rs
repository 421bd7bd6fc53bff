//! Futures that run at their turn: `future.queued(&queue)`.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use crate::{QueueEntry, QueueError, QueueGuard, TeventQueue};

/// Serialises futures by a queue.
pub trait QueueExt: Future + Sized {
    /// Takes the last place in the queue, now, and at its turn polls the future to its end.
    ///
    /// The output is the future's own, or [`QueueError::Closed`] if the queue was closed before its turn; then the
    /// future has never been polled.
    ///
    /// ```
    /// use futures::executor::block_on;
    /// use tevent_queue::{QueueError, QueueExt, TeventQueue};
    ///
    /// let queue = TeventQueue::new("disk");
    /// let answer = async { 42 }.queued(&queue);
    /// assert_eq!(queue.len(), 1);
    /// assert_eq!(block_on(answer), Ok(42));
    ///
    /// queue.close();
    /// assert_eq!(block_on(async { 42 }.queued(&queue)), Err(QueueError::Closed));
    /// ```
    #[track_caller]
    fn queued(self, queue: &TeventQueue) -> QueuedFuture<Self> {
        QueuedFuture {
            section: Some(self),
            stage: Stage::Waiting {
                entry: queue.entry(),
            },
        }
    }
}

impl<F: Future> QueueExt for F {}

pin_project! {
    /// The future of [`QueueExt::queued`].
    ///
    /// # Cancel safety
    /// Dropping it leaves the line before its turn, and ends the section during its turn: the inner future is dropped
    /// first, then the turn passes on. So does a panic in the inner future.
    ///
    /// # Panics
    /// When polled after it was ready, or after the inner future panicked.
    #[must_use = "futures do nothing unless polled"]
    pub struct QueuedFuture<F> {
        // Dropped in this order: the section has ended before its turn does.
        #[pin]
        section: Option<F>,
        stage: Stage,
    }
}

#[derive(Debug)]
enum Stage {
    Waiting { entry: QueueEntry },
    Holding { _guard: QueueGuard },
    Over,
}

impl<F: Future> Future for QueuedFuture<F> {
    type Output = Result<F::Output, QueueError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Stage::Waiting { entry } = this.stage {
            *this.stage = match ready!(Pin::new(entry).poll(cx)) {
                Ok(guard) => Stage::Holding { _guard: guard },
                Err(error) => {
                    *this.stage = Stage::Over;
                    this.section.set(None);
                    return Poll::Ready(Err(error));
                }
            };
        }
        let Stage::Holding { .. } = this.stage else {
            panic!("a `QueuedFuture` was polled after it was ready");
        };
        let mut turn = HeldTurn {
            section: this.section,
            stage: this.stage,
        };
        let section = turn.section.as_mut().as_pin_mut();
        let section = section.expect("the section lives as long as the turn");
        let polled = section.poll(cx);
        if polled.is_pending() {
            mem::forget(turn);
        }
        polled.map(Ok)
    }
}

/// Ends a turn, also when the section panics: first the section is dropped, then the turn passes on.
struct HeldTurn<'a, F> {
    section: Pin<&'a mut Option<F>>,
    stage: &'a mut Stage,
}

impl<F> Drop for HeldTurn<'_, F> {
    fn drop(&mut self) {
        self.section.set(None);
        *self.stage = Stage::Over;
    }
}

impl<F> fmt::Debug for QueuedFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QueuedFuture").field(&self.stage).finish()
    }
}
