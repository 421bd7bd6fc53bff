//! Waiting until so many tasks have come to a place, on any executor of one thread.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

thread_local! {
    static MISSING: Cell<u64> = const { Cell::new(0) };
    static WAITING: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

/// So many tasks will come.
pub(crate) fn expect(tasks: u64) {
    MISSING.set(tasks);
}

/// Said by a task that has come.
pub(crate) fn arrive() {
    MISSING.set(MISSING.get() - 1);
    if MISSING.get() == 0
        && let Some(waker) = WAITING.take()
    {
        waker.wake();
    }
}

pub(crate) async fn all_have_arrived() {
    poll_fn(|cx| {
        if MISSING.get() == 0 {
            return Poll::Ready(());
        }
        WAITING.set(Some(cx.waker().clone()));
        Poll::Pending
    })
    .await;
}
