//! The loop's end of a road: takes what has come, and hands it on, within the allowance of a turn.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use tevent_context::Handle;
use tevent_core::panics::Panics;

use super::channel::Messages;
use super::counts::Counts;
use super::road::{Road, wake_all};

/// Owned by the handler of the inbox: its drop is the end of the road, on the loop's thread.
pub(super) struct Drain<T, F> {
    road: Arc<Road<T>>,
    counts: Rc<Counts>,
    /// Until the end.
    messages: Option<Messages<T>>,
    handler: F,
}

impl<T, F> Drain<T, F> {
    pub(super) fn new(
        road: Arc<Road<T>>,
        counts: Rc<Counts>,
        messages: Messages<T>,
        handler: F,
    ) -> Self {
        Self {
            road,
            counts,
            messages: Some(messages),
            handler,
        }
    }

    fn next(&self) -> Option<T> {
        self.messages.as_ref()?.next()
    }
}

impl<T, F: FnMut(&Handle, T)> Drain<T, F> {
    /// Handles messages that were there before this call, and no more than allowed; if some are left, it is called
    /// again. Returns how many it has handled.
    pub(super) fn run(&mut self, handle: &Handle, allowance: usize) -> usize {
        let there = self.messages.as_ref().map_or(0, Messages::len);
        self.counts.find(there);
        let mut handled = 0;
        while handled < there.min(allowance)
            && self.is_open(handle)
            && let Some(message) = self.next()
        {
            handled += 1;
            self.hand_on(handle, message);
        }
        if there > allowance {
            self.road.ring();
        }
        if handled > 0 {
            wake_all(self.road.channel.give(handled));
        }
        handled
    }

    /// A handler may close its own mailbox, or fork: in the child the rest is the parent's.
    #[inline]
    fn is_open(&self, handle: &Handle) -> bool {
        !self.road.is_deaf() && !handle.has_ended()
    }

    #[inline]
    fn hand_on(&mut self, handle: &Handle, message: T) {
        self.counts.receive();
        let call = AssertUnwindSafe(|| (self.handler)(handle, message));
        if let Err(thrown) = catch_unwind(call) {
            self.counts.panic(thrown);
        }
    }
}

/// Nothing is lost in silence: what was accepted and not handled is counted, and dropped here, first come, first
/// dropped.
impl<T, F> Drop for Drain<T, F> {
    fn drop(&mut self) {
        let mut panics = Panics::default();
        panics.guard(|| self.road.close());
        while let Some(message) = self.next() {
            self.counts.drop_some(1);
            panics.guard(|| drop(message));
        }
        // What was sent since the road was looked at last.
        if let Some(messages) = self.messages.take() {
            self.counts.drop_some(messages.discard());
        }
        panics.resume();
    }
}
