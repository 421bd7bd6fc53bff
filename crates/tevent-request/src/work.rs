//! What a request does until it has a result.

use std::{
    fmt,
    marker::{PhantomData, PhantomPinned},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use pin_project_lite::pin_project;
use tevent_core::panics::Panics;

use crate::{RequestError, State, foreign::Held, node::Node};

/// The inside of a request: a future, the end of a promise, or either in a box. Nobody else can implement it.
pub trait Work<T, E> {
    /// Goes on. When it is ready, what did the work has been dropped already.
    #[doc(hidden)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, RequestError<E>>>;

    /// Drops what does the work.
    #[doc(hidden)]
    fn end(self: Pin<&mut Self>);

    /// The request is over, and its cleanups have run: whoever listens to the work's own token learns it.
    #[doc(hidden)]
    fn close(self: Pin<&mut Self>, _panics: &mut Panics) {}

    /// Takes what does the work out of a request that has not been polled.
    #[doc(hidden)]
    fn take(&mut self) -> Self
    where
        Self: Sized;

    /// Keeps the waker of a poll that was not ready, if the request may be changed between two polls.
    #[doc(hidden)]
    fn keep(self: Pin<&mut Self>, _waker: &Waker) {}

    /// Wakes whoever polled last.
    #[doc(hidden)]
    fn wake(&self) {}

    /// Where a cancel is asked for, if the work brings a place of its own.
    #[doc(hidden)]
    fn node(&self) -> Option<Rc<Node>> {
        None
    }

    /// The state of a promise, which others work for, whether this is polled or not; `None` for other work.
    #[doc(hidden)]
    fn promised(&self) -> Option<State> {
        None
    }
}

/// Work in a box, so that requests of all kinds have one type: from [`Request::boxed`](crate::Request::boxed).
pub struct BoxWork<T, E> {
    /// `None` once the request is over.
    work: Option<Pin<Box<dyn Work<T, E>>>>,
    waker: Option<Waker>,
}

impl<T, E> BoxWork<T, E> {
    pub(crate) fn new(work: impl Work<T, E> + 'static) -> Self {
        Self {
            work: Some(Box::pin(work)),
            waker: None,
        }
    }
}

impl<T, E> Work<T, E> for BoxWork<T, E> {
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, RequestError<E>>> {
        let work = self.work.as_mut();
        let work = work.expect("the work of a request in progress has not been dropped");
        work.as_mut().poll(cx)
    }

    fn end(mut self: Pin<&mut Self>) {
        if let Some(work) = &mut self.work {
            work.as_mut().end();
        }
    }

    fn close(mut self: Pin<&mut Self>, panics: &mut Panics) {
        let waker = self.waker.take();
        panics.guard(|| drop(waker));
        if let Some(mut work) = self.work.take() {
            work.as_mut().close(panics);
        }
    }

    fn take(&mut self) -> Self {
        Self {
            work: self.work.take(),
            waker: self.waker.take(),
        }
    }

    fn keep(mut self: Pin<&mut Self>, waker: &Waker) {
        let is_known = |known: &Waker| known.will_wake(waker);
        if !self.waker.as_ref().is_some_and(is_known) {
            self.waker = Some(waker.clone());
        }
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    fn node(&self) -> Option<Rc<Node>> {
        self.work.as_ref()?.node()
    }

    fn promised(&self) -> Option<State> {
        self.work.as_ref()?.promised()
    }
}

impl<T, E> fmt::Debug for BoxWork<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxWork")
    }
}

pin_project! {
    /// A future that does the work; `K` says what its output means.
    pub struct FutureWork<F, K = Plain> {
        #[pin]
        future: Option<F>,
        kind: PhantomData<K>,
        // Nobody changes such a request between two polls: whoever wants to, boxes it, and the box keeps the waker.
        #[pin]
        never_moved: PhantomPinned,
    }
}

/// The future gives `Result<T, E>`: the work's own error, or none.
#[derive(Debug)]
pub enum Plain {}

/// The future gives `Result<T, RequestError<E>>`: it says itself how it ended.
#[derive(Debug)]
pub enum Full {}

/// What the output of a future means.
pub trait Meaning<O, T, E> {
    #[doc(hidden)]
    fn result(output: O) -> Result<T, RequestError<E>>;
}

impl<T, E> Meaning<Result<T, E>, T, E> for Plain {
    #[inline]
    fn result(output: Result<T, E>) -> Result<T, RequestError<E>> {
        output.map_err(RequestError::User)
    }
}

impl<T, E> Meaning<Result<T, RequestError<E>>, T, E> for Full {
    #[inline]
    fn result(output: Result<T, RequestError<E>>) -> Result<T, RequestError<E>> {
        output
    }
}

impl<F, K> FutureWork<F, K> {
    #[inline]
    pub(crate) fn new(future: F) -> Self {
        Self {
            future: Some(future),
            kind: PhantomData,
            never_moved: PhantomPinned,
        }
    }
}

impl<T, E, F: Future, K: Meaning<F::Output, T, E>> Work<T, E> for FutureWork<F, K> {
    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, RequestError<E>>> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut();
        let future = future.expect("the work of a request in progress has not been dropped");
        let output = Held::new(ready!(future.poll(cx)));
        this.future.set(None);
        Poll::Ready(K::result(output.release()))
    }

    #[inline]
    fn end(self: Pin<&mut Self>) {
        self.project().future.set(None);
    }

    fn take(&mut self) -> Self {
        Self {
            future: self.future.take(),
            kind: PhantomData,
            never_moved: PhantomPinned,
        }
    }
}

impl<F, K> fmt::Debug for FutureWork<F, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FutureWork")
            .field("over", &self.future.is_none())
            .finish()
    }
}
