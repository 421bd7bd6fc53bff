//! The seam of the poll result: what was found ready, as plain data, and the poller of the operating system behind it.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::readiness::Readiness;
use crate::token::Token;

/// Events that one poll takes from the kernel at most. What is beyond comes with the next poll: the kernel hands out
/// ready descriptors in turn.
pub(crate) const EVENTS_PER_POLL: usize = 1024;

/// One event: a source and what it became ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whom it is for.
    pub token: Token,
    /// What the kernel said.
    pub readiness: Readiness,
}

/// Where a reactor learns what is ready. A test wraps the [`OsPoller`] and may delay, drop, repeat or reorder events,
/// or fail.
pub trait Poller {
    /// Waits until something is ready, at most for `timeout` (`None`: for ever), and adds it to `found`, which is
    /// empty.
    ///
    /// # Errors
    ///
    /// `Interrupted` if a signal ended the wait early; the reactor takes that for a wait that found nothing. Any
    /// other error is returned by [`Reactor::wait`](crate::Reactor::wait).
    fn poll(&mut self, found: &mut Vec<Found>, timeout: Option<Duration>) -> io::Result<()>;
}

/// The poller of the operating system, by mio. Timeouts are rounded up to whole milliseconds.
pub struct OsPoller {
    poll: mio::Poll,
    events: mio::Events,
}

impl OsPoller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            poll: mio::Poll::new()?,
            events: mio::Events::with_capacity(EVENTS_PER_POLL),
        })
    }

    pub(crate) fn registry(&self) -> &mio::Registry {
        self.poll.registry()
    }
}

impl Poller for OsPoller {
    fn poll(&mut self, found: &mut Vec<Found>, timeout: Option<Duration>) -> io::Result<()> {
        self.poll.poll(&mut self.events, timeout)?;
        found.extend(self.events.iter().map(|event| Found {
            token: event.token().into(),
            readiness: event.into(),
        }));
        Ok(())
    }
}

impl fmt::Debug for OsPoller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OsPoller").finish_non_exhaustive()
    }
}
