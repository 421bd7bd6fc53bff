//! The future of a closure that waits for room.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::job::Job;
use crate::Closed;
use crate::mailbox::Sending;

/// A closure that waits for room: the future of
/// [`ProxySender::schedule_async`](crate::ProxySender::schedule_async). Dropped before it is ready, nothing has been
/// scheduled.
#[must_use = "nothing is scheduled unless this is awaited"]
pub struct Scheduling<F> {
    sending: Sending<Job>,
    closure: PhantomData<fn() -> F>,
}

impl<F> Scheduling<F> {
    pub(super) fn new(sending: Sending<Job>) -> Self {
        Self {
            sending,
            closure: PhantomData,
        }
    }
}

impl<F: 'static> Future for Scheduling<F> {
    type Output = Result<(), Closed<F>>;

    /// # Panics
    /// If it is polled after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let sent = Pin::new(&mut self.sending).poll(cx);
        sent.map(|sent| sent.map_err(|Closed(job)| Closed(job.unbox())))
    }
}

impl<F> fmt::Debug for Scheduling<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scheduling").field(&self.sending).finish()
    }
}
