//! A first-in-first-out line whose places are numbered: who leaves early leaves a hole behind.
//!
//! Nearly all leave at the front, when their turn has come. For them this is a ring of values and a number, much
//! cheaper than places that are linked.

use std::collections::VecDeque;

/// Places that an empty line keeps memory for, and holes that a short one may have.
const KEPT: usize = 256;

pub(super) struct Ring<T> {
    places: VecDeque<Option<T>>,
    /// How many places were taken so far: the next one's number.
    taken: u64,
    holes: usize,
}

impl<T> Ring<T> {
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.holes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the last place; returns its number, which is good until the value leaves or moves.
    #[inline]
    pub(super) fn join(&mut self, value: T) -> u64 {
        self.places.push_back(Some(value));
        self.taken += 1;
        self.taken - 1
    }

    /// Takes the first out.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<T> {
        loop {
            let place = self.places.pop_front()?;
            if place.is_some() {
                return place;
            }
            self.holes -= 1;
        }
    }

    /// Takes out the value at a place; `moved` is told of those that get other numbers.
    pub(super) fn leave(&mut self, number: u64, moved: impl FnMut(&T, u64)) -> Option<T> {
        let position = number.checked_sub(self.first())?;
        let position = usize::try_from(position).ok()?;
        let value = self.places.get_mut(position)?.take()?;
        self.holes += 1;
        // So often that it costs little for each who has left.
        if self.holes > self.len() + KEPT {
            self.close_holes(moved);
        }
        Some(value)
    }

    fn close_holes(&mut self, mut moved: impl FnMut(&T, u64)) {
        self.places.retain(Option::is_some);
        self.places.shrink_to(2 * self.places.len());
        self.holes = 0;
        for (number, value) in (self.first()..).zip(self.places.iter().flatten()) {
            moved(value, number);
        }
    }

    /// The number of the place in front.
    fn first(&self) -> u64 {
        self.taken - self.places.len() as u64
    }

    /// An empty line keeps only a little.
    pub(super) fn give_memory_back(&mut self) {
        if self.is_empty() && self.places.capacity() > KEPT {
            self.places = VecDeque::new();
            self.holes = 0;
        }
    }
}

impl<T> Default for Ring<T> {
    fn default() -> Self {
        Self {
            places: VecDeque::new(),
            taken: 0,
            holes: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::{KEPT, Ring};

    /// A value that knows its number.
    fn join<'a>(ring: &mut Ring<&'a Cell<u64>>, value: &'a Cell<u64>) {
        value.set(ring.join(value));
    }

    fn leave<'a>(ring: &mut Ring<&'a Cell<u64>>, value: &Cell<u64>) -> Option<&'a Cell<u64>> {
        ring.leave(value.get(), |moved, number| moved.set(number))
    }

    #[test]
    fn who_leaves_early_is_left_out_and_the_others_keep_their_order() {
        let values = [const { Cell::new(0) }; 5];
        let mut ring = Ring::default();
        values.iter().for_each(|value| join(&mut ring, value));
        for left in [0, 2, 4] {
            assert!(leave(&mut ring, &values[left]).is_some());
            assert!(leave(&mut ring, &values[left]).is_none());
        }
        assert_eq!(ring.len(), 2);
        join(&mut ring, &values[0]);
        for expected in [1, 3, 0] {
            let first = ring.pop().expect("three are in it");
            assert!(std::ptr::eq(first, &values[expected]));
        }
        assert!(ring.is_empty() && ring.pop().is_none());
        assert_eq!(ring.holes, 0);
    }

    #[test]
    fn holes_are_closed_and_who_moves_is_told() {
        let (front, often, last) = (Cell::new(0), Cell::new(0), Cell::new(0));
        let mut ring = Ring::default();
        join(&mut ring, &front);
        join(&mut ring, &often);
        for _ in 0..100 * KEPT {
            join(&mut ring, &last);
            assert!(leave(&mut ring, &often).is_some());
            join(&mut ring, &often);
            assert!(leave(&mut ring, &last).is_some());
            assert!(ring.places.len() <= 2 * KEPT);
        }
        assert_eq!(ring.len(), 2);
        assert!(leave(&mut ring, &front).is_some_and(|left| std::ptr::eq(left, &front)));
        assert!(leave(&mut ring, &often).is_some_and(|left| std::ptr::eq(left, &often)));
        assert!(ring.is_empty());
    }

    #[test]
    fn the_memory_of_a_burst_is_given_back_and_a_little_is_kept() {
        for (burst, keeps) in [(KEPT, true), (KEPT + 1, false)] {
            let mut ring = Ring::default();
            (0..burst).for_each(|value| {
                ring.join(value);
            });
            while ring.pop().is_some() {}
            ring.give_memory_back();
            assert_eq!(ring.places.capacity() > 0, keeps);
        }
    }
}
