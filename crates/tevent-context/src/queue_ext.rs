//! What a queue can do with a loop at hand: driven work on the current context, a limited wait, a callback when empty.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use pin_project_lite::pin_project;
use tevent_executor::Task;
use tevent_queue::{
    AddError, Emptied, Face, Local, QueueEntry, QueueError, QueueGuard, Queued, TeventQueue, Unless,
};

use crate::{Handle, Sleep};

/// [`TeventQueue`] on the context that runs on this thread.
///
/// A [`Handle`] is a spawner: for another context of this thread, [`add_on(&handle, ..)`](TeventQueue::add_on).
///
/// # Panics
/// All methods panic if no context runs on this thread.
pub trait TeventQueueExt {
    /// Takes the last place in the line, now, and lets the loop run `work` at its turn; see
    /// [`add_on`](TeventQueue::add_on). C: `tevent_queue_add`.
    ///
    /// ```
    /// use tevent_context::{Context, TeventQueueExt};
    /// use tevent_queue::TeventQueue;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let queue = TeventQueue::new("disk");
    /// let read = Context::new()?.block_on(async { queue.add(async { "data" }).await });
    /// assert_eq!(read, Ok("data"));
    /// # Ok(())
    /// # }
    /// ```
    fn add<W: Future + 'static>(&self, work: W) -> Queued<W::Output>;

    /// The same for work that receives its guard; see [`add_with_on`](TeventQueue::add_with_on).
    fn add_with<F, W>(&self, work: F) -> Queued<W::Output>
    where
        F: FnOnce(QueueGuard) -> W + 'static,
        W: Future + 'static;

    /// The same, but a queue that takes nobody gives the work back at once; see
    /// [`try_add_on`](TeventQueue::try_add_on).
    ///
    /// # Errors
    /// [`AddError`] with the work; no place was taken.
    fn try_add<W: Future + 'static>(&self, work: W) -> Result<Queued<W::Output>, AddError<W>>;

    /// Lets the loop call `callback` each time the last in the line has left, and a last time when the queue is closed
    /// and nobody is left, even if nobody had come since; see [`emptied`](TeventQueue::emptied).
    ///
    /// It is called by a task, never inside the call that empties the queue, and finds the queue empty. Dropping the
    /// task ends it; so does closing the queue, after the last call. A panic of the callback ends the task with it. A
    /// callback that owns a handle of the queue keeps it open.
    ///
    /// ```
    /// use std::{cell::Cell, rc::Rc};
    /// use tevent_context::{Context, TeventQueueExt};
    /// use tevent_queue::TeventQueue;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let calls = Rc::new(Cell::new(0));
    /// let counter = Rc::clone(&calls);
    /// Context::new()?.block_on(async {
    ///     let queue = TeventQueue::new("disk");
    ///     let idle = queue.on_empty(move || counter.set(counter.get() + 1));
    ///     let _ = queue.add(async {}).await;
    ///     queue.close();
    ///     idle.await; // ends after the last call
    /// });
    /// assert_eq!(calls.get(), 2); // the work has left; the queue is closed
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "dropping the task ends the calls: keep it, or `detach` it"]
    fn on_empty(&self, callback: impl FnMut() + 'static) -> Task<()>;
}

impl TeventQueueExt for TeventQueue {
    #[track_caller]
    fn add<W: Future + 'static>(&self, work: W) -> Queued<W::Output> {
        self.add_on(&Handle::current(), work)
    }

    #[track_caller]
    fn add_with<F, W>(&self, work: F) -> Queued<W::Output>
    where
        F: FnOnce(QueueGuard) -> W + 'static,
        W: Future + 'static,
    {
        self.add_with_on(&Handle::current(), work)
    }

    #[track_caller]
    fn try_add<W: Future + 'static>(&self, work: W) -> Result<Queued<W::Output>, AddError<W>> {
        self.try_add_on(&Handle::current(), work)
    }

    #[track_caller]
    fn on_empty(&self, callback: impl FnMut() + 'static) -> Task<()> {
        Handle::current().spawn(call_when_empty(self.emptied(), callback))
    }
}

async fn call_when_empty(mut emptied: Emptied, mut callback: impl FnMut()) {
    while let Some(()) = poll_fn(|cx| Pin::new(&mut emptied).poll_next(cx)).await {
        callback();
    }
}

/// A [`QueueEntry`] that waits for a limited time.
pub trait QueueEntryExt: Sized {
    /// Whether the queue is for one thread or for many.
    type Face: Face;

    /// Limits the wait for the turn, counted from this call, and the wait alone: what is done with the turn may last as
    /// long as it likes. An entry whose time is over has left the line, and is never granted. If the turn comes at the
    /// very moment, the turn wins. C: `tevent_queue_wait_send` with `tevent_req_set_endtime`.
    ///
    /// # Panics
    /// If no context runs on this thread.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tevent_context::{Context, QueueEntryExt, WaitError};
    /// use tevent_queue::TeventQueue;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let queue = TeventQueue::new("disk");
    /// let holder = queue.try_entry();
    /// let waited = Context::new()?.block_on(async { queue.entry().timeout(Duration::from_millis(1)).await });
    /// assert_eq!(waited.unwrap_err(), WaitError::Elapsed);
    /// assert_eq!(queue.len(), 1);
    /// # drop(holder);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    fn timeout(self, duration: Duration) -> EntryTimeout<Self::Face>;
}

impl<F: Face> QueueEntryExt for QueueEntry<F> {
    type Face = F;

    fn timeout(self, duration: Duration) -> EntryTimeout<F> {
        EntryTimeout {
            wait: self.unless(Handle::current().sleep(duration)),
        }
    }
}

pin_project! {
    /// The future of [`QueueEntryExt::timeout`]. Dropping it leaves the line.
    ///
    /// # Panics
    /// When polled after it was ready.
    #[derive(Debug)]
    #[must_use = "dropping it gives the place in the line up"]
    pub struct EntryTimeout<F: Face = Local> {
        #[pin]
        wait: Unless<Sleep, F>,
    }
}

impl<F: Face> Future for EntryTimeout<F> {
    type Output = Result<QueueGuard<F>, WaitError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let waited = self.project().wait.poll(cx);
        waited.map(|waited| match waited {
            Ok(turn) => turn.map_err(WaitError::Queue),
            Err(()) => Err(WaitError::Elapsed),
        })
    }
}

/// Why an entry with a [`timeout`](QueueEntryExt::timeout) has no turn.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum WaitError {
    /// The time was over; the entry has left the line.
    Elapsed,
    /// The queue was closed, or full.
    Queue(QueueError),
}

impl From<QueueError> for WaitError {
    fn from(error: QueueError) -> Self {
        Self::Queue(error)
    }
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elapsed => f.write_str("the time was over before the entry's turn"),
            Self::Queue(error) => error.fmt(f),
        }
    }
}

impl Error for WaitError {}
