//! Sinks that take each item in its turn: `sink.queued(&queue)`.

use std::{
    error::Error,
    fmt,
    panic::Location,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_sink::Sink;
use pin_project_lite::pin_project;

use super::turn::{Rejoin, Turn, in_turn};
use crate::{Face, Local, QueueError, TeventQueue};

/// Serialises the items that go into sinks by a queue.
pub trait SinkQueueExt<Item>: Sink<Item> + Sized {
    /// Lets each item into the sink in its turn, and flushes it before the turn ends: items of several sinks over the
    /// same resource never mix.
    ///
    /// - `poll_ready` takes the last place in the queue, and is ready with the turn. **Ask it only with an item at
    ///   hand**, as `send`, `feed` and `forward` do: from then on the sink has the turn.
    /// - The turn ends when the item is flushed: by `poll_flush`, or by the `poll_ready` for the next item, which then
    ///   takes the last place again. After a `feed` without either, the sink keeps the turn.
    /// - `poll_close` takes its turn as well.
    ///
    /// The sink is a handle of the queue: it keeps it open.
    ///
    /// ```
    /// use futures::{SinkExt, executor::block_on};
    /// use tevent_queue::{QueueError, QueuedSinkError, SinkQueueExt, TeventQueue};
    ///
    /// let queue = TeventQueue::new("log");
    /// let mut lines = Vec::new();
    /// let mut sink = (&mut lines).queued(&queue);
    /// block_on(async {
    ///     sink.send("one").await?;
    ///     assert!(queue.is_empty()); // flushed: others may
    ///     sink.send("two").await?;
    ///     queue.close();
    ///     assert_eq!(sink.send("late").await, Err(QueuedSinkError::Queue(QueueError::Closed)));
    ///     Ok::<_, QueuedSinkError<_>>(())
    /// })?;
    /// assert_eq!(lines, ["one", "two"]);
    /// # Ok::<_, QueuedSinkError<std::convert::Infallible>>(())
    /// ```
    #[track_caller]
    fn queued<F: Face>(self, queue: &TeventQueue<F>) -> QueuedSink<Self, F> {
        QueuedSink {
            inner: Some(self),
            turn: Turn::Out,
            is_unflushed: false,
            line: Rejoin {
                queue: queue.clone(),
                origin: Location::caller(),
            },
        }
    }
}

impl<Item, S: Sink<Item>> SinkQueueExt<Item> for S {}

pin_project! {
    /// The sink of [`SinkQueueExt::queued`].
    ///
    /// An error of the inner sink ends the turn; the next call takes a place again. A flush has nothing to do unless an
    /// item went in: what the inner sink held before goes out with the first item.
    ///
    /// # Cancel safety
    /// Dropping a `send()` keeps the sink's place, or its turn with the item half sent, and the next call goes on with
    /// it. Until then it may hold up the line; [`leave`](Self::leave) gives a place up, dropping the sink ends it all.
    ///
    /// # Panics
    /// `start_send` without `poll_ready` before it; any call after the inner sink has panicked (it is dropped then, and
    /// the turn passes on).
    #[must_use = "sinks do nothing unless polled"]
    pub struct QueuedSink<S, F: Face = Local> {
        // Dropped in this order: the work has ended before its turn does. `None` once it has panicked.
        #[pin]
        inner: Option<S>,
        turn: Turn<F>,
        // An item went in, in this turn.
        is_unflushed: bool,
        line: Rejoin<F>,
    }
}

/// Why an item did not go into the sink, or not out of it.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum QueuedSinkError<E> {
    /// The queue gave no turn; the inner sink was not touched.
    Queue(QueueError),
    /// The inner sink has failed, in its turn.
    Sink(E),
}

impl<S, F: Face> QueuedSink<S, F> {
    /// Gives up the place in the line that a dropped `send()` has left behind; the next one takes the last place.
    /// `false`, and nothing has changed, if there is none: the sink is not in the line, or in the middle of its turn.
    pub fn leave(self: Pin<&mut Self>) -> bool {
        self.project().turn.leave_if_waiting()
    }

    fn poll_turn<E>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), QueuedSinkError<E>>> {
        self.assert_usable();
        let this = self.project();
        let turn = this.turn.poll_rejoin(this.line, cx);
        turn.map_err(QueuedSinkError::Queue)
    }

    fn poll_in_turn<E>(
        mut self: Pin<&mut Self>,
        poll: impl FnOnce(Pin<&mut S>) -> Poll<Result<(), E>>,
    ) -> Poll<Result<(), QueuedSinkError<E>>> {
        let polled = ready!(self.as_mut().work(poll));
        Poll::Ready(polled.map_err(|error| self.fail(error)))
    }

    /// Works on the inner sink, in the turn.
    fn work<R>(self: Pin<&mut Self>, work: impl FnOnce(Pin<&mut S>) -> R) -> R {
        self.assert_usable();
        let this = self.project();
        in_turn(this.inner, this.turn, work)
    }

    fn fail<E>(self: Pin<&mut Self>, error: E) -> QueuedSinkError<E> {
        self.end_turn();
        QueuedSinkError::Sink(error)
    }

    fn assert_usable(&self) {
        assert!(
            self.inner.is_some(),
            "a `QueuedSink` was used after its inner sink had panicked"
        );
    }

    fn end_turn(self: Pin<&mut Self>) {
        let this = self.project();
        *this.is_unflushed = false;
        this.turn.leave();
    }
}

impl<Item, S: Sink<Item>, F: Face> Sink<Item> for QueuedSink<S, F> {
    type Error = QueuedSinkError<S::Error>;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        ready!(self.as_mut().poll_flush(cx))?;
        ready!(self.as_mut().poll_turn(cx))?;
        self.poll_in_turn(|inner| inner.poll_ready(cx))
    }

    fn start_send(mut self: Pin<&mut Self>, item: Item) -> Result<(), Self::Error> {
        assert!(
            self.turn.is_held(),
            "a `QueuedSink` takes an item only after `poll_ready` was ready"
        );
        *self.as_mut().project().is_unflushed = true;
        let sent = self.as_mut().work(|inner| inner.start_send(item));
        sent.map_err(|error| self.fail(error))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.is_unflushed {
            ready!(self.as_mut().poll_in_turn(|inner| inner.poll_flush(cx)))?;
            self.end_turn();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        ready!(self.as_mut().poll_turn(cx))?;
        ready!(self.as_mut().poll_in_turn(|inner| inner.poll_close(cx)))?;
        self.end_turn();
        Poll::Ready(Ok(()))
    }
}

impl<S, F: Face> fmt::Debug for QueuedSink<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuedSink")
            .field("turn", &self.turn)
            .field("unflushed", &self.is_unflushed)
            .finish()
    }
}

impl<E: fmt::Display> fmt::Display for QueuedSinkError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(error) => error.fmt(f),
            Self::Sink(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for QueuedSinkError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Queue(error) => Some(error),
            Self::Sink(error) => Some(error),
        }
    }
}

impl<E> From<QueueError> for QueuedSinkError<E> {
    fn from(error: QueueError) -> Self {
        Self::Queue(error)
    }
}
