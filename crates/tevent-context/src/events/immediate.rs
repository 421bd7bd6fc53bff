//! Immediates: handlers that are called as soon as the loop comes to it, in the order in which they were scheduled.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;

use tevent_core::panics::Panics;

use crate::Handle;
use crate::events::ring::Ring;
use crate::events::{Event, EventKind};

/// A handler that is made once and scheduled any number of times; scheduling cannot fail (C: `tevent_immediate`).
///
/// It runs in the present or the next turn of the loop, before timers and descriptors, never inside
/// [`schedule`](ImmediateHandle::schedule), and first scheduled first. Dropping it cancels it. Inside its handler it
/// may be scheduled again, cancelled and dropped.
///
/// ```
/// use tevent_context::{Context, Immediate};
///
/// # fn main() -> std::io::Result<()> {
/// let context = Context::new()?;
/// let mut left = 3;
/// let countdown = Immediate::new(&context.handle(), move |this| {
///     println!("{left}");
///     left -= 1;
///     if left > 0 {
///         this.schedule();
///     }
/// });
/// countdown.schedule();
/// context.run()?; // ends when nothing is scheduled any more
/// # Ok(())
/// # }
/// ```
pub struct Immediate(ImmediateHandle);

/// An immediate as its own handler sees it.
pub struct ImmediateHandle(Rc<State<Handler>>);

type Handler = dyn FnMut(&ImmediateHandle);

struct State<H: ?Sized> {
    handle: Handle,
    event: Event,
    /// Where it stands in the line, while it is scheduled.
    place: Cell<Option<u64>>,
    handler: RefCell<H>,
}

impl Immediate {
    /// An immediate that is not yet scheduled.
    #[track_caller]
    pub fn new(handle: &Handle, handler: impl FnMut(&ImmediateHandle) + 'static) -> Self {
        Self(ImmediateHandle::new(handle, handler))
    }
}

impl Handle {
    /// Schedules a handler once (C: `tevent_create_immediate` and `tevent_schedule_immediate`). It cannot be cancelled;
    /// if the context ends first, it is dropped uncalled.
    #[track_caller]
    pub fn immediate(&self, handler: impl FnOnce(&Handle) + 'static) {
        let mut handler = Some(handler);
        let once = ImmediateHandle::new(self, move |this| {
            if let Some(handler) = handler.take() {
                handler(this.handle());
            }
        });
        once.schedule();
    }
}

impl ImmediateHandle {
    #[track_caller]
    fn new(handle: &Handle, handler: impl FnMut(&Self) + 'static) -> Self {
        Self(Rc::new(State {
            handle: handle.clone(),
            event: Event::new(EventKind::Immediate),
            place: Cell::new(None),
            handler: RefCell::new(handler),
        }))
    }

    /// Schedules one call of the handler, behind all immediates that are scheduled now. One that was scheduled already
    /// loses its place to that, and is called once. Once the context has ended, nothing happens.
    pub fn schedule(&self) {
        let core = self.0.handle.core();
        if core.has_ended() {
            return;
        }
        let before = self.0.place.take();
        let loses_its_place = before.is_some_and(|place| core.immediates.leave(place).is_some());
        core.immediates.join(&self.0);
        // Hooks are told only now: they may schedule and cancel it, too.
        if loses_its_place {
            self.0.event.detach(core);
        }
        if self.is_scheduled() {
            self.0.event.attach(core);
        }
        core.notify();
    }

    /// Takes the call back. `false` if none was scheduled.
    pub fn cancel(&self) -> bool {
        let core = self.0.handle.core();
        let Some(place) = self.0.place.take() else {
            return false;
        };
        let left = core.immediates.leave(place);
        self.0.event.detach(core);
        left.is_some()
    }

    /// Whether a call of the handler is scheduled.
    #[must_use]
    pub fn is_scheduled(&self) -> bool {
        self.0.place.get().is_some()
    }

    /// Whether [`Context::run`](crate::Context::run) goes on while a call is scheduled; at first it does. One that
    /// schedules itself for ever, say to look after something whenever the loop comes round, would let no `run` end.
    pub fn keep_running(&self, keeps: bool) {
        self.0.event.set_counted(self.0.handle.core(), keeps);
    }

    /// The loop it runs on.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.0.handle
    }

    /// The tag, for those who trace; 0 at first. It stays when the immediate is scheduled again.
    #[must_use]
    pub fn tag(&self) -> u64 {
        self.0.event.tag()
    }

    /// Gives it a tag.
    pub fn set_tag(&self, tag: u64) {
        self.0.event.set_tag(tag);
    }

    /// It stands no longer in the line: calls its handler.
    fn run(self) {
        let State {
            handle,
            event,
            place,
            handler,
        } = &*self.0;
        place.set(None);
        let core = handle.core();
        // Not borrowed: a handler runs on a loop that it cannot run itself.
        let call = || (handler.borrow_mut())(&self);
        event.call_last(core, call, || !self.is_scheduled());
    }
}

impl Deref for Immediate {
    type Target = ImmediateHandle;

    fn deref(&self) -> &ImmediateHandle {
        &self.0
    }
}

impl Drop for Immediate {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl fmt::Debug for ImmediateHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Immediate")
            .field("scheduled", &self.is_scheduled())
            .field("event", &self.0.event)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Immediate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The immediates of one loop that are scheduled, in order. May grow: each is in it once.
#[derive(Default)]
pub(crate) struct Immediates {
    line: RefCell<Ring<Rc<State<Handler>>>>,
}

impl Immediates {
    pub(crate) fn is_empty(&self) -> bool {
        self.line.borrow().is_empty()
    }

    /// Calls those that are scheduled now, and as long as no task is ready also those that they schedule; at most
    /// `allowance`. Returns how many were called.
    ///
    /// # Panics
    /// With the panic of a handler; the others stay in line.
    pub(crate) fn run(&self, handle: &Handle, allowance: u32) -> u32 {
        let executor = &handle.core().executor;
        let batch = self.line.borrow().len();
        let mut ran = 0;
        while ran < allowance
            && ((ran as usize) < batch || !executor.has_ready())
            && let Some(next) = self.pop()
        {
            ran += 1;
            next.run();
        }
        self.line.borrow_mut().give_memory_back();
        ran
    }

    /// Drops all of them, uncalled.
    pub(crate) fn end(&self) {
        let mut panics = Panics::default();
        while let Some(next) = self.pop() {
            next.0.place.set(None);
            next.0.event.detach(next.0.handle.core());
            panics.guard(|| drop(next));
        }
        panics.resume();
    }

    #[inline]
    fn pop(&self) -> Option<ImmediateHandle> {
        self.line.borrow_mut().pop().map(ImmediateHandle)
    }

    #[inline(always)] // it is half of scheduling
    fn join(&self, immediate: &Rc<State<Handler>>) {
        let place = self.line.borrow_mut().join(Rc::clone(immediate));
        immediate.place.set(Some(place));
    }

    #[cold]
    fn leave(&self, place: u64) -> Option<Rc<State<Handler>>> {
        let moved = |immediate: &Rc<State<Handler>>, place| immediate.place.set(Some(place));
        self.line.borrow_mut().leave(place, moved)
    }
}
