//! Every interleaving of a road's channel and of a reply: what is accepted is found, who waits is woken.
//!
//! And an outcome is taken or dropped once.
#![cfg(loom)]

#[allow(dead_code, unreachable_pub)]
#[path = "../src/mailbox/channel.rs"]
mod channel;
#[allow(dead_code, unreachable_pub)]
#[path = "../src/reply.rs"]
mod reply;

use std::collections::VecDeque;
use std::sync::Arc as StdArc;
use std::task::{Poll, Wake, Waker};

use channel::{Channel, Refusal};
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Notify};
use loom::thread;
use reply::Reply;

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

fn take<T>(channel: &Channel<T>) -> VecDeque<T> {
    let mut taken = VecDeque::new();
    channel.take(&mut taken);
    taken
}

/// Sends, and waits for room. `None` if it is closed.
fn send(channel: &Channel<u32>, message: u32) -> Option<()> {
    let (bell, waker) = Bell::new();
    let (mut seat, mut message) = (None, Some(message));
    loop {
        match channel.poll_push(&mut seat, &mut message, &waker) {
            Poll::Ready(sent) => return sent.ok().map(drop),
            Poll::Pending => bell.0.wait(),
        }
    }
}

#[test]
fn b57_what_is_accepted_is_found_by_the_end_and_what_comes_later_is_refused() {
    loom::model(|| {
        let channel = Arc::new(Channel::new(usize::MAX));
        let producers: Vec<_> = (0..2)
            .map(|who| {
                let channel = channel.clone();
                thread::spawn(move || {
                    let sent = [channel.push(who), channel.push(who)].map(|sent| sent.is_ok());
                    assert!(sent[0] || !sent[1], "closed for ever");
                    sent.into_iter().filter(|sent| *sent).count()
                })
            })
            .collect();
        let first = take(&channel).len();
        wake(channel.close());
        let rest = take(&channel).len();
        let accepted: usize = producers
            .into_iter()
            .map(|producer| producer.join().unwrap())
            .sum();
        assert_eq!(first + rest, accepted);
        assert_eq!(take(&channel).len(), 0);
        assert_eq!(channel.push(9), Err((Refusal::Closed, 9)));
    });
}

#[test]
fn e4_of_those_who_push_between_two_looks_exactly_one_is_the_first() {
    loom::model(|| {
        let channel = Arc::new(Channel::new(usize::MAX));
        let other = {
            let channel = channel.clone();
            thread::spawn(move || channel.push(1).is_ok_and(|is_first| is_first))
        };
        let own = channel.push(0).is_ok_and(|is_first| is_first);
        let found = take(&channel).len();
        let others = other.join().unwrap();
        let left = take(&channel).len();
        assert_eq!(found + left, 2);
        let rung = usize::from(own) + usize::from(others);
        assert_eq!(rung, usize::from(found > 0) + usize::from(left > 0));
    });
}

#[test]
fn b02_who_waits_for_room_is_woken_when_there_is_some() {
    loom::model(|| {
        let channel = Arc::new(Channel::new(1));
        let producers: Vec<_> = (0..2)
            .map(|who| {
                let channel = channel.clone();
                thread::spawn(move || send(&channel, who).expect("open"))
            })
            .collect();
        let mut found = 0;
        while found < 2 {
            let taken = take(&channel).len();
            assert!(taken <= 1, "more than there is room for");
            found += taken;
            wake(channel.give(taken));
            if taken == 0 {
                thread::yield_now();
            }
        }
        producers
            .into_iter()
            .for_each(|producer| producer.join().unwrap());
    });
}

#[test]
fn b46_room_that_was_granted_to_one_who_leaves_is_the_next_one_s() {
    loom::model(|| {
        let channel = Arc::new(Channel::new(1));
        channel.push(0).expect("room for one");
        let (_, waker) = Bell::new();
        let (mut seat, mut message) = (None, Some(1));
        assert!(
            channel
                .poll_push(&mut seat, &mut message, &waker)
                .is_pending()
        );
        let waiting = {
            let channel = channel.clone();
            thread::spawn(move || send(&channel, 2).expect("open"))
        };
        let leaving = {
            let (channel, seat) = (channel.clone(), seat.expect("it waits"));
            thread::spawn(move || wake(channel.leave(seat)))
        };
        let taken = take(&channel).len();
        wake(channel.give(taken));
        leaving.join().unwrap();
        waiting.join().unwrap();
        assert_eq!(take(&channel), [2]);
    });
}

#[test]
fn b57_the_close_wakes_who_waits_for_room() {
    loom::model(|| {
        let channel = Arc::new(Channel::new(1));
        channel.push(0).expect("room for one");
        let waiting = {
            let channel = channel.clone();
            thread::spawn(move || send(&channel, 1))
        };
        wake(channel.close());
        assert_eq!(waiting.join().unwrap(), None);
        assert_eq!(take(&channel), [0]);
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
