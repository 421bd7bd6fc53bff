//! The handle of a loop: spawn on it, ask its time, reach its reactor.

use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures::future::LocalFutureObj;
use futures::task::{LocalSpawn, SpawnError};
use tevent_executor::Task;
use tevent_reactor::ReactorHandle;

use crate::core_loop::{self, Loop};
use crate::current::{self, NoContext};
use crate::{Sleep, Timeout};

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
        self.inner.executor.spawn(future)
    }

    /// The time of this turn: read once, when first asked for, and the same for all who ask in this turn. It never runs
    /// ahead of the clock; [`Handle::read_clock`] gives the exact time. Between two turns it is that.
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
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::for_duration(self.clone(), duration)
    }

    /// Waits for a deadline; see [`sleep_until`](crate::sleep_until).
    pub fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep::until(self.clone(), deadline)
    }

    /// Gives a future a limited time; see [`timeout`](crate::timeout()).
    pub fn timeout<F: Future>(&self, duration: Duration, future: F) -> Timeout<F> {
        Timeout::new(self.sleep(duration), future)
    }

    /// Whether the context has been dropped.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.inner.has_ended()
    }

    /// The reactor of this loop, for those who bring sources of their own.
    ///
    /// # Errors
    /// If the context has ended.
    pub fn reactor(&self) -> io::Result<ReactorHandle> {
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
