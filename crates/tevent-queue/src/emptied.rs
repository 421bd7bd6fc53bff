//! The moments at which a queue is empty again, as a stream.

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures_core::Stream;
use tevent_core::{budget, line::Place};

use crate::{Face, Local, TeventQueue, inside::Inside};

/// The stream of [`TeventQueue::emptied`]. Dropping it stops watching, and nothing else.
///
/// It does not keep the queue open.
#[must_use = "streams do nothing unless polled"]
pub struct Emptied<F: Face = Local> {
    shared: F::Shared,
    /// Among those who wait for the line to become empty; whoever tells them takes the waker away.
    place: Option<Place>,
}

impl<F: Face> TeventQueue<F> {
    /// A stream with an item each time the last in the line has left, and a last one when the queue is closed and
    /// nobody is left, even if nobody had come since; then it ends.
    ///
    /// What happens between two polls counts as once, and only if the queue is empty then: whoever sees the item finds
    /// nobody in the line. A queue that is watched like this takes some nanoseconds longer for each turn.
    ///
    /// ```
    /// use futures::{StreamExt, executor::block_on};
    /// use tevent_queue::TeventQueue;
    ///
    /// let queue = TeventQueue::new("disk");
    /// let mut emptied = queue.emptied();
    /// drop(queue.try_entry());
    /// assert_eq!(block_on(emptied.next()), Some(()));
    /// ```
    pub fn emptied(&self) -> Emptied<F> {
        let shared = self.inner().clone();
        let mut place = None;
        shared.with(|inside| {
            if !(inside.gate.is_closed() && inside.gate.is_empty()) {
                inside.drains.register(&mut place, Waker::noop().clone());
            }
        });
        Emptied { shared, place }
    }
}

impl<F: Face> Emptied<F> {
    fn give_up(&mut self) {
        if let Some(place) = mem::take(&mut self.place) {
            let waker = self.shared.with(|inside| inside.drains.leave(place));
            drop(waker);
        }
    }
}

/// What a poll found.
enum Found {
    Nothing,
    Empty,
    EmptyForGood,
}

/// Leaves a waker for the next time, and looks whether the last one was used. The waker that is no longer needed comes
/// back, to be dropped outside.
fn look(inside: &mut Inside, place: &mut Option<Place>, waker: Waker) -> (Found, Option<Waker>) {
    let (was_told, displaced) = inside.drains.register(place, waker);
    let found = if !was_told || !inside.gate.is_empty() {
        Found::Nothing
    } else if inside.gate.is_closed() {
        Found::EmptyForGood
    } else {
        Found::Empty
    };
    (found, displaced)
}

impl<F: Face> Stream for Emptied<F> {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        if self.place.is_none() {
            return Poll::Ready(None);
        }
        if budget::is_spent() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let waker = cx.waker().clone();
        let Self { shared, place } = &mut *self;
        let (found, displaced) = shared.with(|inside| look(inside, place, waker));
        drop(displaced);
        match found {
            Found::Nothing => return Poll::Pending,
            Found::Empty => {}
            Found::EmptyForGood => self.give_up(),
        }
        budget::spend();
        Poll::Ready(Some(()))
    }
}

impl<F: Face> Unpin for Emptied<F> {}

impl<F: Face> Drop for Emptied<F> {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl<F: Face> fmt::Debug for Emptied<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emptied")
            .field("queue", &self.shared.name)
            .finish_non_exhaustive()
    }
}
