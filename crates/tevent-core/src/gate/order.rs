//! The entries of a gate in the order in which they joined: one that came alone, then a line.
//!
//! Most entries of most gates meet nobody. Who joins a vacant gate therefore gets a node of its own, without links and
//! without a table. It stays the first until it leaves, as all others join after it.
//!
//! The nodes of the others lie beside the line, not in it: who leaves from the middle changes the links of two
//! neighbours, and four links fit into a cache line.

use std::{iter, panic::Location, task::Waker};

use super::state::{Mark, Origin, Ticket, Waiter};
use crate::line::{Line, Place};

pub(super) struct Order {
    lone: Lone,
    line: Line<(), Mark>,
    /// By the slots of the line; without a waker where a slot is free.
    waiters: Vec<Waiter>,
}

/// The node of who came alone.
struct Lone {
    /// `Place::NOWHERE` while the node is free.
    place: Place,
    generation: u32,
    mark: Mark,
    /// 1 while the node is in the order: neither free nor closed.
    linked: usize,
    /// Without a waker while the node is free.
    waiter: Waiter,
}

impl Order {
    pub(super) fn new() -> Self {
        let lone = Lone {
            place: Place::NOWHERE,
            generation: 0,
            mark: Mark::default(),
            linked: 0,
            waiter: Waiter::new(Location::caller()),
        };
        Self {
            lone,
            line: Line::default(),
            waiters: Vec::new(),
        }
    }

    /// Whether nobody stands in the order. Places that were taken out of it, of a gate that is closed, do not count.
    #[inline]
    pub(super) fn is_vacant(&self) -> bool {
        self.line.is_empty() && self.lone.place == Place::NOWHERE
    }

    /// Whether a place is to be looked for in the line: the place of who came alone is beyond its end.
    #[inline]
    fn stands_in_line(&self, place: Place) -> bool {
        self.line.covers(place)
    }

    /// The generation of the last one who came alone.
    #[inline]
    pub(super) fn generation(&self) -> u32 {
        self.lone.generation
    }

    /// Takes the last place.
    #[inline]
    pub(super) fn join(&mut self, origin: Origin, mark: Mark) -> Place {
        if self.is_vacant() {
            return self.join_alone(origin, mark);
        }
        let place = self.line.join_with_mark(mark, ());
        match self.waiters.get_mut(index(place)) {
            Some(free) => free.ticket = Ticket::new(origin),
            None => self.waiters.push(Waiter::new(origin)),
        }
        place
    }

    fn join_alone(&mut self, origin: Origin, mark: Mark) -> Place {
        let generation = self.lone.generation.wrapping_add(1);
        let place = Place::alone(generation);
        self.take_over(generation, Some((place, mark, origin)));
        place
    }

    /// Goes on where a lane has stopped: with who is in it, at the place it has there.
    pub(super) fn take_over(&mut self, generation: u32, inside: Option<(Place, Mark, Origin)>) {
        debug_assert!(self.is_vacant(), "somebody else is here");
        let lone = &mut self.lone;
        lone.generation = generation;
        if let Some((place, mark, origin)) = inside {
            (lone.place, lone.mark, lone.linked) = (place, mark, 1);
            lone.waiter.ticket = Ticket::new(origin);
        }
    }

    /// Gives a place up; `None` if it is no longer good.
    #[inline(always)] // as `Line::join_with_mark`
    pub(super) fn leave(&mut self, place: Place) -> Option<(Mark, Option<Waker>)> {
        if !self.stands_in_line(place) {
            return self.lone.leave(place);
        }
        let (mark, ()) = self.line.leave_with_mark(place)?;
        let waiter = self.waiters.get_mut(index(place))?;
        let waker = waiter.take_waker();
        if !self.line.covers(place) {
            self.waiters = Vec::new(); // the line has given its table back, too
        }
        Some((mark, waker))
    }

    /// Takes a place that is marked as closed out of the order; it stays good until it is given up.
    pub(super) fn detach(&mut self, place: Place) {
        match self.stands_in_line(place) {
            true => _ = self.line.detach(place),
            false if self.lone.place == place => self.lone.linked = 0,
            false => {}
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.line.len() + self.lone.linked
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub(super) fn front(&self) -> Option<Place> {
        if self.lone.linked > 0 {
            return Some(self.lone.place);
        }
        self.line.front()
    }

    #[inline]
    pub(super) fn next(&self, place: Place) -> Option<Place> {
        if !self.stands_in_line(place) {
            return self.lone.is_at(place).then(|| self.line.front())?;
        }
        self.line.next(place)
    }

    /// Mark and node of the first.
    #[inline]
    pub(super) fn front_mut(&mut self) -> Option<(Place, &mut Mark, &mut Waiter)> {
        let lone = &mut self.lone;
        if lone.linked > 0 {
            return Some((lone.place, &mut lone.mark, &mut lone.waiter));
        }
        let (place, mark, ()) = self.line.front_mut()?;
        Some((place, mark, self.waiters.get_mut(index(place))?))
    }

    /// The first that waits: passes those that have the turn, which stand in front.
    pub(super) fn first_waiting(&self, turns: usize) -> Option<Place> {
        let has_turn = |place| {
            self.get(place)
                .is_some_and(|(mark, _)| mark.state.has_turn())
        };
        let mut first = self.front();
        while turns > 0
            && let Some(place) = first
            && has_turn(place)
        {
            first = self.next(place);
        }
        first
    }

    /// The same, with its mark and node.
    #[inline]
    pub(super) fn first_waiting_mut(
        &mut self,
        turns: usize,
    ) -> Option<(Place, &mut Mark, &mut Waiter)> {
        if turns == 0 {
            return self.front_mut();
        }
        let place = self.first_waiting(turns)?;
        let (mark, waiter) = self.get_mut(place)?;
        Some((place, mark, waiter))
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        iter::successors(self.front(), |&place| self.next(place))
    }

    #[inline]
    pub(super) fn get(&self, place: Place) -> Option<(Mark, &Waiter)> {
        if !self.stands_in_line(place) {
            let lone = &self.lone;
            return lone.is_at(place).then_some((lone.mark, &lone.waiter));
        }
        let (mark, ()) = self.line.both(place)?;
        Some((mark, self.waiters.get(index(place))?))
    }

    #[inline]
    pub(super) fn get_mut(&mut self, place: Place) -> Option<(&mut Mark, &mut Waiter)> {
        if !self.stands_in_line(place) {
            let lone = &mut self.lone;
            return lone
                .is_at(place)
                .then_some((&mut lone.mark, &mut lone.waiter));
        }
        let (mark, ()) = self.line.both_mut(place)?;
        Some((mark, self.waiters.get_mut(index(place))?))
    }
}

#[inline]
fn index(place: Place) -> usize {
    place.slot() as usize
}

impl Lone {
    #[inline]
    fn is_at(&self, place: Place) -> bool {
        self.place == place
    }

    #[inline]
    fn leave(&mut self, place: Place) -> Option<(Mark, Option<Waker>)> {
        if !self.is_at(place) {
            return None;
        }
        (self.place, self.linked) = (Place::NOWHERE, 0);
        Some((self.mark, self.waiter.take_waker()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b26_the_next_one_in_a_slot_has_a_ticket_of_its_own() {
        let mut order = Order::new();
        let _alone = order.join(Location::caller(), Mark::default());
        let left = order.join(Location::caller(), Mark::default());
        order.get_mut(left).expect("it is there").1.ticket.tag = 5;
        order.leave(left);
        let next = order.join(Location::caller(), Mark::default());
        assert_eq!(next.slot(), left.slot());
        assert_eq!(order.get(next).expect("it is there").1.ticket.tag, 0);
    }
}
