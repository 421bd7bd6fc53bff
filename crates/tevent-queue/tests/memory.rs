//! What the queue takes from the heap: nothing once it is warm, and a burst's memory comes back.
#![cfg(not(loom))]

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use futures::executor::LocalPool;
use tevent_queue::{QueueEntry, TeventQueue};
use tevent_testing::{Counting, allocations_so_far, bytes_held};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Idle;

impl Wake for Idle {
    fn wake(self: Arc<Self>) {}
}

/// A clone, because what comes from a clone is sure to be known by `will_wake`, also in Miri.
fn waker_of(task: &Arc<Idle>) -> Waker {
    Waker::from(task.clone()).clone()
}

fn poll(entry: &mut QueueEntry, waker: &Waker) -> Poll<()> {
    Pin::new(entry)
        .poll(&mut Context::from_waker(waker))
        .map(drop)
}

#[test]
fn b55_the_memory_of_a_million_waiters_comes_back() {
    let total = if cfg!(miri) { 200 } else { 1_000_000 };
    let queue = TeventQueue::new("q");
    let before = bytes_held();
    for way in ["served", "dropped", "closed"] {
        let waker = waker_of(&Arc::new(Idle));
        let holder = queue.try_entry().unwrap();
        let mut entries: Vec<_> = (0..total).map(|_| queue.entry()).collect();
        assert!(
            entries
                .iter_mut()
                .all(|entry| poll(entry, &waker).is_pending())
        );
        let each = (bytes_held() - before) as usize / total;
        assert!(each >= 40, "the waiters are counted");
        drop(holder);
        match way {
            "served" => assert!(
                entries
                    .iter_mut()
                    .all(|entry| poll(entry, &waker).is_ready())
            ),
            "closed" => queue.close(),
            _ => {}
        }
        drop((entries, waker));
        let kept = bytes_held() - before;
        assert!(kept <= 64 * 1024, "{kept} bytes after all were {way}");
    }
}

#[test]
fn no_allocation_once_warm() {
    let queue = TeventQueue::new("q");
    let wakers: Vec<Waker> = (0..50).map(|_| waker_of(&Arc::new(Idle))).collect();
    let mut entries: Vec<_> = wakers.iter().map(|_| queue.entry()).collect();
    let before = allocations_so_far();
    for _ in 0..20 {
        for (entry, waker) in entries.iter_mut().zip(&wakers) {
            // Enters, leaves, and is at the end of the line again.
            assert!(poll(entry, waker).is_ready());
            *entry = queue.entry();
            let _ = poll(entry, waker);
        }
    }
    assert_eq!(allocations_so_far() - before, 0);
}

#[test]
fn a_turn_that_goes_round_clones_no_waker() {
    let queue = TeventQueue::new("q");
    let tasks: Vec<Arc<Idle>> = (0..5).map(|_| Arc::new(Idle)).collect();
    let wakers: Vec<Waker> = tasks.iter().map(waker_of).collect();
    let mut entries: Vec<_> = tasks.iter().map(|_| queue.entry()).collect();
    for round in 0..10 {
        for n in 0..tasks.len() {
            let guard = Pin::new(&mut entries[n]).poll(&mut Context::from_waker(&wakers[n]));
            let before = Arc::strong_count(&tasks[n]);
            drop(guard);
            entries[n] = queue.entry();
            assert!(poll(&mut entries[n], &wakers[n]).is_pending());
            let cloned = Arc::strong_count(&tasks[n]) - before;
            assert_eq!(cloned, usize::from(round == 0), "task {n} in round {round}");
        }
    }
}

#[test]
fn b55_driven_work_leaves_nothing_behind() {
    let (queue, mut pool) = (TeventQueue::new("q"), LocalPool::new());
    let spawner = pool.spawner();
    let mut round = || {
        for _ in 0..100 {
            queue.add_on(&spawner, async {}).detach();
        }
        pool.run_until_stalled();
        assert!(queue.is_empty());
    };
    round();
    let before = bytes_held();
    (0..5).for_each(|_| round());
    assert_eq!(bytes_held(), before);
}
