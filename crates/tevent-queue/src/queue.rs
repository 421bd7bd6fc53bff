//! The queue itself: handles to one line.

use std::{array, borrow::Cow, fmt, rc::Rc};

use tevent_core::gate::{Gate, State, Ticket};

use crate::{
    QueueEntry, QueueGuard, TryEntryError,
    seat::{Seat, Shared},
};

/// Entries that `Debug` shows.
const SHOWN: usize = 8;

/// A fair queue that lets one entry through at a time. C: `tevent_queue`.
///
/// A `TeventQueue` is a handle; clones are handles of the same queue. Entries and guards are not handles: when the last
/// handle is dropped, the queue is closed. Not `Send`: a queue lives on one thread.
///
/// ```
/// use futures::executor::block_on;
/// use tevent_queue::{TeventQueue, TryEntryError};
///
/// let queue = TeventQueue::new("printer");
/// let guard = block_on(queue.entry()).expect("the queue is open");
/// assert_eq!(queue.try_entry().unwrap_err(), TryEntryError::Busy);
/// drop(guard);
/// assert!(queue.try_entry().is_ok());
/// ```
pub struct TeventQueue {
    shared: Rc<Shared>,
}

impl TeventQueue {
    /// An empty queue that is running. The name is for people: `Debug` shows it. C: `tevent_queue_create`.
    #[must_use = "dropping the last handle closes the queue"]
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            shared: Rc::new(Shared::new(name.into())),
        }
    }

    /// Takes the last place in the line, now, and returns the future of its turn.
    ///
    /// On a stopped queue too; on a closed one the future is ready with
    /// [`QueueError::Closed`](crate::QueueError::Closed). C: `tevent_queue_wait_send`.
    #[inline]
    #[track_caller]
    pub fn entry(&self) -> QueueEntry {
        QueueEntry::new(Seat::join(&self.shared, Ticket::here()))
    }

    /// Takes the turn at once, if the queue is running and nobody is in the line. C: the fast path of
    /// `tevent_queue_add_optimize_empty`.
    ///
    /// # Errors
    /// [`Busy`](TryEntryError::Busy), [`Stopped`](TryEntryError::Stopped) or [`Closed`](TryEntryError::Closed); no
    /// place was taken.
    #[inline]
    #[track_caller]
    pub fn try_entry(&self) -> Result<QueueGuard, TryEntryError> {
        Ok(QueueGuard::new(Seat::try_hold(
            &self.shared,
            Ticket::here(),
        )?))
    }

    /// Grants nothing until [`start`](Self::start). The holder keeps its turn; an entry that was granted and has not
    /// been polled since waits again, at the head. Entries may still join. C: `tevent_queue_stop`.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Grants again, beginning with the head of the line; nothing changes if the queue is running.
    /// C: `tevent_queue_start`.
    pub fn start(&self) {
        self.shared.start();
    }

    /// Closes the queue for good: all that wait, in order, and all that come later get
    /// [`QueueError::Closed`](crate::QueueError::Closed). The holder finishes undisturbed. Nothing changes if the queue
    /// is closed already.
    ///
    /// # Panics
    /// If a task's waker panics: after all have been woken.
    pub fn close(&self) {
        self.shared.close();
    }

    /// Whether the queue grants, by [`stop`](Self::stop) and [`start`](Self::start) alone. C: `tevent_queue_running`.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.shared.look(Gate::is_running)
    }

    /// Whether the queue has been closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.look(Gate::is_closed)
    }

    /// Entries in the line, with the one that has the turn. C: `tevent_queue_length`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.look(Gate::len)
    }

    /// Whether nobody is in the line and nobody has the turn.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared.look(Gate::is_empty)
    }

    /// The name given at the start.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }
}

impl Clone for TeventQueue {
    fn clone(&self) -> Self {
        self.shared.handles.update(|handles| handles + 1);
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl Drop for TeventQueue {
    fn drop(&mut self) {
        self.shared.handles.update(|handles| handles - 1);
        if self.shared.handles.get() == 0 {
            self.shared.close();
        }
    }
}

/// What `Debug` shows, copied out of the gate: a formatter is foreign code and must find the queue free.
struct Picture {
    running: bool,
    closed: bool,
    len: usize,
    entries: [Option<(State, Ticket)>; SHOWN],
}

impl Picture {
    fn of(gate: &Gate) -> Self {
        let mut entries = gate.entries();
        Self {
            running: gate.is_running(),
            closed: gate.is_closed(),
            len: gate.len(),
            entries: array::from_fn(|_| entries.next()),
        }
    }
}

impl fmt::Debug for TeventQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("TeventQueue");
        shown.field("name", &self.shared.name);
        let Some(picture) = self.shared.try_look(Picture::of) else {
            return shown.finish_non_exhaustive();
        };
        shown
            .field("running", &picture.running)
            .field("closed", &picture.closed)
            .field("len", &picture.len)
            .field("entries", &Entries(&picture))
            .finish()
    }
}

/// The first entries, one per line of a `{:#?}`: `Held src/main.rs:7:21`.
struct Entries<'a>(&'a Picture);

impl fmt::Debug for Entries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for (state, ticket) in self.0.entries.iter().flatten() {
            list.entry(&format_args!("{state:?} {ticket}"));
        }
        if self.0.len > SHOWN {
            list.finish_non_exhaustive()
        } else {
            list.finish()
        }
    }
}
