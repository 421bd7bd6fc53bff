//! Cancelling is asking: a token that the work looks at, and a way to ask for those who do not hold the request.

use std::{
    fmt,
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tevent_core::asked;

use crate::{foreign::Held, node::Node};

/// How work learns that it is asked to end early. What it does then is its own affair: stop, finish first, or go on.
/// C: `tevent_req_set_cancel_fn`.
///
/// Clones name the same place. Tokens form a tree: a [`child`](Self::child) is cancelled with its parent, not the other
/// way round. Work receives its token from [`Request::new`](crate::Request::new); one that nobody gave out may be made
/// by [`CancelToken::new`]. The token of a request is cancelled, too, when the request ends, in whatever way: helpers
/// that listen learn that there is nothing left to work for.
///
/// ```
/// use tevent_request::CancelToken;
///
/// let (all, other) = (CancelToken::new(), CancelToken::new());
/// let one = all.child();
/// assert!(one.cancel());
/// assert!(one.is_cancelled() && !all.is_cancelled());
/// let two = all.child();
/// assert!(all.cancel());
/// assert!(two.is_cancelled() && !other.is_cancelled());
/// ```
pub struct CancelToken {
    node: Rc<Node>,
}

impl CancelToken {
    /// A token of its own: the root of a tree.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Rc::default())
    }

    pub(crate) fn of(node: Rc<Node>) -> Self {
        node.listeners.set(node.listeners.get() + 1);
        Self { node }
    }

    pub(crate) fn node(&self) -> &Rc<Node> {
        &self.node
    }

    /// A token that is cancelled with this one, or alone.
    #[must_use]
    pub fn child(&self) -> Self {
        let child = Self::new();
        self.node.adopt(&child.node);
        child
    }

    /// Asks all who listen to this token or to one below it. `false` if that has been done already, or if it belongs to
    /// a request that is over.
    ///
    /// # Panics
    /// With the first panic of a task's waker, after all have been woken.
    pub fn cancel(&self) -> bool {
        !self.is_cancelled() && self.node.ask()
    }

    /// Whether somebody has asked, or the request is over that it belongs to.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.node.is_asked()
    }

    /// Waits until somebody asks.
    ///
    /// # Cancel safety
    /// Dropping it leaves nothing behind.
    pub fn cancelled(&self) -> Cancelled {
        Cancelled {
            token: self.clone(),
            key: None,
        }
    }

    /// Does the work unless somebody asks first: `None` then, and the work has been dropped. If somebody has asked
    /// already, it is not begun; if both come at once later, the work's output wins.
    ///
    /// ```
    /// use futures::executor::block_on;
    /// use tevent_request::CancelToken;
    ///
    /// let token = CancelToken::new();
    /// assert_eq!(block_on(token.unless(async { 1 })), Some(1));
    /// token.cancel();
    /// assert_eq!(block_on(token.unless(std::future::pending::<i32>())), None);
    /// ```
    pub fn unless<F: Future>(&self, work: F) -> UnlessCancelled<F> {
        UnlessCancelled {
            work: Some(work),
            has_begun: false,
            cancelled: self.cancelled(),
        }
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for CancelToken {
    fn clone(&self) -> Self {
        Self::of(Rc::clone(&self.node))
    }
}

impl Drop for CancelToken {
    fn drop(&mut self) {
        self.node.listeners.set(self.node.listeners.get() - 1);
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken")
            .field("cancelled", &self.is_cancelled())
            .finish()
    }
}

/// The future of [`CancelToken::cancelled`].
#[must_use = "futures do nothing unless awaited"]
pub struct Cancelled {
    token: CancelToken,
    key: Option<u64>,
}

impl Future for Cancelled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if !this.token.is_cancelled() {
            let waiters = &this.token.node.waiters;
            waiters.register(&mut this.key, cx.waker());
        }
        // Looked at once more: a waker's clone is foreign code, and may have asked.
        if this.token.is_cancelled() {
            return Poll::Ready(());
        }
        asked::answer(|| "a cancel".into());
        Poll::Pending
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        self.token.node.waiters.remove(&mut self.key);
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancelled").field(&self.token).finish()
    }
}

pin_project! {
    /// The future of [`CancelToken::unless`]. Cancel safe if the work is.
    ///
    /// # Panics
    /// When polled after it was ready.
    #[must_use = "futures do nothing unless awaited"]
    pub struct UnlessCancelled<F> {
        // `None` once it is over.
        #[pin]
        work: Option<F>,
        has_begun: bool,
        cancelled: Cancelled,
    }
}

impl<F: Future> Future for UnlessCancelled<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(work) = this.work.as_mut().as_pin_mut() else {
            panic!("an `UnlessCancelled` was polled after it was ready");
        };
        let may_begin = *this.has_begun || !this.cancelled.token.is_cancelled();
        *this.has_begun = true;
        let polled = match may_begin {
            true => work.poll(cx),
            false => Poll::Pending,
        };
        let output = match polled {
            Poll::Ready(output) => Some(output),
            Poll::Pending => match Pin::new(this.cancelled).poll(cx) {
                Poll::Ready(()) => None,
                Poll::Pending => return Poll::Pending,
            },
        };
        let output = Held::new(output);
        this.work.set(None);
        Poll::Ready(output.release())
    }
}

impl<F> fmt::Debug for UnlessCancelled<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnlessCancelled")
            .field(&self.cancelled)
            .finish()
    }
}

/// Asks a request to end early, for whoever does not hold it: from [`Request::canceller`](crate::Request::canceller).
/// It keeps nothing alive.
#[derive(Clone)]
pub struct Canceller {
    node: Weak<Node>,
}

impl Canceller {
    pub(crate) fn of(node: &Rc<Node>) -> Self {
        Self {
            node: Rc::downgrade(node),
        }
    }

    pub(crate) fn deaf() -> Self {
        Self { node: Weak::new() }
    }

    /// Asks; see [`Request::cancel`](crate::Request::cancel).
    pub fn cancel(&self) -> bool {
        self.node.upgrade().is_some_and(|node| node.ask())
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.node.upgrade();
        f.debug_struct("Canceller")
            .field("over", &node.as_ref().is_none_or(|node| node.is_over()))
            .field("asked", &node.is_some_and(|node| node.is_asked()))
            .finish()
    }
}
