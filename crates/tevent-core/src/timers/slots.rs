//! The timers by number: where each is, when it is due, and its value.

use std::mem::{self, ManuallyDrop};

use super::{Entry, RUN, TimerKey};

/// The end of the chain of free slots.
const NO_SLOT: u32 = u32::MAX;

/// A bucket tells slots from holes by the highest bit.
const MAX_SLOTS: usize = (1 << 31) - 1;

pub(super) struct Slots<T> {
    slots: Vec<Slot>,
    /// Apart from the slots: a timer comes and goes without its value being looked at.
    values: Vec<Option<T>>,
    first_free: u32,
    taken: usize,
}

/// Aligned, so that it lies in one line of the cache.
#[repr(align(32))]
pub(super) struct Slot {
    deadline: u64,
    /// Of the deadline: an entry in the heap that has another one is not what it should be.
    arrival: u64,
    /// An arrival's number; no arrival has the number of a free slot. No two timers of a table share one, also when the
    /// memory was given back in between, so a stale key can never fit.
    generation: u64,
    /// Within the bucket; of a free slot the next free one.
    position: u32,
    bucket: u16,
    /// Whether the timer stays when it has come.
    stays: bool,
    /// Whatever the table's owner likes.
    note: u8,
}

/// The generation of a free slot.
const FREE: u64 = 0;

/// The bucket of a timer that waits for nothing.
const IDLE: u16 = u16::MAX - 2;

/// Where an entry is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) bucket: u16,
    pub(super) position: u32,
}

impl Slot {
    #[inline]
    pub(super) fn deadline(&self) -> u64 {
        self.deadline
    }

    /// `None`: it waits for nothing.
    #[inline]
    pub(super) fn place(&self) -> Option<Place> {
        (self.bucket != IDLE).then_some(Place {
            bucket: self.bucket,
            position: self.position,
        })
    }
}

impl<T> Slots<T> {
    pub(super) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            values: Vec::new(),
            first_free: NO_SLOT,
            taken: 0,
        }
    }

    /// How many slots there are, free or not.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    #[inline]
    pub(super) fn find(&mut self, key: TimerKey) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        (slot.generation == key.generation).then_some(slot)
    }

    #[inline]
    pub(super) fn note(&mut self, number: u32) -> &mut u8 {
        &mut self.slots[number as usize].note
    }

    /// `None`: there is no such timer, or it waits for nothing.
    pub(super) fn place(&self, key: TimerKey) -> Option<Place> {
        let slot = self.slots.get(key.slot as usize)?;
        slot.place().filter(|_| slot.generation == key.generation)
    }

    pub(super) fn value_mut(&mut self, key: TimerKey) -> Option<&mut Option<T>> {
        self.find(key)?;
        self.values.get_mut(key.slot as usize)
    }

    pub(super) fn deadline(&self, key: TimerKey) -> Option<u64> {
        let slot = self.slots.get(key.slot as usize)?;
        (slot.generation == key.generation).then_some(slot.deadline)
    }

    #[inline]
    pub(super) fn set_due(&mut self, number: u32, deadline: u64, arrival: u64) {
        let slot = &mut self.slots[number as usize];
        slot.deadline = deadline;
        slot.arrival = arrival;
    }

    /// The entry of a timer that has a deadline.
    #[inline]
    pub(super) fn entry(&self, number: u32) -> Entry {
        let Slot {
            deadline, arrival, ..
        } = self.slots[number as usize];
        Entry {
            deadline,
            arrival,
            slot: number,
        }
    }

    /// Tells a timer that its entry is in the run now.
    #[inline]
    pub(super) fn enter_run(&mut self, number: u32) {
        self.slots[number as usize].bucket = RUN;
    }

    /// Notes the entry of a timer that was put into a bucket.
    #[inline]
    pub(super) fn enter(&mut self, entry: &Entry, place: Place) {
        let slot = &mut self.slots[entry.slot as usize];
        slot.deadline = entry.deadline;
        slot.arrival = entry.arrival;
        slot.bucket = place.bucket;
        slot.position = place.position;
    }

    /// Tells a timer where its entry is now. Only a store: nobody waits for the slot's memory.
    #[inline]
    pub(super) fn moved(&mut self, number: u32, place: Place) {
        let slot = &mut self.slots[number as usize];
        slot.bucket = place.bucket;
        slot.position = place.position;
    }

    /// Tells a timer that it has no entry any more.
    #[inline]
    pub(super) fn rest(&mut self, number: u32) {
        self.slots[number as usize].bucket = IDLE;
    }

    // By force, and without a destructor that a panic would run: else the value goes through memory, word by word on
    // one side and at once on the other, and the processor waits for it (6 ns). Of too many timers one value is lost.
    #[inline(always)]
    pub(super) fn occupy(&mut self, generation: u64, value: Option<T>, stays: bool) -> u32 {
        let value = ManuallyDrop::new(value);
        if self.first_free == NO_SLOT {
            self.grow();
        }
        let number = self.first_free;
        let slot = &mut self.slots[number as usize];
        self.first_free = slot.position;
        slot.generation = generation;
        slot.bucket = IDLE;
        slot.stays = stays;
        slot.note = 0;
        self.taken += 1;
        // A free slot has no value; saying so spares the hot path the destructor of one.
        let place = &mut self.values[number as usize];
        mem::forget(mem::replace(place, ManuallyDrop::into_inner(value)));
        number
    }

    /// Adds a free slot.
    #[cold]
    fn grow(&mut self) {
        let number = self.slots.len();
        assert!(number < MAX_SLOTS, "a table holds less than 2^31 timers");
        self.slots.push(Slot {
            deadline: 0,
            arrival: 0,
            generation: FREE,
            position: NO_SLOT,
            bucket: IDLE,
            stays: false,
            note: 0,
        });
        self.values.push(None);
        self.first_free = number as u32;
    }

    /// Takes the value of a timer whose time has come, and frees its slot unless it stays.
    pub(super) fn fire(&mut self, number: u32) -> Option<T> {
        if self.slots[number as usize].stays {
            self.rest(number);
            return self.values[number as usize].take();
        }
        self.vacate(number)
    }

    #[inline(always)] // as `occupy`
    pub(super) fn vacate(&mut self, number: u32) -> Option<T> {
        let slot = &mut self.slots[number as usize];
        slot.generation = FREE;
        slot.position = self.first_free;
        self.first_free = number;
        self.taken -= 1;
        self.values[number as usize].take()
    }
}
