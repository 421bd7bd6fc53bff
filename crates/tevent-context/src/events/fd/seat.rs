//! A seat: the part of a watched descriptor that does not depend on the descriptor's type.

use std::cell::Cell;
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use tevent_core::line::Place;

use super::flags::FdFlags;
use super::node::{Member, Node};
use crate::Handle;
use crate::events::{Event, EventKind};

/// One who watches a descriptor with a handler.
pub(super) trait Watcher {
    fn seat(&self) -> &Seat;

    /// The descriptor, until the end. Foreign code runs.
    fn lend(&self) -> Option<BorrowedFd<'_>>;

    /// Calls the handler.
    fn call(self: Rc<Self>, ready: FdFlags);
}

/// What all watched descriptors have.
pub(super) struct Seat {
    pub(super) handle: Handle,
    pub(super) event: Event,
    pub(super) node: Rc<Node>,
    flags: Cell<FdFlags>,
    /// Where its handler stands in the node's line, if it has one.
    place: Cell<Option<Place>>,
    has_ended: Cell<bool>,
    /// Whether it lives on by itself.
    pub(super) is_detached: Cell<bool>,
}

impl Seat {
    #[track_caller]
    pub(super) fn new(handle: &Handle, node: Rc<Node>) -> Self {
        Self {
            handle: handle.clone(),
            event: Event::new(EventKind::Fd),
            node,
            flags: Cell::default(),
            place: Cell::new(None),
            has_ended: Cell::new(false),
            is_detached: Cell::new(false),
        }
    }

    pub(super) fn flags(&self) -> FdFlags {
        self.flags.get()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.get()
    }

    /// Takes a place for the handler. The kernel is not yet asked.
    pub(super) fn join(&self, watcher: Rc<dyn Watcher>, flags: FdFlags) {
        self.place
            .set(Some(self.node.join(Member::Handler(watcher))));
        self.flags.set(flags);
    }

    pub(super) fn set_flags(&self, flags: FdFlags) {
        let core = self.handle.core();
        let former = self.flags();
        if self.place.get().is_none() || former == flags || core.has_ended() {
            return;
        }
        self.flags.set(flags);
        self.node.be_exact();
        core.fds.touch(&self.node);
        if !former.contains(flags) {
            core.notify();
        }
        self.tell_flags();
    }

    /// An event with flags is attached. Trace hooks are called.
    pub(super) fn tell_flags(&self) {
        let core = self.handle.core();
        if self.flags.get().is_empty() {
            self.event.detach(core);
        } else {
            self.event.attach(core);
        }
    }

    /// The kernel has refused it: nothing is watched for from now on. `false` if that was so already.
    pub(super) fn disarm(&self) -> bool {
        let was_armed = !self.flags.take().is_empty();
        self.tell_flags();
        was_armed
    }

    /// Leaves the line and the descriptor; once is enough. If it was the last, the descriptor is deregistered now.
    pub(super) fn end(&self) {
        if self.has_ended.replace(true) {
            return;
        }
        let core = self.handle.core();
        let member = self.leave();
        core.fds.release(&self.node);
        self.event.detach(core);
        // Only now: it may be the last owner of the handler.
        drop(member);
    }

    /// Gives the place up; the handler is not called any more. Drop what comes back only with no borrow held.
    #[must_use]
    pub(super) fn leave(&self) -> Option<Member> {
        self.flags.set(FdFlags::EMPTY);
        self.place.take().and_then(|place| self.node.leave(place))
    }
}
