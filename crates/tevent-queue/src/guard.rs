//! The turn: as long as a guard lives, no more than the permits allow are let through.

use std::fmt;

use crate::{Face, Local, NotStopped, QueueEntry, seat::Seat};

/// The turn in a [`TeventQueue`](crate::TeventQueue). Dropping it lets the next one through: a wake, never a call.
///
/// It owns what it needs (`'static`), so it can move into a spawned task and keep the turn there. It does not keep the
/// queue open, and closing the queue does not take the turn away. Forgetting it (`mem::forget`) holds the line up for
/// ever.
#[must_use = "the turn ends when the guard is dropped"]
pub struct QueueGuard<F: Face = Local> {
    seat: Seat<F>,
}

impl<F: Face> QueueGuard<F> {
    #[inline]
    pub(crate) fn new(seat: Seat<F>) -> Self {
        Self { seat }
    }

    /// Gives the turn back without leaving: the entry waits again, in front of all that came later, and
    /// [`start`](crate::TeventQueue::start) grants it first. For who finds at its turn that it cannot go on yet.
    /// C: `tevent_queue_entry_untrigger`.
    ///
    /// # Errors
    /// [`NotStopped`] with the guard if the queue is running: it would grant the same entry again at once. (C aborts.)
    ///
    /// ```
    /// use futures::executor::block_on;
    /// use tevent_queue::TeventQueue;
    ///
    /// let queue = TeventQueue::new("children");
    /// let guard = queue.try_entry().unwrap();
    /// let guard = guard.untrigger().unwrap_err().0; // the queue is running
    /// queue.stop();
    /// let entry = guard.untrigger().unwrap();
    /// let late = queue.entry();
    /// queue.start();
    /// assert!(block_on(entry).is_ok()); // before `late`
    /// # drop(late);
    /// ```
    pub fn untrigger(self) -> Result<QueueEntry<F>, NotStopped<Self>> {
        match self.seat.untrigger() {
            Ok(seat) => Ok(QueueEntry::new(seat)),
            Err(seat) => Err(NotStopped(Self { seat })),
        }
    }

    /// Says that this guard moves into another task: the one that took it does not count as its holder any more.
    ///
    /// It changes nothing but what the [detector](crate::Finding) believes. A task that gives its guard away and then
    /// awaits the same queue would otherwise look as if it blocked itself. To be said of a guard that goes through a
    /// channel (or a shared cell) to a task that exists already, or into a task of another executor than ours. One that
    /// moves into a task which is spawned on ours need not be: whenever a task spawns another, all the guards that it
    /// has count as handed over.
    ///
    /// ```
    /// use futures::executor::block_on;
    /// use tevent_queue::TeventQueue;
    ///
    /// # let spawn = drop::<futures::future::LocalBoxFuture<'static, ()>>;
    /// let queue = TeventQueue::new("disk");
    /// let guard = queue.try_entry().unwrap().handed_over();
    /// spawn(Box::pin(async move {
    ///     // .. the rest of the work
    ///     drop(guard);
    /// }));
    /// assert!(block_on(queue.entry()).is_ok());
    /// ```
    pub fn handed_over(self) -> Self {
        self.seat.hand_over();
        self
    }

    /// The tag given to the entry; 0 if none.
    #[must_use]
    pub fn tag(&self) -> u64 {
        self.seat.known().map_or(0, |(_, ticket)| ticket.tag)
    }

    pub(crate) fn set_tag(&self, tag: u64) {
        self.seat.set_tag(tag);
    }

    pub(crate) fn position(&self) -> Option<usize> {
        self.seat.position()
    }

    /// The name of the queue.
    #[must_use]
    pub fn queue_name(&self) -> &str {
        self.seat.queue_name().unwrap_or_default()
    }
}

impl<F: Face> fmt::Debug for QueueGuard<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.seat.fmt_as("QueueGuard", f)
    }
}
