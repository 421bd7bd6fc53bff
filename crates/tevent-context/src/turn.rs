//! One turn of the loop: the phases, top to bottom, each bounded.

use std::io;
use std::time::Duration;

use tevent_core::wake::wake_in_batches;
use tevent_reactor::Waited;

use crate::clock::Clock;
use crate::core_loop::Loop;
use crate::{Context, VirtualClock};

/// Polls of tasks, and operations charged to their budgets, in one turn: after so many the descriptors have their turn.
pub(crate) const POLLS_PER_TURN: u32 = 256;

/// Timers fired in one turn.
pub(crate) const TIMERS_PER_TURN: usize = 256;

/// What one turn did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Turn {
    /// Task polls.
    pub polls: u32,
    /// Timers that fired.
    pub timers: usize,
    /// Events of descriptors.
    pub events: usize,
    /// Whether the next turn has something to do at once. Otherwise the context's descriptor tells when it has, or the
    /// [next deadline](crate::Handle::next_deadline) has come.
    pub more: bool,
}

impl Context {
    /// The phases. Signals and messages get theirs with their events. `is_over` is told what was done so far and says
    /// whether there is nothing to wait for.
    pub(crate) fn phases(
        &self,
        timeout: Option<Duration>,
        is_over: &dyn Fn(&Turn) -> bool,
    ) -> io::Result<Turn> {
        let mut done = Turn::default();
        self.core.executor.accept_remote();
        done.polls = self.core.executor.run_ready(POLLS_PER_TURN).polls;
        done.timers = self.core.fire_timers();
        done.events = self.wait(timeout, is_over(&done))?.events;
        Ok(done)
    }

    /// Polls the reactor: without waiting if there is work, or an end; else until an event, the earliest timer or the
    /// timeout.
    fn wait(&self, timeout: Option<Duration>, is_over: bool) -> io::Result<Waited> {
        self.core.forget_time();
        if is_over || self.core.executor.has_ready() {
            return self.reactor.wait(Some(Duration::ZERO));
        }
        let waited = if self.core.executor.park() {
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
            (_, limit) => self.reactor.wait(limit),
        }
    }

    /// Sleeping on a virtual clock: if there is nothing to do now, it is later at once.
    fn jump(&self, clock: &VirtualClock, limit: Duration) -> io::Result<Waited> {
        let waited = self.reactor.wait(Some(Duration::ZERO))?;
        if waited.events == 0 && !self.core.has_work() {
            clock.advance(limit);
        }
        Ok(waited)
    }
}

impl Loop {
    /// Wakes who waits for a due timer: one by one, in order of deadlines, so that a sibling's cancellation and an
    /// earlier newcomer are both honoured.
    ///
    /// # Panics
    /// With the first panic of a waker, after the others have been woken.
    fn fire_timers(&self) -> usize {
        if self.timers.borrow().is_empty() {
            return 0;
        }
        let (now, mut fired) = (self.now(), 0);
        wake_in_batches(|batch| {
            let due = if fired < TIMERS_PER_TURN {
                self.timers.borrow_mut().pop_due(now)
            } else {
                None
            };
            if let Some((_, waker)) = due {
                fired += 1;
                let refused = batch.push(waker);
                debug_assert!(refused.is_ok(), "the batch was empty");
            }
        });
        fired
    }
}
