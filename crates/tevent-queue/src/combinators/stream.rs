//! Streams that make each item in its turn: `stream.queued(&queue)`.

use std::{
    fmt,
    panic::Location,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::{FusedStream, Stream};
use pin_project_lite::pin_project;

use super::turn::{Rejoin, Turn, end, in_turn};
use crate::{Face, Local, QueueError, TeventQueue};

/// Serialises the items of streams by a queue.
pub trait StreamQueueExt: Stream + Sized {
    /// Makes each item in its turn: the first poll for an item takes the last place in the queue, the stream is polled
    /// for it when the turn has come, and the turn ends when the item is there. Several streams on one queue take
    /// turns, item by item, and no two of them work at once.
    ///
    /// It is for streams whose items are **work**: a cursor that fetches page after page over one connection, a walk
    /// over a disk. A stream that waits for the world (requests of a socket, a channel) would hold the line up while
    /// nothing comes; there the work on an item belongs in the line, not the wait for it:
    /// `requests.then(|request| answer(request).queued(&queue))` takes a place for each request when it comes.
    ///
    /// The items are `Ok`, or `Err` if the queue gave no turn: [`Closed`](QueueError::Closed) is the last one,
    /// [`Full`](QueueError::Full) is not, the next poll tries again. The stream is a handle of the queue: it keeps it
    /// open.
    ///
    /// ```
    /// use futures::{FutureExt, StreamExt, executor::block_on, future::join, stream};
    /// use std::{cell::RefCell, pin::pin};
    /// use tevent_queue::{StreamQueueExt, TeventQueue};
    ///
    /// let (queue, disk) = (TeventQueue::new("disk"), RefCell::new(Vec::new()));
    /// let walk = |dir: &'static str| {
    ///     let files = stream::iter(1..=2).map(move |n| format!("{dir}{n}"));
    ///     files.queued(&queue).for_each(async |file| disk.borrow_mut().push(file.unwrap()))
    /// };
    /// let busy = queue.try_entry();
    /// let mut both = pin!(join(walk("a"), walk("b")));
    /// assert!(both.as_mut().now_or_never().is_none()); // both are in the line
    /// drop(busy);
    /// block_on(both);
    /// assert_eq!(*disk.borrow(), ["a1", "b1", "a2", "b2"]);
    /// ```
    #[track_caller]
    fn queued<F: Face>(self, queue: &TeventQueue<F>) -> QueuedStream<Self, F> {
        QueuedStream {
            inner: Some(self),
            turn: Turn::Out,
            line: Rejoin {
                queue: queue.clone(),
                origin: Location::caller(),
            },
        }
    }
}

impl<S: Stream> StreamQueueExt for S {}

pin_project! {
    /// The stream of [`StreamQueueExt::queued`].
    ///
    /// At its end, or after a panic of the inner stream, the inner stream is dropped, still in its turn.
    ///
    /// # Cancel safety
    /// Dropping a `next()` loses no item: the stream keeps its place, or its turn with the item half made, and the next
    /// `next()` goes on with it. Until then it may hold up the line; [`leave`](Self::leave) gives a place up, dropping
    /// the stream ends it all.
    #[must_use = "streams do nothing unless polled"]
    pub struct QueuedStream<S, F: Face = Local> {
        // Dropped in this order: the work has ended before its turn does. `None` once it is over.
        #[pin]
        inner: Option<S>,
        turn: Turn<F>,
        line: Rejoin<F>,
    }
}

impl<S, F: Face> QueuedStream<S, F> {
    /// Gives up the place in the line that a dropped `next()` has left behind; the next one takes the last place.
    /// `false`, and nothing has changed, if there is none: the stream is not in the line, or in the middle of its turn.
    pub fn leave(self: Pin<&mut Self>) -> bool {
        self.project().turn.leave_if_waiting()
    }
}

impl<S: Stream, F: Face> Stream for QueuedStream<S, F> {
    type Item = Result<S::Item, QueueError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        if this.inner.is_none() {
            return Poll::Ready(None);
        }
        if let Err(error) = ready!(this.turn.poll_rejoin(this.line, cx)) {
            if error.is_closed() {
                this.inner.set(None);
            }
            return Poll::Ready(Some(Err(error)));
        }
        let inner = this.inner.as_mut();
        let item = ready!(in_turn(inner, this.turn, |inner| inner.poll_next(cx)));
        match item {
            Some(_) => this.turn.leave(),
            None => end(this.inner, this.turn),
        }
        Poll::Ready(item.map(Ok))
    }
}

impl<S: Stream, F: Face> FusedStream for QueuedStream<S, F> {
    fn is_terminated(&self) -> bool {
        self.inner.is_none()
    }
}

impl<S, F: Face> fmt::Debug for QueuedStream<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QueuedStream").field(&self.turn).finish()
    }
}
