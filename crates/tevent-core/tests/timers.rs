//! The timer table against a model, and the rules of order one by one.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use tevent_core::timers::{TimerKey, Timers};

/// More timers than an emptying table keeps memory for. Miri takes a millisecond for what a processor does in a
/// microsecond.
const BURST: u64 = if cfg!(miri) { 100 } else { 1_000 };

/// Takes out everything that is due and returns it in the order in which it came.
fn fire<T>(timers: &mut Timers<T>, now: u64) -> Vec<(u64, T)> {
    std::iter::from_fn(|| timers.pop_due(now)).collect()
}

fn table<T>(entries: impl IntoIterator<Item = (u64, T)>) -> (Timers<T>, Vec<TimerKey>) {
    let mut timers = Timers::new();
    let keys = entries
        .into_iter()
        .map(|(deadline, value)| timers.insert(deadline, value))
        .collect();
    (timers, keys)
}

#[test]
fn t1_deadlines_ascend_and_an_early_latecomer_goes_first() {
    let (mut timers, _) = table([(30, 'c'), (10, 'a'), (20, 'b'), (5, 'x')]);
    assert_eq!(
        fire(&mut timers, 100),
        [(5, 'x'), (10, 'a'), (20, 'b'), (30, 'c')]
    );
}

#[test]
fn t5_an_earlier_newcomer_goes_before_what_is_overdue_already() {
    let (mut timers, _) = table([(10, "first"), (20, "second"), (30, "third")]);
    assert_eq!(timers.pop_due(100), Some((10, "first")));
    timers.insert(15, "made by the first");
    assert_eq!(timers.pop_due(100), Some((15, "made by the first")));
    assert_eq!(timers.pop_due(100), Some((20, "second")));
}

#[test]
fn b65_the_ends_of_the_clock_are_ordinary_deadlines() {
    let (mut timers, keys) = table([
        (u64::MAX, 'z'),
        (0, 'a'),
        (u64::MAX - 1, 'y'),
        (u64::MAX, 'Z'),
    ]);
    assert_eq!(timers.pop_due(0), Some((0, 'a')));
    assert_eq!(timers.pop_due(u64::MAX - 2), None);
    assert_eq!(timers.pop_due(u64::MAX - 1), Some((u64::MAX - 1, 'y')));
    assert_eq!(timers.pop_due(u64::MAX - 1), None);
    assert!(timers.reset(keys[0], u64::MAX));
    assert_eq!(
        fire(&mut timers, u64::MAX),
        [(u64::MAX, 'Z'), (u64::MAX, 'z')]
    );
}

#[test]
fn b67_order_is_exact_around_every_power_of_two() {
    let around = |bit: u32| [(1 << bit) - 1, 1 << bit, (1_u64 << bit) + 1];
    let mut deadlines: Vec<u64> = (2..64).flat_map(around).collect();
    let (mut timers, _) = table(deadlines.iter().rev().map(|&deadline| (deadline, ())));
    deadlines.sort_unstable();
    for deadline in deadlines {
        assert_eq!(timers.next_deadline(), Some(deadline));
        if timers.pop_due(deadline - 1).is_some() {
            panic!("{deadline} came early");
        }
        assert_eq!(timers.pop_due(deadline), Some((deadline, ())));
    }
    assert!(timers.is_empty());
}

#[test]
fn b69_a_due_sibling_that_is_taken_out_does_not_come() {
    let (mut timers, keys) = table((0..9).map(|number| (5, number)));
    assert_eq!(timers.pop_due(5), Some((5, 0)));
    assert_eq!(timers.remove(keys[1]), Some(1));
    assert_eq!(timers.remove(keys[4]), Some(4));
    assert!(timers.reset(keys[2], 6));
    let rest: Vec<u32> = fire(&mut timers, 5)
        .into_iter()
        .map(|(_, number)| number)
        .collect();
    assert_eq!(rest, [3, 5, 6, 7, 8]);
    assert_eq!(fire(&mut timers, 6), [(6, 2)]);
}

#[test]
fn b70_zero_past_and_present_deadlines_come_exactly_once() {
    let (mut timers, keys) = table([(100, "now"), (0, "zero"), (99, "past"), (100, "now too")]);
    let due = [(0, "zero"), (99, "past"), (100, "now"), (100, "now too")];
    assert_eq!(fire(&mut timers, 100), due);
    assert_eq!(fire(&mut timers, u64::MAX), []);
    for key in keys {
        assert_eq!(timers.get_mut(key), None);
        assert_eq!(timers.remove(key), None);
        assert!(!timers.reset(key, 0));
    }
    assert_eq!(timers.next_deadline(), None);
}

#[test]
fn b71_a_timer_rearmed_for_its_own_deadline_waits_behind_its_siblings() {
    let (mut timers, _) = table((0..5).map(|number| (7, number)));
    let mut order = Vec::new();
    for _ in 0..10 {
        let (deadline, number) = timers
            .pop_due(1_000)
            .expect("five timers are always overdue");
        timers.insert(deadline, number);
        order.push(number);
    }
    assert_eq!(order, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
}

#[test]
fn b71_a_reset_counts_as_a_new_arrival_also_at_the_same_deadline() {
    let (mut timers, keys) = table([(7, 'a'), (7, 'b'), (7, 'c')]);
    assert!(timers.reset(keys[0], 7));
    assert_eq!(fire(&mut timers, 7), [(7, 'b'), (7, 'c'), (7, 'a')]);
}

#[test]
fn b74_equal_deadlines_come_in_the_order_of_their_arrival() {
    let (mut timers, keys) = table((0..BURST).map(|number| (number % 3, number)));
    for key in keys.iter().step_by(7) {
        timers.remove(*key);
    }
    let came: Vec<(u64, u64)> = fire(&mut timers, 3);
    let mut expected: Vec<(u64, u64)> = (0..BURST)
        .filter(|n| n % 7 != 0)
        .map(|n| (n % 3, n))
        .collect();
    expected.sort_unstable();
    assert_eq!(came, expected);
}

#[test]
fn b26_a_stale_key_finds_nothing_in_a_reused_slot() {
    let mut timers = Timers::new();
    let old = timers.insert(1, "old");
    assert_eq!(timers.remove(old), Some("old"));
    let new = timers.insert(1, "new");
    assert_ne!(old, new);
    assert_eq!(timers.get_mut(old), None);
    assert_eq!(timers.remove(old), None);
    assert!(!timers.reset(old, 5));
    assert_eq!(timers.get_mut(new), Some(&mut "new"));
}

#[test]
fn b26_a_key_from_before_a_burst_ended_finds_nothing_after_it() {
    let (mut timers, old) = table((0..BURST).map(|number| (number, number)));
    assert_eq!(fire(&mut timers, BURST).len() as u64, BURST);
    let new: Vec<TimerKey> = (0..2 * BURST).map(|n| timers.insert(n, n)).collect();
    assert!(old.iter().all(|key| timers.get_mut(*key).is_none()));
    assert!(new.iter().all(|key| timers.get_mut(*key).is_some()));
    assert_eq!(fire(&mut timers, 2 * BURST).len() as u64, 2 * BURST);
}

#[derive(Clone, Debug)]
enum Step {
    Insert { deadline: u64 },
    Remove { which: Index },
    Reset { which: Index, deadline: u64 },
    Change { which: Index },
    Pop { now: u64 },
}

/// Few values, so that many deadlines are equal, and the ends of the clock.
fn deadline() -> impl Strategy<Value = u64> {
    prop_oneof![
        1 => Just(0),
        1 => Just(u64::MAX),
        1 => Just(u64::MAX - 1),
        4 => 1..16_u64,
        4 => any::<u64>(),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => deadline().prop_map(|deadline| Step::Insert { deadline }),
        2 => any::<Index>().prop_map(|which| Step::Remove { which }),
        2 => (any::<Index>(), deadline()).prop_map(|(which, deadline)| Step::Reset { which, deadline }),
        1 => any::<Index>().prop_map(|which| Step::Change { which }),
        3 => deadline().prop_map(|now| Step::Pop { now }),
    ]
}

/// The table and what it should be: a map in the order of deadline and arrival.
#[derive(Default)]
struct Pair {
    timers: Timers<u32>,
    model: BTreeMap<(u64, u64), u32>,
    /// For every timer there ever was: its key, and its place in the model while it is there.
    known: Vec<(TimerKey, Option<(u64, u64)>)>,
    arrivals: u64,
}

impl Pair {
    fn arrival(&mut self) -> u64 {
        self.arrivals += 1;
        self.arrivals
    }

    fn insert(&mut self, deadline: u64) {
        let place = (deadline, self.arrival());
        // A value of a timer is its index among the known ones, plus 2^16 for each change.
        let value = self.known.len() as u32;
        self.known
            .push((self.timers.insert(deadline, value), Some(place)));
        self.model.insert(place, value);
    }

    fn remove(&mut self, which: usize) {
        let (key, place) = &mut self.known[which];
        let expected = place.take().and_then(|place| self.model.remove(&place));
        assert_eq!(self.timers.remove(*key), expected);
    }

    fn reset(&mut self, which: usize, deadline: u64) {
        let arrival = self.arrival();
        let (key, place) = &mut self.known[which];
        assert_eq!(self.timers.reset(*key, deadline), place.is_some());
        if let Some(place) = place {
            let value = self
                .model
                .remove(place)
                .expect("a known place is in the model");
            *place = (deadline, arrival);
            self.model.insert(*place, value);
        }
    }

    fn change(&mut self, which: usize) {
        let (key, place) = self.known[which];
        let mut expected = place.and_then(|place| self.model.get_mut(&place));
        let mut found = self.timers.get_mut(key);
        assert_eq!(found, expected);
        for value in [&mut found, &mut expected].into_iter().flatten() {
            **value = value.wrapping_add(1 << 16);
        }
    }

    fn pop(&mut self, now: u64) -> bool {
        let due = self
            .model
            .first_entry()
            .filter(|first| first.key().0 <= now);
        let expected = due.map(|first| (first.key().0, first.remove()));
        assert_eq!(self.timers.pop_due(now), expected);
        if let Some((_, value)) = expected {
            self.known[value as usize % (1 << 16)].1 = None;
        }
        expected.is_some()
    }

    fn take_step(&mut self, step: Step) {
        let count = self.known.len();
        match step {
            Step::Insert { deadline } => self.insert(deadline),
            Step::Pop { now } => drop(self.pop(now)),
            _ if count == 0 => {}
            Step::Remove { which } => self.remove(which.index(count)),
            Step::Reset { which, deadline } => self.reset(which.index(count), deadline),
            Step::Change { which } => self.change(which.index(count)),
        }
        assert_eq!(self.timers.len(), self.model.len());
        assert_eq!(self.timers.is_empty(), self.model.is_empty());
        let first = self.model.first_key_value().map(|(place, _)| place.0);
        assert_eq!(self.timers.next_deadline(), first);
    }
}

/// Miri's world has no files.
fn effort() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 1 } else { 160 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

const DEADLINES: usize = if cfg!(miri) { 10 } else { 200 };
const STEPS: usize = if cfg!(miri) { 40 } else { 1_500 };

proptest! {
    #![proptest_config(effort())]

    /// About 1.2 * 10^5 steps.
    #[test]
    fn the_table_does_what_an_ordered_map_does(steps in vec(step(), 1..STEPS)) {
        let mut pair = Pair::default();
        for step in steps {
            pair.take_step(step);
        }
        while pair.pop(u64::MAX) {}
        prop_assert!(pair.timers.is_empty());
    }

    #[test]
    fn b73_nothing_comes_early_and_nothing_due_stays(
        deadlines in vec(deadline(), 0..DEADLINES),
        mut clock in vec(any::<u64>(), 0..20),
    ) {
        let (mut timers, _) = table(deadlines.iter().map(|&deadline| (deadline, ())));
        clock.extend(deadlines.iter().flat_map(|&deadline| [deadline.saturating_sub(1), deadline]));
        clock.sort_unstable();
        for now in clock {
            let came = fire(&mut timers, now);
            prop_assert!(came.iter().all(|&(deadline, ())| deadline <= now));
            prop_assert!(timers.next_deadline().is_none_or(|next| next > now));
        }
        prop_assert!(timers.is_empty());
    }
}
