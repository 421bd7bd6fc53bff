//! The loop's end of a road: takes what has come, and hands it on, within the allowance of a turn.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use tevent_context::Handle;
use tevent_core::panics::Panics;

use super::channel::Messages;
use super::counts::Counts;
use super::road::{Road, wake_all};

/// Owned by the handler of the inbox.
pub(super) struct Drain<T, F> {
    /// Dropped before the end: a panic of its destructor does not keep that from coming, nor the other way round.
    handler: F,
    end: End<T>,
}

/// What the handler is fed from. Its drop is the end of the road, on the loop's thread.
struct End<T> {
    road: Arc<Road<T>>,
    counts: Rc<Counts>,
    /// Until the drop.
    messages: Option<Messages<T>>,
}

impl<T, F> Drain<T, F> {
    pub(super) fn new(
        road: Arc<Road<T>>,
        counts: Rc<Counts>,
        messages: Messages<T>,
        handler: F,
    ) -> Self {
        let end = End {
            road,
            counts,
            messages: Some(messages),
        };
        Self { handler, end }
    }
}

impl<T, F: FnMut(&Handle, T)> Drain<T, F> {
    /// Handles messages that were there before this call, and no more than allowed; if some are left, it is called
    /// again. Returns how many it has handled.
    pub(super) fn run(&mut self, handle: &Handle, allowance: usize) -> usize {
        let there = self.end.len();
        self.end.counts.find(there);
        let mut handled = 0;
        while handled < there.min(allowance)
            && self.end.is_open(handle)
            && let Some(message) = self.end.next()
        {
            handled += 1;
            self.hand_on(handle, message);
        }
        // Closed, nobody waits for room; and in a child it is the parent's.
        if handled > 0 && self.end.is_open(handle) {
            self.end.go_on(handled, there > allowance);
        }
        handled
    }

    #[inline]
    fn hand_on(&mut self, handle: &Handle, message: T) {
        self.end.counts.receive();
        let call = AssertUnwindSafe(|| (self.handler)(handle, message));
        if let Err(thrown) = catch_unwind(call) {
            self.end.counts.panic(thrown);
        }
    }
}

impl<T> End<T> {
    fn len(&self) -> usize {
        self.messages.as_ref().map_or(0, Messages::len)
    }

    #[inline]
    fn next(&self) -> Option<T> {
        self.messages.as_ref()?.next()
    }

    /// A handler may close its own mailbox, or fork: in the child the rest is the parent's.
    #[inline]
    fn is_open(&self, handle: &Handle) -> bool {
        !self.road.is_deaf() && !handle.has_ended()
    }

    /// After so many were handled.
    fn go_on(&self, handled: usize, some_are_left: bool) {
        if some_are_left {
            self.road.ring();
        }
        wake_all(self.road.channel.give(handled));
    }
}

/// Nothing is lost in silence: what was accepted and not handled is counted, and dropped here, first come, first
/// dropped. In a forked child it is left alone: it is the parent's.
impl<T> Drop for End<T> {
    fn drop(&mut self) {
        if self.road.is_parents() {
            mem::forget(self.messages.take());
            return;
        }
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
