//! What the context's tests share: a trace with the time of a virtual clock.
#![allow(dead_code, unreachable_pub, missing_docs)]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tevent_context::{Context, VirtualClock};

/// A context on a virtual clock, and a trace whose words carry the milliseconds since its start.
pub struct Rig {
    pub context: Context,
    pub clock: VirtualClock,
    pub trace: Trace,
}

impl Rig {
    pub fn new() -> Self {
        let clock = VirtualClock::new();
        let context = Context::builder()
            .virtual_clock(&clock)
            .build()
            .expect("descriptors for one loop");
        let trace = Trace {
            clock: clock.clone(),
            start: clock.now(),
            words: Rc::default(),
        };
        Self {
            context,
            clock,
            trace,
        }
    }

    pub fn at(&self, millis: u64) -> Instant {
        self.trace.start + Duration::from_millis(millis)
    }
}

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[derive(Clone)]
pub struct Trace {
    clock: VirtualClock,
    start: Instant,
    words: Rc<RefCell<Vec<String>>>,
}

impl Trace {
    /// Notes a word, as `millis: word`.
    pub fn say(&self, word: impl AsRef<str>) {
        let millis = (self.clock.now() - self.start).as_millis();
        self.words
            .borrow_mut()
            .push(format!("{millis}: {}", word.as_ref()));
    }

    #[track_caller]
    pub fn expect(&self, words: &[&str]) {
        assert_eq!(*self.words.borrow(), words);
        self.words.borrow_mut().clear();
    }
}

/// Whether the context's descriptor is readable now.
pub fn is_readable(context: &Context) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut watched = [PollFd::new(context, PollFlags::IN)];
    poll(&mut watched, Some(&Timespec::default())).expect("poll") == 1
}

#[track_caller]
pub fn assert_readable(context: &Context) {
    assert!(is_readable(context), "a host would sleep over it");
}
