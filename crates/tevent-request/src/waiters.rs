//! Tasks that wait for the same thing, woken together in the order in which they came.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    mem,
    task::Waker,
};

use tevent_core::panics::Panics;

/// It may grow: each is a future that somebody holds, and it leaves when that is dropped.
#[derive(Default)]
pub(crate) struct Waiters {
    next: Cell<u64>,
    wakers: RefCell<BTreeMap<u64, Waker>>,
}

impl Waiters {
    /// Waits with this waker from now on; `key` names the place, and is set when there was none.
    pub(crate) fn register(&self, key: &mut Option<u64>, waker: &Waker) {
        let known = key.and_then(|key| {
            let wakers = self.wakers.borrow();
            wakers.get(&key).map(|known| known.will_wake(waker))
        });
        if known == Some(true) {
            return;
        }
        // Clones and drops of wakers are foreign code: no borrow is held.
        let waker = waker.clone();
        let place = key.unwrap_or_else(|| self.next.replace(self.next.get() + 1));
        *key = Some(place);
        let old = self.wakers.borrow_mut().insert(place, waker);
        drop(old);
    }

    pub(crate) fn remove(&self, key: Option<u64>) {
        let waker = key.and_then(|key| self.wakers.borrow_mut().remove(&key));
        drop(waker);
    }

    /// Wakes all; a waker that panics keeps none from being woken.
    pub(crate) fn wake_all(&self, panics: &mut Panics) {
        let wakers = mem::take(&mut *self.wakers.borrow_mut());
        for waker in wakers.into_values() {
            panics.guard(|| waker.wake());
        }
    }
}
