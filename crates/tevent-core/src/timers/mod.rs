//! Deadlines in order: exact to the nanosecond, first come first served among equals, never early.
//!
//! ```text
//!               near
//!  run, heap .....|......... wheel ..................    entries (deadline, arrival, slot) here, slots there
//!  exact order    |  buckets, later ones are wider
//!     ^                ^
//!     |  bucket and position, and back
//!     v                v
//!  slots   [timer] [free ] [timer] ...                   a key names a slot; free ones are chained, values lie apart
//! ```
//!
//! Most timers are cancelled while they are far away. So only the near ones are kept in order; the others lie in the
//! buckets of a wheel, where coming and going costs the same among a thousand and among a million. When no near one is
//! left, the bucket that is due first is sorted as a whole, and is the run; what comes later and is near goes into a
//! heap beside it. A table of few timers is a heap and nothing else.
//!
//! The order is exact because run and heap have it: the wheel only has to say which timers come later than all of
//! those. A timer that is put off stays where it is, which is too early then, and is looked at again when it would have
//! been the first of the heap, or when its bucket is sorted. No counter wraps, and no deadline is too far away: the
//! wheel's digits are those of a `u64`.

mod bucket;
mod heap;
mod run;
mod slots;
#[cfg(test)]
mod tests;
mod wheel;

use std::fmt;
use std::mem::{self, ManuallyDrop};

use heap::Heap;
use run::Run;
use slots::{Place, Slots};
use wheel::Wheel;

/// A table that empties keeps its memory for this many timers, so that a quiet loop does not allocate again and again.
const KEPT_SLOTS: usize = 64;

/// Up to so many timers need no wheel, and so many are ordered at once.
const FEW: usize = 64;

/// The heap gives timers to the wheel when it gets longer than this, and than twice of what it had to keep.
const HEAP_LIMIT: usize = 2 * FEW;

/// A bucket of up to so many timers is sorted as it is. Longer ones only if all its timers are due at the same time.
const RUN_LIMIT: usize = 4096;

/// So often the memory of a burst is kept for the next one.
const ROOMY_RESTS: u32 = 16;

/// The heap, where the wheel has its buckets.
const HEAP: u16 = u16::MAX;

/// The run.
const RUN: u16 = u16::MAX - 1;

/// Values of type `T` with a deadline each, taken out in the order of the deadlines.
///
/// Deadlines are nanoseconds on whatever clock the caller reads; every `u64` is a valid deadline. The table itself has
/// no clock: [`pop_due`](Self::pop_due) is told what time it is. A far timer comes and goes in O(1) steps; among n near
/// ones it takes O(log n). On its way to being near a timer is moved a few times, at most once for each of eleven
/// widths of buckets. One that is put off stays where it is, and is moved once more when its turn would have come. All
/// of a bucket are moved in one call, which takes longer than others then; so are those of the next ones, if all of it
/// were put off: a million of them take a tenth of a second. No method drops a `T`: values come back to the caller, who
/// can end the borrow of the table before a destructor runs. Memory of a burst is given back after some
/// [rests](Self::rest); that of slots when the last timer has left, also of those that stay.
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
    /// All timers up to `near`: those of a bucket that was sorted,
    run: Run,
    /// and the others. Not both are empty, unless the table is.
    heap: Heap,
    /// All timers after `near`. Those that were put off since are not looked at yet, here and in the heap.
    wheel: Wheel,
    near: u64,
    /// At this length the heap gives timers to the wheel.
    heap_limit: usize,
    arrivals: u64,
    /// How many there had been when the owner rested last.
    arrivals_before: u64,
    /// How often in a row he has rested with much more memory than had been needed.
    roomy_rests: u32,
}

/// Names one timer of the table that gave it out, and finds nothing once that timer has been taken out.
///
/// Aligned to four bytes: a word has room for it and for a state beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C, packed(4))]
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
            run: Run::new(),
            heap: Heap::new(),
            wheel: Wheel::new(),
            near: 0,
            heap_limit: HEAP_LIMIT,
            arrivals: 0,
            arrivals_before: 0,
            roomy_rests: 0,
        }
    }

    /// Adds a timer, behind all others of the same deadline.
    ///
    /// # Panics
    ///
    /// If there are 2^31 - 1 timers already.
    #[inline(always)] // as `occupy`
    pub fn insert(&mut self, deadline: u64, value: T) -> TimerKey {
        self.insert_new(deadline, value, false)
    }

    /// Adds a timer like [`insert`](Self::insert), but it stays until it is [removed](Self::remove), also when it has
    /// come: then it has no value any more, and still its [deadline](Self::deadline).
    ///
    /// # Panics
    ///
    /// If there are 2^31 - 1 timers already.
    #[inline(always)] // as `occupy`
    pub fn insert_to_stay(&mut self, deadline: u64, value: T) -> TimerKey {
        self.insert_new(deadline, value, true)
    }

    /// Adds a timer that stays until it is [removed](Self::remove), also when it has come. It waits for nothing before
    /// it is [reset](Self::reset), and needs a [value](Self::fill) by then.
    ///
    /// # Panics
    ///
    /// If there are 2^31 - 1 timers already.
    pub fn reserve(&mut self) -> TimerKey {
        let generation = self.next_arrival();
        let slot = self.slots.occupy(generation, None, true);
        TimerKey { slot, generation }
    }

    /// Gives a timer a value: one that stays has none at first, and when it has come. The value comes back if the timer
    /// is not there any more, or the one that it had.
    pub fn fill(&mut self, key: TimerKey, value: T) -> Option<T> {
        match self.slots.value_mut(key) {
            Some(place) => place.replace(value),
            None => Some(value),
        }
    }

    /// Takes a timer out for good. `None` if it is not there any more, or if it stays and has no value.
    #[inline(always)] // as `occupy`: a value comes back the same way
    pub fn remove(&mut self, key: TimerKey) -> Option<T> {
        if let Some(place) = self.slots.find(key)?.place() {
            self.take(key.slot, place);
        }
        // As in `occupy`: nobody's destructor is to run in a panic.
        let value = ManuallyDrop::new(self.slots.vacate(key.slot));
        self.settle();
        ManuallyDrop::into_inner(value)
    }

    /// The value of a timer that has not been taken out.
    pub fn get_mut(&mut self, key: TimerKey) -> Option<&mut T> {
        self.slots.value_mut(key)?.as_mut()
    }

    /// The deadline that a timer was given last, whether it has come or not; of one that was given none, any. `None` if
    /// the timer is not there any more.
    #[must_use]
    pub fn deadline(&self, key: TimerKey) -> Option<u64> {
        self.slots.deadline(key)
    }

    /// Gives a timer a deadline. It counts as a new arrival: it goes behind all others of that deadline, also if the
    /// deadline is the one it had. The key stays valid. Returns the timer's [note](Self::note); `None` if it is not
    /// there any more.
    #[inline]
    pub fn reset(&mut self, key: TimerKey, deadline: u64) -> Option<&mut u8> {
        let slot = self.slots.find(key)?;
        let (place, before) = (slot.place(), slot.deadline());
        let arrival = self.next_arrival();
        match place {
            // Where it is it is looked at before its new deadline. So nobody has to move.
            Some(place) if deadline >= before && place.bucket != RUN => {
                self.slots.set_due(key.slot, deadline, arrival);
            }
            place => self.move_from(
                place,
                Entry {
                    deadline,
                    arrival,
                    slot: key.slot,
                },
            ),
        }
        Some(self.slots.note(key.slot))
    }

    /// Takes a timer's deadline away, and keeps the timer: much cheaper than to remove it and to insert another one.
    /// Returns its [note](Self::note), if it had a deadline.
    #[inline]
    pub fn disarm(&mut self, key: TimerKey) -> Option<&mut u8> {
        let place = self.slots.find(key)?.place()?;
        self.take(key.slot, place);
        self.slots.rest(key.slot);
        self.settle();
        Some(self.slots.note(key.slot))
    }

    /// Whether a timer has a deadline.
    #[must_use]
    pub fn is_armed(&self, key: TimerKey) -> bool {
        self.slots.place(key).is_some()
    }

    /// Eight bits for the table's owner, beside what the table itself has to look at: he who needs a flag of a timer
    /// that is reset or disarmed finds it there without touching other memory. 0 at first.
    #[inline]
    pub fn note(&mut self, key: TimerKey) -> Option<&mut u8> {
        self.slots.find(key)?;
        Some(self.slots.note(key.slot))
    }

    /// Takes out the timer that is due first, with its deadline; `None` if none is due at `now`. One that stays is
    /// there still, without a deadline and without its value.
    ///
    /// A timer is due when its deadline is not after `now`. One timer a call, so that whatever its owner does next
    /// (take a sibling out, add an earlier one) counts for the next call.
    ///
    /// # Panics
    ///
    /// If a timer that stays is due and was given no value.
    pub fn pop_due(&mut self, now: u64) -> Option<(u64, T)> {
        let &Entry { deadline, slot, .. } = self.first()?;
        if deadline > now {
            return None;
        }
        if self.run.first().is_some_and(|next| next.slot == slot) {
            self.run.pop();
        } else {
            self.heap.remove(0, &mut self.slots);
        }
        let value = self.slots.fire(slot);
        self.settle();
        let value = value.expect("a timer that stays needs a value before it is due: `fill` it");
        Some((deadline, value))
    }

    /// Takes the whole table, and leaves an empty one, in which no key from before finds anything.
    #[must_use]
    pub fn take_all(&mut self) -> Self {
        let empty = Self {
            arrivals: self.arrivals,
            arrivals_before: self.arrivals,
            ..Self::new()
        };
        mem::replace(self, empty)
    }

    /// The earliest deadline, due or not. Timers that were put off may be moved.
    #[must_use]
    pub fn next_deadline(&mut self) -> Option<u64> {
        self.first().map(|entry| entry.deadline)
    }

    /// The table's owner is about to wait for something. What a burst of timers has left behind is given back when it
    /// has not been needed for some such rests and no timer is there: at once, the next burst would only ask for it
    /// again.
    #[inline]
    pub fn rest(&mut self) {
        if self.slots.len() > KEPT_SLOTS {
            self.rest_roomy();
        }
    }

    /// How many timers have a deadline.
    #[must_use]
    pub fn len(&self) -> usize {
        self.run.len() + self.heap.len() + self.wheel.len()
    }

    /// Whether no timer has a deadline.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty() && self.run.is_empty()
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

    #[inline(always)] // as `occupy`
    fn insert_new(&mut self, deadline: u64, value: T, stays: bool) -> TimerKey {
        let arrival = self.next_arrival();
        let slot = self.slots.occupy(arrival, Some(value), stays);
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

    #[inline(always)] // as `occupy`
    fn add(&mut self, entry: Entry) {
        if entry.deadline > self.near && self.wheel.len() > 0 {
            self.wheel.put(self.near, entry, &mut self.slots);
        } else {
            self.add_near(entry.deadline, entry.arrival, entry.slot);
        }
    }

    /// Adds what the heap may have to take. Number by number: the processor has them at hand, an entry goes through
    /// memory.
    fn add_near(&mut self, deadline: u64, arrival: u64, slot: u32) {
        self.slots.set_due(slot, deadline, arrival);
        if self.wheel.len() == 0 && self.heap.len() < FEW {
            self.near = self.near.max(deadline);
        }
        self.put(Entry {
            deadline,
            arrival,
            slot,
        });
        if self.heap.len() > self.heap_limit {
            self.relieve();
        }
    }

    /// Moves an entry from where it is, if it is somewhere, to where it belongs.
    #[inline(always)] // as `occupy`
    fn move_from(&mut self, place: Option<Place>, entry: Entry) {
        if let Some(place) = place {
            self.take(entry.slot, place);
        }
        self.add(entry);
        self.settle();
    }

    #[inline(always)] // as `occupy`
    fn put(&mut self, entry: Entry) {
        if entry.deadline <= self.near {
            self.heap.push(entry, &mut self.slots);
        } else {
            self.wheel.put(self.near, entry, &mut self.slots);
        }
    }

    #[inline(always)] // as `occupy`: its place, too, is two numbers
    fn take(&mut self, slot: u32, place: Place) {
        match place.bucket {
            HEAP => self.heap.remove(place.position as usize, &mut self.slots),
            RUN => self.run.remove(&self.slots.entry(slot)),
            _ => self.wheel.take(place, &mut self.slots),
        }
    }

    /// An entry has been taken out, and its slot knows.
    #[inline]
    fn settle(&mut self) {
        if self.is_empty() && !self.is_little() {
            self.refill();
        }
    }

    /// Nothing can come out of the wheel, and there is no memory to give back: so it is where timers come one at a
    /// time.
    #[inline]
    fn is_little(&self) -> bool {
        self.wheel.len() == 0 && self.heap_limit == HEAP_LIMIT && self.roomy_rests <= ROOMY_RESTS
    }

    /// What is due first.
    #[inline]
    fn first(&mut self) -> Option<&Entry> {
        while let Some(put_off) = self.put_off() {
            self.heap.remove(0, &mut self.slots);
            self.move_from(None, put_off);
        }
        self.foremost()
    }

    /// What would be due first if nothing had been put off.
    #[inline]
    fn foremost(&self) -> Option<&Entry> {
        match (self.run.first(), self.heap.first()) {
            (Some(next), Some(late)) if late.order() < next.order() => Some(late),
            (next, late) => next.or(late),
        }
    }

    /// The entry as it should be of the first in the heap, if that was put off since.
    #[inline]
    fn put_off(&self) -> Option<Entry> {
        let first = self.heap.first()?;
        let entry = self.slots.entry(first.slot);
        (entry.arrival != first.arrival).then_some(entry)
    }

    /// Sorts the bucket that is due first; one with very many timers is dealt out to narrower ones, unless they are all
    /// due at the same time. Those that were put off are put where they belong.
    fn refill(&mut self) {
        while self.is_empty() {
            self.heap_limit = HEAP_LIMIT;
            self.heap.give_memory_back();
            self.run.give_memory_back();
            let Some(first) = self.wheel.take_first(self.near) else {
                return self.give_memory_back();
            };
            let is_run = first.bucket.len() <= RUN_LIMIT || first.start == first.end;
            self.near = if is_run { first.end } else { first.start };
            for slot in first.bucket.slots() {
                let entry = self.slots.entry(slot);
                if is_run && entry.deadline <= self.near {
                    self.run.append(entry, &mut self.slots);
                } else {
                    self.put(entry);
                }
            }
            self.run.sort();
        }
    }

    /// Gives what is not near what is due first to the wheel. Each time the limit doubles what is left, so a heap that
    /// cannot be relieved, because its timers are all due at the same time, is not asked again for long.
    fn relieve(&mut self) {
        // No later than what is due first. That itself may have been put off: to move it now would lead back here.
        let due = self.foremost().map_or(0, |entry| entry.deadline);
        if self.wheel.len() <= self.heap.len() {
            self.deal_anew();
        }
        self.near = self.wheel.earliest_near(self.near).max(due);
        let (near, wheel, slots) = (self.near, &mut self.wheel, &mut self.slots);
        self.heap.retain(|entry| {
            *entry = slots.entry(entry.slot);
            let is_near = entry.deadline <= near;
            if !is_near {
                wheel.put(near, *entry, slots);
            }
            is_near
        });
        self.heap.reorder(slots);
        self.run
            .give_later(near, |entry| wheel.put(near, entry, slots));
        self.heap_limit = HEAP_LIMIT.max(2 * self.heap.len());
        // All of them may have been put off.
        self.settle();
    }

    /// Takes all out of the wheel, so that `near` may go back: the few that came late would keep the many that came
    /// first in the heap. What is in the heap is in no order then.
    fn deal_anew(&mut self) {
        while let Some(first) = self.wheel.take_first(self.near) {
            for slot in first.bucket.slots() {
                self.heap.append(self.slots.entry(slot));
            }
        }
    }

    #[cold]
    fn rest_roomy(&mut self) {
        let came = self.arrivals - mem::replace(&mut self.arrivals_before, self.arrivals);
        let needed = self.slots.taken().max(came as usize);
        self.roomy_rests = if needed < self.slots.len() / 4 {
            self.roomy_rests.saturating_add(1)
        } else {
            0
        };
        self.give_memory_back();
    }

    /// That of the whole table, if it is empty and has been so for long, or nearly; else that of what is near.
    fn give_memory_back(&mut self) {
        if self.roomy_rests <= ROOMY_RESTS {
            return;
        }
        if self.slots.taken() == 0 {
            drop(self.take_all());
        } else {
            self.run.give_memory_back();
            self.heap.give_memory_back();
        }
    }
}
