//! What every request has beside its work: name, state, deadline, cleanups, the place where a cancel is heard.

use std::{borrow::Cow, fmt, panic::Location, rc::Rc};

use tevent_core::panics::Panics;

use crate::{State, deadline::Deadline, node::Node, profile::Mark, state::Life};

/// A cleanup of the user's.
type Cleanup = Box<dyn FnMut(State)>;

/// All of a request but its work.
pub(crate) struct Head {
    pub(crate) life: Life,
    pub(crate) label: Label,
    pub(crate) deadline: Option<Deadline>,
    #[expect(
        clippy::box_collection,
        reason = "most requests have none, and pay for what their drop looks at"
    )]
    cleanups: Option<Box<Vec<Cleanup>>>,
    pub(crate) node: Option<Rc<Node>>,
    pub(crate) mark: Mark,
}

/// What a request is known by to people.
#[derive(Clone)]
pub(crate) struct Label {
    pub(crate) name: Cow<'static, str>,
    pub(crate) created: &'static Location<'static>,
}

impl Head {
    #[inline]
    pub(crate) fn new(label: Label, node: Option<Rc<Node>>) -> Self {
        let mark = Mark::new(&label);
        if let Some(node) = &node {
            node.owner.is(&mark, &label);
        }
        Self::with(label, node, mark)
    }

    #[inline]
    fn with(label: Label, node: Option<Rc<Node>>, mark: Mark) -> Self {
        Self {
            life: Life::new(),
            label,
            deadline: None,
            cleanups: None,
            node,
            mark,
        }
    }

    pub(crate) fn add_cleanup(&mut self, cleanup: Cleanup) {
        self.cleanups.get_or_insert_default().push(cleanup);
    }

    /// What is left of a request that has become another.
    pub(crate) fn over() -> Self {
        let label = Label {
            name: Cow::Borrowed(""),
            created: Location::caller(),
        };
        let head = Self::with(label, None, Mark::none());
        let _is_legal = head.life.step(State::Received);
        head
    }

    /// Nobody is to be told of the end.
    #[inline]
    pub(crate) fn is_alone(&self) -> bool {
        self.cleanups.is_none() && self.node.is_none() && !Mark::is_watched()
    }

    /// The request has ended in `state`, nobody is to be told, and the result is taken.
    #[inline]
    pub(crate) fn pass_through(&mut self, state: State, others: &mut Panics) {
        self.mark.end(state);
        self.take_timer_out(others);
        let _is_legal = self.life.step(state);
        let _is_legal = self.life.step(State::Received);
    }

    #[inline]
    fn take_timer_out(&mut self, others: &mut Panics) {
        if let Some(deadline) = self.deadline.take() {
            others.guard(|| drop(deadline));
        }
    }

    /// The request has ended in `state`, and its work has been dropped. In this order: the timer, the state, the
    /// cleanups, the listeners of the token. All of that is foreign code and may panic: the awaiter gets to see what is
    /// the request's `own`.
    pub(crate) fn end_and_tell(&mut self, state: State, own: &mut Panics, others: &mut Panics) {
        self.mark.end(state);
        self.take_timer_out(others);
        own.guard(|| self.mark.cleanup(state, &self.label));
        let mut cleanups = self.cleanups.take().unwrap_or_default();
        for state in [state, State::Received] {
            if self.life.step(state) {
                // What was set up last is cleaned up first.
                for cleanup in cleanups.iter_mut().rev() {
                    own.guard(|| cleanup(state));
                }
            }
        }
        own.drop_all(&mut cleanups);
        if let Some(node) = &self.node {
            node.close(others);
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request `{}` (created at {})", self.name, self.created)
    }
}
