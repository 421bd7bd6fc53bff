//! Deadlines in order: exact to the nanosecond, first come first served among equals, never early.
//!
//! ```text
//!              near
//!  heap .........|......... wheel ...................    where the entries are: deadline, arrival, slot
//!  exact order   |  buckets, later ones are wider
//!     ^                ^
//!     |  bucket and position, and back
//!     v                v
//!  slots   [timer] [free ] [timer] ...                   the values; a key names a slot, free slots are chained
//! ```
//!
//! Most timers are cancelled while they are far away. So only the near ones are kept in order, by a heap; the others
//! lie in the buckets of a wheel, where coming and going costs the same among a thousand and among a million. When the
//! heap is empty, the bucket that is due first is poured into it. A table of few timers is a heap and nothing else.
//!
//! The order is exact because the heap has it: the wheel only has to say which timers come later than all of those.
//! No counter wraps, and no deadline is too far away: the wheel's digits are those of a `u64`.

mod heap;
mod slots;
mod wheel;

use std::fmt;

use heap::Heap;
use slots::{Place, Slots};
use wheel::Wheel;

/// A table that empties keeps its memory for this many timers, so that a quiet loop does not allocate again and again.
const KEPT_SLOTS: usize = 64;

/// Up to so many timers need no wheel, and so many are ordered at once.
const FEW: usize = 64;

/// The heap gives timers to the wheel when it gets longer than this, and than twice of what it had to keep.
const HEAP_LIMIT: usize = 2 * FEW;

/// The heap, where the wheel has its buckets.
const NEAR: u16 = u16::MAX;

/// Values of type `T` with a deadline each, taken out in the order of the deadlines.
///
/// Deadlines are nanoseconds on whatever clock the caller reads; every `u64` is a valid deadline. The table itself has
/// no clock: [`pop_due`](Self::pop_due) is told what time it is. A far timer comes and goes in O(1) steps; among n near
/// ones it takes O(log n). On its way to being near a timer is moved a few times, at most once for each of eleven
/// widths of buckets. All of a bucket are moved in one call, which takes longer than others then. No method drops a
/// `T`: values come back to the caller, who can end the borrow of the table before a destructor runs. Memory is given
/// back when the table empties after a burst.
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
    slots: Slots<T>,
    /// All timers up to `near`. Not empty, unless the table is.
    heap: Heap,
    /// All others.
    wheel: Wheel,
    near: u64,
    /// At this length the heap gives timers to the wheel.
    heap_limit: usize,
    arrivals: u64,
}

/// Names one timer of the table that gave it out, and finds nothing once that timer has been taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerKey {
    slot: u32,
    generation: u64,
}

/// What is ordered: by deadline, then by arrival.
#[derive(Clone, Copy)]
struct Entry {
    deadline: u64,
    arrival: u64,
    slot: u32,
}

impl Entry {
    /// One number, so that no branch hangs on the deadlines being equal.
    fn order(&self) -> u128 {
        u128::from(self.deadline) << 64 | u128::from(self.arrival)
    }
}

impl<T> Timers<T> {
    /// An empty table. Allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            slots: Slots::new(),
            heap: Heap::new(),
            wheel: Wheel::new(),
            near: 0,
            heap_limit: HEAP_LIMIT,
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
        let slot = self.slots.occupy(arrival, value);
        self.add(Entry {
            deadline,
            arrival,
            slot,
        });
        TimerKey {
            slot,
            generation: arrival,
        }
    }

    /// Takes a timer out before it is due. `None` if it is not there any more.
    pub fn remove(&mut self, key: TimerKey) -> Option<T> {
        let place = self.slots.find(key)?;
        let entry = self.take(place);
        Some(self.finish(entry))
    }

    /// The value of a timer that has not been taken out.
    pub fn get_mut(&mut self, key: TimerKey) -> Option<&mut T> {
        self.slots.value_mut(key)
    }

    /// Gives a timer another deadline. It counts as a new arrival: it goes behind all others of that deadline, also if
    /// the deadline is the one it had. The key stays valid. `false` if the timer is not there any more.
    pub fn reset(&mut self, key: TimerKey, deadline: u64) -> bool {
        let Some(place) = self.slots.find(key) else {
            return false;
        };
        let arrival = self.next_arrival();
        let entry = self.take(place);
        self.add(Entry {
            deadline,
            arrival,
            ..entry
        });
        self.refill();
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
        let entry = self.heap.take(0, &mut self.slots);
        Some((entry.deadline, self.finish(entry)))
    }

    /// The earliest deadline, due or not.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.heap.first().map(|entry| entry.deadline)
    }

    /// How many timers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len() + self.wheel.len()
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

    fn add(&mut self, entry: Entry) {
        if self.wheel.len() == 0 && self.heap.len() < FEW {
            self.near = self.near.max(entry.deadline);
        }
        self.put(entry);
        if self.heap.len() > self.heap_limit {
            self.relieve();
        }
    }

    fn put(&mut self, entry: Entry) {
        if entry.deadline <= self.near {
            self.heap.push(entry, &mut self.slots);
        } else {
            self.wheel.put(self.near, entry, &mut self.slots);
        }
    }

    fn take(&mut self, place: Place) -> Entry {
        if place.bucket == NEAR {
            self.heap.take(place.position as usize, &mut self.slots)
        } else {
            self.wheel.take(place, &mut self.slots)
        }
    }

    /// The entry has been taken out.
    fn finish(&mut self, entry: Entry) -> T {
        self.refill();
        let value = self.slots.vacate(entry.slot);
        if self.heap.is_empty() {
            self.give_memory_back();
        }
        value
    }

    /// Pours buckets into the heap until it has the timer that is due first. One with few timers is poured as it is;
    /// one with many is dealt out to narrower buckets, so that the heap stays short.
    fn refill(&mut self) {
        while self.heap.is_empty()
            && let Some(mut bucket) = self.wheel.take_first(self.near)
        {
            self.heap_limit = HEAP_LIMIT;
            self.heap.give_memory_back();
            let is_small = bucket.entries.len() <= FEW;
            self.near = if is_small { bucket.end } else { bucket.start };
            for entry in bucket.entries.drain(..) {
                self.put(entry);
            }
            self.wheel.retire(bucket.entries);
        }
    }

    /// Gives what is not due first to the wheel. Each time the limit doubles what is left, so a heap that cannot be
    /// relieved, because its timers are all due at the same time, is not asked again for long.
    fn relieve(&mut self) {
        let due = self.next_deadline().unwrap_or(0);
        self.near = self.wheel.earliest_near(self.near).max(due);
        let (near, wheel, slots) = (self.near, &mut self.wheel, &mut self.slots);
        self.heap.retain(|entry| {
            let is_near = entry.deadline <= near;
            if !is_near {
                wheel.put(near, *entry, slots);
            }
            is_near
        });
        self.heap.reorder(slots);
        self.heap_limit = HEAP_LIMIT.max(2 * self.heap.len());
    }

    fn give_memory_back(&mut self) {
        if self.slots.len() > KEPT_SLOTS {
            self.slots = Slots::new();
            self.heap = Heap::new();
            self.wheel = Wheel::new();
            self.heap_limit = HEAP_LIMIT;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::task::Waker;

    use super::*;
    use slots::Slot;

    /// More than an empty table keeps; Miri is slow.
    const BURST: u64 = if cfg!(miri) { 300 } else { 10_000 };

    const HOUR: u64 = 3_600_000_000_000;

    /// So that they are not in the order of the numbers.
    fn scattered(number: u64) -> u64 {
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % HOUR
    }

    impl<T> Timers<T> {
        /// Asserts what the order of the timers rests on.
        fn check(&self) {
            assert_eq!(self.heap.is_empty(), self.is_empty());
            for entry in self.heap.entries() {
                assert!(entry.deadline <= self.near);
            }
            let mut filled = 0;
            for (number, entry) in self.wheel.entries() {
                assert!(entry.deadline > self.near);
                assert_eq!(wheel::number(self.near, entry.deadline), number);
                filled += 1;
            }
            assert_eq!(filled, self.wheel.len());
        }
    }

    #[test]
    fn b55_a_timer_takes_at_most_64_bytes() {
        #[expect(dead_code, reason = "only its size matters")]
        enum Wakes {
            Task(Waker),
            Handler(Rc<()>, u32),
        }
        assert_eq!(size_of::<Wakes>(), 24);
        assert!(size_of::<Entry>() + size_of::<Slot<Waker>>() <= 56);
        assert!(size_of::<Entry>() + size_of::<Slot<Wakes>>() <= 64);
        assert!(size_of::<TimerKey>() <= 16);
    }

    #[test]
    fn b55_memory_comes_back_when_the_table_empties_after_a_burst() {
        let mut timers = Timers::new();
        for number in 0..BURST {
            timers.insert(scattered(number), ());
        }
        while timers.pop_due(u64::MAX).is_some() {}
        assert_eq!((timers.capacity(), timers.slots.len()), (0, 0));
    }

    #[test]
    fn b55_no_bucket_keeps_the_memory_of_its_peak() {
        let mut timers = Timers::new();
        let base = timers.insert(0, ());
        for hour in 1..20 {
            let burst = |number| timers.insert(hour * HOUR + scattered(number), ());
            let keys: Vec<_> = (0..BURST).map(burst).collect();
            for key in &keys[10..] {
                timers.remove(*key);
            }
            timers.check();
        }
        assert!(timers.capacity() < BURST as usize);
        assert_eq!(timers.remove(base), Some(()));
    }

    #[test]
    fn b55_nor_does_the_heap() {
        let mut timers = Timers::new();
        for _ in 0..BURST {
            timers.insert(5, ());
        }
        timers.insert(HOUR, ());
        while timers.pop_due(5).is_some() {}
        assert_eq!(timers.len(), 1);
        assert!(timers.capacity() <= 4 * HEAP_LIMIT);
    }

    #[test]
    fn b55_a_small_table_keeps_its_memory_and_reuses_its_slots() {
        let mut timers = Timers::new();
        for deadline in 0..BURST {
            let key = timers.insert(deadline, ());
            assert_eq!(timers.remove(key), Some(()));
        }
        assert_eq!(timers.slots.len(), 1);
        assert!(timers.capacity() > 0);
    }

    #[test]
    fn b67_the_heap_stays_short_and_every_bucket_keeps_its_name() {
        let mut timers = Timers::new();
        for number in 0..BURST {
            let now = number * (HOUR / 500);
            timers.insert(now + scattered(number), ());
            // Late ones, which come before all that is in the wheel.
            timers.insert(now / 2 + number, ());
            timers.check();
            if number % 3 == 0 {
                timers.pop_due(u64::MAX);
                timers.check();
            }
        }
        for _ in 0..BURST {
            timers.pop_due(u64::MAX);
        }
        assert!(timers.heap.len() <= HEAP_LIMIT);
        timers.check();
    }

    #[test]
    fn few_timers_need_no_wheel() {
        let mut timers = Timers::new();
        for number in 0..FEW as u64 {
            timers.insert(scattered(number), ());
        }
        assert_eq!(timers.wheel.len(), 0);
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

    impl<T> Timers<T> {
        /// Entries that there is memory for.
        fn capacity(&self) -> usize {
            self.heap.capacity() + self.wheel.capacity()
        }
    }
}
