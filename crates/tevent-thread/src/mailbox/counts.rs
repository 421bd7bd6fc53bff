//! What became of the messages of a road, as its owner is told.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tevent_core::panics::Panics;

/// What became of the messages of a mailbox or a proxy. What was accepted is handled, dropped or still there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct MailboxStats {
    /// Messages that were handed to the handler, or run.
    pub received: u64,
    /// Messages that were accepted, and dropped at the end.
    pub dropped: u64,
    /// Those received that panicked.
    pub panicked: u64,
    /// The most messages that the loop has found waiting for it.
    pub high_water: usize,
}

type Hook = dyn Fn(&(dyn Any + Send));

/// The counts, shared by the owner's end and what works for it on the same thread.
#[derive(Default)]
pub(super) struct Counts {
    received: Cell<u64>,
    dropped: Cell<u64>,
    panicked: Cell<u64>,
    high_water: Cell<usize>,
    hook: RefCell<Option<Rc<Hook>>>,
}

impl Counts {
    pub(super) fn stats(&self) -> MailboxStats {
        MailboxStats {
            received: self.received.get(),
            dropped: self.dropped.get(),
            panicked: self.panicked.get(),
            high_water: self.high_water.get(),
        }
    }

    pub(super) fn set_hook(&self, hook: Rc<Hook>) {
        let old = self.hook.replace(Some(hook));
        drop(old);
    }

    /// So many wait at once.
    pub(super) fn find(&self, messages: usize) {
        self.high_water.set(self.high_water.get().max(messages));
    }

    /// One is about to be handled.
    #[inline]
    pub(super) fn receive(&self) {
        self.received.set(self.received.get() + 1);
    }

    /// So many are dropped unhandled.
    pub(super) fn drop_some(&self, messages: u64) {
        self.dropped.set(self.dropped.get() + messages);
    }

    /// One has panicked with this. Neither the hook nor the destructor of what was thrown stops the others.
    #[cold]
    pub(super) fn panic(&self, thrown: Box<dyn Any + Send>) {
        self.panicked.set(self.panicked.get() + 1);
        let hook = self.hook.borrow().clone();
        let mut panics = Panics::default();
        if let Some(hook) = hook {
            panics.guard(|| hook(&*thrown));
        }
        panics.guard(|| drop(thrown));
        panics.discard();
    }
}
