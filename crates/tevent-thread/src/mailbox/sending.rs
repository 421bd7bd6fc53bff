//! The future of a message that waits for room.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tevent_core::asked;
use tevent_core::line::Place;

use super::road::{Road, wake_all};
use crate::Closed;

/// A message that waits for room: the future of [`MailSender::send_async`](crate::MailSender::send_async). Dropped
/// before it is ready, nothing has been sent.
#[must_use = "nothing is sent unless this is awaited"]
pub struct Sending<T> {
    road: Arc<Road<T>>,
    /// Until it is sent.
    message: Option<T>,
    /// Once it waits.
    seat: Option<Place>,
}

/// The message is moved, never pinned.
impl<T> Unpin for Sending<T> {}

impl<T> Sending<T> {
    pub(super) fn new(road: Arc<Road<T>>, message: T) -> Self {
        Self {
            road,
            message: Some(message),
            seat: None,
        }
    }
}

impl<T> Future for Sending<T> {
    type Output = Result<(), Closed<T>>;

    /// # Panics
    /// If it is polled after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        assert!(this.message.is_some(), "polled after it was ready");
        let channel = &this.road.channel;
        match channel.poll_push(&mut this.seat, &mut this.message, cx.waker()) {
            Poll::Ready(Ok(())) => {
                this.road.ring();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(_closed)) => {
                let message = this.message.take();
                Poll::Ready(Err(Closed(message.expect("what was refused is here"))))
            }
            Poll::Pending => {
                asked::answer(|| format!("room on the road made at {}", this.road.place()));
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Sending<T> {
    fn drop(&mut self) {
        if let Some(seat) = self.seat {
            wake_all(self.road.channel.leave(seat));
        }
    }
}

impl<T> fmt::Debug for Sending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending")
            .field("sent", &self.message.is_none())
            .field("waits", &self.seat.is_some())
            .finish_non_exhaustive()
    }
}
