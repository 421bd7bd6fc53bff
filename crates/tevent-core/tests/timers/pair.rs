//! The table and what it should be: a map in the order of deadline and arrival.

use std::collections::BTreeMap;

use tevent_core::timers::{TimerKey, Timers};

/// Added to a value by each change, above the timer's number.
const CHANGE: u64 = 1 << 32;

#[derive(Default)]
pub(crate) struct Pair {
    pub(crate) timers: Timers<u64>,
    model: BTreeMap<(u64, u64), u64>,
    /// For every timer there ever was: its key, and what the model knows of it.
    known: Vec<(TimerKey, State)>,
    /// The deadlines that they were given last.
    deadlines: Vec<u64>,
    arrivals: u64,
}

#[derive(Clone, Copy)]
enum State {
    /// With its place in the model.
    Armed((u64, u64)),
    /// With its value.
    Idle(u64),
    /// It stays, without its value.
    Come(u64),
    Gone,
}

/// Every other timer does, by its number.
fn stays(value: u64) -> bool {
    value % 2 == 1
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
        let key = if stays(value) {
            self.timers.insert_to_stay(deadline, value)
        } else {
            self.timers.insert(deadline, value)
        };
        self.known.push((key, State::Armed(place)));
        self.deadlines.push(deadline);
        self.model.insert(place, value);
    }

    /// Takes a timer out of the model; its value, if it was there.
    fn forget(&mut self, which: usize) -> Option<u64> {
        match std::mem::replace(&mut self.known[which].1, State::Gone) {
            State::Armed(place) => self.model.remove(&place),
            State::Idle(value) => Some(value),
            State::Come(_) | State::Gone => None,
        }
    }

    /// One that has come needs a value before it is given a deadline.
    fn fill(&mut self, which: usize) {
        let (key, state) = &mut self.known[which];
        if let State::Come(value) = *state {
            assert_eq!(self.timers.fill(*key, value), None);
            *state = State::Idle(value);
        }
    }

    pub(crate) fn remove(&mut self, which: usize) {
        let expected = self.forget(which);
        assert_eq!(self.timers.remove(self.known[which].0), expected);
    }

    pub(crate) fn reset(&mut self, which: usize, deadline: u64) {
        let place = (deadline, self.arrival());
        let key = self.known[which].0;
        self.fill(which);
        let value = self.forget(which);
        assert_eq!(self.timers.reset(key, deadline).is_some(), value.is_some());
        if let Some(value) = value {
            self.known[which].1 = State::Armed(place);
            self.deadlines[which] = deadline;
            self.model.insert(place, value);
        }
    }

    pub(crate) fn disarm(&mut self, which: usize) {
        let (key, state) = self.known[which];
        let is_armed = matches!(state, State::Armed(_));
        assert_eq!(self.timers.is_armed(key), is_armed);
        assert_eq!(self.timers.disarm(key).is_some(), is_armed);
        if is_armed && let Some(value) = self.forget(which) {
            self.known[which].1 = State::Idle(value);
        }
    }

    pub(crate) fn change(&mut self, which: usize) {
        let (key, state) = &mut self.known[which];
        let mut expected = match state {
            State::Armed(place) => self.model.get_mut(place),
            State::Idle(value) => Some(value),
            State::Come(_) | State::Gone => None,
        };
        let mut found = self.timers.get_mut(*key);
        assert_eq!(found, expected);
        for value in [&mut found, &mut expected].into_iter().flatten() {
            **value = value.wrapping_add(CHANGE);
        }
        let is_there = !matches!(self.known[which].1, State::Gone);
        let deadline = is_there.then_some(self.deadlines[which]);
        assert_eq!(self.timers.deadline(self.known[which].0), deadline);
    }

    pub(crate) fn pop(&mut self, now: u64) -> bool {
        let due = self
            .model
            .first_entry()
            .filter(|first| first.key().0 <= now);
        let expected = due.map(|first| (first.key().0, first.remove()));
        assert_eq!(self.timers.pop_due(now), expected);
        if let Some((_, value)) = expected {
            let state = &mut self.known[(value % CHANGE) as usize].1;
            *state = if stays(value) {
                State::Come(value)
            } else {
                State::Gone
            };
        }
        expected.is_some()
    }

    /// Asserts what can be seen from outside.
    pub(crate) fn compare(&mut self) {
        assert_eq!(self.timers.len(), self.model.len());
        assert_eq!(self.timers.is_empty(), self.model.is_empty());
        let first = self.model.first_key_value().map(|(place, _)| place.0);
        assert_eq!(self.timers.next_deadline(), first);
    }
}
