//! Every interleaving of the doorbell: what is published before a ring is seen before the sleep, or ends it.
#![cfg(loom)]

use std::sync::Arc as StdArc;
use std::task::{Wake, Waker};

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Notify};
use loom::thread;
use tevent_core::doorbell::Doorbell;

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
