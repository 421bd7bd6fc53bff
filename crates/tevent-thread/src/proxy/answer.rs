//! The working end of a reply: whatever happens to it, whoever asked learns of it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;
use tevent_context::TaskError;
use tevent_core::panics::Panics;

use crate::reply::Reply;

/// What whoever asked is told.
pub(super) type Outcome<T> = Result<T, TaskError>;

/// Finishes a reply, once. Dropped before, it says that the work was cancelled.
pub(super) struct Answer<T> {
    /// Until it is finished.
    reply: Option<Arc<Reply<Outcome<T>>>>,
}

impl<T> Answer<T> {
    /// Both ends.
    pub(super) fn new() -> (Self, Arc<Reply<Outcome<T>>>) {
        let reply = Arc::new(Reply::new());
        let answer = Self {
            reply: Some(Arc::clone(&reply)),
        };
        (answer, reply)
    }

    /// Whether nobody wants it any more.
    pub(super) fn is_cancelled(&self) -> bool {
        self.reply.as_ref().is_none_or(|reply| reply.is_cancelled())
    }

    fn poll_cancelled(&self, waker: &Waker) -> bool {
        let reply = self.reply.as_ref();
        reply.is_none_or(|reply| reply.poll_cancelled(waker))
    }

    pub(super) fn finish(&mut self, outcome: Outcome<T>) {
        if let Some(reply) = self.reply.take() {
            reply.finish(outcome);
        }
    }

    /// Finishes it with what `work` gives, or throws.
    pub(super) fn finish_with(mut self, work: impl FnOnce() -> T) {
        let outcome = caught(work);
        self.finish(outcome);
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        self.finish(Err(TaskError::Cancelled));
    }
}

/// What `work` gives, or throws.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Outcome<T> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|thrown: Box<dyn Any + Send>| TaskError::Panicked(thrown))
}

pin_project! {
    /// A future that works for somebody elsewhere. It lives and dies on the loop's thread: when he is gone, it is told,
    /// and ends here.
    pub(super) struct Work<F: Future> {
        // Until it has ended.
        #[pin]
        future: Option<F>,
        answer: Answer<F::Output>,
    }
}

impl<F: Future> Work<F> {
    pub(super) fn new(future: F, answer: Answer<F::Output>) -> Self {
        Self {
            future: Some(future),
            answer,
        }
    }
}

impl<F: Future> Future for Work<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let polled = match this.future.as_mut().as_pin_mut() {
            Some(future) if !this.answer.is_cancelled() => caught(|| future.poll(cx)),
            _ => return Poll::Ready(()),
        };
        let outcome = match polled {
            Ok(Poll::Pending) if this.answer.poll_cancelled(cx.waker()) => return Poll::Ready(()),
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(error) => Err(error),
        };
        // The future goes first: when the outcome is known, nothing is left of the work.
        let mut panics = Panics::default();
        panics.guard(|| this.future.set(None));
        panics.guard(|| this.answer.finish(outcome));
        panics.resume();
        Poll::Ready(())
    }
}
