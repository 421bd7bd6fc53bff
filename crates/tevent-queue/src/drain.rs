//! Waiting until a queue is empty.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tevent_core::line::Place;

use crate::{Face, Local};

/// The future of [`TeventQueue::drain`](crate::TeventQueue::drain). Dropping it stops waiting, and nothing else.
#[must_use = "futures do nothing unless awaited"]
pub struct Drain<F: Face = Local> {
    shared: F::Shared,
    place: Option<Place>,
}

impl<F: Face> Drain<F> {
    pub(crate) fn new(shared: F::Shared) -> Self {
        Self {
            shared,
            place: None,
        }
    }

    /// Keeps the waker for the moment when the line is empty; `Ready` if it is now. A waker that is no longer needed is
    /// given back, to be dropped outside.
    fn wait(&mut self, waker: Waker) -> (Poll<()>, Option<Waker>) {
        let place = &mut self.place;
        self.shared.with(|inside| {
            if inside.gate.is_empty() {
                return (Poll::Ready(()), Some(waker));
            }
            let (_was_told, displaced) = inside.drains.register(place, waker);
            (Poll::Pending, displaced)
        })
    }

    fn give_up(&mut self) {
        if let Some(place) = mem::take(&mut self.place) {
            let waker = self.shared.with(|inside| inside.drains.leave(place));
            drop(waker);
        }
    }
}

impl<F: Face> Future for Drain<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (polled, displaced) = self.wait(cx.waker().clone());
        drop(displaced);
        if polled.is_ready() {
            self.give_up();
        }
        polled
    }
}

impl<F: Face> Unpin for Drain<F> {}

impl<F: Face> Drop for Drain<F> {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl<F: Face> fmt::Debug for Drain<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain")
            .field("queue", &self.shared.name)
            .finish_non_exhaustive()
    }
}
