//! A queue with other limits than the usual ones.

use std::borrow::Cow;

use tevent_core::gate::Limits;

use crate::{SyncTeventQueue, TeventQueue};

/// Makes a queue step by step; from [`TeventQueue::builder`].
///
/// ```
/// use tevent_queue::{QueueError, TeventQueue};
///
/// let queue = TeventQueue::builder("children").permits(2).capacity(3).build();
/// let (first, second) = (queue.try_entry(), queue.try_entry());
/// assert!(first.is_ok() && second.is_ok());
/// let third = queue.entry(); // waits
/// let fourth = queue.entry();
/// assert_eq!(futures::executor::block_on(fourth).unwrap_err(), QueueError::Full);
/// # drop(third);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    pub(crate) name: Cow<'static, str>,
    pub(crate) limits: Limits,
}

impl Builder {
    pub(crate) fn new(name: Cow<'static, str>) -> Self {
        Self {
            name,
            limits: Limits::default(),
        }
    }

    /// How many may have the turn at once; 1 unless set. They are granted in order all the same: the first that waits
    /// gets the first turn that is given back.
    ///
    /// Granting then passes those that have the turn: its time grows with their number, not with the line's length.
    ///
    /// # Panics
    /// If it is 0.
    pub fn permits(mut self, permits: usize) -> Self {
        assert!(
            permits > 0,
            "a queue needs a permit: without one nobody ever gets in"
        );
        self.limits.permits = permits;
        self
    }

    /// How many may be in the line at once, with those that have the turn; unbounded unless set. Who comes then gets
    /// [`QueueError::Full`](crate::QueueError::Full). Blocks do not count as too many.
    ///
    /// # Panics
    /// If it is 0.
    pub fn capacity(mut self, capacity: usize) -> Self {
        assert!(capacity > 0, "a queue needs room for one entry");
        self.limits.capacity = capacity;
        self
    }

    /// The queue, for one thread.
    #[must_use = "dropping the last handle closes the queue"]
    pub fn build(self) -> TeventQueue {
        TeventQueue::with_limits(self.name, self.limits)
    }

    /// The queue, for many threads.
    #[must_use = "dropping the last handle closes the queue"]
    pub fn build_shared(self) -> SyncTeventQueue {
        SyncTeventQueue::with_limits(self.name, self.limits)
    }
}
