//! What the tests of doorbells share: a trace, and a limit of time.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tevent_context::{Context, Turn, VirtualClock};
use tevent_thread::{Event, EventHandle};

/// A context on a virtual clock, and a trace.
pub(crate) struct Rig {
    pub(crate) context: Context,
    pub(crate) trace: Trace,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let context = Context::builder()
            .virtual_clock(&VirtualClock::new())
            .build()
            .expect("descriptors for one loop");
        Self {
            context,
            trace: Trace::default(),
        }
    }

    pub(crate) fn turn(&self) -> Turn {
        let turned = self.context.turn(Some(Duration::ZERO));
        turned.expect("the poll works")
    }

    /// An event that says a word whenever it is called.
    #[track_caller]
    pub(crate) fn saying(&self, word: &'static str) -> Event {
        let trace = self.trace.clone();
        self.event(move |_| trace.say(word))
    }

    #[track_caller]
    pub(crate) fn event(&self, handler: impl FnMut(&EventHandle) + 'static) -> Event {
        Event::new(&self.context.handle(), handler).expect("a living loop")
    }

    #[track_caller]
    pub(crate) fn awaited(&self) -> Event {
        Event::without_handler(&self.context.handle()).expect("a living loop")
    }
}

#[derive(Clone, Default)]
pub(crate) struct Trace(Rc<RefCell<Vec<String>>>);

impl Trace {
    pub(crate) fn say(&self, word: impl AsRef<str>) {
        self.0.borrow_mut().push(word.as_ref().to_owned());
    }

    /// Compares all that was said since the last look.
    #[track_caller]
    pub(crate) fn expect(&self, words: &[&str]) {
        assert_eq!(self.0.take(), words);
    }
}

/// Runs what may hang on a thread of its own, and fails if it takes longer.
#[track_caller]
pub(crate) fn within<R: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> R + Send + 'static,
) -> R {
    let (sender, done) = mpsc::channel();
    let working = thread::spawn(move || drop(sender.send(work())));
    match done.recv_timeout(limit) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            let panic = working.join().expect_err("it has sent nothing");
            std::panic::resume_unwind(panic)
        }
    }
}

/// So many, fewer without optimisation: that is ten times slower.
pub(crate) fn times(full: u64) -> u64 {
    if cfg!(debug_assertions) {
        full / 10
    } else {
        full
    }
}
