//! A permit: what is given goes to the first who waits, or is kept for the first who comes.
//!
//! ```text
//!   Withheld --1 give--> Given       wakes the first in the line
//!       ^                  |         2 take     by the first in the line only; by anybody if it is empty
//!       +------- 2 --------+         3 leave    by the first, while it is given: wakes the next
//! ```
//!
//! Given twice and not taken is given once. Whose turn it is follows from the line, so there is no other state that
//! could be out of step with it: who was woken and goes away leaves the permit to the next.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};

use tevent_core::line::{Line, Place};
use tevent_core::panics::Panics;

#[derive(Default)]
pub(crate) struct Permit {
    given: Cell<bool>,
    closed: Cell<bool>,
    /// Those who wait, in the order in which they came; without a waker once they were woken.
    line: RefCell<Line<Option<Waker>>>,
}

impl Permit {
    /// Arrow 1.
    pub(crate) fn give(&self) {
        self.given.set(true);
        self.wake_first();
    }

    /// Nothing is given any more, and what was given is taken back; all who wait are told.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.given.set(false);
        let line = self.line.take();
        let mut panics = Panics::default();
        for place in line.places() {
            let waker = line.get(place).and_then(Option::as_ref);
            panics.guard(|| waker.into_iter().for_each(Waker::wake_by_ref));
        }
        panics.guard(|| drop(line));
        panics.resume();
    }

    /// Arrow 2 for who stands at `place`, or stands there after this. `None` if it is closed.
    pub(crate) fn poll_take(
        &self,
        place: &mut Option<Place>,
        cx: &Context<'_>,
    ) -> Poll<Option<()>> {
        if self.closed.get() {
            *place = None;
            return Poll::Ready(None);
        }
        if self.given.get() && self.line.borrow().front() == *place {
            self.given.set(false);
            self.leave(place);
            return Poll::Ready(Some(()));
        }
        self.wait(place, cx.waker());
        Poll::Pending
    }

    /// Arrow 3, or less.
    pub(crate) fn leave(&self, place: &mut Option<Place>) {
        let Some(place) = place.take() else {
            return;
        };
        let left = self.line.borrow_mut().leave(place);
        // No borrow is held: wakers are foreign code.
        drop(left);
        if self.given.get() {
            self.wake_first();
        }
    }

    fn wait(&self, place: &mut Option<Place>, waker: &Waker) {
        let known = place.and_then(|place| self.waker(place));
        let waker = match known {
            Some(known) if known.will_wake(waker) => known,
            known => {
                drop(known);
                waker.clone()
            }
        };
        let mut line = self.line.borrow_mut();
        match place.and_then(|place| line.get_mut(place)) {
            Some(seat) => *seat = Some(waker),
            None => *place = Some(line.join(Some(waker))),
        }
    }

    fn wake_first(&self) {
        let first = self.line.borrow().front();
        if let Some(waker) = first.and_then(|first| self.waker(first)) {
            waker.wake();
        }
    }

    fn waker(&self, place: Place) -> Option<Waker> {
        self.line.borrow_mut().get_mut(place)?.take()
    }
}
