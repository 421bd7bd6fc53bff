//! The loop's end of a road: takes what has come, and hands it on, within the allowance of a turn.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use tevent_context::Handle;
use tevent_core::panics::Panics;

use super::channel::Channel;
use super::counts::Counts;
use super::road::{Road, wake_all};

/// Owned by the handler of the inbox: its drop is the end of the road, on the loop's thread.
pub(super) struct Drain<T, F> {
    road: Arc<Road<T>>,
    counts: Rc<Counts>,
    /// Taken, and not handled yet.
    batch: VecDeque<T>,
    /// The capacity of the buffer that the senders have.
    lent: usize,
    handler: F,
}

impl<T, F> Drain<T, F> {
    pub(super) fn new(road: Arc<Road<T>>, counts: Rc<Counts>, handler: F) -> Self {
        Self {
            road,
            counts,
            batch: VecDeque::new(),
            lent: 0,
            handler,
        }
    }

    /// Takes what has come, unless something is left of the last time.
    fn take(&mut self) {
        if self.batch.is_empty() {
            self.lent = self.batch.capacity();
            self.road.channel.take(&mut self.batch);
            self.counts.take(self.batch.len());
        }
    }

    /// A burst has passed: its memory is not kept.
    fn give_memory_back(&mut self) {
        let largest = self.batch.capacity().max(self.lent);
        if self.batch.is_empty() && Channel::<T>::is_large(largest) {
            self.road.channel.give_memory_back(&mut self.batch);
        }
    }
}

impl<T, F: FnMut(&Handle, T)> Drain<T, F> {
    /// Handles messages that were there before this call, and no more than allowed; if some are left, it is called
    /// again. Returns how many it has handled.
    pub(super) fn run(&mut self, handle: &Handle, allowance: usize) -> usize {
        let was_left = !self.batch.is_empty();
        self.take();
        let mut handled = 0;
        while handled < allowance
            && self.is_open(handle)
            && let Some(message) = self.batch.pop_front()
        {
            handled += 1;
            self.hand_on(handle, message);
        }
        // Nobody rings for what has come while something was left.
        if was_left || !self.batch.is_empty() {
            self.road.ring();
        }
        self.give_memory_back();
        if self.road.is_bounded() {
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

/// Nothing is lost in silence: what was accepted and not handled is counted, and dropped here, in order.
impl<T, F> Drop for Drain<T, F> {
    fn drop(&mut self) {
        let mut panics = Panics::default();
        panics.guard(|| self.road.close());
        loop {
            while let Some(message) = self.batch.pop_front() {
                self.counts.drop_one();
                panics.guard(|| drop(message));
            }
            self.road.channel.take(&mut self.batch);
            if self.batch.is_empty() {
                break;
            }
        }
        self.road.channel.give_memory_back(&mut self.batch);
        panics.resume();
    }
}
