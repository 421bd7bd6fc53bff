//! The parts of one loop, and what keeps them together: entering, time, the end.

use std::cell::{Cell, RefCell};
use std::io;
use std::panic::Location;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tevent_core::doorbell::Doorbell;
use tevent_core::panics::Panics;
use tevent_core::sync::Arc;
use tevent_core::timers::Timers;
use tevent_executor::{Executor, Task};
use tevent_reactor::{Process, Reactor, ReactorHandle, forked};

use crate::clock::Clock;
use crate::current;
use crate::events::fd::Fds;
use crate::events::immediate::Immediates;
use crate::events::inbox::Inboxes;
use crate::events::signal::Signals;
use crate::events::timer::Due;
use crate::extension::Extensions;
use crate::handle::Handle;
use crate::spin::Spin;
use crate::stuck::Patience;
use crate::trace::Trace;
use crate::watchdog::Watchdog;

/// A time of a loop's timers that does not come: 584 years from the start, and all beyond.
pub(crate) const NEVER: u64 = u64::MAX;

/// What the `Context` shares with its handles: all of the loop but the reactor, which is the context's alone. So
/// handles may keep memory, but neither tasks nor descriptors.
pub(crate) struct Loop {
    pub(crate) executor: Executor,
    pub(crate) reactor: ReactorHandle,
    pub(crate) doorbell: Arc<Doorbell>,
    pub(crate) timers: RefCell<Timers<Due>>,
    pub(crate) immediates: Immediates,
    pub(crate) inboxes: Inboxes,
    pub(crate) signals: Signals,
    pub(crate) fds: Fds,
    pub(crate) extensions: Extensions,
    pub(crate) trace: Trace,
    pub(crate) watchdog: Option<Watchdog>,
    pub(crate) patience: Option<Patience>,
    pub(crate) clock: Clock,
    /// How to look for messages before sleeping.
    pub(crate) spin: Spin,
    /// Deadlines count in nanoseconds from here.
    start: Instant,
    /// The time of this turn, once somebody has asked.
    turn_time: Cell<Option<Instant>>,
    running: Cell<bool>,
    /// The last poll came back full, and nobody was told yet.
    pub(crate) full: Cell<bool>,
    /// Whoever ran the loop last was told whether there is more, so leaving it need not ring.
    told: Cell<bool>,
    /// The descriptor was asked for: a host may sleep on it between two turns.
    lent: Cell<bool>,
    ended: Cell<bool>,
    /// Attached events that keep `run` going.
    events: Cell<usize>,
    stop: Cell<bool>,
    pub(crate) process: Process,
}

/// What is chosen before a loop is made.
pub(crate) struct Choices {
    pub(crate) clock: Clock,
    pub(crate) seed: Option<u64>,
    pub(crate) watchdog: Option<Watchdog>,
    pub(crate) patience: Option<Patience>,
    pub(crate) spin: Duration,
}

impl Loop {
    pub(crate) fn new(reactor: &Reactor, choices: Choices) -> io::Result<Rc<Self>> {
        let Choices {
            clock,
            seed,
            watchdog,
            patience,
            spin,
        } = choices;
        let doorbell = Arc::new(Doorbell::new(reactor.ringer()));
        // Nobody sleeps on a descriptor that was not lent.
        doorbell.unpark();
        let executor = Executor::new(Arc::clone(&doorbell));
        Ok(Rc::new(Self {
            executor: match seed {
                Some(seed) => executor.shuffled(seed),
                None => executor,
            },
            reactor: reactor.handle(),
            inboxes: Inboxes::new(Arc::clone(&doorbell)),
            doorbell,
            timers: RefCell::default(),
            immediates: Immediates::default(),
            signals: Signals::default(),
            fds: Fds::default(),
            extensions: Extensions::default(),
            trace: Trace::default(),
            watchdog,
            patience,
            spin: Spin::new(match clock {
                Clock::System => spin,
                Clock::Virtual(_) => Duration::ZERO,
            }),
            start: clock.now(),
            clock,
            turn_time: Cell::new(None),
            running: Cell::new(false),
            full: Cell::new(false),
            told: Cell::new(false),
            lent: Cell::new(false),
            ended: Cell::new(false),
            events: Cell::new(0),
            stop: Cell::new(false),
            process: Process::current()?,
        }))
    }

    /// An event that keeps `run` going has come or gone.
    pub(crate) fn count_events(&self, change: isize) {
        let events = self.events.get().checked_add_signed(change);
        self.events
            .set(events.expect("each event is counted off once"));
    }

    /// Whether `run` has nothing to wait for: no task, and no event that is counted.
    pub(crate) fn is_idle(&self) -> bool {
        self.executor.live() == 0 && self.events.get() == 0
    }

    /// The present or the next `run` ends.
    pub(crate) fn stop(&self) {
        self.stop.set(true);
        self.notify();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.get()
    }

    /// Whether somebody has asked `run` to end; asked once, it is forgotten.
    pub(crate) fn take_stop(&self) -> bool {
        self.stop.take()
    }

    /// Something was scheduled: if that was between two turns, the host has to learn that there is work.
    #[inline]
    pub(crate) fn notify(&self) {
        if !self.running.get() {
            self.doorbell.ring_own_if_parked();
        }
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
        self.has_ready() || self.has_come() || self.signals.has_pending()
    }

    /// Whether tasks, immediates or messages are ready.
    pub(crate) fn has_ready(&self) -> bool {
        self.executor.has_ready() || !self.immediates.is_empty() || self.inboxes.has_batch()
    }

    /// Whether wakes or messages have come from elsewhere.
    pub(crate) fn has_come(&self) -> bool {
        self.executor.has_remote() || self.inboxes.has_any()
    }

    /// The loop is about to sleep: from now on other threads ring. `false` if something has come already: then it must
    /// not.
    pub(crate) fn park(&self) -> bool {
        self.timers.borrow_mut().rest();
        // All look only after their bells are told to ring, and all bells are told.
        let is_quiet = self.signals.park(&self.reactor);
        self.executor.park() && !self.inboxes.has_any() && is_quiet
    }

    /// Whether a turn would find something to do at once: work, or a timer that is due.
    pub(crate) fn has_more(&self) -> bool {
        self.has_work() || self.until_next_timer() == Some(Duration::ZERO)
    }

    /// Whoever runs the loop will be told whether there is more when he leaves it.
    pub(crate) fn will_be_told(&self) {
        self.told.set(true);
    }

    /// Somebody may sleep on the descriptor from now on.
    pub(crate) fn lend(&self) {
        let is_first = !self.lent.replace(true);
        if is_first && !self.running.get() && self.process.is_current() {
            self.leave_parked(false);
        }
    }

    /// Whether anybody may sleep on the descriptor between two turns. Otherwise nobody needs to be woken there: the
    /// next turn looks by itself.
    pub(crate) fn is_lent(&self) -> bool {
        self.lent.get()
    }

    /// Leaves the loop parked, so that whatever happens between two turns rings; and rings for what is there already,
    /// or will be with time, unless the caller is told.
    fn leave_parked(&self, is_told: bool) {
        let has_timers = !self.timers.borrow().is_empty();
        let is_idle = self.park() && !self.has_work() && !has_timers;
        let may_be_more = self.full.take();
        // What has been told is asked anew, so that the host's poll sees what is still ready.
        let is_ready = self.fds.leave(&self.reactor);
        if !is_told && (!is_idle || may_be_more) || is_ready {
            self.doorbell.ring_if_parked();
        }
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
        self.due(self.read_clock())
    }

    /// An instant as a time of `timers`, whose first is the loop's start.
    pub(crate) fn due(&self, at: Instant) -> u64 {
        nanos(at.saturating_duration_since(self.start))
    }

    /// The end of `delay`, counted from a fresh reading of the clock, as a time of `timers`.
    pub(crate) fn due_after(&self, delay: Duration) -> u64 {
        self.now().saturating_add(nanos(delay))
    }

    /// A time of `timers` as an instant, unless it is never.
    pub(crate) fn instant(&self, due: u64) -> Option<Instant> {
        let since_start = Duration::from_nanos(due);
        (self.start.checked_add(since_start)).filter(|_| due != NEVER)
    }

    /// When the earliest timer is due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let deadline = self.timers.borrow_mut().next_deadline()?;
        Some(self.start + Duration::from_nanos(deadline))
    }

    /// How long until the earliest timer is due, by the clock of this moment: it is asked before a sleep only.
    pub(crate) fn until_next_timer(&self) -> Option<Duration> {
        let deadline = self.timers.borrow_mut().next_deadline()?;
        Some(Duration::from_nanos(deadline.saturating_sub(self.now())))
    }

    /// Whether the loop has ended; in a forked child it counts as ended, as it is the parent's.
    #[inline]
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.get() || !self.process.is_current()
    }

    /// Spawns a task; in a forked child it is refused.
    #[inline]
    pub(crate) fn spawn_at<F: Future + 'static>(
        &self,
        place: &'static Location<'static>,
        future: F,
    ) -> Task<F::Output> {
        if self.process.is_current() {
            self.executor.spawn_at(place, future)
        } else {
            self.executor.refuse(future)
        }
    }

    /// Whether this loop is the process's own.
    ///
    /// # Errors
    /// If this is a forked child of the loop's process.
    pub(crate) fn check_process(&self) -> io::Result<()> {
        if self.process.is_current() {
            return Ok(());
        }
        Err(forked())
    }

    /// Ends the loop: drops every task's future on this thread, and the handlers uncalled; then wakes the sleeps of
    /// other executors: they learn by their next poll that nothing will wake them again. The context goes on with its
    /// reactor.
    ///
    /// # Panics
    /// With the first panic of a waker or of a handler's destructor, after all have been woken and dropped.
    pub(crate) fn end(self: &Rc<Self>) {
        if self.ended.replace(true) {
            return;
        }
        let mut panics = Panics::default();
        let handle = Handle::new(Rc::clone(self));
        current::with(handle.clone(), || {
            panics.guard(|| self.executor.close());
            panics.guard(|| self.immediates.end());
            panics.guard(|| self.signals.end(&handle));
            panics.guard(|| self.inboxes.end(&handle));
            panics.guard(|| self.fds.end(&handle));
            panics.guard(|| self.extensions.end());
            self.end_timers(&mut panics);
        });
        panics.resume();
    }

    fn end_timers(&self, panics: &mut Panics) {
        let mut timers = self.timers.borrow_mut().take_all();
        while let Some((_, due)) = timers.pop_due(u64::MAX) {
            panics.guard(|| due.end(self));
        }
        // Those that wait for nothing, with their wakers.
        panics.guard(|| drop(timers));
    }
}

/// The loop is being run. Its drop leaves it.
struct Running<'a>(&'a Loop);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.set(false);
        self.0.forget_time();
        // In both ways: it was said of this run.
        let is_told = self.0.told.take();
        if self.0.is_lent() {
            self.0.leave_parked(is_told);
        } else {
            self.0.timers.borrow_mut().rest();
            self.0.executor.rest();
            // Not left to the next turn: until then a lent descriptor may be closed.
            self.0.fds.prepare(&self.0.reactor);
        }
    }
}

/// By hand: `as_nanos` counts with 128 bits, and this is asked for every timer.
fn nanos(duration: Duration) -> u64 {
    const PER_SECOND: u64 = 1_000_000_000;
    let seconds = duration.as_secs().saturating_mul(PER_SECOND);
    seconds.saturating_add(u64::from(duration.subsec_nanos()))
}

/// The error of everything that needs a living loop.
pub(crate) fn ended() -> io::Error {
    io::Error::other("the context has ended: create this before the `Context` is dropped")
}
