//! Words said in order, and entries driven by hand.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use tevent_queue::{QueueEntry, QueueError, QueueGuard, TeventQueue};
use tokio_test::task::{Spawn, spawn};

pub(crate) type Task = Spawn<QueueEntry>;

/// What was said so far, compared as a whole.
#[derive(Clone, Default)]
pub(crate) struct Trace(Rc<RefCell<Vec<String>>>);

impl Trace {
    pub(crate) fn say(&self, word: impl Into<String>) {
        self.0.borrow_mut().push(word.into());
    }

    #[track_caller]
    pub(crate) fn expect(&self, words: &[&str]) {
        assert_eq!(self.0.take(), words);
    }
}

/// A new entry as a task that has not been polled.
#[track_caller]
pub(crate) fn join(queue: &TeventQueue) -> Task {
    spawn(queue.entry())
}

/// A new entry that has been polled and waits.
#[track_caller]
pub(crate) fn wait(queue: &TeventQueue) -> Task {
    let mut task = join(queue);
    assert!(task.poll().is_pending());
    task
}

/// Polls an entry whose turn has come.
#[track_caller]
pub(crate) fn enter(task: &mut Task) -> QueueGuard {
    match task.poll() {
        Poll::Ready(Ok(guard)) => guard,
        other => panic!("the turn has not come: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn expect_closed(task: &mut Task) {
    assert!(matches!(task.poll(), Poll::Ready(Err(QueueError::Closed))));
}

/// Polls an entry with a waker of the test's.
pub(crate) fn poll_with(entry: &mut QueueEntry, waker: &Waker) -> Poll<()> {
    Pin::new(entry)
        .poll(&mut Context::from_waker(waker))
        .map(drop)
}

/// A waker that counts.
#[derive(Clone, Default)]
pub(crate) struct Counter(Arc<Count>);

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Counter {
    pub(crate) fn waker(&self) -> Waker {
        self.0.clone().into()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.0.load(Ordering::Relaxed)
    }
}
