//! A future that works for somebody elsewhere: it lives and dies on the thread of its loop.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tevent_context::{Handle, TaskError};
use tevent_core::panics::Panics;

use super::errand::{Outcome, Spawn, caught};

pin_project! {
    /// The task. When whoever asked is gone, it is woken, and ends. Dropped before its end, it says that it was
    /// cancelled.
    pub(super) struct Work<M, F: Future> {
        // Until it has ended.
        #[pin]
        future: Option<F>,
        answer: Answer<M, F::Output>,
    }
}

/// The working end of an errand. Dropped after the future.
struct Answer<M, T> {
    /// Until it is told.
    errand: Option<Arc<Spawn<M, T>>>,
    handle: Handle,
}

impl<M, F: Future> Work<M, F> {
    pub(super) fn new(future: F, errand: Arc<Spawn<M, F::Output>>, handle: Handle) -> Self {
        let answer = Answer {
            errand: Some(errand),
            handle,
        };
        Self {
            future: Some(future),
            answer,
        }
    }
}

impl<M, T> Answer<M, T> {
    fn is_cancelled(&self) -> bool {
        self.errand
            .as_ref()
            .is_none_or(|errand| errand.0.is_cancelled())
    }

    fn poll_cancelled(&self, cx: &Context<'_>) -> bool {
        let errand = self.errand.as_ref();
        errand.is_none_or(|errand| errand.0.poll_cancelled(cx.waker()))
    }

    fn finish(&mut self, outcome: Outcome<T>) {
        if let Some(errand) = self.errand.take() {
            errand.0.finish(outcome);
        }
    }
}

impl<M, T> Drop for Answer<M, T> {
    fn drop(&mut self) {
        // In a forked child it is for the parent to tell; and who asked may hold the lock there, on a thread that only
        // the parent has.
        if self.errand.is_some() && !self.handle.is_parents() {
            self.finish(Err(TaskError::Cancelled));
        }
    }
}

impl<M, F: Future> Future for Work<M, F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let polled = match this.future.as_mut().as_pin_mut() {
            Some(future) if !this.answer.is_cancelled() => caught(|| future.poll(cx)),
            _ => return Poll::Ready(()),
        };
        let outcome = match polled {
            Ok(Poll::Pending) if this.answer.poll_cancelled(cx) => return Poll::Ready(()),
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
