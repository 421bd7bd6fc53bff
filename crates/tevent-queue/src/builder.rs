//! A queue with other limits than the usual ones.

use std::{borrow::Cow, fmt};

use tevent_core::gate::Limits;

use crate::{Policy, SyncTeventQueue, TeventQueue};

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
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    pub(crate) name: Cow<'static, str>,
    pub(crate) limits: Limits,
    detector: Policy,
    #[cfg(feature = "stats")]
    clock: Option<crate::timing::Clock>,
    #[cfg(feature = "metrics")]
    metered: bool,
}

impl Builder {
    pub(crate) fn new(name: Cow<'static, str>) -> Self {
        Self {
            name,
            limits: Limits::default(),
            detector: Policy::default(),
            #[cfg(feature = "stats")]
            clock: None,
            #[cfg(feature = "metrics")]
            metered: false,
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

    /// What to do when the queue hangs: see [`Finding`](crate::Finding) for what is found, and [`Policy`] for the
    /// default. Found is what happens among tasks of tevent's own executor, on this thread; on others it is not
    /// observed. A queue with a detector takes the slower path through its code; one without pays nothing.
    ///
    /// ```
    /// use tevent_queue::{Policy, TeventQueue};
    ///
    /// let queue = TeventQueue::builder("disk")
    ///     .detector(Policy::call(|finding| eprintln!("hung: {finding}")))
    ///     .build();
    /// # drop(queue);
    /// ```
    pub fn detector(mut self, policy: Policy) -> Self {
        self.detector = policy;
        self
    }

    /// Takes wait and hold times by this clock (`Instant::now`, or the time of a loop), for
    /// [`TeventQueue::timing`](crate::TeventQueue::timing). It is asked when an entry takes its place, takes its turn
    /// and leaves; it may use the queue, but not add to it. Not for [`build_shared`](Self::build_shared). With the
    /// feature `stats`.
    ///
    /// ```
    /// use std::time::Instant;
    /// use tevent_queue::TeventQueue;
    ///
    /// let queue = TeventQueue::builder("disk").timed(Instant::now).build();
    /// drop(queue.try_entry());
    /// assert_eq!(queue.timing().unwrap().hold.count, 1);
    /// ```
    #[cfg(feature = "stats")]
    pub fn timed(mut self, clock: impl Fn() -> std::time::Instant + 'static) -> Self {
        self.clock = Some(std::rc::Rc::new(clock));
        self
    }

    /// Tells the `metrics` crate, with the label `queue`: the gauge `tevent_queue_length`, the counters
    /// `tevent_queue_grants` and `tevent_queue_cancellations`, and for a queue with a [clock](Self::timed) the
    /// histograms `tevent_queue_wait_seconds` and `tevent_queue_hold_seconds`. The recorder has to be installed before
    /// the queue is built. Not for [`build_shared`](Self::build_shared). With the feature `metrics`.
    #[cfg(feature = "metrics")]
    pub fn metered(mut self) -> Self {
        self.metered = true;
        self
    }

    /// The queue, for one thread.
    #[must_use = "dropping the last handle closes the queue"]
    pub fn build(self) -> TeventQueue {
        let queue = TeventQueue::with_limits(self.name, self.limits);
        queue.detect(self.detector);
        #[cfg(feature = "stats")]
        if let Some(clock) = self.clock {
            queue.time(clock);
        }
        #[cfg(feature = "metrics")]
        if self.metered {
            queue.meter();
        }
        queue
    }

    /// The queue, for many threads. It has no detector: tasks of several threads cannot be observed together.
    #[must_use = "dropping the last handle closes the queue"]
    pub fn build_shared(self) -> SyncTeventQueue {
        SyncTeventQueue::with_limits(self.name, self.limits)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("limits", &self.limits)
            .field("detector", &self.detector)
            .finish_non_exhaustive()
    }
}
