//! Room on a bounded road: how many messages may come, and who waits to send one.
//!
//! ```text
//!   (room) ------------------0---------------------> taken     0 room, and nobody waits: taken at once
//!   Waiting --1--> Granted --2---------------------> taken     1 room came, and it is the first   2 polled
//!      |              |
//!      3              4                                        3 dropped: leaves the line
//!      +-> gone       +-> gone                                 4 dropped: its room is the next one's
//! ```
//!
//! Who is granted has left the line, and its room is taken already: nobody comes in between. From every state the close
//! leads to the end: nobody waits any more, and all are refused.

use std::mem;
use std::sync::PoisonError;
use std::task::{Poll, Waker};

use tevent_core::line::{Line, Place};
use tevent_core::sync::Mutex;

/// Why there is no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    Full,
    Closed,
}

pub(crate) struct Room(Mutex<State>);

struct State {
    open: bool,
    room: usize,
    /// Those who wait for room, so there is none: granted, they leave the line.
    line: Line<Option<Waker>>,
}

impl Room {
    pub(crate) fn new(room: usize) -> Self {
        Self(Mutex::new(State {
            open: true,
            room,
            line: Line::new(),
        }))
    }

    /// Arrow 0.
    pub(crate) fn take(&self) -> Result<(), Refusal> {
        self.with(|state| match state.refusal() {
            Some(refusal) => Err(refusal),
            None => {
                state.room -= 1;
                Ok(())
            }
        })
    }

    /// Arrows 0 to 2 for a sender that waits, whose `seat` is kept between its polls. Refused only at the end.
    pub(crate) fn poll_take(
        &self,
        seat: &mut Option<Place>,
        waker: &Waker,
    ) -> Poll<Result<(), Refusal>> {
        // Cloned, and the old one dropped, outside of the lock: it is foreign code.
        let mut waker = Some(waker.clone());
        self.with(|state| {
            if !state.open {
                *seat = None;
                return Poll::Ready(Err(Refusal::Closed));
            }
            if let Some(place) = *seat {
                if let Some(known) = state.line.get_mut(place) {
                    mem::swap(known, &mut waker);
                    return Poll::Pending;
                }
                *seat = None;
                return Poll::Ready(Ok(()));
            }
            if state.refusal().is_some() {
                *seat = Some(state.line.join(waker.take()));
                return Poll::Pending;
            }
            state.room -= 1;
            Poll::Ready(Ok(()))
        })
    }

    /// Arrows 3 and 4: a sender that waited does so no more. Whom that grants is to be woken.
    #[must_use]
    pub(crate) fn leave(&self, seat: Place) -> Vec<Waker> {
        let (waker, woken) = self.with(|state| match state.line.leave(seat) {
            Some(waker) => (waker, Vec::new()),
            None => (None, state.give(1)),
        });
        drop(waker);
        woken
    }

    /// Room for so many more: arrow 1 for those who are to be woken.
    #[must_use]
    pub(crate) fn give(&self, room: usize) -> Vec<Waker> {
        self.with(|state| state.give(room))
    }

    /// The end. Who waits is to be woken.
    #[must_use]
    pub(crate) fn close(&self) -> Vec<Waker> {
        self.with(|state| {
            state.open = false;
            state.room = 0;
            // Room for all of them: they find that it is closed.
            state.give(state.line.len())
        })
    }

    fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        // Nothing of the user's runs under this lock.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn refusal(&self) -> Option<Refusal> {
        if !self.open {
            Some(Refusal::Closed)
        } else if self.room == 0 {
            Some(Refusal::Full)
        } else {
            None
        }
    }

    fn give(&mut self, room: usize) -> Vec<Waker> {
        self.room += room;
        let mut wakers = Vec::new();
        while self.room > 0
            && let Some(first) = self.line.front()
        {
            self.room -= 1;
            wakers.extend(self.line.leave(first).flatten());
        }
        wakers
    }
}
