//! A place in the line, awaited for the turn.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use crate::{Face, Local, QueueError, QueueGuard, seat::Seat, unless::Unless};

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
pub struct QueueEntry<F: Face = Local> {
    seat: Seat<F>,
}

impl<F: Face> QueueEntry<F> {
    #[inline]
    pub(crate) fn new(seat: Seat<F>) -> Self {
        Self { seat }
    }

    /// Gives the entry a number of the caller's own, shown by `Debug` and told to trace hooks; the guard keeps it.
    /// 0 is no tag. C: `tevent_queue_entry_set_tag`.
    pub fn tagged(self, tag: u64) -> Self {
        self.seat.set_tag(tag);
        self
    }

    /// The entry's tag; 0 if it has none, or is over. C: `tevent_queue_entry_get_tag`.
    #[must_use]
    pub fn tag(&self) -> u64 {
        self.seat.known().map_or(0, |(_, ticket)| ticket.tag)
    }

    /// How many are before this entry in the line, with those that have the turn; 0 also if it has come itself. `None`
    /// if it has no place (any more): the queue was closed or full, or the guard has been taken.
    ///
    /// Takes time in proportion to the answer.
    ///
    /// ```
    /// use tevent_queue::TeventQueue;
    ///
    /// let queue = TeventQueue::new("disk");
    /// let (first, second) = (queue.entry(), queue.entry());
    /// assert_eq!((first.position(), second.position()), (Some(0), Some(1)));
    /// drop(first);
    /// assert_eq!(second.position(), Some(0));
    /// ```
    #[must_use]
    pub fn position(&self) -> Option<usize> {
        self.seat.position()
    }

    /// Waits for the turn, unless another future is ready first: a deadline, a cancellation, anything. It limits the
    /// wait alone: once the turn has come, the other future is dropped.
    ///
    /// If both are ready at once, the turn wins. The output is `Ok` of the entry's own, or `Err` of the other's; then
    /// the entry has left the line, and is never granted.
    ///
    /// ```
    /// use futures::{executor::block_on, future::ready};
    /// use tevent_queue::TeventQueue;
    ///
    /// let queue = TeventQueue::new("disk");
    /// let holder = queue.try_entry();
    /// let waited = block_on(queue.entry().unless(ready("too late")));
    /// assert_eq!(waited.unwrap_err(), "too late");
    /// assert_eq!(queue.len(), 1);
    /// # drop(holder);
    /// ```
    pub fn unless<U: Future>(self, other: U) -> Unless<U, F> {
        Unless::new(self, other)
    }
}

impl<F: Face> Future for QueueEntry<F> {
    type Output = Result<QueueGuard<F>, QueueError>;

    #[inline(always)] // as `Seat::poll_turn`
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.seat.poll_turn(cx).map_ok(QueueGuard::new)
    }
}

/// A seat points to nothing inside itself.
impl<F: Face> Unpin for QueueEntry<F> {}

impl<F: Face> fmt::Debug for QueueEntry<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.seat.fmt_as("QueueEntry", f)
    }
}
