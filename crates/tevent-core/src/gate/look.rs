//! What an observer asks a gate: who is in the line, who has the turn, and whose wakers are in it.

use super::{Gate, State, Ticket};
use crate::line::Place;

impl Gate {
    /// The entries in the line, in order.
    pub fn entries(&self) -> impl Iterator<Item = (State, Ticket)> {
        self.order.places().filter_map(|place| self.entry(place))
    }

    /// The same, with their places.
    pub fn line(&self) -> impl Iterator<Item = (Place, State, Ticket)> {
        self.order.places().filter_map(|place| {
            let (state, ticket) = self.entry(place)?;
            Some((place, state, ticket))
        })
    }

    /// How many are before an entry in the line, in time proportional to the answer; `None` if it is not in the line.
    #[must_use]
    pub fn position(&self, place: Place) -> Option<usize> {
        self.order.places().position(|other| other == place)
    }

    /// Those that have the turn, in order.
    pub fn turns(&self) -> impl Iterator<Item = (Place, State, Ticket)> {
        // While the gate is stopped, some that wait again may stand before them.
        let holders = self.line().filter(|(_, state, _)| state.has_turn());
        holders.take(self.turns)
    }

    /// Whether the waker at a place has this address as its [data](std::task::Waker::data).
    #[must_use]
    pub fn has_waker_of(&self, place: Place, address: usize) -> bool {
        let waker = self
            .order
            .get(place)
            .and_then(|(_, waiter)| waiter.waker.as_ref());
        waker.is_some_and(|waker| waker.data().addr() == address)
    }

    /// Whether there is a waker at a place: its entry has waited.
    #[must_use]
    pub fn has_waker(&self, place: Place) -> bool {
        let known = self.order.get(place);
        known.is_some_and(|(_, waiter)| waiter.waker.is_some())
    }

    /// Whether the waker that the last one left behind has this address as its data.
    #[must_use]
    pub fn has_spare_of(&self, address: usize) -> bool {
        let spare = self.spare.as_ref();
        spare.is_some_and(|spare| spare.data().addr() == address)
    }
}
