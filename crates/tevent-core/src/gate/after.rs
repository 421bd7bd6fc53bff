//! What has to be done after the borrow or lock around a gate has ended.

use std::task::Waker;

use crate::{line::Place, panics::Panics};

/// What has to be done after the borrow or lock around the gate has ended.
#[must_use = "a granted entry has to be woken"]
#[derive(Default)]
pub struct After {
    pub(super) grant: Option<Grant>,
    pub(super) discard: Option<Waker>,
}

/// An entry that has been granted and has to be woken.
pub struct Grant {
    pub(super) place: Place,
    pub(super) waker: Waker,
}

impl After {
    /// Wakes who was granted and drops what is no longer needed; `settle` is [`Gate::settle`](super::Gate::settle)
    /// behind its borrow or lock.
    ///
    /// # Panics
    /// With the first panic of a waker, after the others have been woken; not if the thread is panicking already.
    #[inline]
    pub fn carry_out(self, settle: impl FnMut(Grant) -> After) {
        if self.grant.is_some() || self.discard.is_some() {
            self.wake_and_drop(settle);
        }
    }

    #[inline(never)]
    fn wake_and_drop(mut self, mut settle: impl FnMut(Grant) -> After) {
        let mut panics = Panics::default();
        while let Some(grant) = self.grant.take() {
            panics.guard(|| grant.waker.wake_by_ref());
            let discard = self.discard.take();
            self = settle(grant);
            panics.guard(|| drop(discard));
        }
        panics.guard(|| drop(self.discard));
        panics.resume();
    }
}
