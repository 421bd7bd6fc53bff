//! The handle of a loop: spawn on it, ask its time, reach its reactor.

use std::fmt;
use std::io;
use std::panic::Location;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures::future::LocalFutureObj;
use futures::task::{LocalSpawn, SpawnError};
use tevent_executor::Task;
use tevent_reactor::ReactorHandle;

use crate::core_loop::{self, Loop};
use crate::current::{self, NoContext};
use crate::{Sleep, Timeout, TraceHook, TracePoint};

/// A cheap, cloneable handle of a [`Context`](crate::Context), for its own thread only. It never keeps the loop alive:
/// once the context is dropped, what it does ends at once, or in an error.
#[derive(Clone)]
pub struct Handle {
    inner: Rc<Loop>,
}

impl Handle {
    pub(crate) fn new(inner: Rc<Loop>) -> Self {
        Self { inner }
    }

    /// The handle of the context that runs on this thread (the innermost, if one runs inside another's task).
    ///
    /// # Panics
    /// If none does. [`Handle::try_current`] asks.
    #[must_use]
    #[track_caller]
    pub fn current() -> Self {
        match current::get() {
            Ok(handle) => handle,
            Err(error) => panic!("{error}"),
        }
    }

    /// The handle of the context that runs on this thread.
    ///
    /// # Errors
    /// [`NoContext`] if none does.
    pub fn try_current() -> Result<Self, NoContext> {
        current::get()
    }

    /// Spawns a task on this loop. It is polled first when its turn comes, never inside this call.
    ///
    /// Once the context has ended, the future is dropped unpolled and the task counts as cancelled.
    #[track_caller]
    pub fn spawn<F: Future + 'static>(&self, future: F) -> Task<F::Output> {
        self.inner.spawn_at(Location::caller(), future)
    }

    /// Like [`Handle::spawn`], on behalf of somebody who asked for it elsewhere, perhaps on another thread: reports
    /// name that place as the task's.
    pub fn spawn_at<F: Future + 'static>(
        &self,
        place: &'static Location<'static>,
        future: F,
    ) -> Task<F::Output> {
        self.inner.spawn_at(place, future)
    }

    /// The time of this turn: read when first asked for, and again by whoever asks for a fresh reading, as `sleep` and
    /// [`Handle::timer_after`] do; the same for all who ask in between. It never runs ahead of the clock;
    /// [`Handle::read_clock`] gives the exact time. Between two turns it is that.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.inner.turn_time()
    }

    /// A fresh reading of this loop's clock, which becomes the time of this turn.
    #[must_use]
    pub fn read_clock(&self) -> Instant {
        self.inner.read_clock()
    }

    /// When the earliest timer is due: a host of this loop runs a turn by then.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.inner.next_deadline()
    }

    /// Waits for a duration; see [`sleep`](crate::sleep()).
    #[inline]
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::for_duration(self.clone(), duration)
    }

    /// Waits for a deadline; see [`sleep_until`](crate::sleep_until).
    #[inline]
    pub fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep::until(self.clone(), deadline)
    }

    /// Gives a future a limited time; see [`timeout`](crate::timeout()).
    pub fn timeout<F: Future>(&self, duration: Duration, future: F) -> Timeout<F> {
        Timeout::new(self.sleep(duration), future)
    }

    /// Ends the [`run`](crate::Context::run) that is under way once its turn is over, or the next one at once. Tasks
    /// and handlers stay as they are and go on when the loop is run again. `turn` and `block_on` do not ask.
    pub fn stop(&self) {
        self.inner.stop();
    }

    /// Calls `hook` at every [trace point](TracePoint) of this loop until the returned value is dropped. Hooks are
    /// called in the order in which they were added; each may use the loop, and what it registers is told to the hooks
    /// as well. C: `tevent_set_trace_callback` and its kin, which know one hook each.
    ///
    /// A hook should not panic: that goes through whoever caused the moment, and the call of a handler that it was told
    /// of before may be lost.
    ///
    /// Tasks and futures have no trace points of their own; `slow_after` of the [`Builder`](crate::Builder) sees their
    /// polls.
    pub fn on_trace(&self, hook: impl Fn(&TracePoint) + 'static) -> TraceHook {
        self.inner.trace.add(Rc::new(hook))
    }

    /// Whether the context has been dropped. In a forked child it counts as dropped, as it is the parent's.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.inner.has_ended()
    }

    /// Whether this is a forked child of the loop's process, where the loop is the parent's. For crates that share a
    /// lock with other threads: there one of them, that the child does not have, may hold it for ever.
    #[must_use]
    pub fn is_parents(&self) -> bool {
        !self.inner.process.is_current()
    }

    /// The reactor of this loop, for those who bring sources of their own. Signals are the loop's: it decides when they
    /// wake the reactor, so listen by [`Handle::signal`] or a [`Signal`](crate::Signal).
    ///
    /// # Errors
    /// If the context has ended.
    pub fn reactor(&self) -> io::Result<ReactorHandle> {
        self.inner.check_process()?;
        if self.has_ended() {
            return Err(core_loop::ended());
        }
        Ok(self.inner.reactor.clone())
    }

    pub(crate) fn core(&self) -> &Loop {
        &self.inner
    }
}

/// What is spawned through this trait of the `futures` crate runs detached.
impl LocalSpawn for Handle {
    fn spawn_local_obj(&self, future: LocalFutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.status_local()?;
        self.spawn(future).detach();
        Ok(())
    }

    fn status_local(&self) -> Result<(), SpawnError> {
        if self.has_ended() {
            return Err(SpawnError::shutdown());
        }
        Ok(())
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.inner).finish()
    }
}

impl fmt::Debug for Loop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loop")
            .field("ended", &self.has_ended())
            .field("tasks", &self.executor.live())
            .field(
                "timers",
                &self.timers.try_borrow().map(|timers| timers.len()).ok(),
            )
            .field("reactor", &self.reactor)
            .finish_non_exhaustive()
    }
}

/// Spawns a task on the context that runs on this thread; see [`Handle::spawn`].
///
/// # Panics
/// If none does.
#[track_caller]
pub fn spawn<F: Future + 'static>(future: F) -> Task<F::Output> {
    Handle::current().spawn(future)
}
