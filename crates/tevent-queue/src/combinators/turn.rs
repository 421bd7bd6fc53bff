//! What the combinators have in common: where they stand in the line, and what they do in their turn.

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tevent_core::gate::Origin;

use crate::{Face, QueueEntry, QueueError, QueueGuard, TeventQueue};

/// Where a combinator stands.
///
/// ```text
///          1            2
///   Out ------> Waiting ------> Holding      1 take a place     3 the queue is closed or full, or it gave up
///    ^             |               |         2 the turn comes   4 the work is done
///    +------3------+-------4-------+
/// ```
pub(super) enum Turn<F: Face> {
    Out,
    Waiting { entry: QueueEntry<F> },
    Holding { guard: QueueGuard<F> },
}

/// A line that a combinator joins again and again, and the place in the source that asked for it.
pub(super) struct Rejoin<F: Face> {
    pub(super) queue: TeventQueue<F>,
    pub(super) origin: Origin,
}

impl<F: Face> Turn<F> {
    /// Ready when it has the turn; out of the line if it gets none.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), QueueError>> {
        if let Self::Waiting { entry } = self {
            match ready!(Pin::new(entry).poll(cx)) {
                Ok(guard) => *self = Self::Holding { guard },
                Err(error) => {
                    *self = Self::Out;
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The same, for who may have to take a place first.
    pub(super) fn poll_rejoin(
        &mut self,
        line: &Rejoin<F>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), QueueError>> {
        if let Self::Out = self {
            let entry = line.queue.entry_from(line.origin);
            *self = Self::Waiting { entry };
        }
        self.poll(cx)
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self, Self::Holding { .. })
    }

    /// Leaves the line; if it has the turn, the next one gets it.
    pub(super) fn leave(&mut self) {
        *self = Self::Out;
    }

    /// Leaves the line, unless it has the turn already.
    pub(super) fn leave_if_waiting(&mut self) -> bool {
        let is_waiting = matches!(self, Self::Waiting { .. });
        if is_waiting {
            self.leave();
        }
        is_waiting
    }
}

/// Does a piece of work in the turn. If it panics, what it worked on is dropped first, then the turn passes on.
pub(super) fn in_turn<T, F: Face, R>(
    inner: Pin<&mut Option<T>>,
    turn: &mut Turn<F>,
    work: impl FnOnce(Pin<&mut T>) -> R,
) -> R {
    let mut held = EndOnPanic { inner, turn };
    let inner = held.inner.as_mut().as_pin_mut();
    let result = work(inner.expect("what is worked on lives as long as the turn"));
    mem::forget(held);
    result
}

/// Ends a combinator: first what it worked on is dropped, still in the turn, then the turn passes on.
pub(super) fn end<T, F: Face>(inner: Pin<&mut Option<T>>, turn: &mut Turn<F>) {
    drop(EndOnPanic { inner, turn });
}

struct EndOnPanic<'a, T, F: Face> {
    inner: Pin<&'a mut Option<T>>,
    turn: &'a mut Turn<F>,
}

impl<T, F: Face> Drop for EndOnPanic<'_, T, F> {
    fn drop(&mut self) {
        struct Leave<'a, F: Face>(&'a mut Turn<F>);
        impl<F: Face> Drop for Leave<'_, F> {
            fn drop(&mut self) {
                self.0.leave();
            }
        }
        let _also_if_that_panics = Leave(self.turn);
        self.inner.set(None);
    }
}

impl<F: Face> fmt::Debug for Turn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Out => f.write_str("Out"),
            Self::Waiting { entry } => entry.fmt(f),
            Self::Holding { guard } => guard.fmt(f),
        }
    }
}
