//! The owner of a loop.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::panic::Location;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use tevent_executor::Task;
use tevent_reactor::Reactor;

use crate::clock::Clock;
use crate::core_loop::Loop;
use crate::{Builder, Handle, Turn};

/// An event loop on one thread, and its owner: not `Clone`, and dropping it ends the loop (C: `tevent_context`).
///
/// The end cancels every task: its destructors run on this thread, before `drop` returns. Then sources and descriptors
/// go. Wakers, [`Handle`]s and [`Task`]s may outlive it.
///
/// Several contexts may live in one process, and on one thread; one may run inside a task of another.
pub struct Context {
    pub(crate) core: Rc<Loop>,
    pub(crate) reactor: Reactor,
}

impl Context {
    /// A context on the system's clock (C: `tevent_context_init`).
    ///
    /// # Errors
    /// If the system gives no descriptors for it.
    pub fn new() -> io::Result<Self> {
        Self::builder().build()
    }

    /// A context with choices: the clock, the source of poll results, a seed.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A handle of this context.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(Rc::clone(&self.core))
    }

    /// Spawns a task; it runs while the loop does. See [`Handle::spawn`].
    #[track_caller]
    pub fn spawn<F: Future + 'static>(&self, future: F) -> Task<F::Output> {
        self.core.spawn_at(Location::caller(), future)
    }

    /// Runs the loop until the future has finished (C: `tevent_loop_until`, `tevent_req_poll`). The future may borrow;
    /// it takes its turns among the spawned tasks. Those that are unfinished afterwards wait for the next run.
    ///
    /// # Panics
    /// With the future's own panic; if called inside a task of this context; and if the system's poll fails for good,
    /// or the loop is [`Stuck`](crate::Stuck) on a virtual clock ([`Context::run`] and [`Context::turn`] give these
    /// errors back).
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let result = self.core.enter(|| {
            let turn =
                |is_finished: &dyn Fn() -> bool| self.phases(None, &|_| is_finished()).map(drop);
            self.core.executor.drive(future, turn)
        });
        match result {
            Ok(output) => output,
            Err(error) => panic!("`block_on` cannot go on: {error}"),
        }
    }

    /// Runs the loop until no task and no registered handler is left (C: `tevent_loop_wait`, which does not count
    /// work), or until somebody says [`Handle::stop`].
    ///
    /// What a task waits for counts by its task. A handler counts while it can be called: an immediate while it is
    /// scheduled, a timer while it is armed, a signal's always, a descriptor's while it has flags; unless it was told
    /// not to [keep the loop running](crate::TimerHandle::keep_running). Handles, queues and wakers elsewhere do not
    /// count.
    ///
    /// # Errors
    /// If the system's poll fails. The loop is intact and may be run again.
    ///
    /// # Panics
    /// If called inside a task of this context.
    pub fn run(&self) -> io::Result<()> {
        self.core.enter(|| {
            let core = &self.core;
            core.check_process()?;
            while !core.take_stop() && !core.is_idle() {
                self.phases(None, &|_| core.is_stopped() || core.is_idle())?;
            }
            Ok(())
        })
    }

    /// Runs the loop once (C: `tevent_loop_once`): every phase, each within its bound. If there is nothing to do, it
    /// waits until there is, at most `timeout`, and does it; `None` waits as long as it takes, `Some(Duration::ZERO)`
    /// does not wait. A turn that has done something does not wait: whoever calls it in a loop may look at what was
    /// done.
    ///
    /// A host that runs this loop inside its own watches the [descriptor](#impl-AsFd-for-Context), and nothing else,
    /// and calls this with a zero timeout until there is no [more](Turn::more).
    ///
    /// # Errors
    /// If the system's poll fails; if the loop is [`Stuck`](crate::Stuck) on a virtual clock; in a forked child.
    ///
    /// # Panics
    /// If called inside a task of this context.
    pub fn turn(&self, timeout: Option<Duration>) -> io::Result<Turn> {
        let done = self.core.enter(|| {
            let done = self.pass_until_done(timeout)?;
            self.core.will_be_told();
            io::Result::Ok(done)
        })?;
        // Asked only now: if anybody may sleep on the descriptor, whatever comes later rings.
        let more = done.more || self.core.has_more();
        if self.core.is_lent() {
            self.set_alarm();
        }
        Ok(Turn { more, ..done })
    }

    /// One pass, and if that was spent waiting, the phases before the poll once more, for what has come. What rings may
    /// have been done already, so then it waits on.
    fn pass_until_done(&self, timeout: Option<Duration>) -> io::Result<Turn> {
        if timeout == Some(Duration::ZERO) {
            return self.phases(timeout, &Turn::did_something);
        }
        // An end that the clock cannot tell never comes.
        let end = timeout.and_then(|timeout| self.core.read_clock().checked_add(timeout));
        let mut left = timeout.filter(|_| end.is_some());
        loop {
            let done = self.phases(left, &Turn::did_something)?;
            if done.did_something() {
                return Ok(done);
            }
            let done = done.and(self.serve());
            left = end.map(|end| end.saturating_duration_since(self.core.read_clock()));
            if done.did_something() || done.told > 0 || left == Some(Duration::ZERO) {
                return Ok(done);
            }
        }
    }

    /// Between two turns the host sleeps: the context's descriptor tells it of the next timer, too.
    fn set_alarm(&self) {
        if let (Clock::System, Some(deadline)) = (&self.core.clock, self.core.next_deadline()) {
            self.reactor.set_alarm(deadline);
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // The reactor ends after this, by its own drop, also if a waker panics here. A panic during a panic would abort
        // the process: then the first one is the one to be seen.
        if !thread::panicking() {
            return self.core.end();
        }
        let _ = panic::catch_unwind(AssertUnwindSafe(|| self.core.end()));
    }
}

/// The descriptor that becomes readable when the loop has anything to do: events of descriptors, timers that are due,
/// signals, messages from other threads, and whatever was spawned, woken or scheduled between two turns. Whoever
/// watches it, level- or edge-triggered, and calls [`turn(Some(Duration::ZERO))`](Context::turn) until there is no
/// [more](Turn::more), misses nothing. No first turn is needed before the host's first sleep: what was spawned or
/// registered until then makes it readable, too.
///
/// All this begins when it is asked for, here: a loop whose descriptor nobody has asked for spares the system calls
/// that make it readable between two turns.
///
/// There is `more` for as long as a task of this loop yields, which may be for ever. A host that has to stay fair to
/// itself gives way between two turns.
///
/// - tokio: an `AsyncFd` over the `BorrowedFd`, or over an `Rc<Context>`; clear its readiness before the turns, and
///   `yield_now` between them (example `embed_tokio`).
/// - calloop: a `Generic` over an `Rc<Context>` (example `embed_calloop`).
/// - `poll(2)` and its kin: the descriptor itself (example `embed_poll`).
impl AsFd for Context {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.core.lend();
        self.reactor.as_fd()
    }
}

/// The number of the descriptor that [`AsFd`](#impl-AsFd-for-Context) lends, for hosts that ask for one; the same for
/// as long as the context lives.
impl AsRawFd for Context {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Context").field(&self.core).finish()
    }
}
