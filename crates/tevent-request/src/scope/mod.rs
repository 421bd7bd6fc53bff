//! Children that belong to somebody: a scope of spawned requests, which it waits for, cancels or drops.

mod child;
mod end;
mod inner;
mod join;
mod report;

use std::{
    borrow::Cow,
    fmt,
    rc::{Rc, Weak},
};

use tevent_context::Handle;
use tevent_queue::TeventQueue;

use self::inner::{Inner, Leave, Origin};
pub use self::{
    child::Child,
    join::Join,
    report::{ChildInfo, Report},
};
use crate::{CancelToken, Request, Work, foreign::quietly};

/// The owner of spawned requests: none outlives it unseen. It borrows nothing, so work may own one.
///
/// A child is a request that the loop drives. Its result comes to the [`Child`], whose drop lets it run on: children
/// end by themselves, or with their scope.
///
/// - [`join`](Self::join) waits for all; [`cancel`](Self::cancel) asks all to end early.
/// - [`end`](Self::end) drops all, one after the other, the last one first, and waits until they are gone.
/// - [`shutdown`](Self::shutdown) does it in order, with a deadline.
/// - **Dropping the scope** drops all in the same order, but does not wait: each goes at a turn of its own, never
///   inside this drop, and none works on meanwhile. So the stack stays flat, however deep scopes are nested. (When the
///   context itself ends, the order is the context's.)
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
            inner: Inner::new(handle, name.into()),
        }
    }

    /// Lets so many of the children that are spawned from now on work at a time; the others wait, first come, first
    /// served. (Those that were spawned before keep to the bound they had.)
    ///
    /// Who waits has not begun, but may end: by its deadline, by its completer, or because somebody asks; then it ends
    /// as [`Cancelled`](crate::RequestError::Cancelled), its work untouched by the scope. (A request that was polled
    /// before it was given here counts as one that has not begun.)
    ///
    /// A child that spawns another one here and awaits it keeps its place meanwhile. If all do, all wait for ever: give
    /// such children a scope of their own, or [`spawn`](Request::spawn) them. `Debug` of a [`Child`], and the report of
    /// a stuck loop, say of each that it waits for its place.
    ///
    /// While others wait, each place that becomes free costs a look past all who work: meant for hundreds, not for ten
    /// thousands.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn at_most(self, children: usize) -> Self {
        assert!(
            children > 0,
            "a scope needs a place for one child: without one none ever begins"
        );
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
    /// this call, and not at all if somebody has asked the children to end: it ends as
    /// [`Cancelled`](crate::RequestError::Cancelled) then. A scope that is ending, or whose context has ended, drops
    /// the request: the child ends as [`Abandoned`](crate::RequestError::Abandoned).
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

    /// Waits until no child is left; those that are spawned meanwhile are waited for, too. Called by a child, it means
    /// the others.
    ///
    /// # Cancel safety
    /// Dropping it changes nothing.
    pub fn join(&self) -> Join {
        Join::new(&self.inner)
    }

    /// Children that have not ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.len()
    }

    /// Whether no child is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Who has not ended, by age: who works, and who waits. The one that is just being dropped is not shown.
    #[must_use]
    pub fn children(&self) -> Vec<ChildInfo> {
        self.inner.known(None)
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
        // Children keep what they share alive: a scope that is gone is closed.
        let spawned = match self.inner.upgrade() {
            Some(inner) => inner.spawn(request),
            None => Err(request),
        };
        spawned.unwrap_or_else(|request| Child::refused(&request))
    }

    fn is_closed(&self) -> bool {
        let inner = self.inner.upgrade();
        inner.is_none_or(|inner| inner.is_closed.get())
    }
}

impl Drop for RequestScope {
    fn drop(&mut self) {
        self.inner.is_closed.set(true);
        self.inner.reap_all(None);
        quietly(|panics| self.inner.token.node().close(panics));
    }
}

impl fmt::Debug for RequestScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestScope")
            .field("name", &self.inner.name)
            .field("len", &self.len())
            .field("closed", &self.inner.is_closed.get())
            .finish()
    }
}

impl fmt::Debug for ScopeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeHandle")
            .field("closed", &self.is_closed())
            .finish()
    }
}
