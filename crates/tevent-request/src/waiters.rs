//! Tasks that wait for the same thing, in the order in which they came.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    task::Waker,
};

use tevent_core::panics::Panics;

use crate::foreign::quietly;

/// It may grow: each is a future that somebody holds, and it leaves when that is dropped.
#[derive(Default)]
pub(crate) struct Waiters {
    next: Cell<u64>,
    /// Who has been woken keeps his place until he leaves; `None` then.
    places: RefCell<BTreeMap<u64, Option<Waker>>>,
}

impl Waiters {
    /// Waits with this waker from now on; `key` names the place, and is set when there was none.
    pub(crate) fn register(&self, key: &mut Option<u64>, waker: &Waker) {
        if key.is_some_and(|key| self.waits_with(key, waker)) {
            return;
        }
        // Clones and drops of wakers are foreign code: no borrow is held.
        let waker = waker.clone();
        let place = *key.get_or_insert_with(|| self.next.replace(self.next.get() + 1));
        let old = self.places.borrow_mut().insert(place, Some(waker));
        drop(old);
    }

    fn waits_with(&self, key: u64, waker: &Waker) -> bool {
        let places = self.places.borrow();
        let known = places.get(&key).and_then(Option::as_ref);
        known.is_some_and(|known| known.will_wake(waker))
    }

    /// Leaves, if there was a place. Destructors call this: a panic of the waker's own would abort the process there.
    pub(crate) fn remove(&self, key: &mut Option<u64>) {
        let waker = key
            .take()
            .and_then(|key| self.places.borrow_mut().remove(&key));
        quietly(|panics| panics.guard(|| drop(waker)));
    }

    /// Whether nobody is before this place; for who has none, whether nobody waits.
    pub(crate) fn is_first(&self, key: Option<u64>) -> bool {
        let places = self.places.borrow();
        let first = places.first_key_value().map(|(first, _)| *first);
        first.is_none() || first == key
    }

    /// Wakes whoever came first.
    pub(crate) fn wake_first(&self, panics: &mut Panics) {
        let first = self
            .places
            .borrow_mut()
            .first_entry()
            .and_then(|mut first| first.get_mut().take());
        if let Some(waker) = first {
            panics.guard(|| waker.wake());
        }
    }

    /// Wakes all; a waker that panics keeps none from being woken.
    pub(crate) fn wake_all(&self, panics: &mut Panics) {
        let wakers: Vec<_> = self
            .places
            .borrow_mut()
            .values_mut()
            .filter_map(Option::take)
            .collect();
        for waker in wakers {
            panics.guard(|| waker.wake());
        }
    }
}
