//! A block: a place in the line that nobody awaits, and that holds up who comes behind.

use std::fmt;

use tevent_core::gate::State;

use crate::{Face, Local, seat::Seat};

/// A place in a [`TeventQueue`](crate::TeventQueue) without work: from its turn on it holds the line up, until it is
/// dropped. Made by [`block`](crate::TeventQueue::block). C: an entry without a trigger.
///
/// Who is before it in the line is not hindered.
#[must_use = "the block ends when it is dropped"]
pub struct QueueBlock<F: Face = Local> {
    seat: Seat<F>,
}

impl<F: Face> QueueBlock<F> {
    pub(crate) fn new(seat: Seat<F>) -> Self {
        Self { seat }
    }

    /// Whether its turn has come: all that were before it have left.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.seat
            .known()
            .is_some_and(|(state, _)| state == State::Held)
    }
}

impl<F: Face> fmt::Debug for QueueBlock<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.seat.fmt_as("QueueBlock", f)
    }
}
