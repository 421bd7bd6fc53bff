//! Posts of several threads against calls, drops and ends. What is left to luck here is proved by loom in the core.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tevent_context::Context;
use tevent_thread::{Event, EventPoster, Posted};

use crate::util::{times, within};

const LIMIT: Duration = Duration::from_secs(100);

fn context() -> Context {
    Context::new().expect("descriptors for one loop")
}

/// The race of 2012: a node unlinked outside the lock while another thread posted it.
#[test]
fn b59_e7_each_post_is_followed_by_a_call_that_sees_what_was_published() {
    let upto = times(300_000);
    within(LIMIT, move || {
        let context = context();
        let published = [(); 3].map(|()| Arc::new(AtomicU64::new(0)));
        let seen = published.clone();
        let event = Event::new(&context.handle(), move |this| {
            if seen.iter().all(|seen| seen.load(Ordering::Relaxed) == upto) {
                this.close();
            }
        });
        let event = event.expect("a living loop");
        let producers = published.map(|published| {
            let poster = event.poster();
            thread::spawn(move || {
                for number in 1..=upto {
                    published.store(number, Ordering::Relaxed);
                    let _ = poster.post();
                }
            })
        });
        context.run().expect("a lost post is a hang");
        for producer in producers {
            producer.join().expect("no panic");
        }
    });
}

#[test]
fn e17_changed_posts_that_race_with_the_drop_of_the_event_reach_nothing() {
    let rounds = times(20_000);
    within(LIMIT, move || {
        let context = context();
        let (hand_over, posters) = mpsc::channel::<EventPoster>();
        let posting = thread::spawn(move || {
            let mut closed = 0_u64;
            for poster in posters {
                while poster.post() != Posted::Closed {}
                closed += 1;
            }
            closed
        });
        for round in 0..rounds {
            let event = Event::new(&context.handle(), |_| ()).expect("a living loop");
            hand_over.send(event.poster()).expect("it listens");
            if round % 3 != 0 {
                context.turn(Some(Duration::ZERO)).expect("the poll works");
            }
            drop(event);
        }
        drop(hand_over);
        assert_eq!(posting.join().expect("no panic"), rounds);
        while context
            .turn(Some(Duration::ZERO))
            .expect("the poll works")
            .more
        {}
    });
}

#[test]
fn b57_b08_posts_that_race_with_the_end_of_the_context_reach_nothing() {
    let rounds = times(2_000);
    within(LIMIT, move || {
        for _ in 0..rounds {
            let context = context();
            let event = Event::new(&context.handle(), |_| ()).expect("a living loop");
            let producers = [(); 2].map(|()| {
                let poster = event.poster();
                thread::spawn(move || while poster.post() != Posted::Closed {})
            });
            context.turn(Some(Duration::ZERO)).expect("the poll works");
            drop(context);
            assert_eq!(event.post(), Posted::Closed);
            for producer in producers {
                producer.join().expect("no panic");
            }
        }
    });
}

/// `test.mt/iv_event_test` and its benchmark: two loops post each other, and end by a handshake.
#[test]
fn b62_two_loops_post_each_other_and_end_in_order() {
    let trips = times(50_000);
    within(LIMIT, move || {
        let (to_there, from_here) = mpsc::channel();
        let (to_here, from_there) = mpsc::channel();
        let other = thread::spawn(move || volley(trips, false, &to_here, &from_here));
        assert_eq!(volley(trips, true, &to_there, &from_there), trips);
        assert_eq!(other.join().expect("no panic"), trips);
    });
}

/// A loop whose event posts the other's until it was called so often; returns how often it was.
fn volley(
    trips: u64,
    begins: bool,
    there: &mpsc::Sender<EventPoster>,
    from: &mpsc::Receiver<EventPoster>,
) -> u64 {
    let (context, called) = (context(), Arc::new(AtomicU64::new(0)));
    let event = Event::without_handler(&context.handle()).expect("a living loop");
    there.send(event.poster()).expect("it listens");
    let peer = from.recv().expect("it has sent its own");
    if begins {
        assert_eq!(peer.post(), Posted::Queued);
    }
    let count = Arc::clone(&called);
    event.set_handler(move |this| {
        let calls = count.fetch_add(1, Ordering::Relaxed) + 1;
        if !begins || calls < trips {
            assert_eq!(peer.post(), Posted::Queued);
        }
        if calls == trips {
            this.close();
        }
    });
    context.run().expect("ends after the last trip");
    called.load(Ordering::Relaxed)
}

#[test]
fn b61_a_producer_at_full_speed_does_not_hold_the_loop() {
    within(LIMIT, || {
        let (context, over) = (context(), Arc::new(AtomicBool::new(false)));
        let event = Event::new(&context.handle(), |_| ()).expect("a living loop");
        event.keep_running(false);
        let (poster, is_over) = (event.poster(), Arc::clone(&over));
        let producer = thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                let _ = poster.post();
            }
        });
        let turns = 1000;
        context.block_on(async move {
            for _ in 0..turns {
                tevent_context::yield_now().await;
            }
            tevent_context::sleep(Duration::from_millis(5)).await;
        });
        over.store(true, Ordering::Relaxed);
        producer.join().expect("no panic");
    });
}
