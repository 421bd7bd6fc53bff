//! Watched descriptors: readiness as a future and as a handler, level-triggered.
//!
//! A turn asks the kernel for what is wanted (`prepare`), polls, and tells whoever it concerns (`dispatch`). Both look
//! at those descriptors only that something happened to, so a descriptor that waits costs nothing.

mod event;
mod flags;
mod node;
mod numbers;
mod operation;
mod seat;
mod tell;
mod wait;

use std::cell::{Cell, RefCell};
use std::io;
use std::mem;
use std::os::fd::RawFd;
use std::rc::Rc;

use tevent_core::panics::Panics;
use tevent_reactor::{ReactorHandle, Watched};

pub use self::event::{FdEvent, FdHandle};
pub use self::flags::FdFlags;
use self::node::{Member, Node, Waiting};
use self::numbers::Numbers;
use self::tell::Tell;
pub use self::wait::FdReady;
use crate::Handle;

/// The watched descriptors of one loop.
#[derive(Default)]
pub(crate) struct Fds {
    nodes: RefCell<Numbers>,
    /// Whose wants may have changed. Each node is in it once.
    dirty: RefCell<Vec<Rc<Node>>>,
    /// Who is to be told without the kernel's word. Each node is in it once.
    ready: RefCell<Vec<Rc<Node>>>,
    /// Whether the last poll has told what the next one may tell again, unasked.
    may_come_again: Cell<bool>,
    /// Two buffers that are used again; taken out while in use.
    found: Cell<Vec<Watched>>,
    batch: Cell<Vec<Tell>>,
}

impl Fds {
    /// Whether a handler or a future waits for a descriptor.
    pub(crate) fn is_watching(&self) -> bool {
        let nodes = self.nodes.borrow();
        nodes.iter().any(|node| node.is_wanted())
    }

    /// Before a poll: tells the kernel what is wanted now. `true` if somebody has to be told without asking the kernel
    /// (a regular file), or if foreign code has changed something meanwhile: then do not sleep.
    pub(crate) fn prepare(&self, reactor: &ReactorHandle) -> bool {
        if !self.dirty.borrow().is_empty() {
            self.settle(reactor);
        }
        !self.ready.borrow().is_empty() || !self.dirty.borrow().is_empty() || reactor.has_watched()
    }

    /// Those that foreign code adds meanwhile wait for the next time.
    fn settle(&self, reactor: &ReactorHandle) {
        let mut dirty = mem::take(&mut *self.dirty.borrow_mut());
        for node in dirty.drain(..) {
            node.is_dirty.set(false);
            if node.settle(reactor) {
                self.make_ready(&node);
            }
        }
        let mut added = self.dirty.borrow_mut();
        mem::swap(&mut *added, &mut dirty);
        added.append(&mut dirty);
    }

    /// Before the loop is left: like [`prepare`](Self::prepare). What may be told again, unasked, is no new edge if it
    /// is ready still, so a host that waits for one has to be called, too.
    pub(crate) fn leave(&self, reactor: &ReactorHandle) -> bool {
        self.prepare(reactor) || self.may_come_again.take() && reactor.is_readable()
    }

    /// After a poll: calls the handlers and wakes the futures of the descriptors that were found ready. Returns how
    /// many.
    ///
    /// # Panics
    /// With the first panic of a handler or a waker, after the others have been called.
    pub(crate) fn dispatch(&self, handle: &Handle) -> usize {
        let reactor = &handle.core().reactor;
        let (has_found, has_ready) = (reactor.has_watched(), !self.ready.borrow().is_empty());
        if !has_found && !has_ready {
            return 0; // perhaps there was no poll at all, as the loop spins
        }
        self.may_come_again.set(false);
        let mut batch = self.batch.take();
        if has_found {
            self.collect_found(reactor, &mut batch);
        }
        if has_ready {
            self.collect_ready(&mut batch);
        }
        let (mut told, mut panics) = (0, Panics::default());
        for tell in batch.drain(..) {
            panics.guard(|| told += usize::from(tell.run()));
        }
        self.batch.set(batch);
        panics.resume();
        told
    }

    /// The loop has ended: drops the handlers, wakes the futures.
    ///
    /// # Panics
    /// With the first panic of a waker or of a handler's destructor, after all have been woken and dropped.
    pub(crate) fn end(&self, handle: &Handle) {
        self.dirty.take();
        self.ready.take();
        let nodes: Vec<_> = self.nodes.borrow().iter().map(Rc::clone).collect();
        let mut panics = Panics::default();
        for node in nodes {
            while let Some(member) = node.pop() {
                panics.guard(|| end(member, handle));
            }
        }
        panics.resume();
    }

    /// An event comes to live on a number.
    fn enter(&self, fd: RawFd) -> Rc<Node> {
        let mut nodes = self.nodes.borrow_mut();
        let node = nodes.enter(fd);
        node.users.set(node.users.get() + 1);
        // There may be a registration of others who lent a descriptor that is closed by now.
        node.be_unsure();
        Rc::clone(node)
    }

    /// An event has gone from its number; the last one deregisters it.
    fn release(&self, node: &Rc<Node>) {
        node.users.set(node.users.get() - 1);
        if node.users.get() > 0 {
            node.be_exact();
            return self.touch(node);
        }
        node.close();
        self.nodes.borrow_mut().remove(node.fd());
        // A future that was leaked may have left its waker: it is dropped here, where no borrow is held.
        while let Some(member) = node.pop() {
            drop(member);
        }
    }

    /// Registers what a new handler wants at once: who makes it is told of an error. `true` if it will be told of
    /// something without the kernel's word.
    fn watch(&self, node: &Rc<Node>, reactor: &ReactorHandle) -> io::Result<bool> {
        let watched = node.try_settle(reactor);
        match watched {
            Ok(true) => self.make_ready(node),
            Ok(false) => {}
            // Others of this number are told when it is asked for them.
            Err(_) => self.touch(node),
        }
        watched
    }

    /// What is wanted of a node may have changed: the next `prepare` looks.
    fn touch(&self, node: &Rc<Node>) {
        if !node.is_dirty.replace(true) {
            self.dirty.borrow_mut().push(Rc::clone(node));
        }
    }

    fn make_ready(&self, node: &Rc<Node>) {
        if !node.is_ready.replace(true) {
            self.ready.borrow_mut().push(Rc::clone(node));
        }
    }

    fn collect_found(&self, reactor: &ReactorHandle, batch: &mut Vec<Tell>) {
        let mut found = self.found.take();
        reactor.take_watched(&mut found);
        let nodes = self.nodes.borrow();
        for watched in &found {
            // The number may have been taken away since, or be somebody else's.
            let Some(node) = nodes.get(watched.fd) else {
                continue;
            };
            if let Some(after) = node.found(watched, batch) {
                self.may_come_again
                    .set(self.may_come_again.get() || after.may_come_again);
                if after.look {
                    self.touch(node);
                }
            }
        }
        self.found.set(found);
    }

    fn collect_ready(&self, batch: &mut Vec<Tell>) {
        let mut ready = mem::take(&mut *self.ready.borrow_mut());
        for node in ready.drain(..) {
            node.is_ready.set(false);
            node.ready(batch);
            self.touch(&node);
        }
        *self.ready.borrow_mut() = ready;
    }
}

/// Wakes or drops somebody who has left the line because the loop has ended.
fn end(member: Member, handle: &Handle) {
    match member {
        Member::Future(_, Waiting::For(waker)) => waker.wake(),
        Member::Future(..) => {}
        Member::Handler(watcher) => {
            let seat = watcher.seat();
            drop(seat.leave());
            seat.event.detach(handle.core());
            // One that nobody owns ends here: with its last reference.
            drop(watcher);
        }
    }
}
