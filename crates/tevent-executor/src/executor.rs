//! The executor: spawns tasks and polls those that are ready, in the order in which they became so.

use std::cell::RefCell;
use std::fmt;
use std::panic::Location;

use tevent_core::budget;
use tevent_core::doorbell::Doorbell;
use tevent_core::observe::{self, Observer, Polled, TaskId};
use tevent_core::sync::Arc;

use crate::spawner::Spawner;
use crate::task::{self, Owner};
use crate::{Task, TaskError};

/// A single-threaded executor. Dropping it ends it: see [`Executor::close`].
pub struct Executor {
    owner: Owner,
    /// Picks the next task at random instead of first come, first served.
    shuffle: Option<RefCell<fastrand::Rng>>,
}

/// What one [`Executor::run_ready`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Tasks polled.
    pub polls: u32,
    /// Polls and the operations charged to their budgets ([`tevent_core::budget`]) together.
    pub spent: u32,
}

impl Executor {
    /// An executor whose wakes from elsewhere ring `doorbell`.
    #[must_use]
    pub fn new(doorbell: Arc<Doorbell>) -> Self {
        observe::executor_begins();
        Self {
            owner: Owner::new(doorbell),
            shuffle: None,
        }
    }

    /// For tests: polls ready tasks in a random order that the seed decides, to bring out what depends on the order.
    #[must_use]
    pub fn shuffled(mut self, seed: u64) -> Self {
        self.shuffle = Some(RefCell::new(fastrand::Rng::with_seed(seed)));
        self
    }

    /// Spawns a task. It is polled first when its turn comes, never inside this call.
    ///
    /// On an executor that has ended the future is dropped unpolled, and the task's outcome is
    /// [`TaskError::Cancelled`].
    #[track_caller]
    pub fn spawn<F: Future + 'static>(&self, future: F) -> Task<F::Output> {
        self.spawn_at(Location::caller(), future)
    }

    /// Like [`Executor::spawn`], for somebody who asked for it at another place: reports name that one.
    #[inline]
    pub fn spawn_at<F: Future + 'static>(
        &self,
        place: &'static Location<'static>,
        future: F,
    ) -> Task<F::Output> {
        Task::spawned(self.owner.spawn(future), &self.owner, place)
    }

    /// The answer to a spawn that cannot be served: the future is dropped, unpolled, and the task's outcome is
    /// [`TaskError::Cancelled`].
    pub fn refuse<F: Future + 'static>(&self, future: F) -> Task<F::Output> {
        let mut joint = self.owner.spawn(future);
        joint.end_now();
        Task::new(joint)
    }

    /// A handle that can spawn, too, and does not keep the executor from ending.
    #[must_use]
    pub fn spawner(&self) -> Spawner {
        Spawner::new(self.owner.clone())
    }

    /// Runs `f` with this executor as the current one of the thread: wakes of its tasks inside `f` touch plain memory.
    /// Nests, also with other executors.
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        task::enter(&self.owner, f)
    }

    /// Does the wakes that came from other threads, or from outside [`Executor::enter`], in order of arrival.
    pub fn accept_remote(&self) {
        self.owner.accept_remote();
    }

    /// Says that the loop is about to sleep, or to return to its host: the first wake from elsewhere rings from now on.
    /// `false` if such wakes wait already: then do not sleep.
    ///
    /// It is a [rest](Self::rest), too.
    #[must_use = "a loop with work must not sleep"]
    pub fn park(&self) -> bool {
        self.owner.park()
    }

    /// Says that the loop rests. The memory of a burst of tasks comes back when it has rested a few times without a
    /// need of it; a loop that never rests keeps it.
    pub fn rest(&self) {
        self.owner.give_memory_back();
    }

    /// Says that the loop runs: nobody rings from now on. Call [`Executor::accept_remote`] before the next
    /// [`Executor::park`].
    pub fn unpark(&self) {
        self.owner.unpark();
    }

    /// Whether such wakes wait to be accepted.
    #[must_use]
    pub fn has_remote(&self) -> bool {
        self.owner.has_remote()
    }

    /// Polls ready tasks inside [`Executor::enter`] (outside of it every wake takes the long way), first woken first,
    /// until none is ready or `allowance` is used up: each poll costs one, and each operation charged to the poll's
    /// [budget] one more, so that tasks which are always ready cannot hold the caller for long. What a poll wakes is
    /// polled after all that were ready before.
    ///
    /// # Panics
    /// If called from inside a task of this executor; and with a panic of an [observer](tevent_core::observe).
    pub fn run_ready(&self, allowance: u32) -> Ran {
        self.run_ready_while(allowance, || true)
    }

    /// Like [`Executor::run_ready`], as long as `go_on` says so: it is asked before each poll.
    ///
    /// # Panics
    /// As [`Executor::run_ready`].
    #[inline]
    pub fn run_ready_while(&self, allowance: u32, go_on: impl Fn() -> bool) -> Ran {
        self.run_each(allowance, go_on, Owner::run_next)
    }

    /// Like [`Executor::run_ready_while`], with `around` called for each poll: it [makes](NextPoll::run) the poll and
    /// may measure it.
    ///
    /// # Panics
    /// As [`Executor::run_ready`]; and with a panic of `around`.
    pub fn run_ready_around(
        &self,
        allowance: u32,
        go_on: impl Fn() -> bool,
        around: impl Fn(NextPoll<'_>),
    ) -> Ran {
        self.run_each(allowance, go_on, |owner| {
            let next = owner.next_task();
            next.map(|task| around(NextPoll { owner, task })).is_some()
        })
    }

    /// Polls every task that is not finished once more, woken or not, with `around` called for each. A poll that nobody
    /// asked for is always allowed.
    ///
    /// # Panics
    /// As [`Executor::run_ready_around`].
    pub fn run_live_around(&self, around: impl Fn(NextPoll<'_>)) {
        let mut from = 0;
        while let Some(next) = self.owner.wake_live(from) {
            from = next;
            self.run_ready_around(1, || true, &around);
        }
    }

    #[inline]
    fn run_each(
        &self,
        allowance: u32,
        go_on: impl Fn() -> bool,
        run_next: impl Fn(&Owner) -> bool,
    ) -> Ran {
        let _polling = Polling::begin(&self.owner);
        let mut granted = budget::grant();
        let mut ran = Ran::default();
        while ran.spent < allowance && go_on() {
            self.pick();
            if !run_next(&self.owner) {
                granted.outside(|| self.tell_out_of_work());
                break;
            }
            ran.polls += 1;
            ran.spent += 1 + granted.renew();
            if let Some(observer) = observe::observer() {
                granted.outside(|| self.tell_polled(observer));
            }
        }
        ran
    }

    #[cold]
    fn tell_polled(&self, observer: &Observer) {
        let polled = self.owner.polled();
        (observer.polled)(&Polled {
            round: polled.round.filter(|_| self.shuffle.is_none()),
            ..polled
        });
    }

    fn tell_out_of_work(&self) {
        // What was woken from elsewhere is ready, too, but not yet accepted.
        if let Some(observer) = observe::observer()
            && !self.has_remote()
        {
            self.owner.rest();
            (observer.out_of_work)();
        }
    }

    #[inline]
    fn pick(&self) {
        if let Some(shuffle) = &self.shuffle {
            let ready = self.owner.ready();
            if ready > 1 {
                self.owner
                    .bring_forward(shuffle.borrow_mut().usize(..ready));
            }
        }
    }

    /// How many tasks are ready to be polled.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.owner.ready()
    }

    /// Whether a task is ready to be polled.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        self.owner.ready() > 0
    }

    /// Tasks that have not finished.
    #[must_use]
    pub fn live(&self) -> usize {
        self.owner.live()
    }

    /// Runs a future that may borrow to its end: as a task among the others, while `turn` is called again and again.
    /// `turn` is told how to ask whether the future has finished, so that it need not sleep after that.
    ///
    /// # Errors
    /// The first error of `turn`; the future is dropped before it is returned.
    ///
    /// # Panics
    /// With the future's own panic; and if the executor is closed meanwhile.
    pub fn drive<F: Future, E>(
        &self,
        future: F,
        mut turn: impl FnMut(&dyn Fn() -> bool) -> Result<(), E>,
    ) -> Result<F::Output, E> {
        task::scoped(&self.owner, future, |joint| {
            while !joint.is_finished() {
                turn(&|| joint.is_finished())?;
            }
            match joint.take_output() {
                Some(Ok(output)) => Ok(output),
                Some(Err(error)) => error.raise(),
                None => TaskError::Cancelled.raise(),
            }
        })
    }

    /// Ends the executor: wakes from elsewhere are refused from now on, and every task's future is dropped on this
    /// thread. What destructors spawn meanwhile is dropped, too, unpolled. Wakers and [`Task`]s may outlive this.
    pub fn close(&self) {
        self.owner.close();
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn for_tests() -> Self {
        Self::new(Arc::new(Doorbell::new(std::task::Waker::noop().clone())))
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn owner(&self) -> &Owner {
        &self.owner
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.close();
        observe::executor_ends();
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor")
            .field("live", &self.live())
            .field("ready", &self.owner.ready())
            .finish_non_exhaustive()
    }
}

/// A poll that is about to be made.
pub struct NextPoll<'a> {
    owner: &'a Owner,
    task: TaskId,
}

impl NextPoll<'_> {
    /// Whose poll.
    #[must_use]
    pub fn task(&self) -> TaskId {
        self.task
    }

    /// Makes it. If the task waits then, returns how many wakers of it there are.
    pub fn run(self) -> Option<u32> {
        self.owner.run_next();
        self.owner.polled().idle.map(|idle| idle.wakers)
    }
}

impl fmt::Debug for NextPoll<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NextPoll").field(&self.task).finish()
    }
}

/// Keeps a task from running its own executor, also when a poll ends in a panic.
struct Polling<'a>(&'a Owner);

impl<'a> Polling<'a> {
    fn begin(owner: &'a Owner) -> Self {
        assert!(
            owner.begin_polling(),
            "a task cannot run the loop that runs it: await the future instead, or spawn it, or use a second context"
        );
        Self(owner)
    }
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.0.end_polling();
    }
}
