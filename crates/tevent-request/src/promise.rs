//! A request that is finished from elsewhere: a completer, and the request it completes.

use std::{
    any::Any,
    borrow::Cow,
    cell::{Cell, OnceCell, RefCell},
    fmt,
    panic::{Location, resume_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use tevent_core::{asked, panics::Panics};

use crate::{
    CancelToken, Request, RequestError, State, error::state_of, foreign::quietly, node::Node,
    state::Life, work::Work,
};

/// A request for code that ends by a callback: whoever has the [`Completer`] finishes it.
/// C: `tevent_req_create`, finished by `tevent_req_done` or `tevent_req_error`.
///
/// ```
/// use futures::executor::block_on;
/// use tevent_request::{RequestError, request};
///
/// let (completer, answer) = request::<u32, String>("answer");
/// let callback = move |value| assert!(completer.done(value));
/// callback(42);
/// assert_eq!(block_on(answer), Ok(42));
///
/// let (completer, answer) = request::<u32, String>("answer");
/// drop(completer);
/// assert_eq!(block_on(answer), Err(RequestError::Abandoned));
/// ```
#[track_caller]
pub fn request<T, E>(name: impl Into<Cow<'static, str>>) -> (Completer<T, E>, Promised<T, E>) {
    let slot = Slot::new();
    let promise = Promise(Some(Rc::clone(&slot)));
    let request = Request::of(name.into(), Location::caller(), None, promise);
    (Completer { slot }, request)
}

/// A request that a [`Completer`] finishes.
pub type Promised<T, E> = Request<T, E, Promise<T, E>>;

/// Finishes a request, once. Dropping it unused ends the request as [`RequestError::Abandoned`], so nobody waits for
/// ever.
///
/// Nothing of the awaiter runs inside a call of this type: finishing is a wake. (In C the callback runs inside
/// `tevent_req_done`, unless `tevent_req_defer_callback` was called.)
pub struct Completer<T, E> {
    slot: Rc<Slot<T, E>>,
}

impl<T, E> Completer<T, E> {
    /// Finishes the request with a value. `false`, and no effect, if it is over: finished, timed out, or dropped.
    /// C: `tevent_req_done`.
    ///
    /// # Panics
    /// If the awaiting task's waker panics: the request is finished then.
    pub fn done(&self, value: T) -> bool {
        self.slot.fill(Outcome::Result(Ok(value)))
    }

    /// Finishes it with an error: an `E`, or one of the other kinds of [`RequestError`]. `false` as with
    /// [`done`](Self::done). C: `tevent_req_error`.
    ///
    /// # Panics
    /// As [`done`](Self::done).
    pub fn error(&self, error: impl Into<RequestError<E>>) -> bool {
        self.slot.fill(Outcome::Result(Err(error.into())))
    }

    /// Whether the request is over, so that there is nothing left to finish.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !self.slot.life.is_in_progress()
    }

    /// The token by which the request is asked to end early. As long as it, or a clone, lives, somebody listens, and
    /// [`Request::cancel`] is `true`.
    pub fn token(&self) -> CancelToken {
        CancelToken::of(self.slot.node())
    }
}

impl<T, E> Drop for Completer<T, E> {
    fn drop(&mut self) {
        quietly(|panics| panics.guard(|| self.slot.abandon()));
    }
}

impl<T, E> fmt::Debug for Completer<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completer")
            .field("state", &self.slot.life.state())
            .finish()
    }
}

/// How work ended that somebody else awaits.
pub(crate) enum Outcome<T, E> {
    Result(Result<T, RequestError<E>>),
    Panicked(Box<dyn Any + Send>),
}

/// What the two ends share: at most one result and one waker.
pub(crate) struct Slot<T, E> {
    pub(crate) life: Life,
    outcome: RefCell<Option<Outcome<T, E>>>,
    waker: RefCell<Option<Waker>>,
    node: OnceCell<Rc<Node>>,
    /// The request is over: a token that is asked for from now on is cancelled already.
    closed: Cell<bool>,
}

impl<T, E> Slot<T, E> {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            life: Life::new(),
            outcome: RefCell::new(None),
            waker: RefCell::new(None),
            node: OnceCell::new(),
            closed: Cell::new(false),
        })
    }

    fn node(&self) -> Rc<Node> {
        let node = self.node.get_or_init(Rc::default);
        if !self.life.is_in_progress() {
            node.finish(self.closed.get());
        }
        Rc::clone(node)
    }

    /// Gives the result, if none has been given and somebody may take it.
    pub(crate) fn fill(&self, outcome: Outcome<T, E>) -> bool {
        let state = match &outcome {
            Outcome::Result(result) => state_of(result),
            Outcome::Panicked(_) => State::Abandoned,
        };
        if !self.life.step(state) {
            return false;
        }
        if let Some(node) = self.node.get() {
            node.finish(false);
        }
        *self.outcome.borrow_mut() = Some(outcome);
        self.wake();
        true
    }

    pub(crate) fn abandon(&self) {
        self.fill(Outcome::Result(Err(RequestError::Abandoned)));
    }

    /// Wakes whoever polled last.
    fn wake(&self) {
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ready with the result; a panic goes on here.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<T, RequestError<E>>> {
        assert!(
            self.life.state() != State::Received,
            "a request was polled after it was ready"
        );
        if self.life.is_in_progress() {
            self.wait(cx.waker());
        }
        // Looked at after that: a waker's clone is foreign code, and may have finished the request.
        let outcome = self.outcome.borrow_mut().take();
        let Some(outcome) = outcome else {
            return Poll::Pending;
        };
        let is_first = self.life.step(State::Received);
        debug_assert!(is_first, "an outcome is taken once");
        match outcome {
            Outcome::Result(result) => Poll::Ready(result),
            Outcome::Panicked(panic) => resume_unwind(panic),
        }
    }

    fn wait(&self, waker: &Waker) {
        let is_known = |known: &Waker| known.will_wake(waker);
        if !self.waker.borrow().as_ref().is_some_and(is_known) {
            let waker = waker.clone();
            let old = self.waker.borrow_mut().replace(waker);
            drop(old);
        }
    }

    /// Nobody will take the result: what was given is dropped here, what comes is refused.
    pub(crate) fn give_up(&self) {
        let _is_first = self.life.step(State::Received);
        let outcome = self.outcome.borrow_mut().take();
        let waker = self.waker.borrow_mut().take();
        let mut panics = Panics::default();
        panics.guard(|| drop(outcome));
        panics.guard(|| drop(waker));
        panics.resume();
    }

    /// Whoever listens to the token learns that there is nothing left to finish.
    fn close(&self, panics: &mut Panics) {
        self.closed.set(true);
        if let Some(node) = self.node.get() {
            node.close(panics);
        }
    }
}

/// The work of a request that is finished from elsewhere.
pub struct Promise<T, E>(
    /// `None` once the request is over, or the promise has moved into a box.
    Option<Rc<Slot<T, E>>>,
);

impl<T, E> Work<T, E> for Promise<T, E> {
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, RequestError<E>>> {
        let slot = self.0.as_ref();
        let slot = slot.expect("the work of a request in progress has not been dropped");
        let polled = slot.poll(cx);
        if polled.is_pending() {
            asked::answer(|| "its completer".into());
        }
        polled
    }

    fn end(self: Pin<&mut Self>) {
        if let Some(slot) = &self.0 {
            slot.give_up();
        }
    }

    fn close(mut self: Pin<&mut Self>, panics: &mut Panics) {
        if let Some(slot) = self.0.take() {
            slot.close(panics);
        }
    }

    fn take(&mut self) -> Self {
        Self(self.0.take())
    }

    fn wake(&self) {
        if let Some(slot) = &self.0 {
            slot.wake();
        }
    }

    fn node(&self) -> Option<Rc<Node>> {
        Some(self.0.as_ref()?.node())
    }

    fn promised(&self) -> Option<State> {
        Some(self.0.as_ref()?.life.state())
    }
}

impl<T, E> fmt::Debug for Promise<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Promise").field(&self.promised()).finish()
    }
}
