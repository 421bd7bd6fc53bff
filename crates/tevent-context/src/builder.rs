//! The choices of a new context.

use std::fmt;
use std::io;
use std::time::Duration;

use tevent_reactor::{OsPoller, Poller, Reactor};

use crate::clock::Clock;
use crate::core_loop::{Choices, Loop};
use crate::stuck::{PATIENCE, Patience};
use crate::watchdog::Watchdog;
use crate::{Context, Slow, Stuck, VirtualClock};

/// Builds a [`Context`]. What is not deterministic enters a loop here: the clock, what a poll
/// finds, and a seed.
#[must_use = "a builder builds nothing until `build`"]
pub struct Builder {
    choices: Choices,
    wrap: Option<Wrap>,
}

type Wrap = Box<dyn FnOnce(OsPoller) -> Box<dyn Poller>>;

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            choices: Choices {
                clock: Clock::System,
                seed: None,
                watchdog: None,
                patience: None,
                spin: Duration::ZERO,
            },
            wrap: None,
        }
    }

    /// Reads the time from a clock that does not run by itself; see [`VirtualClock`].
    pub fn virtual_clock(mut self, clock: &VirtualClock) -> Self {
        self.choices.clock = Clock::Virtual(clock.clone());
        let default = || Patience::new(PATIENCE, None);
        self.choices.patience.get_or_insert_with(default);
        self
    }

    /// For tests: polls ready tasks in a random order that the seed decides, to bring out what depends on the order.
    pub fn seed(mut self, seed: u64) -> Self {
        self.choices.seed = Some(seed);
        self
    }

    /// Reports every poll of a task and every call of a handler that takes longer than `limit` by the loop's clock,
    /// once it is over: all else on this loop waited meanwhile. Costs two readings of the clock per poll.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tevent_context::Context;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let context = Context::builder()
    ///     .slow_after(Duration::from_millis(100), |slow| eprintln!("{slow}"))
    ///     .build()?;
    /// # drop(context);
    /// # Ok(())
    /// # }
    /// ```
    pub fn slow_after(mut self, limit: Duration, report: impl Fn(&Slow) + 'static) -> Self {
        self.choices.watchdog = Some(Watchdog::new(limit, Box::new(report)));
        self
    }

    /// Reports a loop that has waited for `patience`, in real time, though nothing that it knows of could wake it: no
    /// timer is set, no descriptor is waited for, no signal is listened to. The report says what each task waits for,
    /// which means that each is polled once more. It comes once for every such sleep; the loop goes on waiting, as
    /// another thread may yet wake it.
    ///
    /// On a [virtual clock](Self::virtual_clock) the loop does not go on: after the report, and without one after 10
    /// seconds (at once if no other thread can have a waker: all lie with queues of this thread, or with tasks that are
    /// awaited), `block_on` panics and `run` and `turn` return the [`Stuck`]
    /// loop as an error, of kind `Deadlock`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tevent_context::Context;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let context = Context::builder()
    ///     .stuck_after(Duration::from_secs(60), |stuck| eprintln!("{stuck}"))
    ///     .build()?;
    /// # drop(context);
    /// # Ok(())
    /// # }
    /// ```
    pub fn stuck_after(mut self, patience: Duration, report: impl Fn(&Stuck) + 'static) -> Self {
        self.choices.patience = Some(Patience::new(patience, Some(Box::new(report))));
        self
    }

    /// Looks for messages and wakes from other threads for so long before the loop sleeps; off at first. A loop that is
    /// found awake answers in a fraction of the time, and nobody pays a system call to wake it; but it takes its whole
    /// core while it looks, so that is for loops which have one to themselves. Timers and descriptors are hardly
    /// delayed.
    ///
    /// Only inside [`block_on`](Context::block_on), [`run`](Context::run) and [`turn`](Context::turn) that wait, on the
    /// system's clock.
    pub fn spin(mut self, duration: Duration) -> Self {
        self.choices.spin = duration;
        self
    }

    /// Puts a test's own poller between the system's and the loop: it may delay, drop, repeat or reorder what is found.
    pub fn poller(mut self, wrap: impl FnOnce(OsPoller) -> Box<dyn Poller> + 'static) -> Self {
        self.wrap = Some(Box::new(wrap));
        self
    }

    /// Builds the context.
    ///
    /// # Errors
    /// If the system gives no descriptors for it; nothing is leaked then.
    pub fn build(self) -> io::Result<Context> {
        let reactor = match self.wrap {
            Some(wrap) => Reactor::with_poller(wrap)?,
            None => Reactor::new()?,
        };
        let core = Loop::new(&reactor, self.choices)?;
        Ok(Context { core, reactor })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("clock", &self.choices.clock)
            .field("seed", &self.choices.seed)
            .finish_non_exhaustive()
    }
}
