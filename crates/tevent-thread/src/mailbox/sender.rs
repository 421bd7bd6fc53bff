//! The senders' end of a mailbox.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::thread::{self, ThreadId};

use tevent_context::Handle;

use super::road::Road;
use super::{Bounded, Sending, Unbounded};
use crate::{Closed, TrySendError, park};

/// The end of a [`Mailbox`](crate::Mailbox) for other threads, and for its own. Cheap to clone; it may outlive the
/// mailbox and its loop.
///
/// Sending never waits for the loop, only [`send_async`](MailSender::send_async) and
/// [`send_blocking`](MailSender::send_blocking) do. It costs a system call if the loop sleeps. Now and then it
/// allocates, for 31 messages.
///
/// Not for a forked child, nor for a signal handler.
pub struct MailSender<T, L = Unbounded> {
    road: Arc<Road<T>>,
    limit: PhantomData<fn() -> L>,
}

impl<T> MailSender<T> {
    /// Sends a message.
    ///
    /// # Errors
    /// [`Closed`], with the message.
    #[inline]
    pub fn send(&self, message: T) -> Result<(), Closed<T>> {
        // There is always room.
        self.road
            .send(message)
            .map_err(|error| Closed(error.into_inner()))
    }
}

impl<T> MailSender<T, Bounded> {
    /// Sends a message if there is room, and nobody waits for it.
    ///
    /// # Errors
    /// [`TrySendError`], with the message.
    #[inline]
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.road.send(message)
    }

    /// Sends a message once there is room: whoever was polled first comes first. On any executor.
    ///
    /// The future does nothing until it is polled. Cancel safety: dropped before it is ready, the message has not been
    /// sent.
    ///
    /// # Errors
    /// [`Closed`], with the message.
    pub fn send_async(&self, message: T) -> Sending<T> {
        Sending::new(Arc::clone(&self.road), message)
    }

    /// Sends a message and blocks this thread until there is room: for threads without a loop.
    ///
    /// # Errors
    /// [`TrySendError`], with the message. On the mailbox's own thread, and on one whose loop is running, it does not
    /// wait, but is [`Full`](TrySendError::Full): no loop is held up, and nobody waits for himself.
    pub fn send_blocking(&self, message: T) -> Result<(), TrySendError<T>> {
        match self.try_send(message) {
            Err(TrySendError::Full(message)) if self.may_block() => {
                let sent = park::block_on(self.send_async(message));
                sent.map_err(|Closed(message)| TrySendError::Closed(message))
            }
            done => done,
        }
    }

    fn may_block(&self) -> bool {
        self.owner() != thread::current().id() && Handle::try_current().is_err()
    }
}

impl<T, L> MailSender<T, L> {
    pub(super) fn new(road: Arc<Road<T>>) -> Self {
        Self {
            road,
            limit: PhantomData,
        }
    }

    /// Sends once there is room, whatever the limit.
    pub(crate) fn sending(&self, message: T) -> Sending<T> {
        Sending::new(Arc::clone(&self.road), message)
    }

    /// The thread of the loop.
    pub(crate) fn owner(&self) -> ThreadId {
        self.road.owner()
    }

    /// Whether messages are refused for ever.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.road.is_closed()
    }

    /// Messages that have been sent, and that the loop has not come to.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.road.queued()
    }

    pub(crate) fn describe(&self, kind: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.road
            .describe(f.debug_struct(kind))
            .finish_non_exhaustive()
    }
}

impl<T, L> Clone for MailSender<T, L> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.road))
    }
}

impl<T, L> fmt::Debug for MailSender<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe("MailSender", f)
    }
}
