//! Every interleaving of the room on a road and of a reply: who waits is woken, an outcome is taken or dropped once.
#![cfg(loom)]

#[allow(dead_code, unreachable_pub)]
#[path = "../src/reply.rs"]
mod reply;
#[allow(dead_code, unreachable_pub)]
#[path = "../src/mailbox/room.rs"]
mod room;

use std::sync::Arc as StdArc;
use std::task::{Poll, Wake, Waker};

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Notify};
use loom::thread;
use reply::Reply;
use room::{Refusal, Room};

/// What a waiting thread sleeps on. A lost wake-up is a deadlock, which loom reports.
struct Bell(Notify);

impl Bell {
    fn new() -> (StdArc<Self>, Waker) {
        let bell = StdArc::new(Self(Notify::new()));
        (bell.clone(), Waker::from(bell))
    }
}

impl Wake for Bell {
    fn wake(self: StdArc<Self>) {
        self.0.notify();
    }
}

fn wake(wakers: Vec<Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}

/// Waits for room. `None` if it is closed.
fn take(room: &Room) -> Option<()> {
    let (bell, waker) = Bell::new();
    let mut seat = None;
    loop {
        match room.poll_take(&mut seat, &waker) {
            Poll::Ready(taken) => return taken.ok(),
            Poll::Pending => bell.0.wait(),
        }
    }
}

#[test]
fn b02_who_waits_for_room_is_woken_when_there_is_some() {
    loom::model(|| {
        let (room, there) = (Arc::new(Room::new(1)), Arc::new(AtomicUsize::new(0)));
        let producers: Vec<_> = (0..2)
            .map(|_| {
                let (room, there) = (room.clone(), there.clone());
                thread::spawn(move || {
                    take(&room).expect("open");
                    there.fetch_add(1, Ordering::Relaxed);
                })
            })
            .collect();
        let mut found = 0;
        while found < 2 {
            let here = there.swap(0, Ordering::Relaxed);
            assert!(here <= 1, "more than there is room for");
            found += here;
            if here == 0 {
                thread::yield_now();
            } else {
                wake(room.give(here));
            }
        }
        producers
            .into_iter()
            .for_each(|producer| producer.join().unwrap());
        assert_eq!(room.take(), Ok(()));
        assert_eq!(room.take(), Err(Refusal::Full));
    });
}

#[test]
fn b46_room_that_was_granted_to_one_who_leaves_is_the_next_one_s() {
    loom::model(|| {
        let room = Arc::new(Room::new(1));
        room.take().expect("room for one");
        let (_, waker) = Bell::new();
        let mut seat = None;
        assert!(room.poll_take(&mut seat, &waker).is_pending());
        let waiting = {
            let room = room.clone();
            thread::spawn(move || take(&room).expect("open"))
        };
        let leaving = {
            let (room, seat) = (room.clone(), seat.expect("it waits"));
            thread::spawn(move || wake(room.leave(seat)))
        };
        wake(room.give(1));
        leaving.join().unwrap();
        waiting.join().unwrap();
        assert_eq!(room.take(), Err(Refusal::Full));
    });
}

#[test]
fn b57_the_close_wakes_who_waits_for_room() {
    loom::model(|| {
        let room = Arc::new(Room::new(1));
        room.take().expect("room for one");
        let waiting = {
            let room = room.clone();
            thread::spawn(move || take(&room))
        };
        wake(room.close());
        assert_eq!(waiting.join().unwrap(), None);
        assert_eq!(room.take(), Err(Refusal::Closed));
    });
}

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn b02_whoever_asked_is_woken_by_the_outcome() {
    loom::model(|| {
        let reply = Arc::new(Reply::new(()));
        let working = {
            let reply = reply.clone();
            thread::spawn(move || reply.finish(7))
        };
        let (bell, waker) = Bell::new();
        let outcome = loop {
            match reply.poll(&waker) {
                Poll::Ready(outcome) => break outcome,
                Poll::Pending => bell.0.wait(),
            }
        };
        assert_eq!(outcome, Some(7));
        working.join().unwrap();
    });
}

#[test]
fn b20_an_outcome_that_races_with_the_last_drop_is_dropped_once() {
    loom::model(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let reply = Arc::new(Reply::new(()));
        let working = {
            let (reply, outcome) = (reply.clone(), Counted(drops.clone()));
            thread::spawn(move || reply.finish(outcome))
        };
        reply.cancel();
        drop(reply);
        working.join().unwrap();
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn b01_a_cancel_is_seen_before_the_work_waits_or_wakes_it() {
    loom::model(|| {
        let reply = Arc::new(Reply::<(), ()>::new(()));
        let asking = {
            let reply = reply.clone();
            thread::spawn(move || reply.cancel())
        };
        let (bell, waker) = Bell::new();
        while !reply.poll_cancelled(&waker) {
            bell.0.wait();
        }
        asking.join().unwrap();
    });
}

#[test]
fn b18_work_that_is_cancelled_before_it_begins_is_begun_or_dropped_by_the_loop() {
    loom::model(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let reply = Arc::new(Reply::<_, ()>::new(Counted(drops.clone())));
        let asking = {
            let (reply, drops) = (reply.clone(), drops.clone());
            thread::spawn(move || {
                let before = drops.load(Ordering::Relaxed);
                reply.cancel();
                before
            })
        };
        let begun = reply.begin();
        let dropped = drops.load(Ordering::Relaxed);
        assert_eq!(begun.is_none(), dropped == 1);
        assert!(reply.begin().is_none(), "once");
        asking.join().unwrap();
        drop(begun);
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    });
}
