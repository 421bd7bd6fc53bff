//! The deadline of a request: one entry in its loop's table of timers.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use tevent_context::{Handle, Sleep};

use crate::RequestError;

/// A sleep, and the loop that keeps it: a loop that has ended wakes nobody.
pub(crate) struct Deadline {
    handle: Handle,
    sleep: Sleep,
}

impl Deadline {
    pub(crate) fn new(handle: Handle, sleep: Sleep) -> Self {
        Self { handle, sleep }
    }

    pub(crate) fn at(&self) -> Option<Instant> {
        self.sleep.deadline()
    }

    pub(crate) fn reset(&mut self, at: Instant) {
        self.sleep.reset(at);
    }

    /// Whether the loop has ended that keeps it.
    #[inline]
    pub(crate) fn is_orphan(&self) -> bool {
        self.handle.has_ended()
    }

    /// Ready with the reason why the request ends here.
    pub(crate) fn poll<E>(&mut self, cx: &mut Context<'_>) -> Poll<RequestError<E>> {
        if self.is_orphan() {
            return Poll::Ready(RequestError::Abandoned);
        }
        let sleep = Pin::new(&mut self.sleep);
        sleep.poll(cx).map(|()| RequestError::TimedOut)
    }
}
