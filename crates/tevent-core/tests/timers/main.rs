//! The timer table: the rules of order one by one, and whole histories against a model.

mod model;
mod pair;
mod random;

use random::Random;
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

/// So many that they pass through every part of the table.
const MANY: usize = if cfg!(miri) { 200 } else { 1_000_000 };

fn comes_in_order(deadlines: &[u64]) {
    let (mut timers, _) = table(deadlines.iter().copied().zip(0..));
    let mut expected: Vec<(u64, usize)> = deadlines.iter().copied().zip(0..).collect();
    expected.sort_unstable();
    for place in expected {
        assert_eq!(timers.next_deadline(), Some(place.0));
        assert_eq!(timers.pop_due(place.0), Some(place));
    }
    assert!(timers.is_empty());
}

#[test]
fn t1_a_million_timers_come_in_exact_order() {
    let mut random = Random::new(1);
    let deadlines: Vec<u64> = (0..MANY).map(|_| random.below(1 << 42)).collect();
    comes_in_order(&deadlines);
}

#[test]
fn b74_many_timers_with_many_ties_come_in_the_order_of_their_arrival() {
    let mut random = Random::new(74);
    let few = (MANY as u64).isqrt();
    let deadlines: Vec<u64> = (0..MANY / 4).map(|_| random.below(few) << 20).collect();
    comes_in_order(&deadlines);
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
    assert!(timers.reset(keys[0], u64::MAX).is_some());
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
    assert!(timers.reset(keys[2], 6).is_some());
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
        assert!(timers.reset(key, 0).is_none());
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
    assert!(timers.reset(keys[0], 7).is_some());
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
    assert!(timers.reset(old, 5).is_none());
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

#[test]
fn b26_a_key_of_a_table_that_was_taken_finds_nothing_in_what_is_left() {
    let mut timers = Timers::new();
    let old = timers.insert(1, "old");
    let mut taken = timers.take_all();
    let new = timers.insert(1, "new");
    assert_eq!((timers.len(), taken.len()), (1, 1));
    assert_eq!((timers.get_mut(old), taken.get_mut(new)), (None, None));
    assert_eq!(taken.remove(old), Some("old"));
}

#[test]
fn b26_the_next_timer_of_a_slot_inherits_neither_the_note_nor_the_stay() {
    let mut timers = Timers::new();
    let staying = timers.reserve();
    *timers.note(staying).expect("it is there") = 3;
    assert_eq!(timers.remove(staying), None);
    let passing = timers.insert(1, "passes");
    assert_eq!(timers.note(passing), Some(&mut 0));
    assert_eq!(timers.pop_due(1), Some((1, "passes")));
    assert_eq!(timers.note(passing), None, "it has gone");
    let staying = timers.reserve();
    assert!(!timers.is_armed(staying));
    assert_eq!(timers.fill(staying, "stays"), None);
    assert!(timers.reset(staying, 2).is_some());
    assert_eq!(timers.pop_due(2), Some((2, "stays")));
    assert_eq!(timers.note(staying), Some(&mut 0), "it is there still");
}
