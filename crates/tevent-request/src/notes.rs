//! A request of several values: a bounded stream of them, and then its end.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt,
    panic::Location,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use futures::{Stream, stream::FusedStream};
use tevent_core::{asked, panics::Panics};

use crate::{
    CancelToken, Completer, FutureWork, Request, RequestError, request, waiters::Waiters,
    work::Full,
};

/// A request that gives several values before it ends: a stream of `Ok(value)`, in the order in which they were given,
/// then one `Err` if it ended with an error, then nothing more. C: `tevent_req_notify_callback`.
///
/// Who awaits the next value drives the work. Values that were given before the end come before it, also before a
/// timeout. Dropping the stream abandons the request.
///
/// ```
/// use futures::{StreamExt, executor::block_on};
/// use tevent_request::{RequestError, RequestStream};
///
/// let entries = RequestStream::<i32, String>::new("search", 2, |notifier, _token| async move {
///     for entry in 1..=3 {
///         notifier.notify(entry).await; // waits while two values have not been taken
///     }
///     Err(RequestError::User("the server hung up".to_string()))
/// });
/// let entries: Vec<_> = block_on(entries.collect());
/// assert_eq!(entries[..3], [Ok(1), Ok(2), Ok(3)]);
/// assert!(entries[3].is_err());
/// ```
#[must_use = "a stream does nothing unless it is polled; dropping it abandons the request"]
pub struct RequestStream<N, E> {
    /// `None` once it is over.
    request: Option<Request<(), E>>,
    /// How it ended, until the values before it have been taken.
    error: Option<RequestError<E>>,
    notes: Rc<Notes<N>>,
}

/// Gives values of a [`RequestStream`].
pub struct Notifier<N> {
    notes: Rc<Notes<N>>,
}

/// What the two share.
struct Notes<N> {
    bound: usize,
    values: RefCell<VecDeque<N>>,
    taker: Cell<Option<Waker>>,
    /// Who waits for room.
    givers: Waiters,
    /// Nobody will take values any more.
    over: Cell<bool>,
}

/// A promise of several values: give them by the notifier, end it by the completer. At most `bound` values wait to be
/// taken.
///
/// # Panics
/// If `bound` is 0.
///
/// ```
/// use futures::{StreamExt, executor::block_on};
/// use tevent_request::request_stream;
///
/// let (completer, notifier, values) = request_stream::<i32, String>("search", 8);
/// assert_eq!(notifier.try_notify(1), Ok(()));
/// completer.done(());
/// assert_eq!(block_on(values.collect::<Vec<_>>()), [Ok(1)]);
/// ```
#[track_caller]
pub fn request_stream<N: 'static, E: 'static>(
    name: impl Into<Cow<'static, str>>,
    bound: usize,
) -> (Completer<(), E>, Notifier<N>, RequestStream<N, E>) {
    let (completer, request) = request(name);
    let (notifier, stream) = RequestStream::of(bound, request.boxed());
    (completer, notifier, stream)
}

impl<N: 'static, E: 'static> RequestStream<N, E> {
    /// A request whose work gives values by a notifier, and ends by its result. At most `bound` values wait to be
    /// taken. The work receives the token of the request as well, as in [`Request::new`].
    ///
    /// # Panics
    /// If `bound` is 0.
    #[track_caller]
    pub fn new<F>(
        name: impl Into<Cow<'static, str>>,
        bound: usize,
        work: impl FnOnce(Notifier<N>, CancelToken) -> F,
    ) -> Self
    where
        F: Future<Output = Result<(), RequestError<E>>> + 'static,
    {
        let created = Location::caller();
        let notes = Notes::new(bound);
        let notifier = Notifier {
            notes: Rc::clone(&notes),
        };
        let node = Rc::default();
        let token = CancelToken::of(Rc::clone(&node));
        let work = FutureWork::<F, Full>::new(work(notifier, token));
        let request = Request::of(name.into(), created, Some(node), work);
        Self {
            request: Some(request.boxed()),
            error: None,
            notes,
        }
    }

    fn of(bound: usize, request: Request<(), E>) -> (Notifier<N>, Self) {
        let notes = Notes::new(bound);
        let notifier = Notifier {
            notes: Rc::clone(&notes),
        };
        let stream = Self {
            request: Some(request),
            error: None,
            notes,
        };
        (notifier, stream)
    }
}

impl<N, E> RequestStream<N, E> {
    /// Changes the request below, if it is not over: gives it a deadline, a cleanup, a parent.
    ///
    /// ```
    /// use std::time::Duration;
    /// use futures::StreamExt;
    /// use tevent_context::Context;
    /// use tevent_request::{RequestError, request_stream};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let late = Context::new()?.block_on(async {
    ///     let (_completer, _notifier, values) = request_stream::<i32, String>("search", 8);
    ///     let mut values = values.with(|request| request.timeout(Duration::from_millis(1)));
    ///     values.next().await
    /// });
    /// assert_eq!(late, Some(Err(RequestError::TimedOut)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn with(mut self, change: impl FnOnce(Request<(), E>) -> Request<(), E>) -> Self {
        self.request = self.request.take().map(change);
        self
    }

    /// Asks the work to end early; see [`Request::cancel`].
    pub fn cancel(&self) -> bool {
        self.request.as_ref().is_some_and(Request::cancel)
    }
}

impl<N, E> Stream for RequestStream<N, E> {
    type Item = Result<N, RequestError<E>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Some(value) = this.notes.take() {
            return Poll::Ready(Some(Ok(value)));
        }
        if let Some(request) = &mut this.request {
            this.notes.wait(cx.waker());
            if let Poll::Ready(result) = Pin::new(request).poll(cx) {
                this.request = None;
                this.error = result.err();
                this.notes.end();
            }
            // The work may have given values just now.
            if let Some(value) = this.notes.take() {
                return Poll::Ready(Some(Ok(value)));
            }
        }
        match this.error.take() {
            Some(error) => Poll::Ready(Some(Err(error))),
            None if this.request.is_some() => Poll::Pending,
            None => Poll::Ready(None),
        }
    }
}

impl<N, E> FusedStream for RequestStream<N, E> {
    fn is_terminated(&self) -> bool {
        self.request.is_none() && self.error.is_none() && self.notes.values.borrow().is_empty()
    }
}

impl<N, E> Unpin for RequestStream<N, E> {}

impl<N, E> Drop for RequestStream<N, E> {
    fn drop(&mut self) {
        let mut panics = Panics::default();
        let request = self.request.take();
        panics.guard(|| drop(request));
        panics.guard(|| self.notes.end());
        let values = self.notes.values.take();
        panics.guard(|| drop(values));
        panics.resume();
    }
}

impl<N> Notifier<N> {
    /// Gives a value, once there is room for it. `false` if nobody will take it: the request is over.
    ///
    /// # Cancel safety
    /// Dropping the future gives nothing; the value is dropped with it.
    pub async fn notify(&self, value: N) -> bool {
        let room = Room {
            notes: &self.notes,
            key: None,
        };
        room.await && self.try_notify(value).is_ok()
    }

    /// Gives a value if there is room for it.
    ///
    /// # Errors
    /// With the value, if as many wait as may, or if the request is over ([`is_over`](Self::is_over) tells which).
    ///
    /// # Panics
    /// If the taking task's waker panics: the value has been given then.
    pub fn try_notify(&self, value: N) -> Result<(), N> {
        if self.notes.over.get() || self.notes.is_full() {
            return Err(value);
        }
        self.notes.values.borrow_mut().push_back(value);
        if let Some(taker) = self.notes.taker.take() {
            taker.wake();
        }
        Ok(())
    }

    /// Whether the request is over, so that nobody takes values any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.notes.over.get()
    }
}

impl<N> Clone for Notifier<N> {
    fn clone(&self) -> Self {
        Self {
            notes: Rc::clone(&self.notes),
        }
    }
}

impl<N> Notes<N> {
    fn new(bound: usize) -> Rc<Self> {
        assert!(bound > 0, "a stream of values needs room for one");
        Rc::new(Self {
            bound,
            values: RefCell::default(),
            taker: Cell::new(None),
            givers: Waiters::default(),
            over: Cell::new(false),
        })
    }

    fn is_full(&self) -> bool {
        self.values.borrow().len() >= self.bound
    }

    fn take(&self) -> Option<N> {
        let value = self.values.borrow_mut().pop_front();
        if value.is_some() {
            self.wake_givers();
        }
        value
    }

    /// All who wait, as few do: whoever comes too late waits again.
    fn wake_givers(&self) {
        let mut panics = Panics::default();
        self.givers.wake_all(&mut panics);
        panics.resume();
    }

    fn wait(&self, waker: &Waker) {
        let known = self.taker.take();
        let taker = match known {
            Some(known) if known.will_wake(waker) => known,
            _ => waker.clone(),
        };
        self.taker.set(Some(taker));
    }

    fn end(&self) {
        self.over.set(true);
        drop(self.taker.take());
        self.wake_givers();
    }
}

/// Waits for room; `false` if the request is over.
struct Room<'a, N> {
    notes: &'a Notes<N>,
    key: Option<u64>,
}

impl<N> Future for Room<'_, N> {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        let this = &mut *self;
        if !this.notes.over.get() && this.notes.is_full() {
            this.notes.givers.register(&mut this.key, cx.waker());
            asked::answer(|| "room for another value of a request".into());
            return Poll::Pending;
        }
        Poll::Ready(!this.notes.over.get())
    }
}

impl<N> Drop for Room<'_, N> {
    fn drop(&mut self) {
        self.notes.givers.remove(self.key);
    }
}

impl<N, E> fmt::Debug for RequestStream<N, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestStream")
            .field("request", &self.request)
            .field("waiting", &self.notes.values.borrow().len())
            .finish()
    }
}

impl<N> fmt::Debug for Notifier<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier")
            .field("over", &self.is_over())
            .field("waiting", &self.notes.values.borrow().len())
            .finish()
    }
}
