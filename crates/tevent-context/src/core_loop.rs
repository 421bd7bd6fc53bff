//! The parts of one loop, and what keeps them together: entering, time, the end.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use tevent_core::doorbell::Doorbell;
use tevent_core::timers::Timers;
use tevent_executor::Executor;
use tevent_reactor::{Reactor, ReactorHandle};

use crate::clock::Clock;
use crate::current;
use crate::handle::Handle;

/// What the `Context` shares with its handles: all of the loop but the reactor, which is the context's alone. So handles
/// may keep memory, but neither tasks nor descriptors.
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
            "a task cannot run the context that runs it: await the future instead of `block_on`, or use a second context"
        );
        let _running = Running(self);
        self.doorbell.unpark();
        current::with(Handle::new(Rc::clone(self)), || self.executor.enter(f))
    }

    /// Whether a turn would find something to do at once.
    pub(crate) fn has_more(&self) -> bool {
        self.executor.has_ready() || self.executor.has_remote()
    }

    /// A new turn begins: the next who asks for its time reads the clock.
    pub(crate) fn begin_turn(&self) {
        self.turn_time.set(None);
    }

    pub(crate) fn turn_time(&self) -> Instant {
        self.turn_time.get().unwrap_or_else(|| self.read_clock())
    }

    /// Reads the clock; the reading becomes the turn's time.
    pub(crate) fn read_clock(&self) -> Instant {
        let now = self.clock.now();
        self.turn_time.set(Some(now));
        now
    }

    /// An instant as a deadline of `timers`: never early, so fractions (there are none on Linux) would round up.
    pub(crate) fn deadline(&self, at: Instant) -> u64 {
        let since_start = at.saturating_duration_since(self.start).as_nanos();
        u64::try_from(since_start).unwrap_or(u64::MAX)
    }

    /// How long until the earliest timer is due, by the clock of this moment: it is asked before a sleep only.
    pub(crate) fn until_next_timer(&self) -> Option<Duration> {
        let deadline = self.timers.borrow().next_deadline()?;
        let now = self.deadline(self.read_clock());
        Some(Duration::from_nanos(deadline.saturating_sub(now)))
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// Ends the loop: drops every task's future on this thread, then lets go of the timers. The context goes on with its
    /// reactor.
    pub(crate) fn end(self: &Rc<Self>) {
        if self.ended.replace(true) {
            return;
        }
        current::with(Handle::new(Rc::clone(self)), || self.executor.close());
        let waiting = std::mem::take(&mut *self.timers.borrow_mut());
        wake_all(waiting);
    }
}

/// Sleeps of other executors learn that their loop has ended.
fn wake_all(mut timers: Timers<Waker>) {
    while let Some((_, waker)) = timers.pop_due(u64::MAX) {
        waker.wake();
    }
}

/// Leaves the loop parked, so that whatever happens between two turns rings.
struct Running<'a>(&'a Loop);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.set(false);
        self.0.doorbell.park();
    }
}

/// The error of everything that needs a living loop.
pub(crate) fn ended() -> io::Error {
    io::Error::other("the context has ended: create this before the `Context` is dropped")
}
