//! Near timers in exact order, as they come and go: a 4-ary heap, whose root is due first.

use super::slots::{Place, Slots};
use super::{Entry, HEAP, HEAP_LIMIT};

/// Children of one node: four entries of 24 bytes lie within two cache lines.
const ARITY: usize = 4;

#[derive(Default)]
pub(super) struct Heap(Vec<Entry>);

impl Heap {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn first(&self) -> Option<&Entry> {
        self.0.first()
    }

    #[inline]
    pub(super) fn push<T>(&mut self, entry: Entry, slots: &mut Slots<T>) {
        self.0.push(entry);
        self.rise(self.0.len() - 1, entry, slots);
    }

    /// Takes out the entry at `position`; the last one fills the gap.
    #[inline]
    pub(super) fn remove<T>(&mut self, position: usize, slots: &mut Slots<T>) {
        if position + 1 < self.0.len() {
            self.fill(position, slots);
        }
        self.0.pop();
    }

    /// Puts the last entry in the place of another one; it is still in its own, too, where nobody sinks below it.
    fn fill<T>(&mut self, position: usize, slots: &mut Slots<T>) {
        let last = self.0[self.0.len() - 1];
        let gap = self.sink(position, last, slots);
        self.rise(gap, last, slots);
    }

    /// Adds an entry; the heap is in no order then.
    pub(super) fn append(&mut self, entry: Entry) {
        self.0.push(entry);
    }

    /// Takes out the entries that `keep` does not want. The others, which it may change, are in no order then.
    pub(super) fn retain(&mut self, keep: impl FnMut(&mut Entry) -> bool) {
        self.0.retain_mut(keep);
    }

    pub(super) fn reorder<T>(&mut self, slots: &mut Slots<T>) {
        for position in 0..self.0.len() {
            self.rise(position, self.0[position], slots);
        }
    }

    /// Keeps memory for as many entries as it usually has.
    pub(super) fn give_memory_back(&mut self) {
        if self.0.capacity() > 2 * HEAP_LIMIT {
            self.0.shrink_to(HEAP_LIMIT);
        }
    }

    /// Moves parents later than `entry` down, and puts it into the place that is left free.
    #[inline(always)] // as `Slots::occupy`
    fn rise<T>(&mut self, mut position: usize, entry: Entry, slots: &mut Slots<T>) {
        while position > 0 {
            let parent = (position - 1) / ARITY;
            if self.0[parent].order() < entry.order() {
                break;
            }
            self.put(position, self.0[parent], slots);
            position = parent;
        }
        self.put(position, entry, slots);
    }

    /// Moves children earlier than `entry` up; returns the place that is left free.
    fn sink<T>(&mut self, mut position: usize, entry: Entry, slots: &mut Slots<T>) -> usize {
        while let Some(child) = self.earliest_child(position)
            && self.0[child].order() < entry.order()
        {
            self.put(position, self.0[child], slots);
            position = child;
        }
        position
    }

    fn earliest_child(&self, position: usize) -> Option<usize> {
        let first = position * ARITY + 1;
        let end = self.0.len().min(first + ARITY);
        (first..end).min_by_key(|&child| self.0[child].order())
    }

    /// Writes an entry and tells its timer where it is.
    fn put<T>(&mut self, position: usize, entry: Entry, slots: &mut Slots<T>) {
        self.0[position] = entry;
        // There are never more entries than slots, and slots are numbered with 32 bits.
        let position = position as u32;
        let place = Place {
            bucket: HEAP,
            position,
        };
        slots.moved(entry.slot, place);
    }
}

#[cfg(test)]
impl Heap {
    pub(super) fn entries(&self) -> &[Entry] {
        &self.0
    }

    pub(super) fn capacity(&self) -> usize {
        self.0.capacity()
    }
}
