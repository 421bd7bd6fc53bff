//! A place in the line, awaited for the turn.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use crate::{QueueError, QueueGuard, seat::Seat};

/// A place in a [`TeventQueue`](crate::TeventQueue), taken at the call of [`entry`](crate::TeventQueue::entry): a
/// future of the [`QueueGuard`]. C: `tevent_queue_wait_send`, `tevent_queue_add_entry`.
///
/// It owns what it needs (`'static`, `Unpin`) and does not keep the queue open.
///
/// # Cancel safety
/// Dropping it leaves the line; if its turn had come already, the turn passes on. Forgetting it (`mem::forget`) keeps
/// its place for ever.
///
/// # Panics
/// When polled after it was ready.
#[must_use = "dropping the entry gives its place in the line up"]
pub struct QueueEntry {
    seat: Seat,
}

impl QueueEntry {
    #[inline]
    pub(crate) fn new(seat: Seat) -> Self {
        Self { seat }
    }
}

impl Future for QueueEntry {
    type Output = Result<QueueGuard, QueueError>;

    #[inline(always)] // as `Seat::poll_turn`
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.seat.poll_turn(cx).map_ok(QueueGuard::new)
    }
}

impl fmt::Debug for QueueEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.seat.fmt_as("QueueEntry", f)
    }
}
