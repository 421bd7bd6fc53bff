//! The table of live tasks: who has to be cancelled when the executor ends.

use std::ptr::{self, NonNull};

use super::header::Header;

/// A slab of pointers, eight bytes per task: a free slot keeps the number of the next free one where a pointer would
/// stand (odd, while headers are aligned).
#[derive(Default)]
pub(super) struct LiveTable {
    slots: Vec<*mut Header>,
    free: Option<u32>,
    len: usize,
}

impl LiveTable {
    pub(super) const NO_SLOT: u32 = u32::MAX;

    pub(super) fn insert(&mut self, task: NonNull<Header>) -> u32 {
        self.len += 1;
        let Some(slot) = self.free else {
            let slot = u32::try_from(self.slots.len())
                .expect("fewer than 2^32 tasks fit into the memory there is");
            self.slots.push(task.as_ptr());
            return slot;
        };
        let place = &mut self.slots[slot as usize];
        self.free = decode(*place);
        *place = task.as_ptr();
        slot
    }

    /// Takes a task off; [`Self::NO_SLOT`] is of one that never was in the table.
    pub(super) fn remove(&mut self, slot: u32) {
        if slot == Self::NO_SLOT {
            return;
        }
        self.slots[slot as usize] = encode(self.free);
        self.free = Some(slot);
        self.len -= 1;
        if self.len == 0 && self.slots.len() > KEEP {
            *self = Self::default();
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
            .position(|slot| slot.addr() & 1 == 0)?;
        let task = NonNull::new(self.slots[from + offset])?;
        Some((task, from + offset + 1))
    }
}

/// Slots that an empty table keeps.
const KEEP: usize = 1024;

fn encode(next: Option<u32>) -> *mut Header {
    let number = next.unwrap_or(LiveTable::NO_SLOT);
    ptr::without_provenance_mut((number as usize) << 1 | 1)
}

fn decode(slot: *mut Header) -> Option<u32> {
    let number = (slot.addr() >> 1) as u32;
    (number != LiveTable::NO_SLOT).then_some(number)
}
