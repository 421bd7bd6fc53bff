//! Posts: coalesced, in order of the first one, never allocated for.
#![cfg(not(loom))]

use std::sync::Arc;
use std::task::Waker;

use tevent_core::doorbell::Doorbell;
use tevent_core::line::{Line, Place};
use tevent_core::post::{Bell, Posted, Posts};

/// Bells by number, and the places by which the owner knows them.
struct Bells {
    posts: Arc<Posts>,
    places: Line<usize>,
    bells: Vec<Bell>,
}

impl Bells {
    fn new(count: usize) -> Self {
        let doorbell = Arc::new(Doorbell::new(Waker::noop().clone()));
        let posts = Arc::new(Posts::new(doorbell));
        let mut places = Line::new();
        let bells = (0..count)
            .map(|number| Bell::new(Arc::clone(&posts), places.join(number)))
            .collect();
        Self {
            posts,
            places,
            bells,
        }
    }

    /// What is on the list, by number.
    fn accept(&self) -> Vec<usize> {
        let mut batch: Vec<Place> = Vec::new();
        self.posts.accept(&mut batch);
        let number = |place| *self.places.get(place).expect("a bell that is open");
        batch.into_iter().map(number).collect()
    }
}

#[test]
fn e6_bells_are_called_in_the_order_of_their_first_post() {
    let line = Bells::new(5);
    let posted = [3, 1, 4, 1, 0, 3].map(|number: usize| line.bells[number].post());
    use Posted::{Coalesced, Queued};
    assert_eq!(
        posted,
        [Queued, Queued, Queued, Coalesced, Queued, Coalesced]
    );
    assert!(line.posts.has_any());
    assert_eq!(line.accept(), [3, 1, 4, 0]);
    assert!(!line.posts.has_any(), "or the loop would never sleep");
    assert_eq!(line.accept(), []);
}

#[test]
fn e4_a_post_coalesces_until_the_bell_is_begun() {
    let line = Bells::new(1);
    let bell = &line.bells[0];
    assert_eq!(bell.post(), Posted::Queued);
    assert_eq!(line.accept(), [0]);
    assert_eq!(bell.post(), Posted::Coalesced, "accepted, not begun");
    assert!(bell.begin());
    assert_eq!(bell.post(), Posted::Queued);
    assert_eq!(line.accept(), [0]);
}

#[test]
fn e16_a_bell_that_is_closed_is_not_begun() {
    let line = Bells::new(1);
    let bell = &line.bells[0];
    assert_eq!(bell.post(), Posted::Queued);
    bell.close();
    assert_eq!(
        line.accept(),
        [0],
        "its place leads nowhere; here it is kept"
    );
    assert!(!bell.begin());
    assert_eq!(bell.post(), Posted::Closed);
}

#[test]
fn e20_the_end_of_the_list_closes_its_bells() {
    let line = Bells::new(2);
    assert_eq!(line.bells[0].post(), Posted::Queued);
    line.posts.close();
    assert!(!line.posts.has_any());
    assert_eq!(line.bells[1].post(), Posted::Closed);
    assert!(line.bells[1].is_closed());
    assert_eq!(line.accept(), []);
}

#[test]
fn b81_a_bell_that_is_abandoned_is_closed_and_its_list_does_not_know() {
    let line = Bells::new(2);
    assert_eq!(line.bells[0].post(), Posted::Queued);
    let before = format!("{:?}", line.posts);
    line.bells[0].abandon();
    assert!(line.bells[0].is_closed() && !line.bells[0].begin());
    assert_eq!(line.bells[0].post(), Posted::Closed);
    assert_eq!(format!("{:?}", line.posts), before);
}
