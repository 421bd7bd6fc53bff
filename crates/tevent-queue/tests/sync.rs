//! The face for threads: the same rules, seen from several threads.
#![cfg(not(loom))]

use std::{
    pin::Pin,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

use futures::executor::block_on;
use tevent_queue::{
    Drain, QueueBlock, QueueEntry, QueueError, QueueGuard, SyncTeventQueue, TeventQueue, Threads,
};

const THREADS: usize = 4;
const TURNS: usize = if cfg!(miri) { 20 } else { 5_000 };

#[test]
fn everything_may_go_to_another_thread() {
    fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<SyncTeventQueue>();
    assert_send_sync::<QueueEntry<Threads>>();
    assert_send_sync::<QueueGuard<Threads>>();
    assert_send_sync::<QueueBlock<Threads>>();
    assert_send_sync::<Drain<Threads>>();
}

#[test]
fn b49_places_are_served_in_the_order_in_which_they_were_taken() {
    let queue = SyncTeventQueue::shared("q");
    let (taken, served) = (Mutex::new(0), Mutex::new(Vec::new()));
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                for _ in 0..TURNS {
                    // The lock makes number and place one step.
                    let (number, entry) = {
                        let mut next = taken.lock().unwrap();
                        *next += 1;
                        (*next, queue.entry())
                    };
                    let _turn = block_on(entry).unwrap();
                    served.try_lock().expect("one turn at a time").push(number);
                }
            });
        }
    });
    let total = THREADS * TURNS;
    assert_eq!(
        served.into_inner().unwrap(),
        (1..=total).collect::<Vec<_>>()
    );
    assert_eq!((queue.stats().grants, queue.len()), (total as u64, 0));
}

#[test]
fn permits_are_never_exceeded_and_all_used() {
    const PERMITS: usize = 3;
    let queue = TeventQueue::builder("q").permits(PERMITS).build_shared();
    let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let together = Barrier::new(PERMITS);
    thread::scope(|scope| {
        for number in 0..2 * PERMITS {
            let (queue, inside, most, together) = (&queue, &inside, &most, &together);
            scope.spawn(move || {
                let _turn = block_on(queue.entry().tagged(number as u64)).unwrap();
                most.fetch_max(
                    inside.fetch_add(1, Ordering::Relaxed) + 1,
                    Ordering::Relaxed,
                );
                // Passed only by as many as there are permits, all inside at once.
                together.wait();
                inside.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    assert_eq!(most.into_inner(), PERMITS);
}

#[test]
fn q14_the_last_handle_on_any_thread_closes_and_a_guard_elsewhere_finishes() {
    let queue = SyncTeventQueue::shared("q");
    let guard = queue.try_entry().unwrap();
    let waiting: Vec<_> = (0..100).map(|_| queue.entry()).collect();
    thread::scope(|scope| {
        let waiters = scope.spawn(move || {
            for entry in waiting {
                assert_eq!(block_on(entry).unwrap_err(), QueueError::Closed);
            }
        });
        scope.spawn(move || drop(queue));
        waiters.join().unwrap();
        assert_eq!(guard.queue_name(), "q");
        scope.spawn(move || drop(guard));
    });
}

/// Comes back to the queue from inside the wake.
struct Reenter(Mutex<Option<SyncTeventQueue>>, AtomicUsize);

impl Wake for Reenter {
    fn wake(self: Arc<Self>) {
        let queue = self.0.lock().unwrap();
        let queue = queue.as_ref().expect("set before the wake");
        drop(queue.entry());
        queue.stop();
        queue.start();
        assert!(!format!("{queue:?}").is_empty());
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn b16_a_waker_may_come_back_to_the_queue_that_wakes_it() {
    let queue = SyncTeventQueue::shared("q");
    let holder = queue.try_entry().unwrap();
    let reenter = Arc::new(Reenter(
        Mutex::new(Some(queue.clone())),
        AtomicUsize::new(0),
    ));
    let waker = Waker::from(reenter.clone());
    let mut cx = Context::from_waker(&waker);
    let mut next = queue.entry();
    assert!(Pin::new(&mut next).poll(&mut cx).is_pending());
    drop(holder);
    // The stop inside the wake took the grant back; the start gave it again.
    assert!(reenter.1.load(Ordering::Relaxed) >= 1);
    assert!(matches!(
        Pin::new(&mut next).poll(&mut cx),
        Poll::Ready(Ok(_))
    ));
    reenter.0.lock().unwrap().take();
}
