//! Every interleaving of the doorbell and of posts: what is published before is seen before the sleep, or ends it.
#![cfg(loom)]

use std::sync::Arc as StdArc;
use std::task::{Wake, Waker};

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Arc, Notify};
use loom::thread;
use tevent_core::doorbell::Doorbell;
use tevent_core::line::{Line, Place};
use tevent_core::post::{self, Posted, Posts};

/// The descriptor that a sleeping loop waits on. A lost wake-up is a deadlock, which loom reports.
struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: StdArc<Self>) {
        self.0.notify();
    }
}

#[test]
fn b02_what_is_published_before_a_ring_is_seen_or_ends_the_sleep() {
    loom::model(|| {
        let bell = StdArc::new(Bell(Notify::new()));
        let doorbell = Arc::new(Doorbell::new(Waker::from(bell.clone())));
        let published = Arc::new(AtomicBool::new(false));
        doorbell.unpark();
        let (ringing, publication) = (doorbell.clone(), published.clone());
        let producer = thread::spawn(move || {
            publication.store(true, Ordering::Relaxed);
            ringing.ring_if_parked();
        });
        while !published.load(Ordering::Relaxed) {
            doorbell.park();
            if !published.load(Ordering::Relaxed) {
                bell.0.wait();
            }
            doorbell.unpark();
        }
        producer.join().unwrap();
    });
}

/// A loop that sleeps until a bell is posted, and calls it: what is published before a post is seen by a call after it,
/// and a lost wake-up is a deadlock, which loom reports.
struct Owner {
    sleep: StdArc<Bell>,
    doorbell: Arc<Doorbell>,
    posts: Arc<Posts>,
}

impl Owner {
    fn new() -> Self {
        let sleep = StdArc::new(Bell(Notify::new()));
        let doorbell = Arc::new(Doorbell::new(Waker::from(sleep.clone())));
        let posts = Arc::new(Posts::new(doorbell.clone()));
        doorbell.unpark();
        Self {
            sleep,
            doorbell,
            posts,
        }
    }

    fn bell(&self) -> Arc<post::Bell> {
        // The place of a bell is the owner's own affair; these models have one bell.
        Arc::new(post::Bell::new(
            self.posts.clone(),
            Line::<()>::new().join(()),
        ))
    }

    /// Waits until something is posted.
    fn wait(&self) -> Vec<Place> {
        loop {
            let mut batch = Vec::new();
            self.posts.accept(&mut batch);
            if !batch.is_empty() {
                return batch;
            }
            self.doorbell.park();
            if !self.posts.has_any() {
                self.sleep.0.wait();
            }
            self.doorbell.unpark();
        }
    }
}

#[test]
fn e7_what_is_published_before_a_post_is_seen_by_a_call_after_it() {
    loom::model(|| {
        let owner = Owner::new();
        let (bell, published) = (owner.bell(), Arc::new(AtomicUsize::new(0)));
        let producers: Vec<_> = (0..2)
            .map(|_| {
                let (bell, published) = (bell.clone(), published.clone());
                thread::spawn(move || {
                    published.fetch_add(1, Ordering::Relaxed);
                    assert_ne!(bell.post(), Posted::Closed);
                })
            })
            .collect();
        let (mut calls, mut seen) = (0, 0);
        while seen < 2 {
            assert_eq!(owner.wait().len(), 1, "a bell is on the list once");
            assert!(bell.begin());
            calls += 1;
            seen = published.load(Ordering::Relaxed);
        }
        assert!(calls <= 2);
        producers
            .into_iter()
            .for_each(|producer| producer.join().unwrap());
    });
}

#[test]
fn e17_a_post_that_races_with_the_end_is_queued_or_told_so() {
    loom::model(|| {
        let owner = Owner::new();
        let bell = owner.bell();
        let posting = bell.clone();
        let producer = thread::spawn(move || (posting.post(), posting.post()));
        bell.close();
        owner.posts.close();
        let (first, second) = producer.join().unwrap();
        assert!(first != Posted::Coalesced);
        assert!(
            second != Posted::Queued,
            "after the first, or after the end"
        );
        assert_eq!(bell.post(), Posted::Closed, "later ones are told");
        assert!(bell.is_closed() && !owner.posts.has_any());
    });
}
