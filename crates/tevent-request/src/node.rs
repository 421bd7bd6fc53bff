//! Where a cancel is asked for and heard of: a tree of nodes, walked without recursion.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    mem,
    rc::{Rc, Weak},
};

use tevent_core::panics::Panics;

use crate::{profile::Owner, waiters::Waiters};

/// One place in the tree: of a request, of a scope, or of nobody but the tokens that name it.
///
/// Downwards the tree is weak, upwards it is strong: a node that nobody names any more is gone.
#[derive(Default)]
pub struct Node {
    asked: Cell<bool>,
    /// Whether somebody listened, here or below, when it was asked.
    heard: Cell<bool>,
    /// The request is over: nothing is left to cancel.
    over: Cell<bool>,
    /// Tokens that name this node.
    pub(crate) listeners: Cell<usize>,
    pub(crate) waiters: Waiters,
    /// The request that is asked here, for hooks.
    pub(crate) owner: Owner,
    next: Cell<u64>,
    children: RefCell<BTreeMap<u64, Weak<Node>>>,
    parents: RefCell<Vec<(Rc<Node>, u64)>>,
}

impl Node {
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.get()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.get()
    }

    /// Puts `child` below: who asks this one asks that one, too. A node that has been asked asks the child at once.
    pub(crate) fn adopt(self: &Rc<Self>, child: &Rc<Self>) {
        if child.is_over() || Rc::ptr_eq(self, child) {
            return;
        }
        if self.is_asked() {
            self.heard.set(child.tell() || self.heard.get());
            return;
        }
        let key = self.next.replace(self.next.get() + 1);
        self.children.borrow_mut().insert(key, Rc::downgrade(child));
        child.parents.borrow_mut().push((Rc::clone(self), key));
    }

    /// Asks this node and all below it, parents first. Whether anybody listens: then the answer is up to him. If it is
    /// certain that nobody does, nothing happens.
    ///
    /// # Panics
    /// With the first panic of a waker, after all have been asked.
    pub(crate) fn ask(self: &Rc<Self>) -> bool {
        if self.is_over() {
            return false;
        }
        if self.is_asked() {
            return self.heard.get() || self.listeners.get() > 0;
        }
        if self.listeners.get() == 0 && self.children.borrow().is_empty() {
            return false;
        }
        self.tell()
    }

    /// The same, also for who may listen later.
    fn tell(self: &Rc<Self>) -> bool {
        let mut panics = Panics::default();
        let mut left = vec![(Rc::clone(self), None)];
        let mut told = Vec::new();
        while let Some((node, parent)) = left.pop() {
            // What is over is told by its own close alone.
            let is_left_alone = node.is_over() && !Rc::ptr_eq(&node, self);
            if is_left_alone {
                continue;
            }
            if !node.asked.replace(true) {
                node.heard.set(node.listeners.get() > 0);
                let place = Some(told.len());
                left.extend(node.take_children().rev().map(|child| (child, place)));
                panics.guard(|| node.owner.cancelled());
                node.waiters.wake_all(&mut panics);
            }
            told.push((node, parent));
        }
        // Who listens below, listens for all above.
        while let Some((node, parent)) = told.pop() {
            if let Some(parent) = parent.filter(|_| node.heard.get()) {
                told[parent].0.heard.set(true);
            }
        }
        panics.resume();
        self.heard.get()
    }

    /// They need not be known any more: nobody is asked twice.
    fn take_children(&self) -> impl DoubleEndedIterator<Item = Rc<Self>> + use<> {
        let children = mem::take(&mut *self.children.borrow_mut());
        children.into_values().filter_map(|child| child.upgrade())
    }

    /// The request has its result: nothing is left to cancel. Whoever listens is told when it is taken, or knows it
    /// from the start if it `is_taken` already.
    pub(crate) fn finish(&self, is_taken: bool) {
        self.over.set(true);
        self.asked.set(self.asked.get() || is_taken);
    }

    /// The request has ended: nobody above asks it any more, and whoever listens learns that there is nothing left to
    /// work for.
    pub(crate) fn close(self: &Rc<Self>, panics: &mut Panics) {
        self.owner.forget();
        self.over.set(true);
        if !self.is_asked() {
            panics.guard(|| {
                self.tell();
            });
        }
        self.leave_parents();
    }

    /// In a loop: the last name of a long chain would otherwise drop it link by link on the stack.
    fn leave_parents(&self) {
        let mut left = mem::take(&mut *self.parents.borrow_mut());
        while let Some((parent, key)) = left.pop() {
            let child = parent.children.borrow_mut().remove(&key);
            drop(child);
            if let Some(node) = Rc::into_inner(parent) {
                left.append(&mut node.parents.borrow_mut());
            }
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.leave_parents();
    }
}
