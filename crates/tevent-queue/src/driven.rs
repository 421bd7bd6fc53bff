//! Driven entries: work that a loop runs at its turn, while the caller only awaits the result.
//!
//! Whoever polls a plain [`entry`](TeventQueue::entry) drives it; if it stops polling, the line stands still. A driven
//! entry is polled by a task of its own, so nothing that the caller does, or fails to do, holds the line up.

mod driver;
mod job;

use std::{
    error::Error,
    fmt,
    future::Future,
    panic::resume_unwind,
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll},
};

use futures_task::{LocalFutureObj, LocalSpawn};

use self::{
    driver::{Begin, Driver, Plain, With},
    job::{Holder, Job, Outcome},
};
use crate::{QueueEntry, QueueError, QueueGuard, TeventQueue};

/// Driven work that has the turn, for whoever wants to cancel it. Weak: it does not keep what its task drops.
pub(crate) type Holders = Vec<Weak<dyn Holder>>;

impl TeventQueue {
    /// Takes the last place in the line, now, and lets a task of `spawner` run `work` at its turn. C:
    /// `tevent_queue_add` with a trigger.
    ///
    /// The turn lasts as long as `work` runs: the work is dropped first, then the turn passes on. Only the result comes
    /// to the caller, who may stop polling, or [`detach`](Queued::detach) it: the line goes on.
    ///
    /// On a closed or full queue the [`Queued`] ends with that error, and `work` is dropped unpolled. If the spawner
    /// refuses the task or drops it, it ends with [`QueueError::Abandoned`].
    ///
    /// ```
    /// use futures::executor::LocalPool;
    /// use tevent_queue::TeventQueue;
    ///
    /// let (queue, mut pool) = (TeventQueue::new("disk"), LocalPool::new());
    /// let read = queue.add_on(&pool.spawner(), async { "data" });
    /// assert_eq!(queue.len(), 1); // its place is taken, the work has not begun
    /// assert_eq!(pool.run_until(read), Ok("data"));
    /// ```
    #[track_caller]
    pub fn add_on<W>(&self, spawner: &(impl LocalSpawn + ?Sized), work: W) -> Queued<W::Output>
    where
        W: Future + 'static,
    {
        self.drive(spawner, self.entry(), Plain(work))
    }

    /// The same, and the work receives its guard: it may keep the turn beyond its own end, give it back
    /// ([`untrigger`](QueueGuard::untrigger)), or hand it to somebody else.
    ///
    /// `work` is called at the turn, inside the task.
    ///
    /// ```
    /// use futures::executor::LocalPool;
    /// use tevent_queue::TeventQueue;
    ///
    /// let (queue, mut pool) = (TeventQueue::new("disk"), LocalPool::new());
    /// let opened = queue.add_with_on(&pool.spawner(), |guard| async move { guard });
    /// let guard = pool.run_until(opened).unwrap(); // the work is done, the turn is not over
    /// assert_eq!(queue.len(), 1);
    /// # drop(guard);
    /// ```
    #[track_caller]
    pub fn add_with_on<F, W>(
        &self,
        spawner: &(impl LocalSpawn + ?Sized),
        work: F,
    ) -> Queued<W::Output>
    where
        F: FnOnce(QueueGuard) -> W + 'static,
        W: Future + 'static,
    {
        self.drive(spawner, self.entry(), With(work))
    }

    /// As [`add_on`](Self::add_on), but a queue that takes nobody gives the work back at once.
    ///
    /// # Errors
    /// [`AddError`] with the work; no place was taken.
    ///
    /// ```
    /// use futures::executor::LocalPool;
    /// use tevent_queue::{AddError, TeventQueue};
    ///
    /// let pool = LocalPool::new();
    /// let queue = TeventQueue::builder("disk").capacity(1).build();
    /// let first = queue.try_add_on(&pool.spawner(), async { 1 });
    /// let second = queue.try_add_on(&pool.spawner(), async { 2 });
    /// assert!(first.is_ok());
    /// assert!(matches!(second, Err(AddError::Full(_work))));
    /// ```
    #[track_caller]
    pub fn try_add_on<W>(
        &self,
        spawner: &(impl LocalSpawn + ?Sized),
        work: W,
    ) -> Result<Queued<W::Output>, AddError<W>>
    where
        W: Future + 'static,
    {
        if self.is_closed() {
            return Err(AddError::Closed(work));
        }
        if spawner.status_local().is_err() {
            return Err(AddError::LoopEnded(work));
        }
        match self.entry_if_fewer_than(usize::MAX) {
            Some(entry) => Ok(self.drive(spawner, entry, Plain(work))),
            None => Err(AddError::Full(work)),
        }
    }

    /// Cancels the work of the [`holder`](Self::holder), as [`Queued::cancel`] does. `false` if there is no holder, or
    /// if it is not driven work: a guard that somebody has, and be it work which was given its guard
    /// ([`add_with_on`](Self::add_with_on)), is out of the queue's reach.
    ///
    /// ```
    /// use futures::{executor::LocalPool, future::pending};
    /// use tevent_queue::{QueueError, TeventQueue};
    ///
    /// let (queue, mut pool) = (TeventQueue::new("disk"), LocalPool::new());
    /// let stuck = queue.add_on(&pool.spawner(), pending::<()>());
    /// pool.run_until_stalled();
    /// assert!(queue.cancel_holder());
    /// assert_eq!(pool.run_until(stuck), Err(QueueError::Cancelled));
    /// ```
    pub fn cancel_holder(&self) -> bool {
        let holder = self.holder_position().and_then(|position| {
            let driven = self.inner().driven.borrow();
            let mut jobs = driven.iter().filter_map(Weak::upgrade);
            jobs.find(|job| job.position() == Some(position))
        });
        let Some(job) = holder else { return false };
        job.cancel();
        true
    }

    fn drive<B>(
        &self,
        spawner: &(impl LocalSpawn + ?Sized),
        entry: QueueEntry,
        begin: B,
    ) -> Queued<<B::Work as Future>::Output>
    where
        B: Begin,
    {
        let job = Rc::new(Job::new(entry));
        let driver = Driver::new(Rc::clone(self.inner()), Rc::clone(&job), begin);
        // Whoever refuses the task drops it, and then it tells the job.
        let _refused = spawner.spawn_local_obj(LocalFutureObj::new(Box::new(driver)));
        Queued { job }
    }
}

/// The result of driven work, awaited: from [`add_on`](TeventQueue::add_on) and its kin.
///
/// It is ready once the work is gone and the turn has passed on (unless the work gave its guard to somebody else):
/// with the work's output, or with the reason why there is none. A panic of the work goes on in whoever awaits this;
/// the loop lives on.
///
/// **Dropping it** leaves the line if the work has not started; started work runs to its end, and its output is
/// dropped there. [`cancel`](Self::cancel) ends it in any case, [`detach`](Self::detach) lets it run in any case.
///
/// The work is dropped by the task that drives it, at that task's next turn, and never inside a call of this type.
///
/// # Cancel safety
/// Awaiting through `&mut queued` may be given up and taken up again.
///
/// # Panics
/// With the panic of the work; and when polled after it was ready.
#[must_use = "dropping it takes the work out of the line, unless it has started: await it, or `detach` it"]
pub struct Queued<T> {
    job: Rc<Job<T>>,
}

impl<T> Queued<T> {
    /// Leaves the line if the work has not started, at once: `true`, and it never will. `false` if it has started, or
    /// is over.
    ///
    /// The result is [`QueueError::Cancelled`] then.
    ///
    /// ```
    /// use futures::executor::LocalPool;
    /// use tevent_queue::{QueueError, TeventQueue};
    ///
    /// let (queue, mut pool) = (TeventQueue::new("disk"), LocalPool::new());
    /// let read = queue.add_on(&pool.spawner(), async { "data" });
    /// assert!(read.cancel_if_waiting());
    /// assert!(queue.is_empty());
    /// assert_eq!(pool.run_until(read), Err(QueueError::Cancelled));
    /// ```
    pub fn cancel_if_waiting(&self) -> bool {
        self.job.leave()
    }

    /// Leaves the line at once, or asks for the end of work that has started: it is not polled again, but dropped at
    /// its task's next turn (if it cancels itself: as soon as it has returned), and then the turn passes on.
    ///
    /// The result is [`QueueError::Cancelled`], unless the work had finished. Cancelling twice is the same as once.
    pub fn cancel(&self) {
        Holder::cancel(&*self.job);
    }

    /// Lets the work run at its turn, whoever waits for it or not. Its output is dropped there; a panic is reported by
    /// the panic hook only.
    pub fn detach(self) {
        self.job.give_outcome_up();
    }

    /// Gives the entry a number of the caller's own, as [`QueueEntry::tagged`]. A guard that the work has received
    /// already keeps the tag it had.
    pub fn tagged(self, tag: u64) -> Self {
        self.job.set_tag(tag);
        self
    }

    /// The entry's tag; 0 if none.
    #[must_use]
    pub fn tag(&self) -> u64 {
        self.job.tag()
    }

    /// How many are before it in the line, as [`QueueEntry::position`]; `None` also if the work has received its
    /// guard.
    #[must_use]
    pub fn position(&self) -> Option<usize> {
        self.job.position()
    }

    /// Whether its turn had come and the work was started.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.job.is_started()
    }
}

impl<T> Future for Queued<T> {
    type Output = Result<T, QueueError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.job.poll_outcome(cx).map(|outcome| match outcome {
            Outcome::Output(output) => Ok(output),
            Outcome::Failed(error) => Err(error),
            Outcome::Panicked(panic) => resume_unwind(panic),
        })
    }
}

impl<T> Drop for Queued<T> {
    fn drop(&mut self) {
        if self.job.give_outcome_up() {
            self.job.leave();
        }
    }
}

impl<T> fmt::Debug for Queued<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Queued({})", self.job.stage_name())
    }
}

/// Why [`try_add_on`](TeventQueue::try_add_on) took no place; with the work.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum AddError<W> {
    /// As many are in the line as may be ([`capacity`](crate::Builder::capacity)).
    Full(W),
    /// The queue is closed.
    Closed(W),
    /// The spawner takes no task any more.
    LoopEnded(W),
}

impl<W> AddError<W> {
    /// The work, to be tried again or given to somebody else.
    pub fn into_work(self) -> W {
        match self {
            Self::Full(work) | Self::Closed(work) | Self::LoopEnded(work) => work,
        }
    }
}

/// Without the work: futures have no picture.
impl<W> fmt::Debug for AddError<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
            Self::LoopEnded(_) => "LoopEnded(..)",
        })
    }
}

impl<W> fmt::Display for AddError<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the queue is full: try again when its length has gone down",
            Self::Closed(_) => "the queue is closed",
            Self::LoopEnded(_) => "the loop that was to run the work has ended",
        })
    }
}

impl<W> Error for AddError<W> {}
