//! The kinds of events, as registered handlers; what they have in common stands here.

pub(crate) mod fd;
pub(crate) mod immediate;
pub(crate) mod inbox;
pub(crate) mod interval;
mod ring;
pub(crate) mod signal;
pub(crate) mod timer;

use std::cell::Cell;
use std::panic::Location;

use tevent_core::panics::Panics;

use crate::core_loop::Loop;
use crate::trace::TracePoint;

/// The kind of an event.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// A signal handler (C: `tevent_signal`).
    Signal,
    /// Messages from other threads (C: `tevent_threaded_context`).
    Message,
    /// An immediate (C: `tevent_immediate`).
    Immediate,
    /// A timer (C: `tevent_timer`).
    Timer,
    /// A watched descriptor (C: `tevent_fd`).
    Fd,
}

/// A registered handler, as those who watch a loop are told of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct TracedEvent {
    /// What it waits for.
    pub kind: EventKind,
    /// The line that made it.
    pub place: &'static Location<'static>,
    /// Its tag; 0 if it was given none.
    pub tag: u64,
}

/// What every registered handler has besides the handler: where it was made, a tag, and a say in whether `run` goes on.
///
/// ```text
///   Detached --1 attach--> Attached --2 detach--> Detached
/// ```
///
/// While it is attached it is counted, unless it was told not to be.
#[derive(Debug)]
pub(crate) struct Event {
    kind: EventKind,
    place: &'static Location<'static>,
    tag: Cell<u64>,
    counted: Cell<bool>,
    attached: Cell<bool>,
}

impl Event {
    /// An event of the caller's caller, detached.
    #[track_caller]
    pub(crate) fn new(kind: EventKind) -> Self {
        Self {
            kind,
            place: Location::caller(),
            tag: Cell::new(0),
            counted: Cell::new(true),
            attached: Cell::new(false),
        }
    }

    /// Arrow 1: from now on its handler may be called. Nothing if it may already.
    #[inline]
    pub(crate) fn attach(&self, core: &Loop) {
        if !self.attached.replace(true) {
            core.count_events(isize::from(self.counted.get()));
            self.tell(core, TracePoint::Attach);
        }
    }

    /// Arrow 2: its handler is not called again before it is attached again. Nothing if it was not.
    #[inline]
    pub(crate) fn detach(&self, core: &Loop) {
        if self.attached.replace(false) {
            core.count_events(-isize::from(self.counted.get()));
            self.tell(core, TracePoint::Detach);
        }
    }

    /// Calls the handler, and tells who watches. No borrow of the loop's may be held.
    ///
    /// In a forked child nothing happens: the rest of the batch is the parent's.
    #[inline]
    pub(crate) fn call(&self, core: &Loop, handler: impl FnOnce()) {
        if !core.process.is_current() {
            return;
        }
        if core.trace.is_idle() && core.watchdog.is_none() {
            return handler();
        }
        self.call_watched(core, handler);
    }

    /// Not inline: the few who watch pay for the call.
    #[cold]
    fn call_watched(&self, core: &Loop, handler: impl FnOnce()) {
        core.trace.tell(&TracePoint::BeforeHandler(self.traced()));
        match &core.watchdog {
            Some(watchdog) => watchdog.time_handler(&core.clock, self.traced(), handler),
            None => handler(),
        }
        core.trace.tell(&TracePoint::AfterHandler(self.traced()));
    }

    /// Like [`Self::call`], for an event that is over unless its handler has registered it anew: then, or if the
    /// handler panics, it is detached.
    #[inline]
    pub(crate) fn call_last(
        &self,
        core: &Loop,
        handler: impl FnOnce(),
        is_over: impl Fn() -> bool,
    ) {
        let mut panics = Panics::default();
        panics.guard(|| self.call(core, handler));
        if is_over() {
            panics.guard(|| self.detach(core));
        }
        panics.resume();
    }

    /// Whether `run` goes on while this event is attached.
    pub(crate) fn set_counted(&self, core: &Loop, counted: bool) {
        if self.counted.replace(counted) != counted && self.attached.get() {
            core.count_events(if counted { 1 } else { -1 });
        }
    }

    pub(crate) fn tag(&self) -> u64 {
        self.tag.get()
    }

    pub(crate) fn set_tag(&self, tag: u64) {
        self.tag.set(tag);
    }

    #[inline]
    fn tell(&self, core: &Loop, point: fn(TracedEvent) -> TracePoint) {
        if !core.trace.is_idle() {
            self.tell_hooks(core, point);
        }
    }

    #[cold]
    fn tell_hooks(&self, core: &Loop, point: fn(TracedEvent) -> TracePoint) {
        core.trace.tell(&point(self.traced()));
    }

    fn traced(&self) -> TracedEvent {
        TracedEvent {
            kind: self.kind,
            place: self.place,
            tag: self.tag.get(),
        }
    }
}
