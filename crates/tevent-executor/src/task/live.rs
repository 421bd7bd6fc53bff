//! The table of live tasks: who has to be cancelled when the executor ends.

use std::ptr::{self, NonNull};

use super::header::Header;

/// A slab of pointers, eight bytes per task: a free slot keeps the number of the next free one where a pointer would
/// stand (odd, while headers are aligned).
pub(super) struct LiveTable {
    slots: Vec<*mut Header>,
    /// [`Self::NO_SLOT`] if there is none.
    free: u32,
    len: usize,
}

impl LiveTable {
    pub(super) const NO_SLOT: u32 = u32::MAX;

    pub(super) fn insert(&mut self, task: NonNull<Header>) -> u32 {
        self.len += 1;
        let slot = self.free;
        let Some(place) = self.slots.get_mut(slot as usize) else {
            return self.push(task);
        };
        self.free = decode(*place);
        *place = task.as_ptr();
        slot
    }

    fn push(&mut self, task: NonNull<Header>) -> u32 {
        let slot = u32::try_from(self.slots.len()).unwrap_or(Self::NO_SLOT);
        assert!(
            slot != Self::NO_SLOT,
            "a loop has room for less than 2^32 tasks"
        );
        self.slots.push(task.as_ptr());
        slot
    }

    /// Takes a task off; [`Self::NO_SLOT`] is of one that never was in the table.
    #[inline]
    pub(super) fn remove(&mut self, slot: u32) {
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = encode(self.free);
            self.free = slot;
            self.len -= 1;
        }
    }

    /// How many slots there are, free or not.
    #[inline]
    pub(super) fn room(&self) -> usize {
        self.slots.len()
    }

    /// Whether most of the table is gaps.
    #[inline]
    pub(super) fn is_roomy(&self) -> bool {
        self.slots.len() > KEPT && self.len < self.slots.len() / 4
    }

    /// Closes the gaps and gives their memory back. No walk by [`next`](Self::next) goes on across this.
    pub(super) fn shrink(&mut self) {
        if !self.is_roomy() {
            return;
        }
        self.slots.retain(|slot| is_task(*slot));
        self.slots.shrink_to(2 * self.slots.len());
        self.free = Self::NO_SLOT;
        for (slot, task) in self.slots.iter().enumerate() {
            // SAFETY: tasks in the table are alive; owner's thread.
            unsafe { &**task }.slot.set(slot as u32);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The first live task at `from` or behind it, and where to look next.
    pub(super) fn next(&self, from: usize) -> Option<(NonNull<Header>, usize)> {
        let offset = self
            .slots
            .get(from..)?
            .iter()
            .position(|slot| is_task(*slot))?;
        let task = NonNull::new(self.slots[from + offset])?;
        Some((task, from + offset + 1))
    }
}

/// A table of so many slots is kept, however few are taken.
const KEPT: usize = 1024;

fn is_task(slot: *mut Header) -> bool {
    slot.addr() & 1 == 0
}

fn encode(next: u32) -> *mut Header {
    ptr::without_provenance_mut((next as usize) << 1 | 1)
}

fn decode(slot: *mut Header) -> u32 {
    (slot.addr() >> 1) as u32
}

impl Default for LiveTable {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Self::NO_SLOT,
            len: 0,
        }
    }
}
