//! The deadline of a request: one entry in its loop's table of timers.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use tevent_context::Sleep;

use crate::RequestError;

/// A sleep; but a loop that has ended wakes nobody.
pub(crate) struct Deadline(Sleep);

impl Deadline {
    pub(crate) fn new(sleep: Sleep) -> Self {
        Self(sleep)
    }

    pub(crate) fn at(&self) -> Option<Instant> {
        self.0.deadline()
    }

    pub(crate) fn reset(&mut self, at: Instant) {
        self.0.reset(at);
    }

    /// Whether the loop has ended that keeps it.
    #[inline]
    pub(crate) fn is_orphan(&self) -> bool {
        self.0.handle().has_ended()
    }

    /// Ready with the reason why the request ends here.
    pub(crate) fn poll<E>(&mut self, cx: &mut Context<'_>) -> Poll<RequestError<E>> {
        if self.is_orphan() {
            return Poll::Ready(RequestError::Abandoned);
        }
        let sleep = Pin::new(&mut self.0);
        sleep.poll(cx).map(|()| RequestError::TimedOut)
    }
}
