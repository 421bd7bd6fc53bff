//! Futures that run at their turn: `future.queued(&queue)`.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::turn::{Turn, end, in_turn};
use crate::{Face, Local, QueueError, TeventQueue};

/// Serialises futures by a queue.
pub trait QueueExt: Future + Sized {
    /// Takes the last place in the queue, now, and at its turn polls the future to its end.
    ///
    /// The output is the future's own, or [`QueueError::Closed`] if the queue was closed before its turn; then the
    /// future has never been polled. For a [`SyncTeventQueue`](crate::SyncTeventQueue) the future of it all is `Send`
    /// if this one is.
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
    fn queued<F: Face>(self, queue: &TeventQueue<F>) -> QueuedFuture<Self, F> {
        QueuedFuture {
            section: Some(self),
            turn: Turn::Waiting {
                entry: queue.entry(),
            },
        }
    }
}

impl<Fut: Future> QueueExt for Fut {}

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
    pub struct QueuedFuture<Fut, F: Face = Local> {
        // Dropped in this order: the section has ended before its turn does. `None` once it is over.
        #[pin]
        section: Option<Fut>,
        turn: Turn<F>,
    }
}

impl<Fut: Future, F: Face> Future for QueuedFuture<Fut, F> {
    type Output = Result<Fut::Output, QueueError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        assert!(
            this.section.is_some(),
            "a `QueuedFuture` was polled after it was ready"
        );
        if let Err(error) = ready!(this.turn.poll(cx)) {
            this.section.set(None);
            return Poll::Ready(Err(error));
        }
        let section = this.section.as_mut();
        let output = ready!(in_turn(section, this.turn, |section| section.poll(cx)));
        end(this.section, this.turn);
        Poll::Ready(Ok(output))
    }
}

impl<Fut, F: Face> fmt::Debug for QueuedFuture<Fut, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.section {
            Some(_) => f.debug_tuple("QueuedFuture").field(&self.turn).finish(),
            None => f.write_str("QueuedFuture(Over)"),
        }
    }
}
