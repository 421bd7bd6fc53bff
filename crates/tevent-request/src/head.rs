//! What every request has beside its work: name, state, deadline, cleanups, the place where a cancel is heard.

use std::{borrow::Cow, fmt, mem, panic::Location, rc::Rc};

use tevent_core::panics::Panics;

use crate::{State, deadline::Deadline, node::Node, profile::Mark, state::Life};

/// A cleanup of the user's.
type Cleanup = Box<dyn FnMut(State)>;

/// All of a request but its work.
pub(crate) struct Head {
    pub(crate) life: Life,
    pub(crate) label: Label,
    pub(crate) deadline: Option<Deadline>,
    cleanups: Vec<Cleanup>,
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
            cleanups: Vec::new(),
            node,
            mark,
        }
    }

    pub(crate) fn add_cleanup(&mut self, cleanup: Cleanup) {
        self.cleanups.push(cleanup);
    }

    /// What is left of a request that has become another.
    pub(crate) fn over() -> Self {
        let label = Label {
            name: Cow::Borrowed(""),
            created: Location::caller(),
        };
        let head = Self::with(label, None, Mark::none());
        head.pass_through(State::Received);
        head
    }

    /// The request ends in `state`, and its result is taken. The work has been dropped.
    ///
    /// # Panics
    /// With the first panic of a cleanup, after all have run.
    #[inline]
    pub(crate) fn end(&mut self, state: State) {
        if self.is_alone() {
            self.mark.end(state);
            return self.pass_through(state);
        }
        let mut panics = Panics::default();
        self.end_and_tell(state, &mut panics);
        panics.resume();
    }

    /// Nobody is to be told of the end.
    #[inline]
    fn is_alone(&self) -> bool {
        let has_listeners = self.node.is_some() || Mark::is_watched();
        self.deadline.is_none() && self.cleanups.is_empty() && !has_listeners
    }

    #[inline]
    fn pass_through(&self, state: State) {
        let _is_legal = self.life.step(state);
        let _is_legal = self.life.step(State::Received);
    }

    /// The same for any end. In this order: the timer, the state, the cleanups, the listeners of the token; then the
    /// awaiter learns.
    pub(crate) fn end_and_tell(&mut self, state: State, panics: &mut Panics) {
        self.mark.end(state);
        let deadline = self.deadline.take();
        panics.guard(|| drop(deadline));
        panics.guard(|| self.mark.cleanup(state, &self.label));
        let mut cleanups = mem::take(&mut self.cleanups);
        for state in [state, State::Received] {
            if self.life.step(state) {
                // What was set up last is cleaned up first.
                for cleanup in cleanups.iter_mut().rev() {
                    panics.guard(|| cleanup(state));
                }
            }
        }
        panics.drop_all(&mut cleanups);
        if let Some(node) = &self.node {
            node.close(panics);
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request `{}` (created at {})", self.name, self.created)
    }
}
