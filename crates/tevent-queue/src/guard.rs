//! The turn: as long as a guard lives, nobody else is let through.

use std::fmt;

use crate::seat::Seat;

/// The turn in a [`TeventQueue`](crate::TeventQueue). Dropping it lets the next one through: a wake, never a call.
///
/// It owns what it needs (`'static`), so it can move into a spawned task of the same thread and keep the turn there.
/// It does not keep the queue open, and closing the queue does not take the turn away. Forgetting it (`mem::forget`)
/// holds the line up for ever.
#[must_use = "the turn ends when the guard is dropped"]
pub struct QueueGuard {
    seat: Seat,
}

impl QueueGuard {
    #[inline]
    pub(crate) fn new(seat: Seat) -> Self {
        Self { seat }
    }
}

impl fmt::Debug for QueueGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.seat.fmt_as("QueueGuard", f)
    }
}
