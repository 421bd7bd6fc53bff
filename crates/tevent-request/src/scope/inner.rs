//! What a scope and its children share: who is there, who has begun, and in which order they are dropped.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    rc::{Rc, Weak},
    time::Instant,
};

use tevent_context::{Handle, Task};
use tevent_queue::TeventQueue;

use super::{
    child::{self, Child, Wait},
    report::{ChildInfo, Ends},
};
use crate::{
    CancelToken, Request, Work, foreign::quietly, head::Label, promise::Outcome, waiters::Waiters,
};

pub(super) struct Inner {
    pub(super) name: Cow<'static, str>,
    pub(super) handle: Handle,
    /// Children are below it.
    pub(super) token: CancelToken,
    /// The line in which children wait to begin, if their number is bounded.
    pub(super) line: RefCell<Option<TeventQueue>>,
    /// For good: it is shutting down, or gone.
    pub(super) is_closed: Cell<bool>,
    /// So many wait for the end of all, and want no more of them.
    pub(super) enders: Cell<usize>,
    next: Cell<u64>,
    /// By age, but for the one that is being dropped. It may grow: each is a request that somebody spawned;
    /// [`RequestScope::len`](super::RequestScope::len) tells how many.
    children: RefCell<BTreeMap<u64, Record>>,
    /// Children that have not ended.
    live: Cell<usize>,
    /// The child that is being polled.
    polled: Cell<Option<u64>>,
    /// The child that is being dropped, when all are: the last one first.
    reaped: Cell<Option<u64>>,
    /// The child that ends the others.
    spared: Cell<Option<u64>>,
    pub(super) ends: Cell<Ends>,
    pub(super) joiners: Waiters,
}

/// A child, as its scope knows it.
struct Record {
    task: Task<()>,
    label: Label,
    since: Instant,
    has_begun: Cell<bool>,
}

impl Inner {
    pub(super) fn new(handle: &Handle, name: Cow<'static, str>) -> Rc<Self> {
        Rc::new(Self {
            name,
            handle: handle.clone(),
            token: CancelToken::new(),
            line: RefCell::default(),
            is_closed: Cell::new(false),
            enders: Cell::new(0),
            next: Cell::new(0),
            children: RefCell::default(),
            live: Cell::new(0),
            polled: Cell::new(None),
            reaped: Cell::new(None),
            spared: Cell::new(None),
            ends: Cell::default(),
            joiners: Waiters::default(),
        })
    }

    fn accepts(&self) -> bool {
        let is_ending = self.enders.get() > 0 || self.reaped.get().is_some();
        !self.is_closed.get() && !is_ending && !self.handle.has_ended()
    }

    #[track_caller]
    pub(super) fn spawn<T, E, W>(
        self: &Rc<Self>,
        mut request: Request<T, E, W>,
    ) -> Result<Child<T, E>, Request<T, E, W>>
    where
        T: 'static,
        E: 'static,
        W: Work<T, E> + 'static,
    {
        if !self.accepts() {
            return Err(request);
        }
        let line = self.line.borrow().clone();
        let wait = line.map(|line| Wait::new(&line, &mut request));
        let place = request.node();
        let label = request.label().clone();
        let id = self.next.replace(self.next.get() + 1);
        let since = self.handle.now();
        let (child, run) = child::pair(request, wait, Leave::new(self, id));
        let task = self.handle.spawn(run).named(label.name.clone());
        // Nothing was polled, so it is there still, unless the loop refused it.
        if !task.is_finished() {
            let has_begun = Cell::new(false);
            let record = Record {
                task,
                label,
                since,
                has_begun,
            };
            self.children.borrow_mut().insert(id, record);
        }
        // Last: who listens is foreign code, and may end the scope. It finds the child there.
        if let Some(place) = place {
            self.token.node().adopt(&place);
        }
        Ok(child)
    }

    /// How many have not ended.
    pub(super) fn len(&self) -> usize {
        self.live.get()
    }

    /// How many have not ended beside this one.
    pub(super) fn others(&self, than: Option<u64>) -> usize {
        let is_here = than.is_some_and(|id| self.children.borrow().contains_key(&id));
        self.len() - usize::from(is_here)
    }

    /// The child that is being polled, if one is.
    pub(super) fn caller(&self) -> Option<u64> {
        self.polled.get()
    }

    /// All but one, by age.
    pub(super) fn known(&self, but: Option<u64>) -> Vec<ChildInfo> {
        let now = self.handle.now();
        let children = self.children.borrow();
        let others = children.iter().filter(|(id, _)| Some(**id) != but);
        let info = |record: &Record| ChildInfo {
            name: record.label.name.clone(),
            created: record.label.created,
            has_begun: record.has_begun.get(),
            age: now.saturating_duration_since(record.since),
        };
        others.map(|(_, record)| info(record)).collect()
    }

    /// Drops all but one, each at its own turn when the one after it is gone: so the order is exact, and the stack is
    /// flat however deep scopes are nested.
    pub(super) fn reap_all(&self, but: Option<u64>) {
        self.spared.set(but);
        if self.reaped.get().is_none() {
            self.reap_last();
        }
    }

    fn reap_last(&self) {
        let mut children = self.children.borrow_mut();
        let mut ids = children.keys().rev().copied();
        let last = ids.find(|id| Some(*id) != self.spared.get());
        let record = last.and_then(|last| children.remove(&last));
        drop(children);
        self.reaped.set(last);
        // The drop of its task's handle asks the loop to drop the task.
        drop(record);
    }

    fn remove(&self, id: u64) {
        let record = self.children.borrow_mut().remove(&id);
        if let Some(record) = record {
            // It is about to end: nothing is to be cancelled.
            record.task.detach();
        }
        self.live.set(self.live.get() - 1);
        if self.reaped.get() == Some(id) {
            self.reap_last();
        }
        // With one left, that may be who waits for the others.
        if self.live.get() <= 1 {
            quietly(|panics| self.joiners.wake_all(panics));
        }
    }
}

/// For people: "scope `clients`".
impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "scope `{}`", self.name)
    }
}

/// A child's way to its scope; the scope learns that the child has ended when this is dropped.
pub(super) struct Leave {
    scope: Rc<Inner>,
    id: u64,
}

impl Leave {
    fn new(scope: &Rc<Inner>, id: u64) -> Self {
        scope.live.set(scope.live.get() + 1);
        Self {
            scope: Rc::clone(scope),
            id,
        }
    }

    pub(super) fn origin(&self) -> Origin {
        Origin {
            scope: Rc::downgrade(&self.scope),
            id: self.id,
        }
    }

    /// Whether all children have been asked to end early.
    pub(super) fn is_asked(&self) -> bool {
        self.scope.token.is_cancelled()
    }

    /// Whether the child is to be dropped, and not to be polled any more.
    pub(super) fn is_doomed(&self) -> bool {
        self.scope.reaped.get().is_some() && self.scope.spared.get() != Some(self.id)
    }

    /// The child begins to work.
    pub(super) fn begin(&self) {
        if let Some(record) = self.scope.children.borrow().get(&self.id) {
            record.has_begun.set(true);
        }
    }

    /// The child is polled until the returned value is dropped.
    pub(super) fn poll(&self) -> Polling {
        let before = self.scope.polled.replace(Some(self.id));
        let scope = Rc::clone(&self.scope);
        Polling { scope, before }
    }

    pub(super) fn end<T, E>(&self, outcome: &Outcome<T, E>) {
        let mut ends = self.scope.ends.get();
        ends.count(outcome);
        self.scope.ends.set(ends);
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.scope.remove(self.id);
    }
}

/// A child is being polled.
pub(super) struct Polling {
    scope: Rc<Inner>,
    before: Option<u64>,
}

impl Drop for Polling {
    fn drop(&mut self) {
        self.scope.polled.set(self.before);
    }
}

/// Where a child waits for its place, for those who look at it. It keeps nothing alive; by default, nowhere.
#[derive(Default)]
pub(super) struct Origin {
    scope: Weak<Inner>,
    id: u64,
}

impl Origin {
    /// The scope in which the child waits for its place, if it does.
    pub(super) fn waits_in(&self) -> Option<String> {
        let scope = self.scope.upgrade()?;
        let children = scope.children.borrow();
        let has_begun = children.get(&self.id)?.has_begun.get();
        (!has_begun).then(|| scope.to_string())
    }
}
