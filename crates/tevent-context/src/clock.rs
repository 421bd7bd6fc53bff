//! The clock of a loop: the system's monotonic one, or one that a test moves.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Where a loop reads the time.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    System,
    Virtual(VirtualClock),
}

impl Clock {
    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::System => Instant::now(),
            Self::Virtual(clock) => clock.now(),
        }
    }
}

/// A clock that stands still until somebody moves it: the test by [`VirtualClock::advance`], or a loop built with it,
/// which instead of sleeping for a timer jumps to the timer's deadline.
///
/// Time jumps only when nothing is ready and the poll, with zero timeout, finds nothing: descriptors and messages that
/// are there come first. What another thread is about to send cannot be known; tests that mix threads with a virtual
/// clock wait for the thread by a message, not by a timer.
///
/// ```
/// use std::time::Duration;
/// use tevent_context::{Context, VirtualClock, sleep};
///
/// # fn main() -> std::io::Result<()> {
/// let clock = VirtualClock::new();
/// let context = Context::builder().virtual_clock(&clock).build()?;
/// let before = clock.now();
/// context.block_on(async { sleep(Duration::from_secs(86_400)).await });
/// assert_eq!(clock.now() - before, Duration::from_secs(86_400));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct VirtualClock {
    start: Instant,
    elapsed: Rc<Cell<Duration>>,
}

impl VirtualClock {
    /// A clock that starts at the present instant.
    #[must_use]
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            elapsed: Rc::default(),
        }
    }

    /// The time on this clock.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.start + self.elapsed.get()
    }

    /// Moves the clock forward. Timers that become due fire in the next turn of the loops built with it. At the last
    /// instant that an `Instant` can tell the clock stands still.
    pub fn advance(&self, by: Duration) {
        let moved = self.elapsed.get().saturating_add(by);
        if self.start.checked_add(moved).is_some() {
            self.elapsed.set(moved);
        }
    }
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualClock")
            .field("elapsed", &self.elapsed.get())
            .finish()
    }
}
