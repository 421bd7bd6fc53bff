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
    /// The entry that is about to be woken, if there is one.
    #[inline]
    #[must_use]
    pub fn granted(&self) -> Option<Place> {
        self.grant.as_ref().map(|grant| grant.place)
    }

    /// Wakes who was granted and drops what is no longer needed; `settle` is [`Gate::settle`](super::Gate::settle)
    /// behind its borrow or lock.
    ///
    /// # Panics
    /// With the first panic of a waker, after the others have been woken; not if the thread is panicking already.
    pub fn carry_out(mut self, settle: impl FnMut(&mut Self)) {
        self.carry_out_here(settle);
    }

    /// The same, where it lies.
    ///
    /// # Panics
    /// As [`carry_out`](Self::carry_out).
    #[inline]
    pub fn carry_out_here(&mut self, settle: impl FnMut(&mut Self)) {
        if self.grant.is_some() || self.discard.is_some() {
            self.wake_and_drop(settle);
        }
    }

    #[inline(never)]
    fn wake_and_drop(&mut self, mut settle: impl FnMut(&mut Self)) {
        let mut panics = Panics::default();
        while let Some(grant) = &self.grant {
            panics.guard(|| grant.waker.wake_by_ref());
            self.drop_discarded(&mut panics);
            settle(self);
        }
        self.drop_discarded(&mut panics);
        panics.resume();
    }

    #[inline]
    fn drop_discarded(&mut self, panics: &mut Panics) {
        if self.discard.is_some() {
            let discard = self.discard.take();
            panics.guard(|| drop(discard));
        }
    }
}
