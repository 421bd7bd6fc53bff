//! The profile of a request: what it was made of and how long each part took, as a tree.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    rc::Rc,
    time::{Duration, Instant},
};

use tevent_context::Handle;
use tevent_queue::{TeventQueue, TraceKind, TracePoint};

use super::{current, flow};
use crate::State;

/// Where the time of a request went: from [`Request::profile`](crate::Request::profile). A node for each request that
/// was made inside it, wherever it ran, and for each wait in a queue that is watched by [`profile_waits`].
/// C: `tevent_req_set_profile`.
///
/// A handle: it shows what has happened by the time one looks. Times are of the loop that runs, else the system's
/// clock.
/// `Display` prints the tree:
///
/// ```text
/// serve: Done, 12ms
///   queue `disk`: Done, 5ms
///   read: Done, 6ms
/// ```
#[derive(Clone)]
pub struct Profile {
    span: Rc<Span>,
}

/// What a node of a [`Profile`] stands for.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ProfileKind {
    /// A request, from when it was made to its end.
    Request,
    /// A wait for a turn in a queue, from the entry to the turn. It ends as [`State::Done`], or as [`State::Received`]
    /// if the entry left before.
    QueueWait,
}

/// A node. It may grow with every request inside: a profile is kept for who asked for one.
pub(crate) struct Span {
    kind: ProfileKind,
    name: Cow<'static, str>,
    start: Instant,
    stop: Cell<Option<Instant>>,
    state: Cell<State>,
    parts: RefCell<Vec<Rc<Span>>>,
}

/// From now on every wait of a profiled request in this queue is a node of its own, and hooks ([`on_flow`]) are told
/// when a request enters it, takes its turn, and leaves.
///
/// [`on_flow`]: crate::on_flow
///
/// ```
/// use futures::executor::block_on;
/// use tevent_queue::TeventQueue;
/// use tevent_request::{ProfileKind, RequestExt, profile_waits};
///
/// let disk = TeventQueue::new("disk");
/// profile_waits(&disk);
/// let read = async move {
///     let _turn = disk.entry().await.map_err(|error| error.to_string())?;
///     Ok::<_, String>("data")
/// };
/// let mut read = read.request("read");
/// let profile = read.profile();
/// block_on(read).unwrap();
/// assert_eq!(profile.parts()[0].kind(), ProfileKind::QueueWait);
/// ```
pub fn profile_waits(queue: &TeventQueue) {
    let waits = Waits::default();
    queue.on_trace(move |point| {
        waits.note(point);
        flow::tell_of_queue(point);
    });
}

/// The waits in one queue that have not ended, by their entries' numbers. It may grow: each is an entry in the queue.
#[derive(Default)]
struct Waits(RefCell<BTreeMap<u64, Rc<Span>>>);

impl Waits {
    /// An entry belongs to the request that takes the place, whoever takes the turn then or drops it.
    fn note(&self, point: &TracePoint<'_>) {
        if point.kind == TraceKind::Attach {
            if let Some(span) = current().and_then(|mark| mark.span) {
                let wait = span.add(ProfileKind::QueueWait, point.queue.to_string().into());
                self.0.borrow_mut().insert(point.entry, wait);
            }
            return;
        }
        let wait = self.0.borrow_mut().remove(&point.entry);
        if let Some(wait) = wait {
            wait.end(match point.kind {
                TraceKind::BeforeTrigger => State::Done,
                _ => State::Received,
            });
        }
    }
}

fn now() -> Instant {
    Handle::try_current().map_or_else(|_| Instant::now(), |handle| handle.read_clock())
}

impl Span {
    pub(super) fn new(kind: ProfileKind, name: Cow<'static, str>) -> Rc<Self> {
        Rc::new(Self {
            kind,
            name,
            start: now(),
            stop: Cell::new(None),
            state: Cell::new(State::InProgress),
            parts: RefCell::default(),
        })
    }

    pub(super) fn add(&self, kind: ProfileKind, name: Cow<'static, str>) -> Rc<Self> {
        let part = Self::new(kind, name);
        self.parts.borrow_mut().push(Rc::clone(&part));
        part
    }

    pub(super) fn end(&self, state: State) {
        if self.stop.get().is_none() {
            self.stop.set(Some(now()));
            self.state.set(state);
        }
    }

    /// What of it has not ended.
    pub(super) fn open(&self) -> Vec<String> {
        let parts = self.parts.borrow();
        let open = parts.iter().filter(|part| part.stop.get().is_none());
        open.map(|part| part.title()).collect()
    }

    fn title(&self) -> String {
        match self.kind {
            ProfileKind::Request => self.name.to_string(),
            ProfileKind::QueueWait => format!("queue `{}`", self.name),
        }
    }
}

impl Drop for Span {
    /// In a loop: a deep tree would otherwise be dropped level by level on the stack.
    fn drop(&mut self) {
        let mut left = self.parts.take();
        while let Some(part) = left.pop() {
            if let Some(part) = Rc::into_inner(part) {
                left.append(&mut part.parts.borrow_mut());
            }
        }
    }
}

impl Profile {
    pub(super) fn of(span: &Rc<Span>) -> Self {
        Self {
            span: Rc::clone(span),
        }
    }

    /// What this node stands for.
    #[must_use]
    pub fn kind(&self) -> ProfileKind {
        self.span.kind
    }

    /// The name of the request, or of the queue.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.span.name
    }

    /// When it began.
    #[must_use]
    pub fn start(&self) -> Instant {
        self.span.start
    }

    /// When it ended; `None` if it has not.
    #[must_use]
    pub fn stop(&self) -> Option<Instant> {
        self.span.stop.get()
    }

    /// How long it took, or has taken so far.
    #[must_use]
    pub fn duration(&self) -> Duration {
        let end = self.stop().unwrap_or_else(now);
        end.saturating_duration_since(self.span.start)
    }

    /// The state it ended in; [`State::InProgress`] if it has not, [`State::Received`] if it was dropped.
    #[must_use]
    pub fn state(&self) -> State {
        self.span.state.get()
    }

    /// The nodes below, in the order in which they began.
    #[must_use]
    pub fn parts(&self) -> Vec<Self> {
        self.span.parts.borrow().iter().map(Self::of).collect()
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = vec![(0, self.clone())];
        while let Some((level, node)) = left.pop() {
            if level > 0 {
                write!(f, "\n{:1$}", "", 2 * level)?;
            }
            write!(
                f,
                "{}: {:?}, {:?}",
                node.span.title(),
                node.state(),
                node.duration()
            )?;
            left.extend(node.parts().into_iter().rev().map(|part| (level + 1, part)));
        }
        Ok(())
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("name", &self.name())
            .field("state", &self.state())
            .field("parts", &self.span.parts.borrow().len())
            .finish_non_exhaustive()
    }
}
