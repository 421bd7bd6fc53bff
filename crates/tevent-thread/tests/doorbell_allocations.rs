//! A post allocates nothing. Alone in its binary, as it counts what the allocator does.

use std::time::Duration;

use tevent_context::Context;
use tevent_testing::{Counting, allocations_so_far};
use tevent_thread::{Event, Posted, RawEvent};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(act: impl FnOnce()) -> usize {
    let before = allocations_so_far();
    act();
    allocations_so_far() - before
}

#[test]
fn e1_a_post_allocates_nothing_and_neither_does_its_call() {
    let context = Context::new().expect("descriptors for one loop");
    let handle = context.handle();
    let events: Vec<Event> = (0..200)
        .map(|_| Event::new(&handle, |_| ()).expect("a living loop"))
        .collect();
    let posters: Vec<_> = events.iter().map(|event| event.poster()).collect();
    let turn = || {
        let turned = context.turn(Some(Duration::ZERO)).expect("the poll works");
        turned.messages
    };
    let post_all = || {
        for poster in &posters {
            assert_eq!(poster.post(), Posted::Queued);
            assert_eq!(poster.post(), Posted::Coalesced);
        }
    };
    assert_eq!(allocations(post_all), 0, "also the first time");
    assert_eq!(turn(), 200);
    let warm = allocations(|| {
        for _ in 0..10 {
            post_all();
            assert_eq!(turn(), 200);
        }
    });
    assert_eq!(warm, 0);
    drop(events);
    let closed = || assert!(posters.iter().all(|poster| poster.post() == Posted::Closed));
    assert_eq!(allocations(closed), 0);
}

#[test]
fn r4_a_raw_post_allocates_nothing() {
    let context = Context::new().expect("descriptors for one loop");
    let event = RawEvent::new(&context.handle(), |_, _| ()).expect("a descriptor");
    let poster = event.poster();
    assert_eq!(allocations(|| (0..100).for_each(|_| poster.post())), 0);
}
