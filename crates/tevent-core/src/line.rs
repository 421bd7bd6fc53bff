//! A first-in-first-out line in a slab: anyone can leave it from anywhere in constant time.
//!
//! The line is doubly linked by indices, so it is safe code without an allocation per place. The life of a slot:
//!
//! ```text
//!   Free --1--> Linked --2--> Detached
//!    ^            |              |          1 join     takes the newest free slot, last in the order
//!    |            3              3          2 detach   out of the order, the value stays
//!    +------------+--------------+          3 leave    the value goes back to the caller
//! ```

use std::{fmt, iter, mem};

/// Links to nobody: the first's `prev`, the last's `next`, the end of the free list.
const NONE: u32 = u32::MAX;

/// The `prev` of a slot that is detached.
const DETACHED: u32 = u32::MAX - 1;

/// The slot of who needs no line.
pub(crate) const ALONE: u32 = u32::MAX - 2;

/// Where a table ends at the latest: slots from here on are those of nobody in a line.
pub(crate) const END: u32 = u32::MAX - 7;

/// Slots that an empty line keeps; a larger table is given back.
const KEPT_SLOTS: usize = 64;

/// Where the generations start: just before the wrap, so that every user crosses it, not only the one who runs for
/// years.
const FIRST_GENERATION: u32 = u32::MAX - 2;

/// Values in the order in which they joined; each can be found, and can leave, by its [`Place`].
///
/// Every operation takes constant time (amortised: the table doubles when it is full). Nothing is allocated once the
/// table is as large as the longest line. A line that becomes empty gives a table of more than 64 slots back.
///
/// `M` is a small mark beside each value, for users who count bytes: it lies next to the links, where a one-byte state
/// costs nothing, while inside `T` it would cost a whole word.
///
/// ```
/// use tevent_core::line::Line;
///
/// let mut line: Line<&str> = Line::new();
/// let anna = line.join("anna");
/// let bert = line.join("bert");
/// assert_eq!(line.front(), Some(anna));
/// assert_eq!(line.leave(anna), Some("anna"));
/// assert_eq!(line.leave(anna), None); // a place is good once
/// assert_eq!(line.front(), Some(bert));
/// ```
pub struct Line<T, M = ()> {
    slots: Vec<Slot<T, M>>,
    first: u32,
    last: u32,
    free: u32,
    generation: u32,
    linked: usize,
    detached: usize,
}

/// One place in a [`Line`], good until its value leaves; after that it finds nothing.
///
/// (The generation is 32 bits wide: a place that is kept while 2^32 others join may find the wrong value, not worse.)
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// Generation and slot in one word: a place travels as one store and one load, which the processor can forward.
    generation_and_slot: u64,
}

impl Place {
    /// No place of any line.
    pub const NOWHERE: Self = Self {
        generation_and_slot: u64::MAX,
    };

    /// The place of somebody who needs no line; no line has a place like it.
    #[inline]
    pub(crate) fn alone(generation: u32) -> Self {
        Self::new(ALONE, generation)
    }

    #[inline]
    fn new(slot: u32, generation: u32) -> Self {
        Self {
            generation_and_slot: u64::from(generation) << 32 | u64::from(slot),
        }
    }

    /// The place as a number: as good as the place, for those who are told of it.
    #[must_use]
    pub fn number(self) -> u64 {
        self.generation_and_slot
    }

    /// Where in the table; it grows only when no slot is free, so that there are no gaps.
    #[inline]
    pub(crate) fn slot(self) -> u32 {
        self.generation_and_slot as u32
    }

    #[inline]
    fn generation(self) -> u32 {
        (self.generation_and_slot >> 32) as u32
    }
}

pub(crate) struct Slot<T, M> {
    prev: u32,
    next: u32,
    generation: u32,
    mark: M,
    value: Option<T>,
}

impl<T> Line<T> {
    /// An empty line; allocates nothing. (With a mark: `Line::default()`.)
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<T, M: Copy + Default> Line<T, M> {
    /// Takes the last place in the line, with the default mark.
    ///
    /// # Panics
    /// If 2^32 - 8 places are taken already.
    #[inline]
    pub fn join(&mut self, value: T) -> Place {
        self.join_with_mark(M::default(), value)
    }

    /// Like [`join`](Self::join), with another mark.
    // By force: the value of a call goes through memory, word by word on one side and at once on the other, and the
    // processor waits for it (6 ns).
    #[inline(always)]
    pub fn join_with_mark(&mut self, mark: M, value: T) -> Place {
        let place = self.take_slot(mark, value);
        match self.last {
            NONE => self.first = place.slot(),
            last => self.slots[last as usize].next = place.slot(),
        }
        self.last = place.slot();
        self.linked += 1;
        place
    }

    /// Gives a place up, linked or detached, and returns its value; `None` if the place is no longer good.
    #[inline]
    pub fn leave(&mut self, place: Place) -> Option<T> {
        self.leave_with_mark(place).map(|(_, value)| value)
    }

    /// Like [`leave`](Self::leave), with the mark.
    #[inline(always)] // as `join_with_mark`
    pub fn leave_with_mark(&mut self, place: Place) -> Option<(M, T)> {
        let free = self.free;
        let slot = self.slot_mut(place)?;
        let (prev, next, mark) = (slot.prev, slot.next, slot.mark);
        let value = slot.value.take()?;
        slot.next = free;
        self.free = place.slot();
        match prev {
            DETACHED => self.detached -= 1,
            prev => self.unlink(prev, next),
        }
        if self.slots.len() > KEPT_SLOTS && self.linked + self.detached == 0 {
            self.give_table_back();
        }
        Some((mark, value))
    }

    /// Takes a place out of the order but keeps its value until it [leaves](Self::leave); `false` if it was not in the
    /// order.
    pub fn detach(&mut self, place: Place) -> bool {
        let Some(slot) = self.slot_mut(place) else {
            return false;
        };
        let (prev, next) = (slot.prev, slot.next);
        if prev == DETACHED {
            return false;
        }
        (slot.prev, slot.next) = (DETACHED, NONE);
        self.unlink(prev, next);
        self.detached += 1;
        true
    }

    /// The place that joined before all others in the order.
    #[inline]
    #[must_use]
    pub fn front(&self) -> Option<Place> {
        self.place_at(self.first)
    }

    /// The place right behind this one; `None` behind the last, and for a place that is detached or no longer good.
    #[inline]
    #[must_use]
    pub fn next(&self, place: Place) -> Option<Place> {
        self.place_at(self.slot(place)?.next)
    }

    /// All places in order.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        iter::successors(self.front(), |&place| self.next(place))
    }

    /// Shows each value in order, to be changed.
    #[inline]
    pub fn for_each_mut(&mut self, mut act: impl FnMut(&mut T)) {
        let mut next = self.first;
        while let Some(slot) = self.slots.get_mut(next as usize) {
            next = slot.next;
            slot.value.iter_mut().for_each(&mut act);
        }
    }

    /// The first in the order, with mark and value to be changed.
    #[inline]
    #[must_use]
    pub fn front_mut(&mut self) -> Option<(Place, &mut M, &mut T)> {
        let slot = self.slots.get_mut(self.first as usize)?;
        let place = Place::new(self.first, slot.generation);
        Some((place, &mut slot.mark, slot.value.as_mut()?))
    }

    /// Whether a place is within the table; if not, it is not of this line.
    #[inline]
    pub(crate) fn covers(&self, place: Place) -> bool {
        (place.slot() as usize) < self.slots.len()
    }

    /// The value at a place, linked or detached.
    #[inline]
    #[must_use]
    pub fn get(&self, place: Place) -> Option<&T> {
        self.slot(place)?.value.as_ref()
    }

    /// The value at a place, linked or detached, to be changed.
    #[inline]
    #[must_use]
    pub fn get_mut(&mut self, place: Place) -> Option<&mut T> {
        self.slot_mut(place)?.value.as_mut()
    }

    /// Mark and value at a place, linked or detached.
    #[inline]
    #[must_use]
    pub fn both(&self, place: Place) -> Option<(M, &T)> {
        let slot = self.slot(place)?;
        Some((slot.mark, slot.value.as_ref()?))
    }

    /// Mark and value at a place, linked or detached, to be changed.
    #[inline]
    #[must_use]
    pub fn both_mut(&mut self, place: Place) -> Option<(&mut M, &mut T)> {
        let slot = self.slot_mut(place)?;
        Some((&mut slot.mark, slot.value.as_mut()?))
    }

    /// How many stand in the order; those that are detached do not count.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.linked
    }

    /// Whether nobody stands in the order.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.linked == 0
    }

    #[inline(always)] // as `join_with_mark`
    fn take_slot(&mut self, mark: M, value: T) -> Place {
        if self.free == NONE {
            self.grow();
        }
        let (index, generation) = (self.free, self.generation);
        self.generation = generation.wrapping_add(1);
        let slot = &mut self.slots[index as usize];
        self.free = slot.next;
        (slot.prev, slot.next) = (self.last, NONE);
        (slot.generation, slot.mark) = (generation, mark);
        // A free slot has no value; saying so spares the hot path the destructor of one.
        mem::forget(slot.value.replace(value));
        Place::new(index, generation)
    }

    /// Adds a free slot to the table.
    #[cold]
    fn grow(&mut self) {
        assert!(
            self.slots.len() < END as usize,
            "a line has at most 2^32 - 8 places"
        );
        self.free = self.slots.len() as u32;
        self.slots.push(Slot {
            prev: NONE,
            next: NONE,
            generation: self.generation,
            mark: M::default(),
            value: None,
        });
    }

    #[cold]
    fn give_table_back(&mut self) {
        self.slots = Vec::new();
        self.free = NONE;
    }

    #[inline]
    fn unlink(&mut self, prev: u32, next: u32) {
        match prev {
            NONE => self.first = next,
            prev => self.slots[prev as usize].next = next,
        }
        match next {
            NONE => self.last = prev,
            next => self.slots[next as usize].prev = prev,
        }
        self.linked -= 1;
    }

    #[inline]
    fn place_at(&self, slot: u32) -> Option<Place> {
        let generation = self.slots.get(slot as usize)?.generation;
        Some(Place::new(slot, generation))
    }

    #[inline]
    fn slot(&self, place: Place) -> Option<&Slot<T, M>> {
        let slot = self.slots.get(place.slot() as usize)?;
        (slot.generation == place.generation() && slot.value.is_some()).then_some(slot)
    }

    #[inline]
    fn slot_mut(&mut self, place: Place) -> Option<&mut Slot<T, M>> {
        let slot = self.slots.get_mut(place.slot() as usize)?;
        (slot.generation == place.generation() && slot.value.is_some()).then_some(slot)
    }
}

impl<T, M> Default for Line<T, M> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            first: NONE,
            last: NONE,
            free: NONE,
            generation: FIRST_GENERATION,
            linked: 0,
            detached: 0,
        }
    }
}

impl<T: fmt::Debug, M: Copy + Default> fmt::Debug for Line<T, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.places().filter_map(|place| self.get(place)))
            .finish()
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Place({}, generation {})",
            self.slot(),
            self.generation()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST_GENERATION, KEPT_SLOTS, Line, Place};

    #[test]
    fn the_newest_free_slot_is_reused_first() {
        let mut line: Line<u8> = Line::new();
        let places = [line.join(0), line.join(1), line.join(2)];
        line.leave(places[0]);
        line.leave(places[2]);
        assert_eq!(
            [
                line.join(3).slot(),
                line.join(4).slot(),
                line.join(5).slot()
            ],
            [2, 0, 3]
        );
    }

    #[test]
    fn b55_the_table_of_a_burst_is_given_back_and_a_small_one_is_kept() {
        for (burst, kept) in [(KEPT_SLOTS, KEPT_SLOTS), (KEPT_SLOTS + 1, 0)] {
            let mut line: Line<usize> = Line::new();
            let places: Vec<_> = (0..burst).map(|value| line.join(value)).collect();
            line.detach(places[burst - 1]);
            assert!(
                (0..)
                    .zip(&places)
                    .all(|(value, &place)| line.leave(place) == Some(value))
            );
            assert_eq!(line.slots.capacity(), kept);
            // A place of the old table finds nothing in the new one.
            line.join(7);
            assert!(places.iter().all(|&place| line.get(place).is_none()));
        }
    }

    #[test]
    fn each_value_is_shown_in_order_and_none_that_is_detached_or_gone() {
        let mut line: Line<u8> = Line::new();
        let places = [1, 2, 3, 4, 5].map(|value| line.join(value));
        line.leave(places[0]);
        line.detach(places[2]);
        line.join(6);
        line.for_each_mut(|value| *value *= 10);
        let values: Vec<_> = line
            .places()
            .filter_map(|place| line.get(place).copied())
            .collect();
        assert_eq!(
            (values, line.get(places[2])),
            (vec![20, 40, 50, 60], Some(&3))
        );
    }

    #[test]
    fn b84_generations_wrap() {
        let mut line: Line<u8> = Line::new();
        let places: Vec<Place> = (0..4)
            .map(|value| {
                let place = line.join(value);
                line.leave(place);
                place
            })
            .collect();
        let generations: Vec<_> = places.iter().map(|place| place.generation()).collect();
        assert_eq!(generations, [FIRST_GENERATION, u32::MAX - 1, u32::MAX, 0]);
        let last = line.join(9);
        assert_eq!(line.get(last), Some(&9));
        assert!(places.iter().all(|&place| line.leave(place).is_none()));
    }
}
