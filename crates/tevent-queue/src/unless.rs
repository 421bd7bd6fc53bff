//! A wait for the turn that another future may end: `entry.unless(deadline)`.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use crate::{Face, Local, QueueEntry, QueueError, QueueGuard};

pin_project! {
    /// The future of [`QueueEntry::unless`].
    ///
    /// # Cancel safety
    /// Dropping it leaves the line, as dropping the entry does.
    ///
    /// # Panics
    /// When polled after it was ready.
    #[must_use = "dropping it gives the place in the line up"]
    pub struct Unless<U, F: Face = Local> {
        // `None` once the wait is over.
        entry: Option<QueueEntry<F>>,
        #[pin]
        other: Option<U>,
    }
}

impl<U, F: Face> Unless<U, F> {
    pub(crate) fn new(entry: QueueEntry<F>, other: U) -> Self {
        Self {
            entry: Some(entry),
            other: Some(other),
        }
    }
}

impl<U: Future, F: Face> Future for Unless<U, F> {
    type Output = Result<Result<QueueGuard<F>, QueueError>, U::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let (Some(entry), Some(other)) = (this.entry.as_mut(), this.other.as_mut().as_pin_mut())
        else {
            panic!("an `Unless` was polled after it was ready");
        };
        let output = match Pin::new(entry).poll(cx) {
            Poll::Ready(turn) => Ok(turn),
            Poll::Pending => match other.poll(cx) {
                Poll::Ready(output) => Err(output),
                Poll::Pending => return Poll::Pending,
            },
        };
        // Out of the line first: the other's destructor is foreign code.
        *this.entry = None;
        this.other.set(None);
        Poll::Ready(output)
    }
}

impl<U, F: Face> fmt::Debug for Unless<U, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unless").field(&self.entry).finish()
    }
}
