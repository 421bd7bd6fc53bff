//! The request itself: work, and what a plain future lacks around it.

use std::{
    any::Any,
    borrow::Cow,
    fmt,
    marker::PhantomData,
    mem,
    panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use pin_project_lite::pin_project;
use tevent_context::Handle;
use tevent_core::{asked, panics::Panics};

use crate::{
    BoxWork, CancelToken, Canceller, FutureWork, RequestError, State, Work,
    deadline::Deadline,
    error::state_of,
    foreign::{Held, quietly},
    head::{Head, Label},
    node::Node,
    work::Full,
};

pin_project! {
    /// Work with a name, a state, a deadline, a way to ask for its end, and cleanups: a future of
    /// `Result<T, RequestError<E>>`. C: `tevent_req`.
    ///
    /// An `async fn` stays the plain way. A request is for what an `async fn` lacks. There are three kinds: [from a
    /// future](RequestExt::request), from a function that receives a token to be cancelled by ([`Request::new`]), and
    /// from a promise ([`request`](crate::request()), for code that ends by a callback).
    ///
    /// `W` is the work itself, which lies in the request: making one allocates nothing. [`boxed`](Self::boxed) gives
    /// all kinds one type, `Request<T, E>`, for one allocation.
    ///
    /// **Whoever awaits it drives it**: until then nothing happens, and the deadline does not end it. Let the loop
    /// drive it by [`spawn`](Self::spawn), or by [`RequestScope::spawn`](crate::RequestScope::spawn).
    ///
    /// **At the end**, whatever the end is, in this order: the work is dropped, so that it leaves every queue and gives
    /// every turn back; the timer is taken out; the state changes; the cleanups run; who listens to its token learns;
    /// then the awaiter does.
    ///
    /// **Dropping it** abandons it: the work is dropped with all requests inside it, the cleanups see
    /// [`State::Received`], and nobody is notified. C: `talloc_free` of the request.
    ///
    /// # Cancel safety
    /// Awaiting through `&mut request` may be given up and taken up again.
    ///
    /// # Panics
    /// A panic of the work goes on in the awaiter, after the cleanups have run (with [`State::Received`]); so does one
    /// of a cleanup, after all others have run. One of somebody else's waker costs nobody the result. Polling after it
    /// was ready panics.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tevent_context::{Context, sleep};
    /// use tevent_request::{Request, RequestError, RequestExt};
    ///
    /// async fn answer() -> Result<u32, String> {
    ///     sleep(Duration::from_millis(1)).await;
    ///     Ok(42)
    /// }
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (answer, late) = Context::new()?.block_on(async {
    ///     let answer = answer().request("answer").timeout(Duration::from_secs(60));
    ///     let late = std::future::pending().request("late").timeout(Duration::from_millis(1));
    ///     let late: Request<u32, String> = late.boxed();
    ///     (answer.await, late.await)
    /// });
    /// assert_eq!(answer, Ok(42));
    /// assert_eq!(late, Err(RequestError::TimedOut));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "a request does nothing unless it is awaited or spawned; dropping it abandons it"]
    pub struct Request<T, E, W: Work<T, E> = BoxWork<T, E>> {
        head: Head,
        #[pin]
        work: W,
        output: PhantomData<fn() -> Result<T, E>>,
    }

    impl<T, E, W: Work<T, E>> PinnedDrop for Request<T, E, W> {
        fn drop(this: Pin<&mut Self>) {
            if this.head.life.is_in_progress() {
                this.cut(State::Received).resume();
            }
        }
    }
}

/// Makes a request of any future of a `Result`.
pub trait RequestExt<T, E>: Future<Output = Result<T, E>> + Sized {
    /// A request that does this work. The name is for people: `Debug` and reports show it, with the line of this call.
    ///
    /// Nobody listens to its token, so [`cancel`](Request::cancel) is `false`: [`Request::new`] makes one that listens.
    ///
    /// ```
    /// use futures::executor::block_on;
    /// use tevent_request::{RequestExt, State};
    ///
    /// let read = async { Ok::<_, String>("data") }.request("read");
    /// assert_eq!(read.state(), State::InProgress);
    /// assert_eq!(block_on(read), Ok("data"));
    /// ```
    #[track_caller]
    fn request(self, name: impl Into<Cow<'static, str>>) -> Request<T, E, FutureWork<Self>>;
}

impl<T, E, F: Future<Output = Result<T, E>>> RequestExt<T, E> for F {
    #[inline]
    fn request(self, name: impl Into<Cow<'static, str>>) -> Request<T, E, FutureWork<Self>> {
        Request::of(name.into(), Location::caller(), None, FutureWork::new(self))
    }
}

impl<T, E, F: Future<Output = Result<T, RequestError<E>>>> Request<T, E, FutureWork<F, Full>> {
    /// A request whose work receives the token by which it is asked to end early, and says itself how it ended:
    /// [`RequestError::Cancelled`] if it gave in. `work` is called at once, and only makes the future.
    /// C: `tevent_req_create` with `tevent_req_set_cancel_fn`.
    ///
    /// ```
    /// use futures::executor::block_on;
    /// use tevent_request::{Request, RequestError};
    ///
    /// let request = Request::new("read", |token| async move {
    ///     let read = std::future::pending::<Result<u32, String>>();
    ///     let Some(data) = token.unless(read).await else {
    ///         return Err(RequestError::Cancelled);
    ///     };
    ///     Ok(data?)
    /// });
    /// assert!(request.cancel()); // somebody listens
    /// assert_eq!(block_on(request), Err(RequestError::Cancelled));
    /// ```
    #[track_caller]
    pub fn new(name: impl Into<Cow<'static, str>>, work: impl FnOnce(CancelToken) -> F) -> Self {
        let created = Location::caller();
        let node = Rc::<Node>::default();
        let future = work(CancelToken::of(Rc::clone(&node)));
        Self::of(name.into(), created, Some(node), FutureWork::new(future))
    }

    /// A request whose work awaits other requests, and passes their errors on by `?`: it says itself how it ended, so
    /// there is no error in an error. Nobody listens to its token, as with [`RequestExt::request`].
    ///
    /// ```
    /// use futures::executor::block_on;
    /// use tevent_request::{Request, RequestError, RequestExt};
    ///
    /// let outer = Request::full("outer", async {
    ///     let inner = async { Err::<u32, _>("disk full") }.request("inner");
    ///     Ok(inner.await? + 1)
    /// });
    /// assert_eq!(block_on(outer), Err(RequestError::User("disk full")));
    /// ```
    #[track_caller]
    #[inline]
    pub fn full(name: impl Into<Cow<'static, str>>, work: F) -> Self {
        Self::of(name.into(), Location::caller(), None, FutureWork::new(work))
    }
}

impl<T, E, W: Work<T, E>> Request<T, E, W> {
    #[inline]
    pub(crate) fn of(
        name: Cow<'static, str>,
        created: &'static Location<'static>,
        node: Option<Rc<Node>>,
        work: W,
    ) -> Self {
        Self {
            head: Head::new(Label { name, created }, node),
            work,
            output: PhantomData,
        }
    }

    /// Ends the request as [`RequestError::TimedOut`] unless it ends by itself within this time, counted from this
    /// call. A result that is ready at the very moment wins. Replaces any earlier deadline.
    /// C: `tevent_req_set_endtime`.
    ///
    /// # Panics
    /// If no context runs on this thread; [`endtime_on`](Self::endtime_on) takes a handle.
    #[track_caller]
    pub fn timeout(mut self, duration: Duration) -> Self {
        let sleep = tevent_context::sleep(duration);
        self.end_by(Deadline::new(sleep));
        self
    }

    /// The same with a deadline. One in the past ends the request in the next turn, not inside a call.
    ///
    /// # Panics
    /// If no context runs on this thread.
    #[track_caller]
    pub fn endtime(self, deadline: Instant) -> Self {
        self.endtime_on(&Handle::current(), deadline)
    }

    /// The same on the clock of a certain loop, which has to run meanwhile. Once that loop has ended, the request ends
    /// as [`RequestError::Abandoned`] when it is polled.
    pub fn endtime_on(mut self, handle: &Handle, deadline: Instant) -> Self {
        let sleep = handle.sleep_until(deadline);
        self.end_by(Deadline::new(sleep));
        self
    }

    /// A new timer is armed by a poll: whoever has polled already is asked to do so again.
    #[inline]
    fn end_by(&mut self, deadline: Deadline) {
        self.head.deadline = Some(deadline);
        self.work.wake();
    }

    /// The deadline, if it has one that a clock can tell.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.head.deadline.as_ref().and_then(Deadline::at)
    }

    /// Calls `cleanup` with each higher state that the request comes to, once: with the state it ends in, then with
    /// [`State::Received`]; with the latter alone if it is dropped or its work panics. The work has been dropped by
    /// then, and the awaiter does not know yet. Of several cleanups the last one that was set goes first.
    /// C: `tevent_req_set_cleanup_fn`.
    ///
    /// A panic of a cleanup keeps no other from running, and goes on in the awaiter, in place of the result.
    ///
    /// ```
    /// use futures::executor::block_on;
    /// use tevent_request::RequestExt;
    ///
    /// let request = async { Ok::<_, String>(()) }
    ///     .request("read")
    ///     .on_cleanup(|state| println!("{state:?}")); // Done, Received
    /// assert_eq!(block_on(request), Ok(()));
    /// ```
    pub fn on_cleanup(mut self, cleanup: impl FnMut(State) + 'static) -> Self {
        self.head.add_cleanup(Box::new(cleanup));
        self
    }

    /// Calls `end` once, with the state in which the request ends: [`State::Received`] if it is dropped, or its work
    /// panics. The rest is as with [`on_cleanup`](Self::on_cleanup).
    ///
    /// ```
    /// use futures::executor::block_on;
    /// use tevent_request::RequestExt;
    ///
    /// let request = async { Ok::<_, String>(()) }
    ///     .request("read")
    ///     .on_end(|state| println!("{state:?}")); // Done
    /// assert_eq!(block_on(request), Ok(()));
    /// ```
    pub fn on_end(self, end: impl FnOnce(State) + 'static) -> Self {
        let mut once = Some(end);
        self.on_cleanup(move |state| {
            if let Some(end) = once.take() {
                end(state);
            }
        })
    }

    /// Asks the work to end early, and does nothing else: the request ends when the work says so, and its result tells
    /// what came of it. C: `tevent_req_cancel`.
    ///
    /// `true`: somebody listens, and will decide. `false`: the request is over, or its work has no token (in C: has set
    /// no cancel function). Asking twice is the same as once.
    ///
    /// # Panics
    /// With the first panic of a task's waker, after all who listen have been woken.
    pub fn cancel(&self) -> bool {
        self.state() == State::InProgress && self.node().is_some_and(|node| node.ask())
    }

    /// What asks this request to end when somebody else holds it.
    pub fn canceller(&self) -> Canceller {
        match self.node() {
            Some(node) => Canceller::of(&node),
            None => Canceller::deaf(),
        }
    }

    /// Whoever cancels `token` asks this request, too. Without effect if the work has no token of its own.
    pub fn under(self, token: &CancelToken) -> Self {
        if let Some(node) = self.node() {
            token.node().adopt(&node);
        }
        self
    }

    /// Where it stands: [`State::InProgress`] until its result is taken, then [`State::Received`]. The state it ended
    /// in is seen by cleanups, between the two; of a promise also here, from when it is finished until it is awaited.
    #[must_use]
    pub fn state(&self) -> State {
        match self.head.life.state() {
            State::InProgress => self.work.promised().unwrap_or(State::InProgress),
            state => state,
        }
    }

    /// The name given at the start.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.head.label.name
    }

    /// The line that made it.
    #[must_use]
    pub fn created(&self) -> &'static Location<'static> {
        self.head.label.created
    }

    /// The number of the call that this request belongs to; see [`request_id`](crate::request_id).
    #[cfg(feature = "profile")]
    #[must_use]
    pub fn id(&self) -> u64 {
        self.head.mark.id()
    }

    /// Keeps a profile of this request from now on: where its time goes, as a tree.
    #[cfg(feature = "profile")]
    pub fn profile(&mut self) -> crate::Profile {
        self.head.mark.profile(&self.head.label)
    }

    pub(crate) fn label(&self) -> &Label {
        &self.head.label
    }

    /// Where a cancel is asked for, if the work has such a place.
    pub(crate) fn node(&self) -> Option<Rc<Node>> {
        let head = &self.head;
        let node = head.node.clone().or_else(|| self.work.node())?;
        node.owner.is(&head.mark, &head.label);
        Some(node)
    }

    /// The work has ended, and has been dropped. Panics of the request's own are kept in `panics`.
    fn end(self: Pin<&mut Self>, state: State, panics: &mut Panics) {
        let this = self.project();
        quietly(|others| {
            this.head.end_and_tell(state, panics, others);
            this.work.close(others);
        });
    }

    /// Ends the request before its work has: the work goes first.
    #[cold]
    fn cut(mut self: Pin<&mut Self>, state: State) -> Panics {
        let mut panics = Panics::default();
        let this = self.as_mut().project();
        let _working_for_it = this.head.mark.enter();
        panics.guard(|| this.work.end());
        self.end(state, &mut panics);
        panics
    }

    /// The same, when the awaiter is to learn why.
    #[cold]
    pub(crate) fn end_early(mut self: Pin<&mut Self>, error: RequestError<E>) -> RequestError<E> {
        self.as_mut().cut(error.state()).resume();
        self.head.mark.notify(&self.head.label);
        error
    }

    #[cold]
    fn panicked(self: Pin<&mut Self>, panic: Box<dyn Any + Send>) -> ! {
        self.cut(State::Received).discard(); // the work's panic goes on
        resume_unwind(panic)
    }

    /// The work has given its result.
    #[inline]
    fn finish(
        self: Pin<&mut Self>,
        result: Result<T, RequestError<E>>,
    ) -> Result<T, RequestError<E>> {
        if !self.head.is_alone() {
            return self.finish_and_tell(result);
        }
        let this = self.project();
        quietly(|others| {
            this.head.pass_through(state_of(&result), others);
            this.work.close(others);
        });
        result
    }

    fn finish_and_tell(
        mut self: Pin<&mut Self>,
        result: Result<T, RequestError<E>>,
    ) -> Result<T, RequestError<E>> {
        let state = state_of(&result);
        let result = Held::new(result);
        let mut panics = Panics::default();
        self.as_mut().end(state, &mut panics);
        panics.resume();
        self.head.mark.notify(&self.head.label);
        result.release()
    }

    /// Goes on, but for the work: with a promise, which others work for, and with the deadline.
    pub(crate) fn poll_beside_work(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<T, RequestError<E>>> {
        match self.is_promise() {
            true => self.poll(cx),
            false => self.poll_deadline(cx),
        }
    }

    #[inline]
    fn poll_deadline(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<T, RequestError<E>>> {
        let this = self.as_mut().project();
        let Some(deadline) = &mut this.head.deadline else {
            return Poll::Pending;
        };
        let error = ready!(deadline.poll(cx));
        Poll::Ready(Err(self.end_early(error)))
    }

    /// The loop has ended that keeps the deadline, and there is no result.
    #[inline]
    fn is_orphan(&self) -> bool {
        let deadline = self.head.deadline.as_ref();
        deadline.is_some_and(Deadline::is_orphan) && self.state() == State::InProgress
    }

    pub(crate) fn is_promise(&self) -> bool {
        self.work.promised().is_some()
    }

    /// Whether it has been asked to end early.
    pub(crate) fn is_asked(&self) -> bool {
        self.head.node.as_ref().is_some_and(|node| node.is_asked())
    }

    /// Somebody else than the work listens until this is dropped: to be heard before the work begins.
    pub(crate) fn listen(&mut self) -> CancelToken {
        let node = self.head.node.get_or_insert_with(Rc::default);
        CancelToken::of(Rc::clone(node))
    }

    /// The same request with its work in a box, for one allocation: whatever the work is, the type is `Request<T, E>`.
    /// For a request that has not been polled yet.
    ///
    /// ```
    /// use std::collections::VecDeque;
    /// use tevent_request::{Request, RequestExt};
    ///
    /// let mut reads: VecDeque<Request<u32, String>> = VecDeque::new();
    /// reads.push_back(async { Ok(1) }.request("one").boxed());
    /// reads.push_back(async { Ok(2) }.request("two").boxed());
    /// ```
    pub fn boxed(mut self) -> Request<T, E>
    where
        W: 'static,
    {
        let head = mem::replace(&mut self.head, Head::over());
        Request {
            head,
            work: BoxWork::new(self.work.take()),
            output: PhantomData,
        }
    }
}

/// What can be changed while the request is under way: of those that may be moved then, which are all that are
/// [`boxed`](Request::boxed), and promises.
impl<T, E, W: Work<T, E> + Unpin> Request<T, E, W> {
    /// Sets or moves the deadline of a request that somebody holds; cheap, also again and again. `false`, and no
    /// effect, if the request is over.
    ///
    /// # Panics
    /// If it had no deadline yet and no context runs on this thread. With the panic of the awaiting task's waker, which
    /// is woken unless the deadline only moves away; the deadline is set then.
    #[track_caller]
    pub fn set_endtime(&mut self, deadline: Instant) -> bool {
        if self.state() != State::InProgress {
            return false;
        }
        let known = self.deadline();
        let Some(kept) = &mut self.head.deadline else {
            let handle = Handle::current();
            let sleep = handle.sleep_until(deadline);
            self.end_by(Deadline::new(sleep));
            return true;
        };
        kept.reset(deadline);
        // A timer that waits goes on waiting; it may be that one so far away does not.
        if known.is_none_or(|known| deadline < known) {
            self.work.wake();
        }
        true
    }

    /// Takes the deadline away. `false` if there was none. C: `tevent_req_reset_endtime`.
    pub fn reset_endtime(&mut self) -> bool {
        self.head.deadline.take().is_some()
    }
}

impl<T, E, W: Work<T, E>> Future for Request<T, E, W> {
    type Output = Result<T, RequestError<E>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        let _working_for_it = this.head.mark.enter();
        assert!(
            this.head.life.is_in_progress(),
            "{} was polled after it was ready: await it once, or drop it then",
            this.head.label
        );
        if self.is_orphan() {
            return Poll::Ready(Err(self.end_early(RequestError::Abandoned)));
        }
        let mut this = self.as_mut().project();
        match catch_unwind(AssertUnwindSafe(|| this.work.as_mut().poll(cx))) {
            Ok(Poll::Ready(result)) => return Poll::Ready(self.finish(result)),
            Ok(Poll::Pending) => {}
            Err(panic) => self.panicked(panic),
        }
        if let Poll::Ready(result) = self.as_mut().poll_deadline(cx) {
            return Poll::Ready(result);
        }
        self.as_mut().project().work.keep(cx.waker());
        asked::answer(|| self.head.label.to_string());
        Poll::Pending
    }
}

/// What it waits for is known to the futures inside, and told by a poll: the report of a stuck loop asks them.
/// `Debug` does not poll. With the feature `profile` it shows what the profile knows, if one is kept: as `open`, the
/// requests and the waits in queues that began inside this one and have not ended.
impl<T, E, W: Work<T, E>> fmt::Debug for Request<T, E, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Request");
        shown
            .field("name", &self.head.label.name)
            .field("state", &self.state())
            .field("created", &format_args!("{}", self.created()))
            .field("deadline", &self.deadline());
        #[cfg(feature = "profile")]
        if let Some(open) = self.head.mark.open() {
            shown.field("open", &open);
        }
        shown.finish_non_exhaustive()
    }
}
