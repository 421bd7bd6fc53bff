//! What shows only when very many timers, or rests, have come together.

use super::*;

fn insert_many(timers: &mut Timers<u64>, deadline: u64) {
    for number in 0..BURST {
        timers.insert(deadline, number);
    }
}

#[test]
fn b67_a_heap_of_timers_that_were_put_off_is_relieved_in_one_step() {
    let mut timers = Timers::new();
    let keys: Vec<_> = (0..BURST).map(|number| timers.insert(5, number)).collect();
    for key in &keys {
        timers.reset(*key, 5);
    }
    // Until the heap is longer than it may be. A call in a call for each of them would overflow the stack.
    insert_many(&mut timers, 5);
    timers.check();
    for number in (0..BURST).chain(0..BURST) {
        assert_eq!(timers.pop_due(5), Some((5, number)));
    }
}

/// So many, behind so few that the wheel has them all.
fn insert_many_far(timers: &mut Timers<u64>) {
    for _ in 0..=HEAP_LIMIT {
        timers.insert(0, 0);
    }
    insert_many(timers, HOUR + 1);
}

/// All but one have come.
fn rest_with_the_last(timers: &mut Timers<u64>) {
    while timers.len() > 1 {
        timers.pop_due(u64::MAX);
    }
    timers.rest_for_long();
    assert_eq!(timers.len(), 1);
    assert!(timers.run.capacity() <= RUN_LIMIT && timers.heap.capacity() <= 2 * HEAP_LIMIT);
}

#[test]
fn b55_a_heap_that_is_never_empty_gives_its_memory_back_at_rest() {
    let mut timers = Timers::new();
    insert_many(&mut timers, HOUR);
    assert_eq!(timers.heap.len() as u64, BURST);
    rest_with_the_last(&mut timers);
}

#[test]
fn b55_so_does_a_run_that_is_never_empty() {
    let mut timers = Timers::new();
    insert_many_far(&mut timers);
    while timers.pop_due(0).is_some() {}
    assert_eq!(timers.run.len() as u64, BURST);
    rest_with_the_last(&mut timers);
}

#[test]
fn b84_rests_are_counted_for_ever() {
    let mut timers = Timers::new();
    insert_many(&mut timers, HOUR);
    while timers.len() > 1 {
        timers.pop_due(HOUR);
    }
    timers.rest();
    timers.roomy_rests = u32::MAX;
    timers.rest();
    timers.pop_due(HOUR);
    assert_eq!(timers.slots.len(), 0);
}

#[test]
fn b55_or_when_the_next_bucket_is_sorted() {
    let mut timers = Timers::new();
    insert_many_far(&mut timers);
    timers.insert(2 * HOUR, 0);
    while timers.pop_due(HOUR + 1).is_some() {}
    assert_eq!(timers.len(), 1);
    assert!(timers.run.capacity() <= RUN_LIMIT);
}

#[test]
fn b67_a_heap_that_is_relieved_of_all_its_timers_goes_on_with_the_wheel() {
    let mut timers = Timers::new();
    timers.insert(100, 100);
    let keys: Vec<_> = (1..HEAP_LIMIT).map(|_| timers.insert(5, 5)).collect();
    for key in &keys {
        timers.reset(*key, HOUR);
    }
    timers.insert(50, 50);
    timers.check();
    assert_eq!(timers.pop_due(HOUR - 1), Some((50, 50)));
    assert_eq!(timers.pop_due(HOUR - 1), Some((100, 100)));
    assert_eq!(timers.pop_due(HOUR - 1), None);
}
