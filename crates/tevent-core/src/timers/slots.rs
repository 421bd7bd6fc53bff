//! The values of the timers, each in a slot that knows where its timer's entry is.

use super::{Entry, TimerKey};

/// The end of the chain of free slots.
const NO_SLOT: u32 = u32::MAX;

pub(super) struct Slots<T> {
    slots: Vec<Slot<T>>,
    first_free: u32,
}

pub(super) struct Slot<T> {
    /// `None`: the slot is free.
    value: Option<T>,
    /// The number of the timer's first arrival; no arrival has the number of a free slot. No two timers of a table
    /// share one, also when the memory was given back in between, so a stale key can never fit.
    generation: u64,
    /// Within the bucket; of a free slot the next free one.
    position: u32,
    bucket: u16,
}

/// The generation of a free slot.
const FREE: u64 = 0;

/// Where an entry is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) bucket: u16,
    pub(super) position: u32,
}

impl<T> Slots<T> {
    pub(super) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            first_free: NO_SLOT,
        }
    }

    /// How many slots there are, free or not.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn find(&self, key: TimerKey) -> Option<Place> {
        let slot = self.slots.get(key.slot as usize)?;
        (slot.generation == key.generation).then_some(Place {
            bucket: slot.bucket,
            position: slot.position,
        })
    }

    pub(super) fn value_mut(&mut self, key: TimerKey) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        slot.value.as_mut()
    }

    /// Tells a timer where its entry is now. Only a store: nobody waits for the slot's memory.
    pub(super) fn moved(&mut self, entry: &Entry, bucket: u16, position: usize) {
        let slot = &mut self.slots[entry.slot as usize];
        // There are never more entries than slots, and slots are numbered with 32 bits.
        slot.position = position as u32;
        slot.bucket = bucket;
    }

    pub(super) fn occupy(&mut self, generation: u64, value: T) -> u32 {
        let number = self.first_free;
        if let Some(slot) = self.slots.get_mut(number as usize) {
            self.first_free = slot.position;
            slot.value = Some(value);
            slot.generation = generation;
            return number;
        }
        let number = self.slots.len();
        assert!(
            number < NO_SLOT as usize,
            "a table holds less than 2^32 timers"
        );
        self.slots.push(Slot {
            value: Some(value),
            generation,
            position: 0,
            bucket: 0,
        });
        number as u32
    }

    pub(super) fn vacate(&mut self, number: u32) -> T {
        let slot = &mut self.slots[number as usize];
        slot.generation = FREE;
        slot.position = self.first_free;
        self.first_free = number;
        let value = slot.value.take();
        value.expect("an entry names a slot that is taken")
    }
}
