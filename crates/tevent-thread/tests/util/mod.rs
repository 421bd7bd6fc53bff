//! What the tests of this crate share.
#![allow(dead_code, unreachable_pub, missing_docs)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use tevent_context::{Context, Turn};

/// Runs a test that could hang on a thread of its own, with a limit that is never reached by one that does not.
pub fn in_time(test: impl FnOnce() + Send + 'static) {
    within(Duration::from_secs(120), test);
}

/// The same with another limit.
pub fn within(limit: Duration, test: impl FnOnce() + Send + 'static) {
    let (done, over) = mpsc::channel::<()>();
    let running = thread::spawn(move || {
        let _done = done; // dropped at the end, whatever it is
        test();
    });
    let waited = over.recv_timeout(limit);
    assert_eq!(waited, Err(RecvTimeoutError::Disconnected), "it hangs");
    if let Err(panic) = running.join() {
        std::panic::resume_unwind(panic);
    }
}

pub fn context() -> Context {
    Context::new().expect("descriptors for one loop")
}

/// One turn that does not wait.
pub fn turn(context: &Context) -> Turn {
    context.turn(Some(Duration::ZERO)).expect("the poll works")
}

/// Turns until there is nothing to do.
pub fn settle(context: &Context) {
    while turn(context).more {}
}

/// Words from any thread, in the order in which they were said.
#[derive(Clone, Default)]
pub struct Words(Arc<Mutex<Vec<String>>>);

impl Words {
    pub fn say(&self, word: impl Into<String>) {
        self.0.lock().expect("no panic").push(word.into());
    }

    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
    }

    #[track_caller]
    pub fn expect(&self, words: &[&str]) {
        assert_eq!(self.take(), words);
    }
}

/// Says the thread on which it is dropped.
pub struct Dropped(pub Arc<Mutex<Vec<ThreadId>>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let mut threads = self.0.lock().expect("no panic");
        threads.push(thread::current().id());
    }
}

/// A waker that knows whether it was woken.
#[derive(Default)]
pub struct Woken(AtomicBool);

impl Woken {
    pub fn new() -> (Arc<Self>, Waker) {
        let woken = Arc::new(Self::default());
        (Arc::clone(&woken), Waker::from(woken))
    }

    /// Whether it was, since it was asked last.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Polls once.
pub fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> std::task::Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut std::task::Context::from_waker(waker))
}

/// Runs on another thread and waits for its end.
pub fn elsewhere<R: Send + 'static>(act: impl FnOnce() -> R + Send + 'static) -> R {
    match thread::spawn(act).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
