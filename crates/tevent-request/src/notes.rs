//! A request of several values: a bounded stream of them, and then its end.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use futures::{Stream, stream::FusedStream};
use tevent_core::{asked, panics::Panics};

use crate::{
    CancelToken, Completer, FutureWork, Request, RequestError, foreign::quietly, request,
    waiters::Waiters, work::Full,
};

/// A request that gives several values before it ends: a stream of `Ok(value)`, in the order in which they were given,
/// then one `Err` if it ended with an error, then nothing more. C: `tevent_req_notify_callback`.
///
/// Who awaits the next value drives the work. Values that were given before the end come before it, also before a
/// timeout; but no flow of values puts the timeout off. Dropping the stream abandons the request.
///
/// # Panics
/// With a panic of the work; what was given before comes after it, and nothing more.
///
/// ```
/// use futures::{StreamExt, executor::block_on};
/// use tevent_request::{RequestError, RequestStream};
///
/// let entries = RequestStream::<i32, String>::new("search", 2, |notifier, _token| async move {
///     for entry in 1..=3 {
///         // Waits while two values have not been taken.
///         if notifier.notify(entry).await.is_err() {
///             break; // nobody takes them any more
///         }
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

    #[track_caller]
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
        this.drive(cx);
        if let Some(value) = this.notes.take() {
            return Poll::Ready(Some(Ok(value)));
        }
        match this.error.take() {
            Some(error) => Poll::Ready(Some(Err(error))),
            None if this.request.is_some() => Poll::Pending,
            None => Poll::Ready(None),
        }
    }
}

impl<N, E> RequestStream<N, E> {
    /// Lets the request go on; while there are values, without its work.
    fn drive(&mut self, cx: &mut Context<'_>) {
        let Some(request) = &mut self.request else {
            return;
        };
        self.notes.wait(cx.waker());
        let (request, has_values) = (Pin::new(request), self.notes.len() > 0);
        let polled = catch_unwind(AssertUnwindSafe(|| match has_values {
            true => request.poll_beside_work(cx),
            false => request.poll(cx),
        }));
        if matches!(polled, Ok(Poll::Pending)) {
            return;
        }
        self.request = None;
        quietly(|panics| self.notes.end(panics));
        match polled {
            Ok(Poll::Ready(Err(error))) => self.error = Some(error),
            Ok(_) => {}
            Err(panic) => resume_unwind(panic),
        }
    }
}

impl<N, E> FusedStream for RequestStream<N, E> {
    fn is_terminated(&self) -> bool {
        self.request.is_none() && self.error.is_none() && self.notes.len() == 0
    }
}

impl<N, E> Unpin for RequestStream<N, E> {}

impl<N, E> Drop for RequestStream<N, E> {
    fn drop(&mut self) {
        // From now on: a cleanup that gives a value gets it back.
        self.notes.over.set(true);
        let mut panics = Panics::default();
        let request = self.request.take();
        panics.guard(|| drop(request));
        quietly(|panics| self.notes.end(panics));
        let values = self.notes.values.take();
        panics.drop_all(&mut values.into());
        panics.resume();
    }
}

impl<N> Notifier<N> {
    /// Gives a value, once there is room for it: first come, first served.
    ///
    /// # Errors
    /// With the value, if nobody will take it any more: the request is over.
    ///
    /// # Cancel safety
    /// Dropping the future gives nothing; the value is dropped with it.
    ///
    /// # Panics
    /// As [`try_notify`](Self::try_notify).
    pub async fn notify(&self, value: N) -> Result<(), N> {
        let give = Give {
            notes: &self.notes,
            value: Some(value),
            key: None,
        };
        give.await
    }

    /// Gives a value if there is room for it, and nobody waits to give one.
    ///
    /// # Errors
    /// With the value, if as many wait as may, if others wait to give theirs, or if the request is over
    /// ([`is_over`](Self::is_over) tells).
    ///
    /// # Panics
    /// If a waker panics, of the taking task or of one that waits to give: the value has been given then.
    pub fn try_notify(&self, value: N) -> Result<(), N> {
        match self.notes.may_give(None) {
            true => self.notes.give(value),
            false => Err(value),
        }
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
    #[track_caller]
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

    fn len(&self) -> usize {
        self.values.borrow().len()
    }

    fn has_room(&self) -> bool {
        self.len() < self.bound
    }

    fn take(&self) -> Option<N> {
        let value = self.values.borrow_mut().pop_front()?;
        quietly(|panics| self.wake_next(panics));
        Some(value)
    }

    /// Whether it is the turn of this giver; or of who does not wait.
    fn may_give(&self, key: Option<u64>) -> bool {
        self.has_room() && self.givers.is_first(key)
    }

    fn give(&self, value: N) -> Result<(), N> {
        if self.over.get() {
            return Err(value);
        }
        self.values.borrow_mut().push_back(value);
        let mut panics = Panics::default();
        if let Some(taker) = self.taker.take() {
            panics.guard(|| taker.wake());
        }
        self.wake_next(&mut panics);
        panics.resume();
        Ok(())
    }

    /// One after the other: who leaves wakes the next.
    fn wake_next(&self, panics: &mut Panics) {
        if self.has_room() {
            self.givers.wake_first(panics);
        }
    }

    fn wait(&self, waker: &Waker) {
        let known = self.taker.take();
        let taker = match known {
            Some(known) if known.will_wake(waker) => known,
            _ => waker.clone(),
        };
        self.taker.set(Some(taker));
    }

    fn end(&self, panics: &mut Panics) {
        self.over.set(true);
        let taker = self.taker.take();
        panics.guard(|| drop(taker));
        self.givers.wake_all(panics);
    }
}

/// Waits for room and gives the value; it comes back if the request is over.
struct Give<'a, N> {
    notes: &'a Notes<N>,
    value: Option<N>,
    key: Option<u64>,
}

impl<N> Future for Give<'_, N> {
    type Output = Result<(), N>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let waits = |key| !this.notes.over.get() && !this.notes.may_give(key);
        if waits(this.key) {
            this.notes.givers.register(&mut this.key, cx.waker());
            // Looked at once more: a waker's clone is foreign code, and may have taken a value.
            if waits(this.key) {
                asked::answer(|| "room for another value of a request".into());
                return Poll::Pending;
            }
        }
        let value = this.value.take().expect("a value is given once");
        this.notes.givers.remove(&mut this.key);
        Poll::Ready(this.notes.give(value))
    }
}

/// Nothing points into a value that waits.
impl<N> Unpin for Give<'_, N> {}

impl<N> Drop for Give<'_, N> {
    fn drop(&mut self) {
        if self.key.is_some() {
            self.notes.givers.remove(&mut self.key);
            quietly(|panics| self.notes.wake_next(panics));
        }
        let value = self.value.take();
        let mut panics = Panics::default();
        panics.guard(|| drop(value));
        panics.resume();
    }
}

impl<N, E> fmt::Debug for RequestStream<N, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestStream")
            .field("request", &self.request)
            .field("waiting", &self.notes.len())
            .finish()
    }
}

impl<N> fmt::Debug for Notifier<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier")
            .field("over", &self.is_over())
            .field("waiting", &self.notes.len())
            .finish()
    }
}
