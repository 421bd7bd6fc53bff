//! The choices of a new context.

use std::fmt;
use std::io;

use tevent_reactor::{OsPoller, Poller, Reactor};

use crate::clock::Clock;
use crate::core_loop::Loop;
use crate::{Context, VirtualClock};

/// Builds a [`Context`]. What is not deterministic enters a loop here: the clock, what a poll
/// finds, and a seed.
#[must_use = "a builder builds nothing until `build`"]
pub struct Builder {
    clock: Clock,
    seed: Option<u64>,
    wrap: Option<Wrap>,
}

type Wrap = Box<dyn FnOnce(OsPoller) -> Box<dyn Poller>>;

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            clock: Clock::System,
            seed: None,
            wrap: None,
        }
    }

    /// Reads the time from a clock that does not run by itself; see [`VirtualClock`].
    pub fn virtual_clock(mut self, clock: &VirtualClock) -> Self {
        self.clock = Clock::Virtual(clock.clone());
        self
    }

    /// For tests: polls ready tasks in a random order that the seed decides, to bring out what depends on the order.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
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
        let core = Loop::new(&reactor, self.clock, self.seed);
        Ok(Context { core, reactor })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("clock", &self.clock)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
