//! The way past a gate for who comes alone: three plain stores from the way in to the way out, and no borrow.
//!
//! Most entries of most gates meet nobody. While a gate is [idle](Gate::is_idle) and nobody wants to know what happens
//! at it, its lane stays open, and who comes goes through without touching the gate:
//!
//! ```text
//!            1            2
//!   Open -------> Granted -----> Held       1 enter    2 hold    3 leave
//!    |  ^           |             | |       4 shut: somebody wants the gate; who is in the lane gets the place there
//!    |  +-----------|------3------+ |         that it was promised, in the same state
//!    4  |           4               4       5 open: the gate is idle again
//!    |  5           |               |
//!    v  |           v               |
//!    Shut <-------------------------+
//! ```

use std::{cell::Cell, panic::Location, ptr};

use super::{
    Gate,
    state::{Origin, State},
};
use crate::line::{ALONE, END, Place};

/// The state of a lane is the lower half of its word; the upper half is the generation of the last who came alone.
const SHUT: u32 = ALONE - 2;
const OPEN: u32 = ALONE - 1;
const GRANTED: u32 = ALONE;
const HELD: u32 = ALONE + 1;

/// No place in a line looks like a lane's word: all there ask here first.
const _: () = assert!(END < SHUT);

/// To the next generation, and from open to granted.
const ENTER: u64 = (1 << 32) + (GRANTED - OPEN) as u64;

/// A lane past a [`Gate`], for one entry at a time.
///
/// Each way in is refused unless the lane is open, so whoever is refused, and whoever wants anything else, has to
/// [shut](Self::shut) the lane first and use the gate.
#[derive(Debug)]
pub struct Lane {
    /// All in one word: on the way through, what counts is how many words are stored (0.3 ns each).
    word: Cell<u64>,
    origin: Cell<Origin>,
}

/// What has happened in a lane, for its gate.
pub(super) struct Passage {
    /// Of the last who came alone: all those since the lane was opened have had a turn, but for one who is about to.
    pub(super) generation: u32,
    pub(super) inside: Option<(Place, State, Origin)>,
}

impl Lane {
    /// The open lane of a new gate.
    #[must_use]
    pub fn new() -> Self {
        Self {
            word: Cell::new(OPEN.into()),
            origin: Cell::new(Location::caller()),
        }
    }

    /// Takes the place and is granted the turn (arrow 1).
    #[inline]
    #[must_use = "the place has to be left"]
    pub fn enter(&self, origin: Origin) -> Option<Place> {
        let word = self.word.get();
        if word as u32 != OPEN {
            return None;
        }
        // After the last generation the gate goes on, and counts those of before.
        let granted = word.checked_add(ENTER)?;
        self.word.set(granted);
        if !ptr::eq(self.origin.get(), origin) {
            self.origin.set(origin);
        }
        Some(Place::alone((granted >> 32) as u32))
    }

    /// Takes the turn (arrow 2); `false` if it has not been granted in the lane.
    #[inline]
    pub fn hold(&self, place: Place) -> bool {
        let granted = place.number();
        let is_granted = self.word.get() == granted;
        if is_granted {
            self.word.set(held(granted));
        }
        is_granted
    }

    /// Gives the turn back (arrow 3); `false` if it was not held in the lane.
    #[inline]
    pub fn leave(&self, place: Place) -> bool {
        let held = held(place.number());
        let is_held = self.word.get() == held;
        if is_held {
            self.word.set(held.wrapping_sub((HELD - OPEN).into()));
        }
        is_held
    }

    /// Before anything is asked of the gate (arrow 4): from now on it knows all, and all go through it.
    #[inline]
    pub fn shut(&self, gate: &mut Gate) {
        if self.word.get() as u32 != SHUT {
            gate.take_over(self.close());
        }
    }

    /// Opens the lane of a gate that is idle, if nobody wants to know what happens (arrow 5).
    #[inline]
    pub fn open(&self, gate: &Gate) {
        debug_assert!(gate.is_idle(), "somebody would be passed by");
        let generation = gate.order.generation();
        self.word.set(u64::from(generation) << 32 | u64::from(OPEN));
    }

    #[inline(never)]
    fn close(&self) -> Passage {
        let word = self.word.replace(SHUT.into());
        let generation = (word >> 32) as u32;
        let state = match word as u32 {
            GRANTED => Some(State::Granted),
            HELD => Some(State::Held),
            _ => None,
        };
        let place = Place::alone(generation);
        Passage {
            generation,
            inside: state.map(|state| (place, state, self.origin.get())),
        }
    }
}

impl Default for Lane {
    fn default() -> Self {
        Self::new()
    }
}

#[inline]
fn held(granted: u64) -> u64 {
    granted.wrapping_add((HELD - GRANTED).into())
}

#[cfg(test)]
mod tests {
    use std::{panic::Location, task::Waker};

    use super::{GRANTED, Gate, HELD, Lane, OPEN, SHUT, State};
    use crate::line::Place;

    fn pass(lane: &Lane) -> Place {
        let place = lane.enter(Location::caller()).unwrap();
        assert!(lane.hold(place) && !lane.hold(place));
        assert!(lane.leave(place) && !lane.leave(place));
        place
    }

    /// What everybody does who finds the lane shut.
    fn look<R>(lane: &Lane, gate: &mut Gate, look: impl FnOnce(&mut Gate) -> R) -> R {
        lane.shut(gate);
        let result = look(gate);
        if gate.is_idle() {
            lane.open(gate);
        }
        result
    }

    #[test]
    fn who_has_passed_is_counted_and_no_place_is_given_out_twice() {
        let (lane, mut gate) = (Lane::new(), Gate::new());
        let mut places: Vec<_> = (0..3).map(|_| pass(&lane)).collect();
        let counts = look(&lane, &mut gate, |gate| gate.counts());
        assert_eq!((counts.grants, counts.high_water), (3, 1));
        let cancelled = look(&lane, &mut gate, |gate| gate.join(Location::caller()));
        places.extend(cancelled);
        assert!(lane.enter(Location::caller()).is_none());
        look(&lane, &mut gate, |gate| drop(gate.leave(places[3])));
        places.push(pass(&lane));
        let counts = look(&lane, &mut gate, |gate| gate.counts());
        assert_eq!((counts.grants, counts.cancellations), (4, 1));
        let numbers = places.iter().map(|place| place.number());
        assert!(numbers.clone().zip(numbers.skip(1)).all(|(a, b)| a < b));
    }

    #[test]
    fn who_is_in_a_lane_that_is_shut_has_the_place_at_the_gate() {
        for state in [State::Granted, State::Held] {
            let (lane, mut gate) = (Lane::new(), Gate::new());
            let origin = Location::caller();
            let place = lane.enter(origin).unwrap();
            if state == State::Held {
                lane.hold(place);
            }
            lane.shut(&mut gate);
            let known = gate
                .entry(place)
                .map(|(state, ticket)| (state, ticket.origin));
            assert_eq!(known, Some((state, origin)));
            assert_eq!(gate.counts().grants, u64::from(state == State::Held));
            assert!(lane.enter(origin).is_none() && !lane.hold(place) && !lane.leave(place));
            gate.poll(place, Waker::noop());
            assert_eq!((gate.len(), gate.counts().grants), (1, 1));
            drop(gate.leave(place));
            assert!(gate.is_idle());
        }
    }

    #[test]
    fn b84_after_the_last_generation_the_gate_goes_on() {
        let (lane, mut gate) = (Lane::new(), Gate::new());
        lane.word.set(u64::from(u32::MAX) << 32 | u64::from(OPEN));
        assert!(lane.enter(Location::caller()).is_none());
        let place = look(&lane, &mut gate, |gate| gate.join(Location::caller())).unwrap();
        assert_eq!(place, Place::alone(0));
        assert_eq!(gate.counts().grants, u64::from(u32::MAX));
        look(&lane, &mut gate, |gate| drop(gate.leave(place)));
        assert_eq!(pass(&lane), Place::alone(1));
    }

    #[test]
    fn a_place_in_a_line_is_nobody_s_in_a_lane() {
        let (lane, mut gate) = (Lane::new(), Gate::new());
        // The generations of a line wrap after three.
        let _alone = gate.join(Location::caller());
        let places: Vec<_> = (0..8)
            .filter_map(|_| gate.join(Location::caller()))
            .collect();
        for word in [SHUT, OPEN, GRANTED, HELD].map(u64::from) {
            for &place in &places {
                lane.word.set(word);
                assert!(!lane.hold(place) && !lane.leave(place));
            }
        }
    }
}
