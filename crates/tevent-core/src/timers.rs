//! Deadlines in order: exact to the nanosecond, first come first served among equals, never early.
//!
//! ```text
//! heap    [entry] [entry] [entry] ...   deadline, arrival, slot: a 4-ary heap, the next one due at its root
//!            |  ^
//!       slot |  | position              each side names the other, so a timer is found in the heap without a search
//!            v  |
//! slots   [timer] [free ] [timer] ...   the values; a key names a slot, free slots are chained
//! ```
//!
//! A heap rather than a wheel: its order is exact by itself, no deadline is too far away, and nothing happens when a
//! counter wraps, because none does.

use std::{fmt, mem};

/// Children of one heap node: four entries of 24 bytes lie within two cache lines.
const ARITY: usize = 4;

/// A table that empties keeps its memory for this many timers, so that a quiet loop does not allocate again and again.
const KEPT_SLOTS: usize = 64;

/// The end of the chain of free slots.
const NO_SLOT: u32 = u32::MAX;

/// Values of type `T` with a deadline each, taken out in the order of the deadlines.
///
/// Deadlines are nanoseconds on whatever clock the caller reads; every `u64` is a valid deadline. The table itself has
/// no clock: [`pop_due`](Self::pop_due) is told what time it is. `insert`, `remove`, `reset` and `pop_due` take
/// O(log n) steps, everything else O(1). No method drops a `T`: values come back to the caller, who can end the borrow
/// of the table before a destructor runs. Memory is given back when the table empties after a burst.
///
/// ```
/// use tevent_core::timers::Timers;
///
/// let mut timers = Timers::new();
/// timers.insert(20, "late");
/// let early = timers.insert(10, "early");
/// assert_eq!(timers.next_deadline(), Some(10));
/// assert_eq!(timers.pop_due(9), None);
/// assert_eq!(timers.pop_due(30), Some((10, "early")));
/// assert_eq!(timers.remove(early), None);
/// assert_eq!(timers.pop_due(30), Some((20, "late")));
/// ```
pub struct Timers<T> {
    heap: Vec<Entry>,
    slots: Vec<Slot<T>>,
    first_free: u32,
    arrivals: u64,
}

/// Names one timer of the table that gave it out, and finds nothing once that timer has been taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerKey {
    slot: u32,
    generation: u64,
}

/// What the heap orders. The order of the fields is the order of the timers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    deadline: u64,
    arrival: u64,
    slot: u32,
}

enum Slot<T> {
    Taken(Timer<T>),
    Free { next: u32 },
}

struct Timer<T> {
    value: T,
    /// The number of the timer's first arrival. No two timers of a table share one, also when the memory was given back
    /// in between, so a stale key can never fit.
    generation: u64,
    /// Where the timer's entry is in the heap.
    position: u32,
}

impl<T> Timers<T> {
    /// An empty table. Allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            heap: Vec::new(),
            slots: Vec::new(),
            first_free: NO_SLOT,
            arrivals: 0,
        }
    }

    /// Adds a timer, behind all others of the same deadline.
    ///
    /// # Panics
    ///
    /// If there are 2^32 - 1 timers already.
    pub fn insert(&mut self, deadline: u64, value: T) -> TimerKey {
        let arrival = self.next_arrival();
        let slot = self.occupy(Timer {
            value,
            generation: arrival,
            position: 0,
        });
        let entry = Entry {
            deadline,
            arrival,
            slot,
        };
        self.heap.push(entry);
        self.settle(self.heap.len() - 1, entry);
        TimerKey {
            slot,
            generation: arrival,
        }
    }

    /// Takes a timer out before it is due. `None` if it is not there any more.
    pub fn remove(&mut self, key: TimerKey) -> Option<T> {
        let position = self.find(key)?.position;
        Some(self.take(position as usize).1)
    }

    /// The value of a timer that has not been taken out.
    pub fn get_mut(&mut self, key: TimerKey) -> Option<&mut T> {
        match self.slots.get_mut(key.slot as usize) {
            Some(Slot::Taken(timer)) if timer.generation == key.generation => {
                Some(&mut timer.value)
            }
            _ => None,
        }
    }

    /// Gives a timer another deadline. It counts as a new arrival: it goes behind all others of that deadline, also if
    /// the deadline is the one it had. The key stays valid. `false` if the timer is not there any more.
    pub fn reset(&mut self, key: TimerKey, deadline: u64) -> bool {
        let Some(position) = self.find(key).map(|timer| timer.position) else {
            return false;
        };
        let entry = Entry {
            deadline,
            arrival: self.next_arrival(),
            slot: key.slot,
        };
        self.settle(position as usize, entry);
        true
    }

    /// Takes out the timer that is due first, with its deadline; `None` if none is due at `now`.
    ///
    /// A timer is due when its deadline is not after `now`. One timer a call, so that whatever its owner does next
    /// (take a sibling out, add an earlier one) counts for the next call.
    pub fn pop_due(&mut self, now: u64) -> Option<(u64, T)> {
        if self.next_deadline()? > now {
            return None;
        }
        Some(self.take(0))
    }

    /// The earliest deadline, due or not.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.heap.first().map(|entry| entry.deadline)
    }

    /// How many timers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether there is no timer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Timers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers")
            .field("len", &self.len())
            .field("next_deadline", &self.next_deadline())
            .finish_non_exhaustive()
    }
}

/// The table.
impl<T> Timers<T> {
    /// At one arrival a nanosecond the numbers last for five centuries.
    fn next_arrival(&mut self) -> u64 {
        self.arrivals += 1;
        self.arrivals
    }

    fn find(&self, key: TimerKey) -> Option<&Timer<T>> {
        match self.slots.get(key.slot as usize) {
            Some(Slot::Taken(timer)) if timer.generation == key.generation => Some(timer),
            _ => None,
        }
    }

    fn occupy(&mut self, timer: Timer<T>) -> u32 {
        let slot = self.first_free;
        if let Some(place) = self.slots.get_mut(slot as usize) {
            if let Slot::Free { next } = *place {
                self.first_free = next;
            }
            *place = Slot::Taken(timer);
            return slot;
        }
        let slot = self.slots.len();
        assert!(
            slot < NO_SLOT as usize,
            "a table holds less than 2^32 timers"
        );
        self.slots.push(Slot::Taken(timer));
        slot as u32
    }

    fn vacate(&mut self, slot: u32) -> T {
        let free = Slot::Free {
            next: self.first_free,
        };
        match mem::replace(&mut self.slots[slot as usize], free) {
            Slot::Taken(timer) => {
                self.first_free = slot;
                timer.value
            }
            Slot::Free { .. } => unreachable!("an entry of the heap names a slot that is taken"),
        }
    }

    /// Takes out the timer whose entry is at `position`.
    fn take(&mut self, position: usize) -> (u64, T) {
        let entry = self.heap.swap_remove(position);
        if let Some(&stand_in) = self.heap.get(position) {
            self.settle(position, stand_in);
        }
        let value = self.vacate(entry.slot);
        if self.heap.is_empty() {
            self.give_memory_back();
        }
        (entry.deadline, value)
    }

    fn give_memory_back(&mut self) {
        if self.slots.len() > KEPT_SLOTS {
            self.heap = Vec::new();
            self.slots = Vec::new();
            self.first_free = NO_SLOT;
        }
    }
}

/// The heap.
impl<T> Timers<T> {
    /// Puts `entry` where it belongs, seen from `position`, which is free to be overwritten.
    fn settle(&mut self, position: usize, entry: Entry) {
        let position = self.rise(position, entry);
        let position = self.sink(position, entry);
        self.put(position, entry);
    }

    /// Moves parents later than `entry` down; returns the place that is left free.
    fn rise(&mut self, mut position: usize, entry: Entry) -> usize {
        while position > 0 {
            let parent = (position - 1) / ARITY;
            if self.heap[parent] < entry {
                break;
            }
            self.put(position, self.heap[parent]);
            position = parent;
        }
        position
    }

    /// Moves children earlier than `entry` up; returns the place that is left free.
    fn sink(&mut self, mut position: usize, entry: Entry) -> usize {
        while let Some(child) = self.earliest_child(position)
            && self.heap[child] < entry
        {
            self.put(position, self.heap[child]);
            position = child;
        }
        position
    }

    fn earliest_child(&self, position: usize) -> Option<usize> {
        let first = position * ARITY + 1;
        let end = self.heap.len().min(first + ARITY);
        (first..end).min_by_key(|&child| self.heap[child])
    }

    /// Writes an entry and tells its timer where it is.
    fn put(&mut self, position: usize, entry: Entry) {
        self.heap[position] = entry;
        if let Slot::Taken(timer) = &mut self.slots[entry.slot as usize] {
            // There are never more entries than slots, and slots are numbered with 32 bits.
            timer.position = position as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// More than an empty table keeps; Miri is slow.
    const BURST: u64 = if cfg!(miri) { 100 } else { 10_000 };

    #[test]
    fn b55_a_timer_with_a_waker_takes_at_most_64_bytes() {
        assert!(size_of::<Entry>() + size_of::<Slot<Waker>>() <= 64);
        assert!(size_of::<TimerKey>() <= 16);
    }

    #[test]
    fn b55_memory_comes_back_when_the_table_empties_after_a_burst() {
        let mut timers = Timers::new();
        for deadline in 0..BURST {
            timers.insert(deadline, ());
        }
        while timers.pop_due(u64::MAX).is_some() {}
        assert_eq!((timers.heap.capacity(), timers.slots.capacity()), (0, 0));
    }

    #[test]
    fn b55_a_small_table_keeps_its_memory_and_reuses_its_slots() {
        let mut timers = Timers::new();
        for deadline in 0..BURST {
            let key = timers.insert(deadline, ());
            assert_eq!(timers.remove(key), Some(()));
        }
        assert_eq!(timers.slots.len(), 1);
        assert!(timers.heap.capacity() > 0);
    }

    #[test]
    fn the_slot_freed_last_is_taken_first() {
        let mut timers = Timers::new();
        let keys = [0, 1, 2, 3].map(|deadline| timers.insert(deadline, ()));
        timers.remove(keys[1]);
        timers.remove(keys[3]);
        assert_eq!(
            [0, 0, 0].map(|deadline| timers.insert(deadline, ()).slot),
            [3, 1, 4]
        );
    }
}
