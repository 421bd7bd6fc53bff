//! The handle of a task on another loop: await it, wait for it, cancel it, or let it run on.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tevent_context::{Handle, TaskError};
use tevent_core::asked;

use super::answer::Outcome;
use crate::park;
use crate::reply::Reply;

/// A task on the loop of a proxy, as a future of its outcome: on any loop, on any executor. Made by
/// [`ProxySender::spawn`](crate::ProxySender::spawn).
///
/// - **Dropping it cancels the task**: it asks the loop, and does not wait. The future is dropped when the task's turn
///   comes, on the loop's thread. [`RemoteTask::detach`] lets it run on instead.
/// - The outcome is an error if the task panicked, or was cancelled because the proxy was closed before the task began
///   or the loop ended. When it is known, the future has been dropped.
///
/// Cancel safety: awaiting through `&mut task` may be given up and taken up again.
#[must_use = "a task is cancelled when its handle is dropped: await it, or `detach` it"]
pub struct RemoteTask<T> {
    reply: Arc<Reply<Outcome<T>>>,
}

impl<T> RemoteTask<T> {
    pub(super) fn new(reply: Arc<Reply<Outcome<T>>>) -> Self {
        Self { reply }
    }

    /// Blocks this thread until the task has ended: for threads without a loop.
    ///
    /// # Errors
    /// As awaiting it.
    ///
    /// # Panics
    /// On a thread whose loop is running: that would hold the loop, or wait for itself for ever.
    pub fn wait(self) -> Result<T, TaskError> {
        assert!(
            Handle::try_current().is_err(),
            "`wait` would hold the loop that is running on this thread: await the task instead"
        );
        park::block_on(self)
    }

    /// Lets the task run on by itself. Its output is dropped on the loop's thread; a panic is reported by the panic
    /// hook only.
    pub fn detach(self) {
        self.reply.detach();
    }

    /// Whether the task has ended, one way or another.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.reply.is_finished()
    }
}

impl<T> Future for RemoteTask<T> {
    type Output = Result<T, TaskError>;

    /// # Panics
    /// If it is polled after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.reply.poll(cx.waker());
        if polled.is_pending() {
            asked::answer(|| "a task on another loop".into());
        }
        polled.map(|outcome| outcome.expect("a task is not polled after it was ready"))
    }
}

impl<T> Drop for RemoteTask<T> {
    fn drop(&mut self) {
        self.reply.cancel();
    }
}

impl<T> fmt::Debug for RemoteTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteTask")
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
