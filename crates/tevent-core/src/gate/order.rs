//! The entries of a gate in the order in which they joined: one that came alone, then a line.
//!
//! Most entries of most gates meet nobody. Who joins a vacant gate therefore gets a node of its own, without links and
//! without a table. It stays the first until it leaves, as all others join after it.

use std::{iter, panic::Location, task::Waker};

use super::state::{Mark, Origin, State, Ticket, Waiter};
use crate::line::{Line, Place};

pub(super) struct Order {
    lone: Lone,
    line: Line<Waiter, Mark>,
}

/// The node of who came alone.
struct Lone {
    /// `Place::NOWHERE` while the node is free.
    place: Place,
    generation: u32,
    mark: Mark,
    /// Without a waker while the node is free.
    waiter: Waiter,
}

impl Order {
    pub(super) fn new() -> Self {
        let lone = Lone {
            place: Place::NOWHERE,
            generation: 0,
            mark: Mark::default(),
            waiter: Waiter::new(Location::caller()),
        };
        Self {
            lone,
            line: Line::default(),
        }
    }

    /// Whether nobody has a place, not even outside the line.
    #[inline]
    pub(super) fn is_vacant(&self) -> bool {
        self.lone.place == Place::NOWHERE && self.line.is_empty()
    }

    /// Takes the first place in a vacant order.
    #[inline]
    pub(super) fn join_alone(&mut self, origin: Origin, mark: Mark) -> Place {
        debug_assert!(self.is_vacant(), "somebody else is here");
        let lone = &mut self.lone;
        lone.generation = lone.generation.wrapping_add(1);
        lone.place = Place::alone(lone.generation);
        lone.mark = mark;
        lone.waiter.ticket = Ticket::new(origin);
        lone.place
    }

    /// Takes the last place.
    #[inline]
    pub(super) fn join(&mut self, origin: Origin, mark: Mark) -> Place {
        self.line.join_with_mark(mark, Waiter::new(origin))
    }

    /// Marks a place as held if it has been granted to somebody who came alone.
    #[inline]
    pub(super) fn hold_alone(&mut self, place: Place) -> bool {
        let lone = &mut self.lone;
        let is_granted = lone.place == place && lone.mark.state == State::Granted;
        if is_granted {
            lone.mark.state = State::Held;
        }
        is_granted
    }

    /// Gives a place up if it is held by somebody who is, and stayed, alone.
    #[inline]
    pub(super) fn leave_alone(&mut self, place: Place) -> bool {
        let lone = &mut self.lone;
        let is_alone = lone.place == place
            && lone.mark.state == State::Held
            && lone.waiter.waker.is_none()
            && self.line.is_empty();
        if is_alone {
            lone.place = Place::NOWHERE;
        }
        is_alone
    }

    /// Gives a place up; `None` if it is no longer good.
    #[inline]
    pub(super) fn leave(&mut self, place: Place) -> Option<(Mark, Option<Waker>)> {
        let lone = &mut self.lone;
        if lone.place == place {
            lone.place = Place::NOWHERE;
            return Some((lone.mark, lone.waiter.waker.take()));
        }
        let (mark, waiter) = self.line.leave_with_mark(place)?;
        Some((mark, waiter.waker))
    }

    /// Takes a place that is marked as closed out of the order; it stays good until it is given up.
    pub(super) fn detach(&mut self, place: Place) {
        self.line.detach(place);
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.line.len() + usize::from(self.lone.is_in_order())
    }

    #[inline]
    pub(super) fn front(&self) -> Option<Place> {
        if self.lone.is_in_order() {
            return Some(self.lone.place);
        }
        self.line.front()
    }

    #[inline]
    pub(super) fn next(&self, place: Place) -> Option<Place> {
        if self.lone.place == place {
            return self.line.front();
        }
        self.line.next(place)
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        iter::successors(self.front(), |&place| self.next(place))
    }

    #[inline]
    pub(super) fn get(&self, place: Place) -> Option<(Mark, &Waiter)> {
        if self.lone.place == place {
            return Some((self.lone.mark, &self.lone.waiter));
        }
        self.line.both(place)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, place: Place) -> Option<(&mut Mark, &mut Waiter)> {
        if self.lone.place == place {
            return Some((&mut self.lone.mark, &mut self.lone.waiter));
        }
        self.line.both_mut(place)
    }
}

impl Lone {
    fn is_in_order(&self) -> bool {
        self.place != Place::NOWHERE && self.mark.state != State::Closed
    }
}
