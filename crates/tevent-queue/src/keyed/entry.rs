//! A place in the line of a key, and the turn: those of a queue, and they keep the line.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use super::KeyedLine;
use crate::{NotStopped, QueueEntry, QueueError, QueueGuard};

/// A place in the line of one key, taken at the call of [`entry`](super::KeyedQueue::entry): a future of the
/// [`KeyedGuard`].
///
/// # Cancel safety
/// Dropping it leaves the line; if its turn had come already, the turn passes on. Forgetting it (`mem::forget`) keeps
/// its place, and the line, for ever.
///
/// # Panics
/// When polled after it was ready.
#[must_use = "dropping the entry gives its place in the line up"]
pub struct KeyedEntry<K: Ord> {
    // Dropped in this order: the line is kept until the entry has left it.
    entry: QueueEntry,
    /// `None` once it was ready.
    line: Option<KeyedLine<K>>,
}

/// The turn in the line of one key. Dropping it lets the next one of this key through: a wake, never a call.
///
/// It owns what it needs (`'static`), so it can move into a spawned task and keep the turn there.
#[must_use = "the turn ends when the guard is dropped"]
pub struct KeyedGuard<K: Ord> {
    // Dropped in this order: the line is kept until the guard has left it.
    guard: QueueGuard,
    line: KeyedLine<K>,
}

impl<K: Ord> KeyedEntry<K> {
    pub(super) fn new(entry: QueueEntry, line: KeyedLine<K>) -> Self {
        let line = Some(line);
        Self { entry, line }
    }

    /// As [`QueueEntry::tagged`].
    pub fn tagged(self, tag: u64) -> Self {
        let Self { entry, line } = self;
        Self {
            entry: entry.tagged(tag),
            line,
        }
    }

    /// As [`QueueEntry::position`]: how many of this key are before it.
    #[must_use]
    pub fn position(&self) -> Option<usize> {
        self.entry.position()
    }
}

impl<K: Ord> KeyedGuard<K> {
    pub(super) fn new(guard: QueueGuard, line: KeyedLine<K>) -> Self {
        Self { guard, line }
    }

    /// Whose turn it is.
    #[must_use]
    pub fn key(&self) -> &K {
        self.line.key()
    }

    /// The line that it is in, to add more to it.
    #[must_use]
    pub fn line(&self) -> &KeyedLine<K> {
        &self.line
    }

    /// Gives the turn back without leaving; as [`QueueGuard::untrigger`].
    ///
    /// # Errors
    /// [`NotStopped`] with the guard if the line is running.
    pub fn untrigger(self) -> Result<KeyedEntry<K>, NotStopped<Self>> {
        let Self { guard, line } = self;
        match guard.untrigger() {
            Ok(entry) => Ok(KeyedEntry::new(entry, line)),
            Err(NotStopped(guard)) => Err(NotStopped(Self { guard, line })),
        }
    }
}

impl<K: Ord> Future for KeyedEntry<K> {
    type Output = Result<KeyedGuard<K>, QueueError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.entry).poll(cx).map(|turn| {
            let line = self.line.take();
            let line = line.expect("a keyed entry is not polled after it was ready");
            Ok(KeyedGuard::new(turn?, line))
        })
    }
}

/// Neither an entry nor a line points into itself.
impl<K: Ord> Unpin for KeyedEntry<K> {}

impl<K: Ord + fmt::Debug> fmt::Debug for KeyedEntry<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.line.as_ref().map(KeyedLine::key);
        f.debug_struct("KeyedEntry")
            .field("key", &key)
            .field("entry", &self.entry)
            .finish()
    }
}

impl<K: Ord + fmt::Debug> fmt::Debug for KeyedGuard<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedGuard")
            .field("key", self.key())
            .field("guard", &self.guard)
            .finish()
    }
}
