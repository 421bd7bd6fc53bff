//! The owner of a loop.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use tevent_executor::Task;
use tevent_reactor::Reactor;

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
        self.core.executor.spawn(future)
    }

    /// Runs the loop until the future has finished (C: `tevent_loop_until`, `tevent_req_poll`). The future may borrow;
    /// it takes its turns among the spawned tasks. Those that are unfinished afterwards wait for the next run.
    ///
    /// # Panics
    /// With the future's own panic; if called inside a task of this context; and if the system's poll fails for good
    /// ([`Context::run`] and [`Context::turn`] give that error back).
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let result = self.core.enter(|| {
            let turn =
                |is_finished: &dyn Fn() -> bool| self.phases(None, &|_| is_finished()).map(drop);
            self.core.executor.drive(future, turn)
        });
        result.unwrap_or_else(|error| {
            panic!("the system's poll failed while `block_on` waited: {error}")
        })
    }

    /// Runs the loop until no task is left (C: `tevent_loop_wait`, which counts event sources instead of work).
    ///
    /// # Errors
    /// If the system's poll fails. The loop is intact and may be run again.
    ///
    /// # Panics
    /// If called inside a task of this context.
    pub fn run(&self) -> io::Result<()> {
        self.core.enter(|| {
            let is_idle = || self.core.executor.live() == 0;
            while !is_idle() {
                self.phases(None, &|_| is_idle())?;
            }
            Ok(())
        })
    }

    /// Runs the loop once (C: `tevent_loop_once`): every phase, each within its bound. If there was nothing to do, it
    /// waits for an event, at most `timeout`; `None` waits as long as it takes, `Some(Duration::ZERO)` does not wait. A
    /// turn that has polled a task or fired a timer does not wait: whoever calls it in a loop may look at what was
    /// done.
    ///
    /// A host that runs this loop inside its own watches the [descriptor](AsFd) and the [next
    /// deadline](Handle::next_deadline), and calls this with a zero timeout until nothing is [left](Turn::more).
    ///
    /// # Errors
    /// If the system's poll fails.
    ///
    /// # Panics
    /// If called inside a task of this context.
    pub fn turn(&self, timeout: Option<Duration>) -> io::Result<Turn> {
        let counts = self.core.enter(|| {
            let counts = self.phases(timeout, &|done| done.polls > 0 || done.timers > 0)?;
            self.core.will_be_told();
            io::Result::Ok(counts)
        })?;
        // Asked only now: the doorbell is parked again, so whatever comes later rings.
        let more = self.core.has_more();
        Ok(Turn { more, ..counts })
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

/// The descriptor that becomes readable when the loop has events of descriptors or messages from other threads.
impl AsFd for Context {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reactor.as_fd()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Context").field(&self.core).finish()
    }
}
