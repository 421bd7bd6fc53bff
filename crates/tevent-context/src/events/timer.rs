//! Timers that call a handler.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use tevent_core::timers::TimerKey;

use crate::Handle;
use crate::core_loop::Loop;
use crate::events::{Event, EventKind};

/// A handler that is called once the loop's clock has reached a deadline (C: `tevent_timer`). Made by
/// [`Handle::timer`]. Dropping it cancels it; [`Timer::detach`] lets it run.
///
/// Never early, also by a nanosecond of the loop's clock; in the order of the deadlines, first come first served among
/// equals. A handler may make another timer: one that is due goes before those that are due later, in the same turn.
/// At most 256 timers fire in a turn, so a timer that makes itself anew in the past holds up nobody.
///
/// A handler that owns its own `Timer` is a cycle, which is never freed: it gets its [`TimerHandle`] with each call.
pub struct Timer(TimerHandle);

/// A timer as its own handler sees it.
pub struct TimerHandle(Rc<State<Handler>>);

type Handler = dyn FnMut(&TimerHandle, Instant);

struct State<H: ?Sized> {
    handle: Handle,
    event: Event,
    /// Where it is in the table, while it is armed.
    key: Cell<Option<TimerKey>>,
    /// Whether the drop of the `Timer` lets it run.
    detached: Cell<bool>,
    handler: RefCell<H>,
}

impl Handle {
    /// Calls `handler` in the first turn in which the loop's clock has reached `deadline`, with the time of that turn;
    /// one in the past in the next turn, never inside this call. A handler that is to be called again says
    /// [`this.reset(..)`](TimerHandle::reset).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tevent_context::{Context, VirtualClock};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let clock = VirtualClock::new();
    /// let context = Context::builder().virtual_clock(&clock).build()?;
    /// let noon = clock.now() + Duration::from_secs(3600);
    /// let mut calls = 0;
    /// let timer = context.handle().timer(noon, move |this, now| {
    ///     calls += 1;
    ///     if calls < 3 {
    ///         this.reset(now + Duration::from_secs(60));
    ///     }
    /// });
    /// context.run()?; // an hour and two minutes later
    /// assert_eq!(clock.now() - noon, Duration::from_secs(120));
    /// assert!(!timer.is_armed());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "a timer is cancelled when it is dropped: keep it, or `detach` it"]
    #[track_caller]
    pub fn timer(
        &self,
        deadline: Instant,
        handler: impl FnMut(&TimerHandle, Instant) + 'static,
    ) -> Timer {
        let timer = TimerHandle::new(self, handler);
        timer.reset(deadline);
        Timer(timer)
    }

    /// Calls `handler` once `delay` is over, counted from this call by a fresh reading of the loop's clock; see
    /// [`Handle::timer`]. A delay that is too long for the clock is never over.
    #[must_use = "a timer is cancelled when it is dropped: keep it, or `detach` it"]
    #[track_caller]
    pub fn timer_after(
        &self,
        delay: Duration,
        handler: impl FnMut(&TimerHandle, Instant) + 'static,
    ) -> Timer {
        let timer = TimerHandle::new(self, handler);
        timer.reset_after(delay);
        Timer(timer)
    }
}

impl Timer {
    /// Lets the timer fire by itself; from outside, nobody can cancel it any more.
    pub fn detach(self) {
        self.0.0.detached.set(true);
    }
}

impl TimerHandle {
    #[track_caller]
    fn new(handle: &Handle, handler: impl FnMut(&Self, Instant) + 'static) -> Self {
        Self(Rc::new(State {
            handle: handle.clone(),
            event: Event::new(EventKind::Timer),
            key: Cell::new(None),
            detached: Cell::new(false),
            handler: RefCell::new(handler),
        }))
    }

    /// Sets another deadline, whether the timer has fired or not: it goes behind all others of that deadline. Much
    /// cheaper than a new timer (C: `tevent_update_timer`). Once the context has ended, nothing happens.
    pub fn reset(&self, deadline: Instant) {
        let State {
            handle, event, key, ..
        } = &*self.0;
        let core = handle.core();
        // Further away than the clock can tell is never.
        let Some(due) = core.deadline(deadline).filter(|_| !core.has_ended()) else {
            self.cancel();
            return;
        };
        let mut timers = core.timers.borrow_mut();
        if !key.get().is_some_and(|key| timers.reset(key, due)) {
            let call = Due::Call(Armed(Rc::clone(&self.0)));
            key.set(Some(timers.insert(due, call)));
        }
        drop(timers);
        event.attach(core);
        core.notify();
    }

    /// Sets the deadline to the end of `delay`, counted from now by a fresh reading of the loop's clock; see
    /// [`reset`](Self::reset).
    pub fn reset_after(&self, delay: Duration) {
        match self.0.handle.read_clock().checked_add(delay) {
            Some(deadline) => self.reset(deadline),
            None => {
                self.cancel();
            }
        }
    }

    /// Takes the call back. `false` if the timer was not armed.
    pub fn cancel(&self) -> bool {
        let core = self.0.handle.core();
        let Some(key) = self.0.key.take() else {
            return false;
        };
        let armed = core.timers.borrow_mut().remove(key);
        self.0.event.detach(core);
        armed.is_some()
    }

    /// Whether the handler is still to be called.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.0.key.get().is_some()
    }

    /// The loop it runs on.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.0.handle
    }

    /// Whether [`Context::run`](crate::Context::run) goes on while this timer is armed; at first it does.
    pub fn keep_running(&self, keeps: bool) {
        self.0.event.set_counted(self.0.handle.core(), keeps);
    }

    /// The tag, for those who trace; 0 at first. It stays when the timer is reset.
    #[must_use]
    pub fn tag(&self) -> u64 {
        self.0.event.tag()
    }

    /// Gives it a tag.
    pub fn set_tag(&self, tag: u64) {
        self.0.event.set_tag(tag);
    }

    /// It is out of the table: calls its handler.
    fn fire(self, now: Instant) {
        let State {
            handle,
            event,
            key,
            handler,
            ..
        } = &*self.0;
        key.set(None);
        // Not borrowed: a handler runs on a loop that it cannot run itself.
        let call = || (handler.borrow_mut())(&self, now);
        event.call_last(handle.core(), call, || key.get().is_none());
    }
}

impl Deref for Timer {
    type Target = TimerHandle;

    fn deref(&self) -> &TimerHandle {
        &self.0
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if !self.0.0.detached.get() {
            self.cancel();
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for TimerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer")
            .field("armed", &self.is_armed())
            .field("event", &self.0.event)
            .finish_non_exhaustive()
    }
}

/// What stands in the table of a loop: somebody to wake, or a handler to call.
pub(crate) enum Due {
    Wake(Waker),
    Call(Armed),
}

/// A timer with a handler, armed.
pub(crate) struct Armed(Rc<State<Handler>>);

impl Due {
    /// Whom to wake, if that is all.
    pub(crate) fn waker(&mut self) -> Option<&mut Waker> {
        match self {
            Self::Wake(waker) => Some(waker),
            Self::Call(_) => None,
        }
    }

    /// Its time has come, and it is out of the table. No borrow is held.
    pub(crate) fn fire(self, now: Instant) {
        match self {
            Self::Wake(waker) => waker.wake(),
            Self::Call(Armed(timer)) => TimerHandle(timer).fire(now),
        }
    }

    /// The loop has ended, and it is out of the table: wakes or drops whoever it is for.
    pub(crate) fn end(self, core: &Loop) {
        match self {
            Self::Wake(waker) => waker.wake(),
            Self::Call(Armed(timer)) => {
                timer.key.set(None);
                timer.event.detach(core);
            }
        }
    }
}
