//! The queue itself: handles to one line.

use std::{array, borrow::Cow, fmt, panic::Location};

use tevent_core::gate::{Gate, Limits, Origin, State, Ticket};

use crate::{
    Builder, Drain, Face, Local, Policy, QueueBlock, QueueEntry, QueueGuard, Stats, Threads,
    TracePoint, TryEntryError, detector::Link, error::Reason, inside::Shared, seat::Seat,
    stats::EntryInfo, watch::Watch,
};
use std::rc::Rc;

/// Entries that `Debug` shows.
const SHOWN: usize = 8;

/// A fair queue that lets one entry through at a time. C: `tevent_queue`.
///
/// A `TeventQueue` is a handle; clones are handles of the same queue. Entries and guards are not handles: when the last
/// handle is dropped, the queue is closed. Not `Send`: it lives on one thread; [`SyncTeventQueue`] is the same for
/// many.
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
pub struct TeventQueue<F: Face = Local> {
    shared: F::Shared,
}

/// The same queue for tasks of many threads and any executor: `Send + Sync`, and so are its entries and guards.
///
/// The rules are the same, word for word; it is the same gate behind a lock, which is never held while a waker or
/// anything else of others runs. While one thread tells a waker of its turn, the next grants wait until it has been
/// told.
///
/// ```
/// use std::thread;
/// use futures::executor::block_on;
/// use tevent_queue::SyncTeventQueue;
///
/// let queue = SyncTeventQueue::shared("log");
/// thread::scope(|scope| {
///     for _ in 0..4 {
///         scope.spawn(|| {
///             let _turn = block_on(queue.entry()).expect("the queue is open");
///         });
///     }
/// });
/// assert_eq!(queue.stats().grants, 4);
/// ```
pub type SyncTeventQueue = TeventQueue<Threads>;

impl TeventQueue {
    /// An empty queue that is running. The name is for people: `Debug` and trace points show it.
    /// C: `tevent_queue_create`.
    #[must_use = "dropping the last handle closes the queue"]
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self::builder(name).build()
    }

    /// A queue with several permits, or with a bound.
    pub fn builder(name: impl Into<Cow<'static, str>>) -> Builder {
        Builder::new(name.into())
    }

    /// Calls `hook` at every trace point of every entry from now on: when it takes its place, right before it takes its
    /// turn, and when it leaves. Hooks are called in the order in which they were added; none can be taken away.
    ///
    /// A handle of the queue that the hook has captured keeps the queue open for ever: the queue keeps the hook.
    ///
    /// A hook may use the queue, but what it adds is told to the hooks as well. A panic of a hook goes through whoever
    /// caused the moment. C: `tevent_set_trace_queue_callback`.
    ///
    /// ```
    /// use tevent_queue::{TeventQueue, TraceKind};
    ///
    /// let queue = TeventQueue::new("disk");
    /// queue.on_trace(|point| println!("{}: {:?} {}", point.queue, point.kind, point.origin));
    /// drop(queue.try_entry()); // disk: Attach .., disk: BeforeTrigger .., disk: Detach ..
    /// ```
    pub fn on_trace(&self, hook: impl Fn(&TracePoint<'_>) + 'static) {
        self.watch().add_hook(Rc::new(hook));
    }

    /// Puts a queue that has just been made under observation.
    pub(crate) fn detect(&self, policy: Policy) {
        if !matches!(policy, Policy::Off) {
            self.watch().set_detector(Link::new(&self.shared, policy));
        }
    }

    fn watch(&self) -> &Watch {
        self.shared.with(|inside| inside.is_watched = true);
        self.shared.watching.get_or_init(Box::default)
    }

    #[cfg(feature = "stats")]
    pub(crate) fn time(&self, clock: crate::timing::Clock) {
        let stopwatch = crate::timing::Stopwatch::new(clock);
        self.watch().set_stopwatch(stopwatch);
    }

    #[cfg(feature = "stats")]
    pub(crate) fn stopwatch(&self) -> Option<&crate::timing::Stopwatch> {
        self.shared.watch()?.stopwatch()
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn meter(&self) {
        let meter = crate::metrics::Meter::new(self.name());
        self.watch().set_meter(meter);
    }
}

impl TeventQueue<Threads> {
    /// An empty queue that is running, for tasks of many threads.
    #[must_use = "dropping the last handle closes the queue"]
    pub fn shared(name: impl Into<Cow<'static, str>>) -> Self {
        Self::with_limits(name.into(), Limits::default())
    }
}

impl<F: Face> TeventQueue<F> {
    pub(crate) fn with_limits(name: Cow<'static, str>, limits: Limits) -> Self {
        Self {
            shared: Shared::<F>::share(name, limits),
        }
    }

    /// Takes the last place in the line, now, and returns the future of its turn.
    ///
    /// On a stopped queue too; on a closed one the future is ready with
    /// [`QueueError::Closed`](crate::QueueError::Closed), on a full one with
    /// [`QueueError::Full`](crate::QueueError::Full). C: `tevent_queue_wait_send`.
    #[inline]
    #[track_caller]
    pub fn entry(&self) -> QueueEntry<F> {
        self.entry_from(Location::caller())
    }

    /// The same, asked for by another line of the source.
    #[inline]
    pub(crate) fn entry_from(&self, origin: Origin) -> QueueEntry<F> {
        QueueEntry::new(Seat::join(&self.shared, origin))
    }

    /// Takes the last place if fewer than `limit` are in the line, those with the turn included: `1` is "only if it is
    /// empty". `None` if there are as many already, or as many as the capacity.
    #[must_use = "dropping the entry gives its place in the line up"]
    #[track_caller]
    pub fn entry_if_fewer_than(&self, limit: usize) -> Option<QueueEntry<F>> {
        Seat::join_below(&self.shared, limit, Location::caller()).map(QueueEntry::new)
    }

    /// Takes the turn at once, if the queue is running, a permit is free and nobody waits. C: the fast path of
    /// `tevent_queue_add_optimize_empty`, without its recursion.
    ///
    /// # Errors
    /// [`Busy`](TryEntryError::Busy), [`Stopped`](TryEntryError::Stopped) or [`Closed`](TryEntryError::Closed); no
    /// place was taken.
    #[inline]
    #[track_caller]
    pub fn try_entry(&self) -> Result<QueueGuard<F>, TryEntryError> {
        Ok(QueueGuard::new(Seat::try_hold(
            &self.shared,
            Location::caller(),
        )?))
    }

    /// Takes the last place without work: from its turn on, until it is dropped, it holds up who comes behind. The
    /// capacity does not count for it. C: `tevent_queue_add` without a trigger.
    #[track_caller]
    pub fn block(&self) -> QueueBlock<F> {
        QueueBlock::new(Seat::block(&self.shared, Location::caller()))
    }

    /// Grants nothing until [`start`](Self::start). The holder keeps its turn; an entry that was granted and has not
    /// been polled since waits again, at its place. Entries may still join. C: `tevent_queue_stop`.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Grants again, beginning with the head of the line; nothing changes if the queue is running.
    /// C: `tevent_queue_start`.
    pub fn start(&self) {
        self.shared.start();
    }

    /// Closes the queue for good: all that wait, in order, and all that come later get
    /// [`QueueError::Closed`](crate::QueueError::Closed). Holders finish undisturbed. Nothing changes if the queue is
    /// closed already.
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

    /// Waits until nobody is in the line and nobody has the turn, whether the queue is open or not. Whoever joins
    /// meanwhile is waited for, too: stop those who add first, or close the queue.
    pub fn drain(&self) -> Drain<F> {
        Drain::new(self.shared.clone())
    }

    /// Whether the queue grants, by [`stop`](Self::stop) and [`start`](Self::start) alone. C: `tevent_queue_running`.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.look(Gate::is_running)
    }

    /// Whether the queue has been closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.look(Gate::is_closed)
    }

    /// Entries in the line, with those that have the turn. C: `tevent_queue_length`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.look(Gate::len)
    }

    /// Whether nobody is in the line and nobody has the turn.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.look(Gate::is_empty)
    }

    /// The name given at the start.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// What has happened so far, in numbers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.look(Stats::of)
    }

    /// Who holds the turn: of several, the one that joined first. `None` also if the next one has been granted the turn
    /// and its task has not been polled yet.
    #[must_use]
    pub fn holder(&self) -> Option<EntryInfo> {
        self.look(|gate| {
            let held = gate.turns().find(|(_, state, _)| *state == State::Held);
            held.map(|(_, state, ticket)| EntryInfo::from((state, ticket)))
        })
    }

    /// The first entries of the line, at most so many, in order: who holds, who waits, and from which lines.
    #[must_use]
    pub fn entries(&self, at_most: usize) -> Vec<EntryInfo> {
        self.look(|gate| gate.entries().take(at_most).map(EntryInfo::from).collect())
    }

    /// Where the [`holder`](Self::holder) stands in the line.
    pub(crate) fn holder_position(&self) -> Option<usize> {
        self.look(|gate| {
            let held = gate.turns().find(|(_, state, _)| *state == State::Held);
            held.and_then(|(place, ..)| gate.position(place))
        })
    }

    pub(crate) fn inner(&self) -> &F::Shared {
        &self.shared
    }

    pub(crate) fn look<R>(&self, look: impl FnOnce(&Gate) -> R) -> R {
        self.shared.with(|inside| look(&inside.gate))
    }
}

impl<F: Face> Clone for TeventQueue<F> {
    #[inline]
    fn clone(&self) -> Self {
        self.shared.add_handle();
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<F: Face> Drop for TeventQueue<F> {
    #[inline]
    fn drop(&mut self) {
        self.shared.drop_handle();
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

impl<F: Face> fmt::Debug for TeventQueue<F> {
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
