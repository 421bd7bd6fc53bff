//! Which request is being worked for, who is told of it, and where its time goes; with the feature `profile`.

mod carry;
mod flow;
#[cfg(feature = "tracing")]
mod spans;
#[cfg(not(feature = "tracing"))]
#[path = "no_spans.rs"]
mod spans;
mod tree;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

pub(crate) use self::flow::Owner;
#[cfg(feature = "tracing")]
pub use self::spans::tracing_hook;
pub use self::{
    carry::{Carried, carry, carry_call},
    flow::{FlowHook, FlowKind, FlowPoint, on_flow},
    tree::{Profile, ProfileKind, profile_waits},
};
use self::{spans::Traced, tree::Span};
use crate::{State, head::Label};

thread_local! {
    static CURRENT: RefCell<Option<Mark>> = const { RefCell::new(None) };
    /// Numbers of this thread's requests; 0 is none.
    static LAST: Cell<u64> = const { Cell::new(0) };
}

/// What is said of a request while it is polled: its number, and where its profile goes on.
#[derive(Clone)]
pub(crate) struct Mark {
    id: u64,
    /// How many requests deep; 1 is one outside of others.
    depth: usize,
    span: Option<Rc<Span>>,
    traced: Traced,
}

/// The number of the request that this thread works for: of the innermost one that is being polled, cleaned up or
/// dropped. `None` outside of requests.
///
/// A request that is made inside another has its number; one that is made outside gets a new one, unique on its
/// thread. So a number names a whole call, however many requests and tasks it is made of: for logs. It is put back at
/// every poll, so it survives every await. Work that is handed to somebody else, as a driven entry of a queue, a
/// callback or a plain task, takes it along by [`carry`] and [`carry_call`]. C: the tags of queue entries, and what
/// `tevent_thread_call_depth` is for; hooks are told of calls by [`on_flow`].
///
/// ```
/// use futures::executor::block_on;
/// use tevent_request::{RequestExt, request_id};
///
/// let request = async { Ok::<_, String>(request_id()) }.request("outer");
/// let id = request.id();
/// assert_eq!(block_on(request), Ok(Some(id)));
/// assert_eq!(request_id(), None);
/// ```
#[must_use]
pub fn request_id() -> Option<u64> {
    current().map(|mark| mark.id)
}

fn current() -> Option<Mark> {
    let mark = CURRENT.try_with(|current| current.borrow().clone());
    mark.ok().flatten()
}

impl Mark {
    /// Of a request that is made now: inside of the current one, if there is one.
    pub(crate) fn new(label: &Label) -> Self {
        let mark = Self::inside(current(), label);
        mark.tell(FlowKind::Create, label);
        mark
    }

    fn inside(outer: Option<Self>, label: &Label) -> Self {
        let Some(outer) = outer else {
            let id = LAST.get() + 1;
            LAST.set(id);
            return Self {
                id,
                depth: 1,
                span: None,
                traced: Traced::new(id, label),
            };
        };
        let inside = |span: Rc<Span>| span.add(ProfileKind::Request, label.name.clone());
        Self {
            id: outer.id,
            depth: outer.depth + 1,
            span: outer.span.map(inside),
            traced: Traced::new(outer.id, label),
        }
    }

    /// Of what is not worked for.
    pub(crate) fn none() -> Self {
        Self {
            id: 0,
            depth: 0,
            span: None,
            traced: Traced::none(),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The profile from now on, if there was none.
    pub(crate) fn profile(&mut self, label: &Label) -> Profile {
        let root = || Span::new(ProfileKind::Request, label.name.clone());
        Profile::of(self.span.get_or_insert_with(root))
    }

    /// What it is made of and has not ended yet, by its profile, if it keeps one.
    pub(crate) fn open(&self) -> Option<Vec<String>> {
        self.span.as_ref().map(|span| span.open())
    }

    /// Works for this request until the returned value is dropped.
    pub(crate) fn enter(&self) -> Entered {
        let traced = self.traced.enter();
        Entered {
            before: replace(Some(self.clone())),
            _traced: traced,
        }
    }

    pub(crate) fn end(&self, state: State) {
        if let Some(span) = &self.span {
            span.end(state);
        }
        self.traced.end(state);
    }

    /// Whether hooks are told.
    #[inline]
    pub(crate) fn is_watched() -> bool {
        flow::is_watched()
    }

    /// The cleanups are about to run.
    #[inline]
    pub(crate) fn cleanup(&self, state: State, label: &Label) {
        self.tell(FlowKind::Cleanup(state), label);
    }

    /// The awaiter is about to learn.
    #[inline]
    pub(crate) fn notify(&self, label: &Label) {
        self.tell(FlowKind::Notify, label);
    }
}

/// Puts back whom the thread worked for before, also when a panic unwinds.
pub(crate) struct Entered {
    before: Option<Mark>,
    _traced: Option<spans::InSpan>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        drop(replace(self.before.take()));
    }
}

fn replace(mark: Option<Mark>) -> Option<Mark> {
    let before = CURRENT.try_with(|current| current.replace(mark));
    before.ok().flatten()
}
