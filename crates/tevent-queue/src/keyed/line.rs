//! The line of one key, kept.

use std::{fmt, rc::Rc};

use super::{KeyedEntry, KeyedGuard, shared::Lease};
use crate::{TeventQueue, TryEntryError};

/// The line of one key in a [`KeyedQueue`](super::KeyedQueue); as long as it lives, the key has this line and no other.
///
/// It is no handle: it does not keep the queue open.
///
/// ```
/// use tevent_queue::KeyedQueue;
///
/// let hosts = KeyedQueue::new("host");
/// let line = hosts.line("example.org");
/// line.queue().stop(); // this host alone
/// assert!(hosts.try_entry("example.org").is_err());
/// drop(line);
/// assert!(hosts.try_entry("example.org").is_ok()); // a new line
/// ```
pub struct KeyedLine<K: Ord> {
    lease: Rc<Lease<K>>,
}

impl<K: Ord> KeyedLine<K> {
    pub(super) fn new(lease: Rc<Lease<K>>) -> Self {
        Self { lease }
    }

    /// Whose line it is.
    #[must_use]
    pub fn key(&self) -> &K {
        &self.lease.key
    }

    /// Takes the last place; as [`TeventQueue::entry`].
    #[track_caller]
    pub fn entry(&self) -> KeyedEntry<K> {
        KeyedEntry::new(self.queue().entry(), self.clone())
    }

    /// Takes the turn at once, if nobody is in the way; as [`TeventQueue::try_entry`].
    ///
    /// # Errors
    /// [`Busy`](TryEntryError::Busy), [`Stopped`](TryEntryError::Stopped) or [`Closed`](TryEntryError::Closed); no
    /// place was taken.
    #[track_caller]
    pub fn try_entry(&self) -> Result<KeyedGuard<K>, TryEntryError> {
        Ok(KeyedGuard::new(self.queue().try_entry()?, self.clone()))
    }

    /// The queue of this line, for all that a queue can do: look, stop, drain, block, and work that brings its own kind
    /// of entry.
    ///
    /// What joins through it does **not** keep the line: keep a clone of the `KeyedLine` beside it. When the last one
    /// that keeps the line goes, the queue is closed, and being stopped is forgotten.
    #[must_use]
    pub fn queue(&self) -> &TeventQueue {
        &self.lease.queue
    }
}

impl<K: Ord> Clone for KeyedLine<K> {
    fn clone(&self) -> Self {
        Self {
            lease: Rc::clone(&self.lease),
        }
    }
}

impl<K: Ord + fmt::Debug> fmt::Debug for KeyedLine<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedLine")
            .field("key", self.key())
            .field("queue", self.queue())
            .finish()
    }
}
