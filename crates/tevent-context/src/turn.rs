//! One turn of the loop: the phases, top to bottom, each bounded.

use std::io;
use std::time::Duration;

use tevent_core::budget;
use tevent_core::panics::Panics;
use tevent_executor::{NextPoll, Ran};
use tevent_reactor::Waited;

use crate::clock::Clock;
use crate::core_loop::Loop;
use crate::events::timer::Due;
use crate::stuck::Patience;
use crate::trace::TracePoint;
use crate::{Context, Handle, VirtualClock};

/// Polls of tasks, and operations charged to their budgets, in one turn: after so many the descriptors have their turn.
pub(crate) const POLLS_PER_TURN: u32 = 256;

/// Operations of descriptors in one turn. Each takes as long as dozens of polls, and an empty look at the descriptors
/// half as long as one.
pub(crate) const IO_PER_TURN: u32 = 64;

/// Timers fired in one turn.
pub(crate) const TIMERS_PER_TURN: usize = 256;

/// Immediates called in one turn.
pub(crate) const IMMEDIATES_PER_TURN: u32 = 256;

/// What one turn did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Turn {
    /// Signal handlers called and signal streams woken.
    pub signals: usize,
    /// Messages from other threads.
    pub messages: usize,
    /// Immediates called.
    pub immediates: u32,
    /// Task polls.
    pub polls: u32,
    /// Timers that fired.
    pub timers: usize,
    /// Events of descriptors.
    pub events: usize,
    /// How many were told of them.
    pub(crate) told: usize,
    /// Whether the next turn has something to do at once. Otherwise the context's [descriptor](Context) tells when it
    /// has.
    pub more: bool,
}

impl Turn {
    /// Whether a task was polled or a handler called, but for those of descriptors.
    pub(crate) fn did_something(&self) -> bool {
        self.signals + self.messages + self.timers > 0 || self.immediates > 0 || self.polls > 0
    }

    /// What two passes did together.
    pub(crate) fn and(self, then: Self) -> Self {
        Self {
            signals: self.signals + then.signals,
            messages: self.messages + then.messages,
            immediates: self.immediates + then.immediates,
            polls: self.polls + then.polls,
            timers: self.timers + then.timers,
            events: self.events + then.events,
            told: self.told + then.told,
            more: self.more || then.more,
        }
    }
}

impl Context {
    /// The phases. `is_over` is told what was done so far and says whether there
    /// is nothing to wait for.
    pub(crate) fn phases(
        &self,
        timeout: Option<Duration>,
        is_over: &dyn Fn(&Turn) -> bool,
    ) -> io::Result<Turn> {
        self.core.check_process()?;
        self.core.trace.tell(&TracePoint::BeforeTurn);
        let done = self.pass(timeout, is_over);
        self.core.trace.tell(&TracePoint::AfterTurn);
        done
    }

    fn pass(&self, timeout: Option<Duration>, is_over: &dyn Fn(&Turn) -> bool) -> io::Result<Turn> {
        let (core, handle) = (&self.core, self.handle());
        let mut done = core.serve(&handle);
        let waited = self.wait(timeout, &|| is_over(&done))?;
        core.full.set(waited.full);
        let told = core.fds.dispatch(&handle);
        done.events = waited.events + told;
        done.told = waited.woken + told;
        done.more = core.full.take();
        Ok(done)
    }

    /// A pass without a poll.
    pub(crate) fn serve(&self) -> Turn {
        self.core.trace.tell(&TracePoint::BeforeTurn);
        let done = self.core.serve(&self.handle());
        self.core.trace.tell(&TracePoint::AfterTurn);
        done
    }

    /// Polls the reactor: without waiting if there is work, or an end; else until an event, the earliest timer or the
    /// timeout.
    fn wait(&self, timeout: Option<Duration>, is_over: &dyn Fn() -> bool) -> io::Result<Waited> {
        self.core.trace.tell(&TracePoint::BeforeWait);
        // Asked only now: a hook may have stopped the loop.
        let waited = self.look_for_events(timeout, is_over());
        // It may have been long ago that the length of the sleep was counted.
        self.core.forget_time();
        self.core.trace.tell(&TracePoint::AfterWait);
        waited
    }

    fn look_for_events(&self, timeout: Option<Duration>, is_over: bool) -> io::Result<Waited> {
        self.core.forget_time();
        let is_ready = self.core.fds.prepare(&self.core.reactor);
        let may_not_sleep = is_over || timeout == Some(Duration::ZERO);
        if may_not_sleep || is_ready || self.core.has_work() {
            return self.reactor.wait(Some(Duration::ZERO));
        }
        if let Some(waited) = self.spin(timeout)? {
            return Ok(waited);
        }
        let timeout = timeout.map(|left| left.saturating_sub(self.core.spin.limit));
        let waited = if self.core.park() {
            self.sleep(timeout)
        } else {
            self.reactor.wait(Some(Duration::ZERO))
        };
        self.core.executor.unpark();
        waited
    }

    fn sleep(&self, timeout: Option<Duration>) -> io::Result<Waited> {
        let limit = match (self.core.until_next_timer(), timeout) {
            (Some(timer), Some(timeout)) => Some(timer.min(timeout)),
            (timer, timeout) => timer.or(timeout),
        };
        match (&self.core.clock, limit) {
            (Clock::Virtual(clock), Some(limit)) => self.jump(clock, limit),
            (Clock::System, Some(limit)) => self.nap(limit),
            (_, None) => self.sleep_patiently(),
        }
    }

    /// Sleeps for so long at most, to the nanosecond where the system can.
    fn nap(&self, limit: Duration) -> io::Result<Waited> {
        let end = self.core.turn_time().checked_add(limit);
        let will_be_woken = !limit.is_zero() && end.is_some_and(|end| self.reactor.set_alarm(end));
        // Not twice: the kernel would set two timers.
        self.reactor.wait(Some(limit).filter(|_| !will_be_woken))
    }

    /// Sleeps without an end; but if nothing can end it, that is reported, and on a virtual clock an error.
    fn sleep_patiently(&self) -> io::Result<Waited> {
        let core = &self.core;
        let stuck = |patience: &&Patience| !patience.has_reported() && core.seems_stuck();
        let Some(patience) = core.patience.as_ref().filter(stuck) else {
            return self.reactor.wait(None);
        };
        let is_virtual = matches!(core.clock, Clock::Virtual(_));
        let waited = self.reactor.wait(Some(patience.left(is_virtual)))?;
        if waited != Waited::default() || core.has_work() {
            patience.renew();
        } else if patience.left(is_virtual).is_zero() {
            // Not interrupted. Whatever comes of it is found by the next pass.
            core.executor.unpark();
            core.complain(patience, is_virtual)?;
        }
        Ok(waited)
    }

    /// Sleeping on a virtual clock: if there is nothing to do now, it is later at once.
    fn jump(&self, clock: &VirtualClock, limit: Duration) -> io::Result<Waited> {
        let waited = self.reactor.wait(Some(Duration::ZERO))?;
        if waited.events + waited.watched == 0 && !self.core.has_work() {
            clock.advance(limit);
        }
        Ok(waited)
    }
}

impl Loop {
    /// The phases before the poll.
    pub(crate) fn serve(&self, handle: &Handle) -> Turn {
        let mut done = Turn {
            signals: self.signals.dispatch(&self.reactor),
            messages: self.inboxes.dispatch(handle),
            ..Turn::default()
        };
        self.executor.accept_remote();
        let before = budget::io_operations();
        let spent = self.run_ready(handle, &mut done, 0, before);
        done.timers = self.fire_timers();
        if done.timers > 0 {
            // Whom they woke has waited for this moment: the poll comes after.
            self.run_ready(handle, &mut done, spent, before);
        }
        if let Some(patience) = self.patience.as_ref().filter(|_| done.did_something()) {
            patience.renew();
        }
        done
    }

    /// Immediates and tasks in turn, a round of each, until none is ready or the bound of one of them is reached. Some
    /// polls and operations of this turn are spent already; returns how many are, then. Before the turn there were `io`
    /// operations of descriptors.
    fn run_ready(&self, handle: &Handle, done: &mut Turn, mut spent: u32, io: u32) -> u32 {
        loop {
            done.immediates += self
                .immediates
                .run(handle, IMMEDIATES_PER_TURN - done.immediates);
            let ran = self.run_tasks(self.round().min(POLLS_PER_TURN - spent), io);
            done.polls += ran.polls;
            spent = POLLS_PER_TURN.min(spent + ran.spent);
            if self.immediates.is_empty()
                || done.immediates == IMMEDIATES_PER_TURN
                || spent == POLLS_PER_TURN
            {
                return spent;
            }
        }
    }

    /// How many polls the tasks have before it is the immediates' turn again.
    fn round(&self) -> u32 {
        if self.immediates.is_empty() {
            return POLLS_PER_TURN;
        }
        u32::try_from(self.executor.ready()).unwrap_or(u32::MAX)
    }

    fn run_tasks(&self, allowance: u32, io: u32) -> Ran {
        let has_io = || budget::io_operations().wrapping_sub(io) < IO_PER_TURN;
        // A task may fork, and its child come back from it: the other tasks are the parent's.
        let may_go_on = || has_io() && self.process.is_current();
        let Some(watchdog) = &self.watchdog else {
            return self.executor.run_ready_while(allowance, may_go_on);
        };
        let time = |poll: NextPoll<'_>| watchdog.time_poll(&self.clock, poll);
        self.executor.run_ready_around(allowance, may_go_on, time)
    }

    /// Fires the timers that are due: one by one, in order of deadlines, so that a sibling's cancellation and an
    /// earlier newcomer are both honoured.
    ///
    /// # Panics
    /// With the first panic of a waker or a handler, after the others have been woken and called.
    fn fire_timers(&self) -> usize {
        if self.timers.borrow().is_empty() {
            return 0;
        }
        let (now, mut fired) = (self.now(), 0);
        let mut panics = Panics::default();
        while fired < TIMERS_PER_TURN
            && let Some(due) = self.pop_due(now)
        {
            fired += 1;
            panics.guard(|| due.fire(self.turn_time()));
        }
        panics.resume();
        fired
    }

    fn pop_due(&self, now: u64) -> Option<Due> {
        let (_, due) = self.timers.borrow_mut().pop_due(now)?;
        Some(due)
    }
}
