//! Waiting until every task has been polled for the first time, on any executor.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

static MISSING: AtomicU64 = AtomicU64::new(0);
static WAITING: Mutex<Option<Waker>> = Mutex::new(None);

/// So many tasks will come.
pub(super) fn expect(tasks: u64) {
    MISSING.store(tasks, SeqCst);
}

/// Said by a task in its first poll.
pub(super) fn arrive() {
    if MISSING.fetch_sub(1, SeqCst) == 1
        && let Some(waker) = waiting().take()
    {
        waker.wake();
    }
}

pub(super) async fn all_have_arrived() {
    poll_fn(|cx| {
        *waiting() = Some(cx.waker().clone());
        if MISSING.load(SeqCst) == 0 {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
}

fn waiting() -> std::sync::MutexGuard<'static, Option<Waker>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}
