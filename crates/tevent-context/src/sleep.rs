//! Sleeping: a future that is ready once the loop's clock has reached its deadline.

use std::cell::Cell;
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
use crate::core_loop::NEVER;
use crate::events::timer::Due;

/// Waits for a duration, counted from this call (C: `tevent_wakeup_send`).
///
/// Never ready early, also by a nanosecond of the loop's clock, and never inside its first poll: a sleep of zero takes
/// one turn. A duration too long for the clock never ends.
///
/// # Panics
/// If no context runs on this thread.
#[inline]
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    Sleep::for_duration(Handle::current(), duration)
}

/// Waits for a deadline; one in the past takes one turn. See [`sleep`].
///
/// # Panics
/// If no context runs on this thread.
#[inline]
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::until(Handle::current(), deadline)
}

/// The future of [`sleep`] and [`sleep_until`]. Runs on any executor of the context's thread, while the context's loop
/// runs. Dropping it cancels the timer.
///
/// # Panics
/// Polling panics if the context has ended: nothing could wake it.
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    handle: Handle,
    /// In a cell, which hides what a state cannot be: so it is the handle, a whole word, that tells a sleep from none.
    /// By the half word that tells the states apart, a place for a sleep (in a request, say) would be moved in pieces,
    /// and the processor waits for what was written in other pieces (9 ns).
    state: Cell<State>,
}

/// What a task waits for that sleeps for ever.
const NEVER_COMES: &str = "a time that is too far away to come";

/// Each knows its deadline as a time of the loop's table; of a timer there, the table knows it. So a sleep is small.
#[derive(Clone, Copy)]
enum State {
    Unpolled(u64),
    /// Until it is polled after it has come.
    Waiting(TimerKey),
    /// The same, but the timer waits for nothing before it is reset.
    Never(TimerKey),
    Fired(u64),
}

/// Made where it is to lie: what is put together elsewhere and moved, the processor waits for.
impl Sleep {
    #[inline]
    pub(crate) fn for_duration(handle: Handle, duration: Duration) -> Self {
        // A fresh reading, not the turn's time: the turn may have begun long ago, and a sleep that ends early by the
        // caller's own clock would surprise him.
        let due = handle.core().due_after(duration);
        Self {
            handle,
            state: Cell::new(State::Unpolled(due)),
        }
    }

    #[inline]
    pub(crate) fn until(handle: Handle, deadline: Instant) -> Self {
        let due = handle.core().due(deadline);
        Self {
            handle,
            state: Cell::new(State::Unpolled(due)),
        }
    }
}

impl Sleep {
    /// When it will be ready; `None` if never, which is what 584 years and more count as. One before the loop was made
    /// counts as that moment. Once the context has ended, the deadline of a sleep that waited for it is not known any
    /// more, and this is `None`.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let core = self.handle.core();
        match self.state.get() {
            State::Unpolled(due) | State::Fired(due) => core.instant(due),
            State::Waiting(key) => core.instant(core.timers.borrow().deadline(key)?),
            State::Never(_) => None,
        }
    }

    /// The loop that it waits for.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Whether it has been ready.
    #[must_use]
    pub fn is_elapsed(&self) -> bool {
        matches!(self.state.get(), State::Fired(_))
    }

    /// Starts anew with another deadline, whether it has fired or not. A sleep that waits goes on waiting, for the same
    /// task; any other starts to wait when it is polled.
    pub fn reset(&mut self, deadline: Instant) {
        let due = self.handle.core().due(deadline);
        if let Some(state) = self.put_off(due) {
            self.state.set(state);
            self.handle.core().notify();
            return;
        }
        self.cancel();
        self.state.set(State::Unpolled(due));
    }

    /// Gives the timer of a sleep that waits another deadline. `None` if it does not, or if its time has come.
    fn put_off(&self, due: u64) -> Option<State> {
        let (State::Waiting(key) | State::Never(key)) = self.state.get() else {
            return None;
        };
        let mut timers = self.handle.core().timers.borrow_mut();
        timers.get_mut(key)?;
        if due == NEVER {
            timers.disarm(key);
            return Some(State::Never(key));
        }
        timers.reset(key, due);
        Some(State::Waiting(key))
    }

    fn arm(&mut self, due: u64, waker: &Waker) {
        let core = self.handle.core();
        let waker = waker.clone();
        let mut timers = core.timers.borrow_mut();
        let key = timers.insert_to_stay(due, Due::Wake(waker));
        drop(timers);
        self.state.set(State::Waiting(key));
        core.notify();
    }

    /// A timer all the same: the sleep waits, and may be reset meanwhile.
    #[cold]
    fn arm_never(&mut self, waker: &Waker) {
        let waker = waker.clone();
        let mut timers = self.handle.core().timers.borrow_mut();
        let key = timers.reserve();
        timers.fill(key, Due::Wake(waker));
        drop(timers);
        self.state.set(State::Never(key));
    }

    /// Still waiting, unless the loop has taken the waker out. Wakers are cloned and dropped outside the borrow; what
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
            asked::answer(|| match self.state.get() {
                State::Never(_) => NEVER_COMES.into(),
                _ => "the end of a sleep".into(),
            });
            return Poll::Pending;
        }
        self.fired(key);
        Poll::Ready(())
    }

    /// Its time has come: the timer, which has no waker any more, is not needed.
    fn fired(&mut self, key: TimerKey) {
        let mut timers = self.handle.core().timers.borrow_mut();
        let due = timers.deadline(key).unwrap_or(NEVER);
        self.state.set(State::Fired(due));
        timers.remove(key);
    }

    #[inline]
    fn cancel(&mut self) {
        if let State::Waiting(key) | State::Never(key) = self.state.get() {
            let waker = self.handle.core().timers.borrow_mut().remove(key);
            // Foreign code, and this may be part of a drop in a panic: a second one would abort the process.
            if thread::panicking() {
                quietly(waker);
            }
        }
    }
}

#[cold]
fn quietly(waker: Option<Due>) {
    let mut panics = Panics::default();
    panics.guard(|| drop(waker));
    panics.discard();
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_elapsed() {
            return Poll::Ready(());
        }
        assert!(
            !self.handle.has_ended(),
            "a sleep was polled whose context has ended, or is the parent's of this forked child: nothing could wake \
             it; drop it before the `Context`"
        );
        match self.state.get() {
            State::Waiting(key) | State::Never(key) => return self.check(key, cx.waker()),
            State::Unpolled(NEVER) => {
                self.arm_never(cx.waker());
                asked::answer(|| NEVER_COMES.into());
            }
            State::Unpolled(due) => self.arm(due, cx.waker()),
            State::Fired(_) => {}
        }
        Poll::Pending
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
            .field("deadline", &self.deadline())
            .field("elapsed", &self.is_elapsed())
            .finish()
    }
}
