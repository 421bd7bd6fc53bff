//! Trace points: hooks that are told what a loop does.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};

use crate::events::TracedEvent;

/// A moment in the life of a loop, as a hook sees it ([`Handle::on_trace`](crate::Handle::on_trace)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TracePoint {
    /// A turn begins (C: `TEVENT_TRACE_BEFORE_LOOP_ONCE`).
    BeforeTurn,
    /// A turn is over (C: `TEVENT_TRACE_AFTER_LOOP_ONCE`).
    AfterTurn,
    /// The loop looks for events of descriptors, and sleeps if there is nothing to do (C: `TEVENT_TRACE_BEFORE_WAIT`).
    BeforeWait,
    /// It has (C: `TEVENT_TRACE_AFTER_WAIT`).
    AfterWait,
    /// A handler was registered or scheduled (C: `TEVENT_EVENT_TRACE_ATTACH`).
    Attach(TracedEvent),
    /// A handler is about to be called (C: `TEVENT_EVENT_TRACE_BEFORE_HANDLER`).
    BeforeHandler(TracedEvent),
    /// A handler has returned.
    AfterHandler(TracedEvent),
    /// A handler will not be called any more, unless it is registered again (C: `TEVENT_EVENT_TRACE_DETACH`).
    Detach(TracedEvent),
}

type Hook = dyn Fn(&TracePoint);

/// The hooks of one loop, in the order in which they were added.
#[derive(Default)]
pub(crate) struct Trace {
    hooks: RefCell<Vec<Weak<Hook>>>,
    live: Rc<Cell<usize>>,
    /// Somebody goes through the hooks by their numbers.
    telling: Cell<bool>,
}

impl Trace {
    /// Whether nobody is told.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.live.get() == 0
    }

    pub(crate) fn add(&self, hook: Rc<Hook>) -> TraceHook {
        let mut hooks = self.hooks.borrow_mut();
        if !self.telling.get() {
            hooks.retain(|hook| hook.strong_count() > 0);
        }
        hooks.push(Rc::downgrade(&hook));
        self.live.set(self.live.get() + 1);
        TraceHook {
            _hook: hook,
            live: Rc::clone(&self.live),
        }
    }

    /// Tells all hooks, with no borrow held: a hook may add and drop hooks.
    #[inline]
    pub(crate) fn tell(&self, point: &TracePoint) {
        if !self.is_idle() {
            self.tell_hooks(point);
        }
    }

    #[cold]
    fn tell_hooks(&self, point: &TracePoint) {
        let _telling = Telling(self, self.telling.replace(true));
        let mut next = 0;
        while let Some(hook) = self.nth(next) {
            if let Some(hook) = hook.upgrade() {
                hook(point);
            }
            next += 1;
        }
    }

    fn nth(&self, index: usize) -> Option<Weak<Hook>> {
        self.hooks.borrow().get(index).cloned()
    }
}

/// Puts the flag back, also if a hook panics.
struct Telling<'a>(&'a Trace, bool);

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        self.0.telling.set(self.1);
    }
}

/// A hook that is told what a loop does, until this is dropped.
#[must_use = "the hook is taken away when this is dropped"]
pub struct TraceHook {
    _hook: Rc<Hook>,
    live: Rc<Cell<usize>>,
}

impl Drop for TraceHook {
    fn drop(&mut self) {
        self.live.set(self.live.get() - 1);
    }
}

impl fmt::Debug for TraceHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceHook").finish_non_exhaustive()
    }
}
