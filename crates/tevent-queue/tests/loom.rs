//! Every interleaving of two threads at one queue: turns exclude each other, and none is lost.
#![cfg(loom)]

use std::{
    future::Future,
    pin::pin,
    sync::Arc as StdArc,
    task::{Context, Poll, Wake, Waker},
};

use loom::{
    cell::UnsafeCell,
    sync::{Arc, Notify},
    thread,
};
use tevent_queue::{QueueError, SyncTeventQueue};

struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: StdArc<Self>) {
        self.0.notify();
    }
}

/// A turn that is granted and not told is a deadlock, which loom reports.
fn block_on<F: Future>(future: F) -> F::Output {
    let bell = StdArc::new(Bell(Notify::new()));
    let waker = Waker::from(bell.clone());
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => bell.0.wait(),
        }
    }
}

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn b49_turns_of_two_threads_exclude_each_other() {
    loom::model(|| {
        let queue = SyncTeventQueue::shared("q");
        // Loom reports two threads that are in here at once.
        let section = Arc::new(UnsafeCell::new(0));
        let work = |queue: SyncTeventQueue, section: Arc<UnsafeCell<i32>>| {
            let _turn = block_on(queue.entry()).expect("open");
            section.with_mut(|section| {
                // SAFETY: the turn is held, and loom watches.
                unsafe { *section += 1 }
            });
        };
        let other = {
            let (queue, section) = (queue.clone(), section.clone());
            thread::spawn(move || work(queue, section))
        };
        work(queue.clone(), section.clone());
        other.join().unwrap();
        assert_eq!((queue.stats().grants, queue.len()), (2, 0));
    });
}

#[test]
fn b46_a_waiter_that_goes_while_it_is_granted_passes_the_turn_on() {
    loom::model(|| {
        let queue = SyncTeventQueue::shared("q");
        let holder = queue.try_entry().unwrap();
        let mut fickle = queue.entry();
        assert!(poll_once(&mut fickle).is_pending());
        let last = queue.entry();
        let leaving = thread::spawn(move || drop(fickle));
        let releasing = thread::spawn(move || drop(holder));
        drop(block_on(last).unwrap());
        leaving.join().unwrap();
        releasing.join().unwrap();
        assert!(queue.is_empty());
    });
}

#[test]
fn b50_a_stop_beside_a_release_takes_the_grant_back_or_leaves_it_never_half() {
    loom::model(|| {
        let queue = SyncTeventQueue::shared("q");
        let holder = queue.try_entry().unwrap();
        let next = queue.entry();
        let releasing = thread::spawn(move || drop(holder));
        let gate = queue.clone();
        let stopping = thread::spawn(move || {
            gate.stop();
            gate.start();
        });
        drop(block_on(next).unwrap());
        releasing.join().unwrap();
        stopping.join().unwrap();
        assert_eq!(queue.stats().grants, 2);
    });
}

#[test]
fn q14_a_close_beside_a_release_leaves_nobody_waiting() {
    loom::model(|| {
        let queue = SyncTeventQueue::shared("q");
        let holder = queue.try_entry().unwrap();
        let waiting = queue.entry();
        let releasing = thread::spawn(move || drop(holder));
        // The last handle goes: closed.
        let closing = thread::spawn(move || drop(queue));
        match block_on(waiting) {
            Ok(turn) => drop(turn),
            Err(error) => assert_eq!(error, QueueError::Closed),
        }
        releasing.join().unwrap();
        closing.join().unwrap();
    });
}

#[test]
fn a_drain_beside_the_last_release_is_told() {
    loom::model(|| {
        let queue = SyncTeventQueue::shared("q");
        let holder = queue.try_entry().unwrap();
        let releasing = thread::spawn(move || drop(holder));
        block_on(queue.drain());
        releasing.join().unwrap();
        assert!(queue.is_empty());
    });
}
