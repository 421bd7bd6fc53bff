//! The handle of a task on another loop: await it, wait for it, cancel it, or let it run on.

use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::{self, ThreadId};

use tevent_context::{Handle, TaskError};
use tevent_core::asked;

use super::errand::Replies;
use crate::park;

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
    /// Until nothing more is to come of it.
    reply: Option<Arc<dyn Replies<T>>>,
    /// The thread of its loop.
    owner: ThreadId,
    /// Where it was asked for.
    place: &'static Location<'static>,
}

impl<T> RemoteTask<T> {
    pub(super) fn new(
        reply: Arc<dyn Replies<T>>,
        owner: ThreadId,
        place: &'static Location<'static>,
    ) -> Self {
        Self {
            reply: Some(reply),
            owner,
            place,
        }
    }

    /// Blocks this thread until the task has ended: for threads without a loop.
    ///
    /// # Errors
    /// As awaiting it.
    ///
    /// # Panics
    /// Unless the task has ended: on a thread whose loop is running, as that would hold the loop; on the thread of the
    /// task's own loop, as that would wait for ever.
    pub fn wait(self) -> Result<T, TaskError> {
        if !self.is_finished() {
            assert!(
                Handle::try_current().is_err(),
                "`wait` would hold the loop that is running on this thread: await the task instead"
            );
            assert!(
                self.owner != thread::current().id(),
                "`wait` would wait for this thread itself: run the loop, with `block_on(task)`"
            );
        }
        park::block_on(self)
    }

    /// Lets the task run on by itself. Its output is dropped on the loop's thread; a panic is reported by the panic
    /// hook only.
    pub fn detach(mut self) {
        if let Some(reply) = self.reply.take() {
            reply.detach();
        }
    }

    /// Whether the task has ended, one way or another.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        let is_finished = |reply: &Arc<dyn Replies<T>>| reply.is_finished();
        self.reply.as_ref().is_none_or(is_finished)
    }
}

impl<T> Future for RemoteTask<T> {
    type Output = Result<T, TaskError>;

    /// # Panics
    /// If it is polled after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let reply = self.reply.as_ref();
        let reply = reply.expect("a task is not polled after it was ready");
        match reply.poll(cx.waker()) {
            Poll::Pending => {
                asked::answer(|| format!("the work given to another loop at {}", self.place));
                Poll::Pending
            }
            Poll::Ready(outcome) => {
                self.reply = None;
                Poll::Ready(outcome.unwrap_or(Err(TaskError::Cancelled)))
            }
        }
    }
}

impl<T> Drop for RemoteTask<T> {
    fn drop(&mut self) {
        if let Some(reply) = &self.reply {
            reply.cancel();
        }
    }
}

impl<T> fmt::Debug for RemoteTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteTask")
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
