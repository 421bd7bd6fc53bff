//! The futures of a writer: four faces of one waiter.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tevent_core::budget;
use tevent_core::line::Place;

use super::WriteError;
use super::shared::Shared;
use super::state::Refusal;

/// Waits until the stream has taken one record: the future of [`QueuedWriter::write`](super::QueuedWriter::write).
///
/// Dropping it withdraws the record if the stream has taken nothing of it; if the stream has begun, the writer finishes
/// it. A record goes out whole or not at all, unless the stream fails.
///
/// # Panics
/// When polled after it was ready.
#[must_use = "dropping it withdraws the record"]
pub struct Write(pub(super) Waiter);

/// Waits until one record is accepted: the future of [`QueuedWriter::send`](super::QueuedWriter::send).
///
/// Dropping it before the record is accepted withdraws it. A record that was accepted at the call goes out in any case.
///
/// # Panics
/// When polled after it was ready.
#[must_use = "dropping it may withdraw the record"]
pub struct Send(pub(super) Waiter);

/// Waits until all that was handed over before it is out: the future of
/// [`QueuedWriter::flush`](super::QueuedWriter::flush).
///
/// # Panics
/// When polled after it was ready.
#[must_use = "it only waits when awaited"]
pub struct Flush(pub(super) Waiter);

/// Waits until the stream is closed: the future of [`QueuedWriter::close`](super::QueuedWriter::close). Dropping it
/// does not stop the close.
///
/// # Panics
/// When polled after it was ready.
#[must_use = "it only waits when awaited; an error of the last records shows here"]
pub struct Close(pub(super) Waiter);

/// A place in the line that somebody waits for, given up when the waiter is dropped.
pub(super) struct Waiter {
    state: WaiterState,
}

enum WaiterState {
    Waiting(Rc<Shared>, Place),
    Done(Result<(), WriteError>),
    /// It has been ready.
    Over,
}

impl Waiter {
    pub(super) fn at(shared: &Rc<Shared>, place: Place) -> Self {
        Self {
            state: WaiterState::Waiting(Rc::clone(shared), place),
        }
    }

    #[inline]
    pub(super) fn done(result: Result<(), WriteError>) -> Self {
        Self {
            state: WaiterState::Done(result),
        }
    }

    /// Drops a record that the error does not carry: foreign code, so not where it was refused.
    #[cold]
    pub(super) fn refused((error, record): Refusal) -> Self {
        drop(record);
        Self::done(Err(error))
    }

    #[inline]
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<(), WriteError>> {
        if budget::is_spent() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let WaiterState::Waiting(shared, place) = &self.state {
            let result = ready!(shared.poll(*place, cx));
            self.state = WaiterState::Done(result);
        }
        match mem::replace(&mut self.state, WaiterState::Over) {
            WaiterState::Done(result) => {
                budget::spend();
                Poll::Ready(result)
            }
            _ => polled_after_ready(),
        }
    }
}

impl Drop for Waiter {
    #[inline]
    fn drop(&mut self) {
        if let WaiterState::Waiting(shared, place) = &self.state {
            shared.leave(*place);
        }
    }
}

#[cold]
fn polled_after_ready() -> ! {
    panic!("a future of a queued writer was polled after it was ready");
}

/// What the four faces have in common.
macro_rules! face {
    ($name:ident) => {
        impl Future for $name {
            type Output = Result<(), WriteError>;

            #[inline]
            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                self.0.poll(cx)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.0).finish()
            }
        }
    };
}

face!(Write);
face!(Send);
face!(Flush);
face!(Close);

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            WaiterState::Waiting(_, place) => place.fmt(f),
            WaiterState::Done(result) => result.fmt(f),
            WaiterState::Over => f.write_str("over"),
        }
    }
}
