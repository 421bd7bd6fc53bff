//! Timers that call a handler.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem;
use std::ops::Deref;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use tevent_core::panics::Panics;
use tevent_core::timers::TimerKey;

use crate::Handle;
use crate::core_loop::{Loop, NEVER};
use crate::events::{Event, EventKind};
use crate::trace::TracePoint;

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
pub struct TimerHandle {
    /// These two stand in the state as well. Here, so that `reset` and `cancel` look at nothing but this and the table:
    /// each line of memory less counts when there are many timers.
    handle: Handle,
    key: TimerKey,
    state: Rc<State<Handler>>,
}

type Handler = dyn FnMut(&TimerHandle, Instant);

/// What is looked at when the timer is made, is called, and ends.
struct State<H: ?Sized> {
    handle: Handle,
    key: TimerKey,
    event: Event,
    /// Nobody outside holds it any more: it ends once it has neither a deadline nor a handler that is being called.
    detached: Cell<bool>,
    handler: RefCell<H>,
}

/// A flag of the timer's note in the table: the event is [attached](Event), as it has a deadline or is being called.
const ATTACHED: u8 = 1;

/// Another: `run` does not go on for its sake.
const UNCOUNTED: u8 = 2;

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
        self.0.state.detached.set(true);
    }
}

impl TimerHandle {
    #[track_caller]
    fn new(handle: &Handle, handler: impl FnMut(&Self, Instant) + 'static) -> Self {
        let event = Event::new(EventKind::Timer);
        let timers = &handle.core().timers;
        let key = timers.borrow_mut().reserve();
        let this = Self {
            handle: handle.clone(),
            key,
            state: Rc::new(State {
                handle: handle.clone(),
                key,
                event,
                detached: Cell::new(false),
                handler: RefCell::new(handler),
            }),
        };
        this.fill();
        this
    }

    /// Puts itself into its place in the table, if it still has one.
    fn fill(&self) {
        let call = Due::Call(Armed(Rc::clone(&self.state)));
        let left = self.handle.core().timers.borrow_mut().fill(self.key, call);
        drop(left); // the borrow has ended
    }

    /// Sets another deadline, whether the timer has fired or not: it goes behind all others of that deadline. Much
    /// cheaper than a new timer (C: `tevent_update_timer`). Once the context has ended, nothing happens.
    pub fn reset(&self, deadline: Instant) {
        let core = self.handle.core();
        self.reset_due(core.due(deadline));
    }

    fn reset_due(&self, due: u64) {
        let core = self.handle.core();
        // Further away than the clock can tell is never.
        if due == NEVER || core.has_ended() {
            self.cancel();
            return;
        }
        let note = core
            .timers
            .borrow_mut()
            .reset(self.key, due)
            .map(|note| mem::replace(note, *note | ATTACHED));
        if let Some(note) = note.filter(|note| note & ATTACHED == 0) {
            self.count(core, note, 1);
            self.state.event.tell(core, TracePoint::Attach);
        }
        core.notify();
    }

    /// Sets the deadline to the end of `delay`, counted from now by a fresh reading of the loop's clock; see
    /// [`reset`](Self::reset).
    pub fn reset_after(&self, delay: Duration) {
        self.reset_due(self.handle.core().due_after(delay));
    }

    /// Takes the call back. `false` if the timer was not armed.
    pub fn cancel(&self) -> bool {
        let core = self.handle.core();
        let note = core
            .timers
            .borrow_mut()
            .disarm(self.key)
            .map(|note| mem::replace(note, *note & !ATTACHED));
        if let Some(note) = note {
            self.count(core, note, -1);
            self.state.event.tell(core, TracePoint::Detach);
        }
        note.is_some()
    }

    /// Whether the handler is still to be called.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.handle.core().timers.borrow().is_armed(self.key)
    }

    /// The loop it runs on.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Whether [`Context::run`](crate::Context::run) goes on while this timer is armed; at first it does.
    pub fn keep_running(&self, keeps: bool) {
        let core = self.handle.core();
        let uncounted = if keeps { 0 } else { UNCOUNTED };
        let note = core
            .timers
            .borrow_mut()
            .note(self.key)
            .map(|note| mem::replace(note, *note & !UNCOUNTED | uncounted));
        if let Some(note) = note
            && note & ATTACHED != 0
        {
            self.count(core, note, -1);
            self.count(core, uncounted, 1);
        }
    }

    /// It comes or goes as an event that `run` waits for, if it is one.
    #[inline]
    fn count(&self, core: &Loop, note: u8, change: isize) {
        if note & UNCOUNTED == 0 {
            core.count_events(change);
        }
    }

    /// The tag, for those who trace; 0 at first. It stays when the timer is reset.
    #[must_use]
    pub fn tag(&self) -> u64 {
        self.state.event.tag()
    }

    /// Gives it a tag.
    pub fn set_tag(&self, tag: u64) {
        self.state.event.set_tag(tag);
    }

    /// Its deadline has come: calls its handler.
    fn fire(&self, now: Instant) {
        let core = self.handle.core();
        self.fill();
        let mut panics = Panics::default();
        // Not borrowed: a handler runs on a loop that it cannot run itself.
        let call = || (self.state.handler.borrow_mut())(self, now);
        panics.guard(|| self.state.event.call(core, call));
        panics.guard(|| self.called(core));
        panics.resume();
    }

    /// Its handler has been called: it is over, unless that has reset it.
    fn called(&self, core: &Loop) {
        if self.is_armed() {
            return;
        }
        let note = core
            .timers
            .borrow_mut()
            .note(self.key)
            .map(|note| mem::replace(note, *note & !ATTACHED));
        self.end_if_over(core);
        // Not if it was cancelled after it had been reset: it has been counted off then.
        if let Some(note) = note.filter(|note| note & ATTACHED != 0) {
            self.count(core, note, -1);
            self.state.event.tell(core, TracePoint::Detach);
        }
    }

    /// Gives its place in the table back at once, also while its handler is called: whatever that says, it is over.
    fn end(&self, core: &Loop) {
        let mut timers = core.timers.borrow_mut();
        let note = timers.note(self.key).map(|note| *note);
        let value = timers.remove(self.key);
        drop(timers);
        if let Some(note) = note.filter(|note| note & ATTACHED != 0) {
            self.count(core, note, -1);
            self.state.event.tell(core, TracePoint::Detach);
        }
        drop(value);
    }

    /// Gives its place in the table back, if it can never be called again.
    fn end_if_over(&self, core: &Loop) {
        let mut timers = core.timers.borrow_mut();
        let is_attached = timers
            .note(self.key)
            .is_some_and(|note| *note & ATTACHED != 0);
        if self.state.detached.get() && !is_attached {
            let value = timers.remove(self.key);
            drop(timers);
            drop(value);
        }
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
        let core = self.handle.core();
        if self.0.state.detached.replace(true) {
            self.end_if_over(core);
        } else {
            self.end(core);
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
            .field("event", &self.state.event)
            .finish_non_exhaustive()
    }
}

/// What stands in the table of a loop: somebody to wake, or a handler to call.
pub(crate) enum Due {
    Wake(Waker),
    Call(Armed),
}

/// A timer with a handler.
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
            Self::Call(Armed(state)) => {
                let this = TimerHandle {
                    handle: state.handle.clone(),
                    key: state.key,
                    state,
                };
                this.fire(now);
            }
        }
    }

    /// The loop has ended, and it is out of the table: wakes or drops whoever it is for.
    pub(crate) fn end(self, core: &Loop) {
        match self {
            Self::Wake(waker) => waker.wake(),
            Self::Call(Armed(state)) => state.event.tell(core, TracePoint::Detach),
        }
    }
}
