//! What the table is made of: its memory, its names of buckets, its slots. Its order is a model's in `tests/timers`.

mod long;

use std::rc::Rc;
use std::task::Waker;

use super::*;
use slots::Slot;

/// More than an empty table keeps; Miri is slow.
const BURST: u64 = if cfg!(miri) { 300 } else { 10_000 };

const HOUR: u64 = 3_600_000_000_000;

/// What the buckets that these tests fill may keep: those of two levels.
const KEPT: usize = 2 * 64 * bucket::KEPT_PLACES;

/// So that they are not in the order of the numbers.
fn scattered(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % HOUR
}

impl<T> Timers<T> {
    /// Asserts what the order of the timers rests on.
    fn check(&self) {
        for entry in self.heap.entries() {
            assert!(entry.deadline <= self.near);
            assert!(entry.order() <= self.slots.entry(entry.slot).order());
        }
        let run = self.run.entries();
        assert!(run.is_sorted_by(|later, earlier| later.order() > earlier.order()));
        assert!(run.first().is_none_or(|last| last.deadline <= self.near));
        let mut filled = 0;
        for (number, slot) in self.wheel.entries() {
            let entry = self.slots.entry(slot);
            assert!(entry.deadline > self.near);
            // Later if it was put off.
            assert!(wheel::number(self.near, entry.deadline) >= number);
            filled += 1;
        }
        assert_eq!(filled, self.wheel.len());
        assert!(!self.is_empty() || self.wheel.len() == 0);
    }

    /// As a loop that goes to sleep so often.
    fn rest_for_long(&mut self) {
        (0..=ROOMY_RESTS + 1).for_each(|_| self.rest());
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
    // A slot, a value, a place in a bucket. Only in the heap, which is short, it has an entry instead.
    let bytes = |value: usize| size_of::<Slot>() + value + size_of::<u32>();
    assert!(bytes(size_of::<Option<Waker>>()) <= 56);
    assert!(bytes(size_of::<Option<Wakes>>()) <= 64);
    assert!(size_of::<TimerKey>() <= 16);
}

#[test]
fn b55_memory_comes_back_when_the_empty_table_has_rested_after_a_burst_and_not_before() {
    let mut timers = Timers::new();
    let burst = |timers: &mut Timers<()>| {
        for number in 0..BURST {
            timers.insert(scattered(number), ());
        }
        while timers.pop_due(u64::MAX).is_some() {}
    };
    for _ in 0..2 * ROOMY_RESTS {
        burst(&mut timers);
        timers.rest();
        assert_eq!(timers.slots.len() as u64, BURST);
    }
    (0..ROOMY_RESTS).for_each(|_| timers.rest());
    assert_eq!(timers.slots.len() as u64, BURST);
    timers.rest();
    assert_eq!((timers.capacity(), timers.slots.len()), (0, 0));
    burst(&mut timers);
}

#[test]
fn b55_or_when_the_last_timer_has_left_after_such_rests() {
    let mut timers = Timers::new();
    let keys: Vec<_> = (0..BURST)
        .map(|number| timers.insert(scattered(number), number))
        .collect();
    timers.rest_for_long();
    for key in &keys[1..] {
        timers.remove(*key);
    }
    timers.rest();
    assert_eq!(timers.remove(keys[0]), Some(0));
    assert_eq!(
        timers.slots.len() as u64,
        BURST,
        "it was needed until lately"
    );
    let last = timers.insert(0, BURST);
    timers.rest_for_long();
    assert_eq!(timers.slots.len() as u64, BURST);
    assert_eq!(timers.remove(last), Some(BURST));
    assert_eq!(timers.slots.len(), 0);
    let new = timers.insert(0, BURST);
    assert_eq!(keys.iter().find(|key| **key == new), None);
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
    assert!(timers.capacity() <= KEPT + 2 * HEAP_LIMIT);
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
    // Each step looks at all timers.
    const STEPS: u64 = if cfg!(miri) { 100 } else { 10_000 };
    let mut timers = Timers::new();
    for number in 0..STEPS {
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
    for _ in 0..STEPS {
        timers.pop_due(u64::MAX);
    }
    assert!(timers.heap.len() <= HEAP_LIMIT);
    timers.check();
}

#[test]
fn b67_cancelled_timers_leave_no_holes_behind_for_long() {
    let mut timers = Timers::new();
    timers.insert(0, ());
    let keys: Vec<_> = (0..BURST)
        .map(|number| timers.insert(HOUR + scattered(number), ()))
        .collect();
    let full = timers.wheel.capacity();
    for (number, key) in keys.into_iter().enumerate() {
        timers.remove(key);
        if number as u64 == BURST / 10 * 9 {
            assert!(timers.wheel.capacity() <= full / 2 + KEPT);
        }
    }
    assert_eq!(timers.wheel.len(), 0);
    assert!(timers.wheel.capacity() <= KEPT);
}

#[test]
fn a_timer_that_stays_comes_goes_and_comes_again_and_keeps_its_key_and_its_note() {
    let mut timers = Timers::new();
    let key = timers.reserve();
    assert_eq!(timers.fill(key, "first"), None);
    assert!(timers.is_empty() && !timers.is_armed(key));
    assert_eq!(timers.disarm(key), None);
    *timers.reset(key, 5).expect("it is there") = 7;
    assert_eq!((timers.len(), timers.is_armed(key)), (1, true));
    assert_eq!(timers.pop_due(5), Some((5, "first")));
    assert!(timers.is_empty() && !timers.is_armed(key));
    assert_eq!(timers.get_mut(key), None);
    assert_eq!(timers.fill(key, "second"), None);
    assert_eq!(timers.reset(key, 6), Some(&mut 7));
    assert_eq!(timers.disarm(key), Some(&mut 7));
    assert_eq!(timers.pop_due(u64::MAX), None);
    assert_eq!(timers.remove(key), Some("second"));
    assert_eq!(timers.fill(key, "late"), Some("late"));
    assert_eq!(timers.reset(key, 8), None);
    assert_eq!(timers.note(key), None);
}

#[test]
fn one_inserted_to_stay_is_there_when_it_has_come_and_says_when_it_was_due() {
    let mut timers = Timers::new();
    let key = timers.insert_to_stay(5, "first");
    let passing = timers.insert(6, "passing");
    assert_eq!(timers.get_mut(key), Some(&mut "first"));
    assert_eq!(timers.pop_due(6), Some((5, "first")));
    assert_eq!(timers.get_mut(key), None);
    assert_eq!(timers.deadline(key), Some(5));
    assert_eq!(timers.pop_due(6), Some((6, "passing")));
    assert_eq!(timers.deadline(passing), None);
    assert_eq!(timers.remove(key), None);
    assert_eq!(timers.deadline(key), None);
    assert_eq!(timers.insert(7, "next").slot, key.slot);
}

#[test]
fn a_timer_s_deadline_is_known_wherever_it_is() {
    let mut timers = Timers::new();
    let keys: Vec<_> = (0..BURST)
        .map(|number| timers.insert(scattered(number), ()))
        .collect();
    let all = |timers: &Timers<()>, shift| {
        let mut known = (0..).zip(&keys);
        known.all(|(number, key)| timers.deadline(*key) == Some(scattered(number) + shift))
    };
    assert!(all(&timers, 0));
    for (number, key) in (0..).zip(&keys) {
        timers.reset(*key, scattered(number) + HOUR);
    }
    assert!(all(&timers, HOUR));
}

#[test]
fn b55_timers_that_stay_keep_their_slots_and_no_more() {
    let mut timers = Timers::<()>::new();
    let keys: Vec<_> = (0..BURST).map(|_| timers.reserve()).collect();
    for key in &keys {
        timers.reset(*key, HOUR + scattered(key.generation));
    }
    for key in &keys {
        timers.disarm(*key);
    }
    assert!(timers.capacity() <= 2 * HEAP_LIMIT + KEPT);
    assert_eq!(timers.slots.len() as u64, BURST);
    for key in &keys {
        timers.remove(*key);
    }
    timers.rest_for_long();
    assert_eq!(timers.slots.len(), 0);
}

#[test]
fn b67_nor_do_the_first_timers_keep_it_long() {
    let mut timers = Timers::new();
    for number in 0..BURST {
        timers.insert(HOUR + scattered(number), ());
        assert!(timers.heap.len() <= HEAP_LIMIT, "at {number}");
    }
}

#[test]
fn b67_nor_does_one_in_the_wheel_that_comes_right_behind_the_near_ones() {
    let mut timers = Timers::new();
    for number in 0..FEW as u64 {
        timers.insert(HOUR + scattered(number), ());
    }
    timers.insert(timers.near + 1, ());
    assert_eq!(timers.wheel.len(), 1);
    for number in 0..BURST {
        timers.insert(scattered(number), ());
        assert!(timers.heap.len() <= HEAP_LIMIT, "at {number}");
    }
    timers.check();
}

#[test]
fn b67_a_bucket_of_very_many_is_dealt_out_before_it_is_sorted() {
    let start = 1 << 48;
    let mut timers = Timers::new();
    for number in 0..FEW as u64 {
        timers.insert(number, number);
    }
    for number in 0..BURST {
        timers.insert(start + scattered(number), number);
    }
    for number in 0..BURST {
        timers.insert(start, BURST + number);
    }
    for number in 0..FEW as u64 {
        assert_eq!(timers.pop_due(number), Some((number, number)));
    }
    // However many, those of the same time are in one run.
    assert_eq!(timers.pop_due(start), Some((start, 0)));
    for number in 0..BURST {
        assert_eq!(timers.pop_due(start), Some((start, BURST + number)));
    }
    let mut before = start;
    while let Some((deadline, _)) = timers.pop_due(u64::MAX) {
        assert!(before <= deadline && timers.run.len() <= RUN_LIMIT);
        before = deadline;
    }
    timers.check();
}

#[test]
fn b67_what_leaves_the_run_leaves_its_order() {
    let mut timers = Timers::new();
    timers.insert(0, 0);
    let keys: Vec<_> = (0..BURST)
        .map(|number| timers.insert(HOUR + number % 100, number))
        .collect();
    assert_eq!(timers.pop_due(0), Some((0, 0)));
    timers.check();
    let mut left: Vec<_> = (0..BURST)
        .filter(|number| number % 3 == 0)
        .map(|number| (HOUR + number % 100, number))
        .collect();
    left.sort_unstable();
    for number in 0..BURST {
        if number % 3 > 0 {
            assert_eq!(timers.remove(keys[number as usize]), Some(number));
        }
    }
    timers.check();
    assert_eq!(timers.len(), left.len());
    for due in left {
        assert_eq!(timers.next_deadline(), Some(due.0));
        assert_eq!(timers.pop_due(u64::MAX), Some(due));
    }
}

#[test]
fn b67_newcomers_send_the_end_of_the_run_back_into_the_wheel() {
    let mut timers = Timers::new();
    timers.insert(0, ());
    for number in 0..BURST {
        timers.insert(HOUR + scattered(number), ());
    }
    timers.pop_due(0);
    let in_run = timers.run.len();
    assert!(in_run > 0);
    let (first, end) = (timers.next_deadline().expect("many"), timers.near);
    for number in 0..2 * HEAP_LIMIT as u64 {
        timers.insert(first + number * ((end - first) / 500), ());
        // Each looks at all timers; Miri is slow.
        if number % 16 == 0 {
            timers.check();
        }
    }
    timers.check();
    assert!(timers.heap.len() <= HEAP_LIMIT && timers.run.len() < in_run);
    let mut before = 0;
    while let Some((deadline, ())) = timers.pop_due(u64::MAX) {
        assert!(before <= deadline);
        before = deadline;
    }
    timers.check();
}

#[test]
fn one_that_is_put_off_stays_where_it_is_until_its_turn_would_have_come() {
    let mut timers = Timers::new();
    let keys: Vec<_> = (1..=BURST)
        .map(|number| timers.insert(number, number))
        .collect();
    let places = |timers: &Timers<u64>| -> Vec<_> {
        let place = |key: &TimerKey| timers.slots.place(*key);
        keys.iter()
            .map(|key| place(key).map(|at| (at.bucket, at.position)))
            .collect()
    };
    let before = places(&timers);
    for (number, key) in (1..).zip(&keys) {
        timers.reset(*key, HOUR + BURST - number);
    }
    timers.check();
    assert_eq!(places(&timers), before);
    assert_eq!(timers.pop_due(HOUR - 1), None);
    for number in 0..BURST {
        assert_eq!(timers.next_deadline(), Some(HOUR + number));
        let due = Some((HOUR + number, BURST - number));
        assert_eq!(timers.pop_due(HOUR + number), due);
    }
    assert!(timers.is_empty());
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
        self.run.capacity() + self.heap.capacity() + self.wheel.capacity()
    }
}
