//! Children that belong to somebody: a scope of spawned requests, which it waits for, cancels or drops.

mod child;
mod end;

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt, mem,
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll},
};

use tevent_context::{Handle, Task};
use tevent_core::{asked, panics::Panics};
use tevent_queue::TeventQueue;

pub use self::{
    child::Child,
    end::{Left, Report},
};
use crate::{CancelToken, Request, Work, head::Label, waiters::Waiters};

/// The owner of spawned requests: none outlives it unseen. It borrows nothing, so work may own one.
///
/// A child is a request that the loop drives. Its result comes to the [`Child`], whose drop lets it run on: children
/// end by themselves, or with their scope.
///
/// - [`join`](Self::join) waits for all; [`cancel`](Self::cancel) asks all to end early.
/// - [`end`](Self::end) drops all, one after the other, the last one first, and waits until they are gone.
/// - [`shutdown`](Self::shutdown) does it in order, with a deadline.
/// - **Dropping the scope** drops all in the same order, but does not wait: each goes at a turn of its own, never
///   inside this drop. So the stack stays flat, however deep scopes are nested. (When the context itself ends, the
///   order is the context's.)
///
/// ```
/// use tevent_context::Context;
/// use tevent_request::{RequestExt, RequestScope};
///
/// # fn main() -> std::io::Result<()> {
/// let sum = Context::new()?.block_on(async {
///     let scope = RequestScope::new("parts").at_most(2); // two at a time
///     let parts: Vec<_> = (1..=3)
///         .map(|part| scope.spawn(async move { Ok::<_, String>(part) }.request("part")))
///         .collect();
///     let mut sum = 0;
///     for part in parts {
///         sum += part.await.unwrap_or(0);
///     }
///     sum
/// });
/// assert_eq!(sum, 6);
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping a scope drops its children"]
pub struct RequestScope {
    inner: Rc<Inner>,
}

/// A handle of a scope, to spawn children from elsewhere, also from children. It keeps nothing alive.
#[derive(Clone)]
pub struct ScopeHandle {
    inner: Weak<Inner>,
}

struct Inner {
    name: Cow<'static, str>,
    handle: Handle,
    /// Children are below it.
    token: CancelToken,
    /// The line in which children wait to begin, if their number is bounded.
    line: RefCell<Option<TeventQueue>>,
    accepts: Cell<bool>,
    next: Cell<u64>,
    /// By age. It may grow: each is a request that somebody spawned; [`RequestScope::len`] tells how many.
    children: RefCell<BTreeMap<u64, Record>>,
    /// Children that have not ended, those included that are being dropped.
    live: Cell<usize>,
    joiners: Waiters,
}

/// A child, as its scope knows it.
struct Record {
    task: Task<()>,
    label: Label,
}

impl RequestScope {
    /// A scope on the context that runs on this thread. The name is for people.
    ///
    /// # Panics
    /// If no context runs on this thread.
    #[track_caller]
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self::on(&Handle::current(), name)
    }

    /// A scope whose children a certain loop drives.
    pub fn on(handle: &Handle, name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            inner: Rc::new(Inner {
                name: name.into(),
                handle: handle.clone(),
                token: CancelToken::new(),
                line: RefCell::default(),
                accepts: Cell::new(true),
                next: Cell::new(0),
                children: RefCell::default(),
                live: Cell::new(0),
                joiners: Waiters::default(),
            }),
        }
    }

    /// Lets so many of the children that are spawned from now on work at a time; the others wait, first come, first
    /// served. A deadline of a request begins to count when it is set, but ends it only once it has begun.
    ///
    /// # Panics
    /// If it is 0.
    pub fn at_most(self, children: usize) -> Self {
        let line = TeventQueue::builder(self.inner.name.clone()).permits(children);
        let old = self.inner.line.replace(Some(line.build()));
        drop(old);
        self
    }

    /// Whoever cancels `token` asks all children, those of later, too: for a scope inside a request.
    pub fn under(self, token: &CancelToken) -> Self {
        token.node().adopt(self.inner.token.node());
        self
    }

    /// Gives a request to the scope, and lets the loop drive it. It is polled first when its turn comes, never inside
    /// this call. A scope that is shutting down, or whose context has ended, drops the request: the child ends as
    /// [`Abandoned`](crate::RequestError::Abandoned).
    #[track_caller]
    pub fn spawn<T, E, W>(&self, request: Request<T, E, W>) -> Child<T, E>
    where
        T: 'static,
        E: 'static,
        W: Work<T, E> + 'static,
    {
        match self.inner.spawn(request) {
            Ok(child) => child,
            Err(request) => Child::refused(&request),
        }
    }

    /// The same, but a scope that takes no more gives the request back.
    ///
    /// # Errors
    /// With the request; nothing has happened to it.
    #[track_caller]
    #[expect(
        clippy::result_large_err,
        reason = "the request goes back to where it came from"
    )]
    pub fn try_spawn<T, E, W>(
        &self,
        request: Request<T, E, W>,
    ) -> Result<Child<T, E>, Request<T, E, W>>
    where
        T: 'static,
        E: 'static,
        W: Work<T, E> + 'static,
    {
        self.inner.spawn(request)
    }

    /// A handle to spawn by from elsewhere.
    pub fn handle(&self) -> ScopeHandle {
        ScopeHandle {
            inner: Rc::downgrade(&self.inner),
        }
    }

    /// The token of the scope: cancelled when the children are asked, or when the scope is gone.
    pub fn token(&self) -> CancelToken {
        self.inner.token.clone()
    }

    /// Asks all children to end early, and those of later as they come. `false` if that was done before.
    pub fn cancel(&self) -> bool {
        self.inner.token.cancel()
    }

    /// Waits until no child is left; those that are spawned meanwhile are waited for, too.
    ///
    /// # Cancel safety
    /// Dropping it changes nothing.
    pub fn join(&self) -> Join {
        Join {
            inner: Rc::clone(&self.inner),
            key: None,
        }
    }

    /// Children that have not ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.live.get()
    }

    /// Whether no child is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl ScopeHandle {
    /// As [`RequestScope::spawn`]; if the scope is gone, the child ends as
    /// [`Abandoned`](crate::RequestError::Abandoned).
    #[track_caller]
    pub fn spawn<T, E, W>(&self, request: Request<T, E, W>) -> Child<T, E>
    where
        T: 'static,
        E: 'static,
        W: Work<T, E> + 'static,
    {
        let spawned = match self.inner.upgrade() {
            Some(inner) => inner.spawn(request),
            None => Err(request),
        };
        spawned.unwrap_or_else(|request| Child::refused(&request))
    }
}

impl Inner {
    #[track_caller]
    #[expect(
        clippy::result_large_err,
        reason = "the request goes back to where it came from"
    )]
    fn spawn<T, E, W>(
        self: &Rc<Self>,
        request: Request<T, E, W>,
    ) -> Result<Child<T, E>, Request<T, E, W>>
    where
        T: 'static,
        E: 'static,
        W: Work<T, E> + 'static,
    {
        if !self.accepts.get() || self.handle.has_ended() {
            return Err(request);
        }
        request.adopt_by(&self.token);
        let label = request.label().clone();
        let line = self.line.borrow().clone();
        let place = line.map(|line| line.entry());
        let id = self.next.replace(self.next.get() + 1);
        let leave = Leave {
            scope: Rc::downgrade(self),
            id,
        };
        self.live.set(self.live.get() + 1);
        let (child, run) = child::pair(request, place, leave);
        let task = self.handle.spawn(run).named(label.name.clone());
        // Nothing was polled, so it is there still, unless the loop refused it.
        if !task.is_finished() {
            let record = Record { task, label };
            self.children.borrow_mut().insert(id, record);
        }
        Ok(child)
    }

    /// Out of the scope's hands: whoever has them drops them.
    fn take_tasks(&self) -> Vec<Record> {
        let children = mem::take(&mut *self.children.borrow_mut());
        children.into_values().collect()
    }
}

/// Tells the scope that a child has ended, when it is dropped.
struct Leave {
    scope: Weak<Inner>,
    id: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let Some(scope) = self.scope.upgrade() else {
            return;
        };
        let record = scope.children.borrow_mut().remove(&self.id);
        if let Some(record) = record {
            // It is about to end: nothing is to be cancelled.
            record.task.detach();
        }
        scope.live.set(scope.live.get() - 1);
        if scope.live.get() == 0 {
            let mut panics = Panics::default();
            scope.joiners.wake_all(&mut panics);
            panics.resume();
        }
    }
}

impl Drop for RequestScope {
    fn drop(&mut self) {
        self.inner.accepts.set(false);
        let mut panics = Panics::default();
        let records = self.inner.take_tasks();
        end::let_go(&self.inner, records, &mut panics);
        self.inner.token.node().close(&mut panics);
        panics.resume();
    }
}

impl fmt::Debug for RequestScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestScope")
            .field("name", &self.inner.name)
            .field("len", &self.len())
            .field("accepts", &self.inner.accepts.get())
            .finish()
    }
}

impl fmt::Debug for ScopeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeHandle")
            .field("gone", &(self.inner.strong_count() == 0))
            .finish()
    }
}

/// The future of [`RequestScope::join`].
#[must_use = "futures do nothing unless awaited"]
pub struct Join {
    inner: Rc<Inner>,
    key: Option<u64>,
}

impl Future for Join {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.inner.live.get() > 0 {
            this.inner.joiners.register(&mut this.key, cx.waker());
            asked::answer(|| format!("the children of scope `{}`", this.inner.name));
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl Drop for Join {
    fn drop(&mut self) {
        self.inner.joiners.remove(self.key);
    }
}

impl fmt::Debug for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join")
            .field("scope", &self.inner.name)
            .field("left", &self.inner.live.get())
            .finish()
    }
}
