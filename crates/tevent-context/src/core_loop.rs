//! The parts of one loop, and what keeps them together: entering, time, the end.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use tevent_core::doorbell::Doorbell;
use tevent_core::timers::Timers;
use tevent_core::wake::wake_in_batches;
use tevent_executor::Executor;
use tevent_reactor::{Reactor, ReactorHandle};

use crate::clock::Clock;
use crate::current;
use crate::handle::Handle;

/// What the `Context` shares with its handles: all of the loop but the reactor, which is the context's alone. So
/// handles may keep memory, but neither tasks nor descriptors.
pub(crate) struct Loop {
    pub(crate) executor: Executor,
    pub(crate) reactor: ReactorHandle,
    pub(crate) doorbell: Arc<Doorbell>,
    pub(crate) timers: RefCell<Timers<Waker>>,
    pub(crate) clock: Clock,
    /// Deadlines count in nanoseconds from here.
    start: Instant,
    /// The time of this turn, once somebody has asked.
    turn_time: Cell<Option<Instant>>,
    running: Cell<bool>,
    /// Whoever ran the loop last was told whether there is more, so leaving it need not ring.
    told: Cell<bool>,
    ended: Cell<bool>,
}

impl Loop {
    pub(crate) fn new(reactor: &Reactor, clock: Clock, seed: Option<u64>) -> Rc<Self> {
        let doorbell = Arc::new(Doorbell::new(reactor.ringer()));
        let executor = Executor::new(Arc::clone(&doorbell));
        Rc::new(Self {
            executor: match seed {
                Some(seed) => executor.shuffled(seed),
                None => executor,
            },
            reactor: reactor.handle(),
            doorbell,
            timers: RefCell::default(),
            start: clock.now(),
            clock,
            turn_time: Cell::new(None),
            running: Cell::new(false),
            told: Cell::new(false),
            ended: Cell::new(false),
        })
    }

    /// Runs `f` as the running loop of this thread: wakes are plain, `Handle::current()` is this one. Other threads do
    /// not ring until `f` parks the doorbell or is done.
    ///
    /// # Panics
    /// If this loop is running already: a task cannot run its own loop.
    pub(crate) fn enter<R>(self: &Rc<Self>, f: impl FnOnce() -> R) -> R {
        assert!(
            !self.running.replace(true),
            "a task cannot run its own context: await the future instead of `block_on`, or use a second context"
        );
        let _running = Running(self);
        self.executor.unpark();
        current::with(Handle::new(Rc::clone(self)), || self.executor.enter(f))
    }

    /// Whether tasks are ready or wakes have come.
    pub(crate) fn has_work(&self) -> bool {
        self.executor.has_ready() || self.executor.has_remote()
    }

    /// Whether a turn would find something to do at once: work, or a timer that is due.
    pub(crate) fn has_more(&self) -> bool {
        self.has_work() || self.until_next_timer() == Some(Duration::ZERO)
    }

    /// Whoever runs the loop will be told whether there is more when he leaves it.
    pub(crate) fn will_be_told(&self) {
        self.told.set(true);
    }

    /// The loop is about to sleep: the next who asks for the time reads the clock.
    pub(crate) fn forget_time(&self) {
        self.turn_time.set(None);
    }

    pub(crate) fn turn_time(&self) -> Instant {
        self.turn_time.get().unwrap_or_else(|| self.read_clock())
    }

    /// Reads the clock; while the loop runs, the reading becomes the turn's time.
    pub(crate) fn read_clock(&self) -> Instant {
        let now = self.clock.now();
        self.turn_time.set(self.running.get().then_some(now));
        now
    }

    /// The present, as a time of `timers`.
    pub(crate) fn now(&self) -> u64 {
        self.deadline(self.read_clock()).unwrap_or(u64::MAX)
    }

    /// An instant as a deadline of `timers`; `None` is never: 584 years and more from the start.
    pub(crate) fn deadline(&self, at: Instant) -> Option<u64> {
        let since_start = at.saturating_duration_since(self.start).as_nanos();
        u64::try_from(since_start).ok()
    }

    /// When the earliest timer is due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let deadline = self.timers.borrow().next_deadline()?;
        Some(self.start + Duration::from_nanos(deadline))
    }

    /// How long until the earliest timer is due, by the clock of this moment: it is asked before a sleep only.
    pub(crate) fn until_next_timer(&self) -> Option<Duration> {
        let deadline = self.timers.borrow().next_deadline()?;
        Some(Duration::from_nanos(deadline.saturating_sub(self.now())))
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// Ends the loop: drops every task's future on this thread, then wakes the sleeps of other executors: they learn by
    /// their next poll that nothing will wake them again. The context goes on with its reactor.
    ///
    /// # Panics
    /// With the first panic of a waker, after all have been woken.
    pub(crate) fn end(self: &Rc<Self>) {
        if self.ended.replace(true) {
            return;
        }
        current::with(Handle::new(Rc::clone(self)), || self.executor.close());
        let mut sleeping = std::mem::take(&mut *self.timers.borrow_mut());
        wake_in_batches(|batch| {
            while !batch.is_full()
                && let Some((_, waker)) = sleeping.pop_due(u64::MAX)
            {
                let refused = batch.push(waker);
                debug_assert!(refused.is_ok(), "the batch had room");
            }
        });
    }
}

/// Leaves the loop parked, so that whatever happens between two turns rings; and rings for what is there already,
/// unless the caller is told.
struct Running<'a>(&'a Loop);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.set(false);
        self.0.forget_time();
        let is_idle = self.0.executor.park() && !self.0.executor.has_ready();
        if !self.0.told.take() && !is_idle {
            self.0.doorbell.ring_if_parked();
        }
    }
}

/// The error of everything that needs a living loop.
pub(crate) fn ended() -> io::Error {
    io::Error::other("the context has ended: create this before the `Context` is dropped")
}
