//! What a queue knows about itself, in numbers, and about its entries.

use std::panic::Location;

use tevent_core::gate::{Gate, State, Ticket};

/// The numbers of a queue since it was made; from [`TeventQueue::stats`](crate::TeventQueue::stats).
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stats {
    /// Entries in the line now, with those that have the turn.
    pub len: usize,
    /// The most entries that were in the line at once.
    pub high_water: usize,
    /// Turns that were taken.
    pub grants: u64,
    /// Entries that left before they took their turn while the queue was open: cancelled, timed out, given up.
    pub cancellations: u64,
}

/// An entry, as others see it.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EntryInfo {
    /// Where it stands.
    pub state: EntryState,
    /// The line that asked for it.
    pub origin: &'static Location<'static>,
    /// Its tag; 0 if it was given none.
    pub tag: u64,
}

/// Where an entry stands.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EntryState {
    /// It waits.
    Waiting,
    /// It has been given the turn, and its task has been woken but not polled.
    Granted,
    /// It has the turn.
    Held,
}

impl Stats {
    pub(crate) fn of(gate: &Gate) -> Self {
        let counts = gate.counts();
        Self {
            len: gate.len(),
            high_water: counts.high_water,
            grants: counts.grants,
            cancellations: counts.cancellations,
        }
    }
}

impl From<(State, Ticket)> for EntryInfo {
    fn from((state, ticket): (State, Ticket)) -> Self {
        Self {
            state: match state {
                State::Waiting | State::Closed => EntryState::Waiting,
                State::Granted => EntryState::Granted,
                State::Held => EntryState::Held,
            },
            origin: ticket.origin,
            tag: ticket.tag,
        }
    }
}
