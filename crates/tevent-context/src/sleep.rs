//! Sleeping: a future that is ready once the loop's clock has reached its deadline.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use tevent_core::asked;
use tevent_core::panics::Panics;
use tevent_core::timers::TimerKey;

use crate::Handle;
use crate::events::timer::Due;

/// Waits for a duration, counted from this call (C: `tevent_wakeup_send`).
///
/// Never ready early, also by a nanosecond of the loop's clock, and never inside its first poll: a sleep of zero takes
/// one turn. A duration too long for the clock never ends.
///
/// # Panics
/// If no context runs on this thread.
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    Handle::current().sleep(duration)
}

/// Waits for a deadline; one in the past takes one turn. See [`sleep`].
///
/// # Panics
/// If no context runs on this thread.
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Handle::current().sleep_until(deadline)
}

/// The future of [`sleep`] and [`sleep_until`]. Runs on any executor of the context's thread, while the context's loop
/// runs. Dropping it cancels the timer.
///
/// # Panics
/// Polling panics if the context has ended: nothing could wake it.
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    handle: Handle,
    /// `None`: further than an `Instant` can tell.
    deadline: Option<Instant>,
    state: State,
}

enum State {
    Unpolled,
    Waiting(TimerKey),
    Fired,
}

impl Sleep {
    pub(crate) fn for_duration(handle: Handle, duration: Duration) -> Self {
        // A fresh reading, not the turn's time: the turn may have begun long ago, and a sleep that ends early by the
        // caller's own clock would surprise him.
        let deadline = handle.read_clock().checked_add(duration);
        Self {
            handle,
            deadline,
            state: State::Unpolled,
        }
    }

    pub(crate) fn until(handle: Handle, deadline: Instant) -> Self {
        Self {
            handle,
            deadline: Some(deadline),
            state: State::Unpolled,
        }
    }

    /// When it will be ready; `None` if never.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The loop that it waits for.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Whether it has been ready.
    #[must_use]
    pub fn is_elapsed(&self) -> bool {
        matches!(self.state, State::Fired)
    }

    /// Starts anew with another deadline, whether it has fired or not. A sleep that waits goes on waiting, for the same
    /// task; any other starts to wait when it is polled.
    pub fn reset(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
        if let State::Waiting(key) = self.state
            && self.put_off(key, deadline)
        {
            self.handle.core().notify();
            return;
        }
        self.cancel();
        self.state = State::Unpolled;
    }

    /// Further away than the clock can tell is never: the timer waits for nothing, until it is reset again. `false` if
    /// it has come.
    fn put_off(&self, key: TimerKey, deadline: Instant) -> bool {
        let core = self.handle.core();
        let mut timers = core.timers.borrow_mut();
        match core.deadline(deadline) {
            Some(due) => timers.reset(key, due).is_some(),
            None => {
                timers.disarm(key);
                timers.get_mut(key).is_some()
            }
        }
    }

    fn arm(&mut self, deadline: Instant, waker: &Waker) -> Poll<()> {
        let core = self.handle.core();
        if let Some(deadline) = core.deadline(deadline) {
            let waker = waker.clone();
            let key = core.timers.borrow_mut().insert(deadline, Due::Wake(waker));
            self.state = State::Waiting(key);
            core.notify();
        }
        Poll::Pending
    }

    /// Still waiting, unless the loop has taken the timer out. Wakers are cloned and dropped outside the borrow; what
    /// runs in a clone may have been the loop, so the timer is looked for again.
    fn check(&mut self, key: TimerKey, waker: &Waker) -> Poll<()> {
        let timers = &self.handle.core().timers;
        let known = timers
            .borrow_mut()
            .get_mut(key)
            .and_then(Due::waker)
            .map(|known| known.will_wake(waker));
        let still_waiting = match known {
            Some(true) => true,
            Some(false) => {
                let mut other = waker.clone();
                let found = timers
                    .borrow_mut()
                    .get_mut(key)
                    .and_then(Due::waker)
                    .map(|known| mem::swap(known, &mut other));
                found.is_some()
            }
            None => false,
        };
        if still_waiting {
            asked::answer(|| "the end of a sleep".into());
            return Poll::Pending;
        }
        self.state = State::Fired;
        Poll::Ready(())
    }

    fn cancel(&mut self) {
        if let State::Waiting(key) = self.state {
            let waker = self.handle.core().timers.borrow_mut().remove(key);
            // Foreign code, and this may be part of a drop in a panic: a second one would abort the process.
            if thread::panicking() {
                let mut panics = Panics::default();
                panics.guard(|| drop(waker));
                panics.discard();
            }
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match (&self.state, self.deadline) {
            (State::Fired, _) => Poll::Ready(()),
            _ if self.handle.has_ended() => {
                panic!(
                    "a sleep was polled whose context has ended, or is the parent's of this forked child: nothing \
                     could wake it; drop it before the `Context`"
                )
            }
            (State::Waiting(key), _) => {
                let key = *key;
                self.check(key, cx.waker())
            }
            (State::Unpolled, Some(deadline)) => self.arm(deadline, cx.waker()),
            (State::Unpolled, None) => {
                asked::answer(|| "a time that is too far away to come".into());
                Poll::Pending
            }
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline)
            .field("elapsed", &self.is_elapsed())
            .finish()
    }
}
