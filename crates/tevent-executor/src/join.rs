//! The handle of a spawned task: await it, cancel it, or let it run on.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use tevent_core::observe;

use crate::TaskError;
use crate::task::{Joint, Owner};

/// A spawned task, as a future of its output. Like every future it does nothing for who does not await it, but the task
/// runs all the same.
///
/// - **Dropping it cancels the task**: the future is dropped when the task's turn comes, on its own thread, never
///   inside this drop. [`Task::detach`] lets it run on instead.
/// - Awaiting it gives the output; a panic of the task goes on in the awaiter. [`Task::outcome`] gives both, and a
///   cancellation by the end of the executor, as a value.
///
/// The task starts from its first poll on the executor, not from being awaited. Cancel safety: awaiting through
/// `&mut task` may be given up and taken up again.
#[must_use = "a task is cancelled when its handle is dropped: await it, or `detach` it"]
pub struct Task<T> {
    joint: Joint<T>,
}

impl<T> Task<T> {
    /// The handle of a task that was spawned just now, for whoever asked for it at `place`.
    #[inline]
    pub(crate) fn spawned(
        joint: Joint<T>,
        owner: &Owner,
        place: &'static Location<'static>,
    ) -> Self {
        if observe::keeps_names() {
            note_spawn(&joint, owner, place);
        }
        Self::new(joint)
    }

    pub(crate) fn new(joint: Joint<T>) -> Self {
        Self { joint }
    }

    /// Gives the task a name, which reports about hung queues and slow polls show. Nobody keeps it unless somebody
    /// wants names: a queue with a detector, or a context with a watchdog or a virtual clock, lives on this thread.
    pub fn named(self, name: impl Into<Cow<'static, str>>) -> Self {
        if observe::keeps_names() && !self.is_finished() {
            observe::name(self.joint.id(), name.into());
        }
        self
    }

    /// Lets the task run on by itself. Its output is dropped when it ends; a panic is reported by the panic hook only.
    pub fn detach(self) {
        self.joint.detach();
    }

    /// Asks the task to end and waits until it has: its future has been dropped when this is ready. `Some(output)` if
    /// the task finished by itself first.
    ///
    /// The request is made at the call. A panic of the task goes on in the awaiter.
    pub fn cancel(self) -> Cancel<T> {
        self.joint.cancel();
        Cancel { joint: self.joint }
    }

    /// Waits for the end of the task and gives a panic or a cancellation as an error.
    pub fn outcome(self) -> Outcome<T> {
        Outcome { task: self }
    }

    /// Whether the task has ended, one way or another.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.joint.is_finished()
    }
}

#[cold]
fn note_spawn<T>(joint: &Joint<T>, owner: &Owner, place: &'static Location<'static>) {
    if !joint.is_finished() {
        joint.set_serial(owner.next_serial());
        observe::spawned(joint.id(), place);
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.joint
            .poll_join(cx)
            .map(|result| result.unwrap_or_else(|error| error.raise()))
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("flags", &self.joint.flags())
            .finish()
    }
}

/// The future of [`Task::outcome`]. Dropping it cancels the task.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited, and dropping this one cancels the task"]
pub struct Outcome<T> {
    task: Task<T>,
}

impl<T> Outcome<T> {
    /// As [`Task::detach`].
    pub fn detach(self) {
        self.task.detach();
    }

    /// As [`Task::is_finished`].
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

impl<T> Future for Outcome<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.task.joint.poll_join(cx)
    }
}

/// The future of [`Task::cancel`]. Dropping it does not take the request back.
#[must_use = "the task has been asked to end; await this to know that it has"]
pub struct Cancel<T> {
    joint: Joint<T>,
}

impl<T> Future for Cancel<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.joint.poll_join(cx).map(|result| match result {
            Ok(output) => Some(output),
            Err(TaskError::Cancelled) => None,
            Err(error) => error.raise(),
        })
    }
}

impl<T> fmt::Debug for Cancel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancel")
            .field("flags", &self.joint.flags())
            .finish()
    }
}
