//! The table and what it should be: a map in the order of deadline and arrival.

use std::collections::BTreeMap;

use tevent_core::timers::{TimerKey, Timers};

/// Added to a value by each change, above the timer's number.
const CHANGE: u64 = 1 << 32;

#[derive(Default)]
pub(crate) struct Pair {
    pub(crate) timers: Timers<u64>,
    model: BTreeMap<(u64, u64), u64>,
    /// For every timer there ever was: its key, and its place in the model while it is there.
    known: Vec<(TimerKey, Option<(u64, u64)>)>,
    arrivals: u64,
}

impl Pair {
    /// How many timers there ever were; each is named by its number.
    pub(crate) fn known(&self) -> usize {
        self.known.len()
    }

    fn arrival(&mut self) -> u64 {
        self.arrivals += 1;
        self.arrivals
    }

    pub(crate) fn insert(&mut self, deadline: u64) {
        let place = (deadline, self.arrival());
        let value = self.known.len() as u64;
        self.known
            .push((self.timers.insert(deadline, value), Some(place)));
        self.model.insert(place, value);
    }

    pub(crate) fn remove(&mut self, which: usize) {
        let (key, place) = &mut self.known[which];
        let expected = place.take().and_then(|place| self.model.remove(&place));
        assert_eq!(self.timers.remove(*key), expected);
    }

    pub(crate) fn reset(&mut self, which: usize, deadline: u64) {
        let arrival = self.arrival();
        let (key, place) = &mut self.known[which];
        assert_eq!(self.timers.reset(*key, deadline).is_some(), place.is_some());
        if let Some(place) = place {
            let value = self
                .model
                .remove(place)
                .expect("a known place is in the model");
            *place = (deadline, arrival);
            self.model.insert(*place, value);
        }
    }

    pub(crate) fn change(&mut self, which: usize) {
        let (key, place) = self.known[which];
        let mut expected = place.and_then(|place| self.model.get_mut(&place));
        let mut found = self.timers.get_mut(key);
        assert_eq!(found, expected);
        for value in [&mut found, &mut expected].into_iter().flatten() {
            **value = value.wrapping_add(CHANGE);
        }
    }

    pub(crate) fn pop(&mut self, now: u64) -> bool {
        let due = self
            .model
            .first_entry()
            .filter(|first| first.key().0 <= now);
        let expected = due.map(|first| (first.key().0, first.remove()));
        assert_eq!(self.timers.pop_due(now), expected);
        if let Some((_, value)) = expected {
            self.known[(value % CHANGE) as usize].1 = None;
        }
        expected.is_some()
    }

    /// Asserts what can be seen from outside.
    pub(crate) fn compare(&self) {
        assert_eq!(self.timers.len(), self.model.len());
        assert_eq!(self.timers.is_empty(), self.model.is_empty());
        let first = self.model.first_key_value().map(|(place, _)| place.0);
        assert_eq!(self.timers.next_deadline(), first);
    }
}
