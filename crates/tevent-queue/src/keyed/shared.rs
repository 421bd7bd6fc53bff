//! Which key has which line.
//!
//! The life of a line is counted, not guessed: everybody who uses it shares one [`Lease`], and the last one to let go
//! takes it out of the table. So nobody has to find out when a line is empty, and there is no moment in between in
//! which somebody could join a line that is about to go.
//!
//! ```text
//!             1             2
//!   no line -----> a line -----> no line      1 somebody asks for the key
//!                   |  ^                      2 the last entry, guard or `KeyedLine` is dropped
//!                   +--+ 3                    3 somebody else asks, or lets go
//! ```

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    ptr,
    rc::{Rc, Weak},
};

use tevent_core::panics::Panics;

use crate::{Builder, Reason, TeventQueue};

/// What the handles and leases of one [`KeyedQueue`](super::KeyedQueue) share.
pub(super) struct Shared<K: Ord> {
    inside: RefCell<Inside<K>>,
    /// How lines are built.
    line: Builder,
    /// Living `KeyedQueue`s; leases do not count.
    pub(super) handles: Cell<usize>,
}

pub(super) struct Inside<K: Ord> {
    pub(super) lines: BTreeMap<K, Weak<Lease<K>>>,
    is_stopped: bool,
    /// It is closed, perhaps for a reason.
    closed: Option<Option<Reason>>,
}

/// A line, alive as long as somebody uses it.
pub(super) struct Lease<K: Ord> {
    pub(super) queue: TeventQueue,
    pub(super) key: K,
    shared: Rc<Shared<K>>,
}

impl<K: Ord> Shared<K> {
    pub(super) fn new(line: Builder) -> Rc<Self> {
        let inside = Inside {
            lines: BTreeMap::new(),
            is_stopped: false,
            closed: None,
        };
        Rc::new(Self {
            inside: RefCell::new(inside),
            line,
            handles: Cell::new(1),
        })
    }

    /// Looks at the table or changes it; of foreign code, `act` calls the order of the keys alone.
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut Inside<K>) -> R) -> R {
        act(&mut self.inside.borrow_mut())
    }

    pub(super) fn find(&self, key: &K) -> Option<Rc<Lease<K>>> {
        self.with(|inside| inside.find(key))
    }

    /// The line of a key; a new one if it has none.
    pub(super) fn line(self: &Rc<Self>, key: K) -> Rc<Lease<K>>
    where
        K: Clone,
    {
        if let Some(lease) = self.find(&key) {
            return lease;
        }
        let lease = Rc::new(Lease {
            queue: self.line.clone().build(),
            key: key.clone(),
            shared: Rc::clone(self),
        });
        self.with(|inside| inside.add(key, &lease));
        lease
    }

    /// All lines, in the order of the keys.
    pub(super) fn living(&self) -> Vec<Rc<Lease<K>>> {
        self.with(|inside| inside.lines.values().filter_map(Weak::upgrade).collect())
    }

    pub(super) fn stop(&self) {
        self.with(|inside| inside.is_stopped = true);
        self.living().iter().for_each(|lease| lease.queue.stop());
    }

    /// Starts all lines, unless a waker stops them again.
    pub(super) fn start(&self) {
        self.with(|inside| inside.is_stopped = false);
        let mut panics = Panics::default();
        for lease in self.living() {
            if !self.with(|inside| inside.is_stopped) {
                panics.guard(|| lease.queue.start());
            }
            panics.guard(|| drop(lease));
        }
        panics.resume();
    }

    /// Closes all lines. The first reason stays.
    pub(super) fn close(&self, reason: Option<Reason>) {
        let is_first = self.with(|inside| {
            let is_first = inside.closed.is_none();
            if is_first {
                inside.closed = Some(reason.clone());
            }
            is_first
        });
        let mut panics = Panics::default();
        if is_first {
            for lease in self.living() {
                panics.guard(|| close(&lease.queue, reason.clone()));
                panics.guard(|| drop(lease));
            }
        }
        panics.resume();
    }

    /// Waits for one line after the other, again and again until all are empty at once. Keeps none of them alive but
    /// the one it waits for.
    pub(super) async fn drain(&self) {
        loop {
            let busy = self.busy();
            if busy.is_empty() {
                return;
            }
            for line in busy {
                if let Some(lease) = line.upgrade() {
                    lease.queue.drain().await;
                }
            }
        }
    }

    fn busy(&self) -> Vec<Weak<Lease<K>>> {
        let lines = self.living();
        let busy = lines.iter().filter(|lease| !lease.queue.is_empty());
        busy.map(Rc::downgrade).collect()
    }
}

impl<K: Ord> Inside<K> {
    fn find(&self, key: &K) -> Option<Rc<Lease<K>>> {
        self.lines.get(key).and_then(Weak::upgrade)
    }

    /// Puts a new line into the table; it is as stopped and as closed as all are. Nobody waits in it yet.
    fn add(&mut self, key: K, lease: &Rc<Lease<K>>) {
        if self.is_stopped {
            lease.queue.stop();
        }
        if let Some(reason) = &self.closed {
            close(&lease.queue, reason.clone());
        }
        self.lines.insert(key, Rc::downgrade(lease));
    }
}

/// Nobody uses the line any more: it leaves the table first, then foreign code runs, which may ask for the key again.
///
/// Only what joined behind the back of the lease ([`KeyedLine::queue`](super::KeyedLine::queue)) can still be in the
/// line. It is closed, so that it grants nothing beside a new line of the same key.
impl<K: Ord> Drop for Lease<K> {
    fn drop(&mut self) {
        let removed = self.shared.with(|inside| {
            let known = inside.lines.get(&self.key);
            let is_mine = known.is_some_and(|known| ptr::eq(known.as_ptr(), self));
            is_mine.then(|| inside.lines.remove_entry(&self.key))
        });
        let mut panics = Panics::default();
        panics.guard(|| self.queue.close());
        panics.guard(|| drop(removed));
        panics.resume();
    }
}

fn close(queue: &TeventQueue, reason: Option<Reason>) {
    match reason {
        Some(reason) => queue.close_with(reason),
        None => queue.close(),
    }
}
