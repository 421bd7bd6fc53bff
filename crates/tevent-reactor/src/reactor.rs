//! The reactor: the owner's end, the one place that blocks, and the end of it all.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use mio::Registry;

use crate::alarm::Alarm;
use crate::ended::Ended;
use crate::poller::{EVENTS_PER_POLL, Found, OsPoller, Poller};
use crate::shared::{ReactorHandle, Shared};
use crate::signal::fork::{Process, forked};
use crate::wake::{ringer, wake_all};

/// The longest single sleep, about 24.8 days: what the kernel's poll can be told in milliseconds.
const LONGEST_SLEEP: Duration = Duration::from_millis(i32::MAX as u64);

/// Waits for the kernel on behalf of its sources. Owned by a loop, bound to its thread.
///
/// Dropping it [ends](Self::end) it and closes its descriptors.
///
/// A process that was forked from the reactor's own shares the poll with it. There, sources may be dropped and the
/// reactor, too, without harm to the parent; making one and [`wait`](Self::wait) are errors, and its bell is silent.
pub struct Reactor {
    /// Taken out while it polls.
    means: Cell<Option<Box<Means>>>,
    registry: Rc<Registry>,
    ringer: Waker,
    shared: Rc<Shared>,
    alarm: Alarm,
}

/// What a poll is made with: the poller, and two buffers that are used again.
struct Means {
    poller: Box<dyn Poller>,
    found: Vec<Found>,
    woken: Vec<Waker>,
}

/// What came of one [`Reactor::wait`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waited {
    /// Events that reached their sources.
    pub events: usize,
    /// Events of [watches](crate::Watch), which nobody has taken in yet.
    pub watched: usize,
    /// Events that were dropped, because their source is gone.
    pub stale: usize,
    /// Wakers that were woken.
    pub woken: usize,
    /// Whether somebody rang.
    pub rung: bool,
    /// Whether there may be more: as many events came as one wait takes.
    pub full: bool,
    /// Whether the [alarm](Reactor::set_alarm) went off.
    pub alarmed: bool,
}

impl Reactor {
    /// A reactor of the operating system's poll. Opens four descriptors, all closed on exec.
    ///
    /// # Errors
    ///
    /// What the kernel says, above all that there are no descriptors left. Nothing is left behind then.
    pub fn new() -> io::Result<Self> {
        Self::with_poller(|poller| Box::new(poller))
    }

    /// Like [`new`](Self::new), with a poller of the caller's between the reactor and the operating system.
    ///
    /// # Errors
    ///
    /// Like [`new`](Self::new).
    pub fn with_poller(wrap: impl FnOnce(OsPoller) -> Box<dyn Poller>) -> io::Result<Self> {
        let process = Process::current()?;
        let poller = OsPoller::new()?;
        let registry = Rc::new(poller.registry().try_clone()?);
        let ringer = ringer(&registry, process)?;
        Ok(Self {
            means: Cell::new(Some(Box::new(Means {
                poller: wrap(poller),
                found: Vec::new(),
                woken: Vec::new(),
            }))),
            alarm: Alarm::new(&registry)?,
            shared: Rc::new(Shared::new(&registry, process)),
            registry,
            ringer,
        })
    }

    /// A handle for making sources.
    #[must_use]
    pub fn handle(&self) -> ReactorHandle {
        ReactorHandle(Rc::clone(&self.shared))
    }

    /// A waker that ends the current or the next [`wait`](Self::wait), from any thread; one system call each time. It
    /// may be kept for longer than the reactor, and then reaches nothing.
    #[must_use]
    pub fn ringer(&self) -> Waker {
        self.ringer.clone()
    }

    /// Sleeps until a source is ready, somebody rings, a signal comes, or `timeout` is over (`None`: for ever), and
    /// wakes those who waited for what was found, in order. **The one place that blocks.**
    ///
    /// Never returns before the timeout without one of the other reasons, but for one case: a sleep of more than about
    /// 24.8 days ends then. The caller looks at its clock again in any case.
    ///
    /// # Errors
    ///
    /// [`Ended`]; what the kernel's poll says (not `Interrupted`: that is a wait which found nothing); a call from
    /// inside the poller, or after the poller panicked.
    ///
    /// # Panics
    ///
    /// If a waker panics: with the first such panic, after all have been woken.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<Waited> {
        let mut means = self.take_means()?;
        means.found.clear();
        let timeout = timeout.map(|timeout| timeout.min(LONGEST_SLEEP));
        let polled = means.poller.poll(&mut means.found, timeout);
        let waited = match &polled {
            Ok(()) => self.deliver(&mut means),
            Err(_) => Waited::default(),
        };
        if means.woken.is_empty() {
            self.means.set(Some(means));
        } else {
            self.wake(means);
        }
        match polled {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(waited),
        }
    }

    /// Lets the present or the next [`wait`](Self::wait) end once the clock has reached `deadline`, to the nanosecond;
    /// and makes the [descriptor](AsFd) readable then. It stays set until it has gone off, whatever else ends a wait.
    ///
    /// It may go off once before the deadline, at one that was set earlier. `false` if it cannot be set, as in a forked
    /// child: then give the time to `wait`.
    pub fn set_alarm(&self, deadline: Instant) -> bool {
        self.shared.process.is_current() && self.alarm.set(deadline)
    }

    /// Ends the reactor: wakes everybody who waits, in the order of the sources' slots, and lets every later operation
    /// fail with [`Ended`]. Its descriptors stay open until it is dropped. Done twice, it does nothing more.
    ///
    /// # Panics
    ///
    /// If a waker panics: with the first such panic, after all have been woken.
    pub fn end(&self) {
        let mut wakers = Vec::new();
        self.shared.table.borrow_mut().end(&mut wakers);
        wake_all(&mut wakers);
    }

    fn take_means(&self) -> io::Result<Box<Means>> {
        if !self.shared.process.is_current() {
            return Err(forked());
        }
        if self.shared.table.borrow().is_ended() {
            return Err(Ended.into());
        }
        let taken =
            || io::Error::other("the reactor is waiting already, or its poller has panicked");
        self.means.take().ok_or_else(taken)
    }

    fn deliver(&self, means: &mut Means) -> Waited {
        let mut table = self.shared.table.borrow_mut();
        let mut waited = table.deliver(&means.found, &mut means.woken);
        waited.full = means.found.len() >= EVENTS_PER_POLL;
        if waited.alarmed {
            self.alarm.went_off();
        }
        waited
    }

    /// Wakes them, with the means put back: foreign code may wait, too.
    fn wake(&self, mut means: Box<Means>) {
        let mut woken = mem::take(&mut means.woken);
        self.means.set(Some(means));
        wake_all(&mut woken);
        if let Some(mut means) = self.means.take() {
            means.woken = woken;
            self.means.set(Some(means));
        }
    }
}

/// The poll descriptor, readable while there is something to [`wait`](Reactor::wait) for, to sleep on in another loop.
impl AsFd for Reactor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.registry.as_fd()
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        if !thread::panicking() {
            return self.end();
        }
        // A second panic would abort the process; the first one is the one to be seen.
        let _ = panic::catch_unwind(AssertUnwindSafe(|| self.end()));
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reactor").field(&self.handle()).finish()
    }
}
