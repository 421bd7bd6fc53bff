//! One line per key: made on first use, gone when nobody is in it.

mod entry;
mod line;
mod shared;

use std::{borrow::Cow, fmt, rc::Rc};

use self::shared::Shared;
use crate::{Builder, Reason, TeventQueue, TryEntryError};

pub use self::{
    entry::{KeyedEntry, KeyedGuard},
    line::KeyedLine,
};

/// A [`TeventQueue`] for every key: who asks for the same key takes turns, different keys do not wait for each other.
///
/// A line is made when its key is first asked for, and lives as long as one of its entries, guards or
/// [`KeyedLine`]s does, not longer: a key that nobody uses costs nothing, however many have been used before. Finding a
/// line takes logarithmic time in their number.
///
/// A `KeyedQueue` is a handle; clones are handles of the same lines. Entries and guards are not handles: when the last
/// one is dropped, all lines are closed. Not `Send`: it lives on one thread. `Ord` and `Clone` of the key must not use
/// the queue.
///
/// ```
/// use futures::executor::block_on;
/// use tevent_queue::{KeyedQueue, TryEntryError};
///
/// let users = KeyedQueue::new("user");
/// let anna = users.try_entry("anna").unwrap();
/// assert_eq!(users.try_entry("anna").unwrap_err(), TryEntryError::Busy);
/// let bert = block_on(users.entry("bert")).unwrap(); // need not wait for Anna
/// assert_eq!(users.keys(), ["anna", "bert"]);
///
/// drop((anna, bert));
/// assert!(users.is_empty());
/// ```
pub struct KeyedQueue<K: Ord> {
    shared: Rc<Shared<K>>,
}

impl<K: Ord> KeyedQueue<K> {
    /// No lines yet. They will all bear this name.
    #[must_use = "dropping the last handle closes the queue"]
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self::with_lines(TeventQueue::builder(name))
    }

    /// No lines yet. They will all be built like this: permits and capacity are those of one key.
    ///
    /// ```
    /// use tevent_queue::{KeyedQueue, TeventQueue};
    ///
    /// let hosts = KeyedQueue::with_lines(TeventQueue::builder("host").permits(2));
    /// let both = (hosts.try_entry("a"), hosts.try_entry("a"));
    /// assert!(both.0.is_ok() && both.1.is_ok() && hosts.try_entry("a").is_err());
    /// ```
    #[must_use = "dropping the last handle closes the queue"]
    pub fn with_lines(line: Builder) -> Self {
        Self {
            shared: Shared::new(line),
        }
    }

    /// Takes the last place in the line of a key, now, and returns the future of its turn; as
    /// [`TeventQueue::entry`].
    #[track_caller]
    pub fn entry(&self, key: K) -> KeyedEntry<K>
    where
        K: Clone,
    {
        self.line(key).entry()
    }

    /// Takes the turn in the line of a key at once, if nobody is in the way; as [`TeventQueue::try_entry`].
    ///
    /// # Errors
    /// [`Busy`](TryEntryError::Busy), [`Stopped`](TryEntryError::Stopped) or [`Closed`](TryEntryError::Closed); no
    /// place was taken.
    #[track_caller]
    pub fn try_entry(&self, key: K) -> Result<KeyedGuard<K>, TryEntryError>
    where
        K: Clone,
    {
        self.line(key).try_entry()
    }

    /// The line of a key, to be used more than once, or for what a `KeyedQueue` has no method for. It is the same line
    /// as long as this lives.
    pub fn line(&self, key: K) -> KeyedLine<K>
    where
        K: Clone,
    {
        KeyedLine::new(self.shared.line(key))
    }

    /// Entries in the line of a key, with those that have the turn.
    #[must_use]
    pub fn len(&self, key: &K) -> usize {
        self.shared.find(key).map_or(0, |lease| lease.queue.len())
    }

    /// Whether no key has a line: nobody waits, nobody has the turn, nobody keeps a [`KeyedLine`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines() == 0
    }

    /// How many keys have a line.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.shared.with(|inside| inside.lines.len())
    }

    /// The keys that have a line, in the order of the keys.
    #[must_use]
    pub fn keys(&self) -> Vec<K>
    where
        K: Clone,
    {
        let lines = self.shared.living();
        lines.iter().map(|lease| lease.key.clone()).collect()
    }

    /// Grants nothing, in no line, until [`start`](Self::start); also in lines that are made meanwhile. As
    /// [`TeventQueue::stop`].
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Grants again in every line, in the order of the keys. As [`TeventQueue::start`].
    ///
    /// # Panics
    /// If a task's waker panics: after all lines have been started.
    pub fn start(&self) {
        self.shared.start();
    }

    /// Closes all lines for good, in the order of the keys, and those to come: who waits, and who comes later, gets
    /// [`QueueError::Closed`](crate::QueueError::Closed). Holders finish undisturbed.
    ///
    /// # Panics
    /// If a task's waker panics: after all have been woken.
    pub fn close(&self) {
        self.shared.close(None);
    }

    /// The same, and all get the reason: [`QueueError::ClosedWith`](crate::QueueError::ClosedWith).
    ///
    /// # Panics
    /// As [`close`](Self::close).
    pub fn close_with(&self, reason: impl Into<Reason>) {
        self.shared.close(Some(reason.into()));
    }

    /// Waits until nobody is in any line and nobody has a turn, whether the queue is open or not. Whoever joins
    /// meanwhile is waited for, too: stop those who add first, or close the queue. Dropping the future stops waiting,
    /// and nothing else.
    pub fn drain(&self) -> impl Future<Output = ()> + use<K> {
        let shared = Rc::clone(&self.shared);
        async move { shared.drain().await }
    }
}

impl<K: Ord> Clone for KeyedQueue<K> {
    fn clone(&self) -> Self {
        self.shared.handles.update(|handles| handles + 1);
        Self {
            shared: Rc::clone(&self.shared),
        }
    }
}

impl<K: Ord> Drop for KeyedQueue<K> {
    fn drop(&mut self) {
        self.shared.handles.update(|handles| handles - 1);
        if self.shared.handles.get() == 0 {
            self.shared.close(None);
        }
    }
}

impl<K: Ord> fmt::Debug for KeyedQueue<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedQueue")
            .field("lines", &self.lines())
            .finish_non_exhaustive()
    }
}
