//! What the tests of requests share: a loop on a virtual clock, and a trace with its time.
#![allow(dead_code, unreachable_pub, missing_docs)]

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, Instant};

use futures::FutureExt;
use tevent_context::{Context, VirtualClock};
use tevent_request::State;

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
        self.trace.start + ms(millis)
    }

    /// Calls a function while the context runs.
    pub fn inside<R>(&self, call: impl FnOnce() -> R) -> R {
        self.context
            .block_on(std::future::ready(()).map(|()| call()))
    }

    /// Runs one turn after the other until nothing is ready; time stands still.
    pub fn settle(&self) {
        while self
            .context
            .turn(Some(Duration::ZERO))
            .expect("a turn")
            .more
        {}
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

    /// A cleanup that notes each state.
    pub fn cleanup(&self, name: &'static str) -> impl FnMut(State) + 'static {
        let trace = self.clone();
        move |state| trace.say(format!("{name} {state:?}"))
    }

    /// Notes a word when it is dropped.
    pub fn on_drop(&self, word: impl Into<String>) -> SayOnDrop {
        SayOnDrop(self.clone(), word.into())
    }

    #[track_caller]
    pub fn expect(&self, words: &[&str]) {
        assert_eq!(*self.words.borrow(), words);
        self.words.borrow_mut().clear();
    }
}

pub struct SayOnDrop(Trace, String);

impl Drop for SayOnDrop {
    fn drop(&mut self) {
        self.0.say(&self.1);
    }
}

/// Polls once, with a waker that does nothing.
pub fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut TaskContext::from_waker(Waker::noop()))
}
