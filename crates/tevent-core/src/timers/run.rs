//! The bucket that was due first, sorted once: what is due next is taken from its end.

use std::cmp::Reverse;

use super::slots::Slots;
use super::{Entry, RUN_LIMIT};

/// The slot of an entry that was taken out from between the others.
const GONE: u32 = u32::MAX;

pub(super) struct Run {
    /// The last of them is there.
    entries: Vec<Entry>,
    /// How many are.
    len: usize,
}

impl Run {
    pub(super) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    #[inline]
    pub(super) fn first(&self) -> Option<&Entry> {
        self.entries.last()
    }

    /// Takes out the first.
    #[inline]
    pub(super) fn pop(&mut self) {
        self.entries.pop();
        self.len -= 1;
        self.drop_gone();
    }

    /// Takes out an entry that is in it. It is looked for: to tell every timer where it is would take longer.
    pub(super) fn remove(&mut self, entry: &Entry) {
        let is_later = |other: &Entry| other.order() > entry.order();
        let position = self.entries.partition_point(is_later);
        self.entries[position].slot = GONE;
        self.len -= 1;
        self.drop_gone();
    }

    #[inline]
    fn drop_gone(&mut self) {
        while self.entries.last().is_some_and(|last| last.slot == GONE) {
            self.entries.pop();
        }
    }

    /// Adds an entry; the run is in no order then.
    #[inline]
    pub(super) fn append<T>(&mut self, entry: Entry, slots: &mut Slots<T>) {
        self.entries.push(entry);
        self.len += 1;
        slots.enter_run(entry.slot);
    }

    pub(super) fn sort(&mut self) {
        self.entries
            .sort_unstable_by_key(|entry| Reverse(entry.order()));
    }

    /// Gives away what is later than `near`.
    pub(super) fn give_later(&mut self, near: u64, mut take: impl FnMut(Entry)) {
        let later = self.entries.partition_point(|entry| entry.deadline > near);
        let later = self.entries.drain(..later);
        for entry in later.filter(|entry| entry.slot != GONE) {
            self.len -= 1;
            take(entry);
        }
    }

    /// Keeps memory for as many entries as it may have.
    pub(super) fn give_memory_back(&mut self) {
        if self.entries.capacity() > 2 * RUN_LIMIT {
            self.entries.shrink_to(RUN_LIMIT);
        }
    }
}

#[cfg(test)]
impl Run {
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn capacity(&self) -> usize {
        self.entries.capacity()
    }
}
