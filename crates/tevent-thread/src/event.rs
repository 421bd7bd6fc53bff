//! Events: doorbells without a descriptor, which any thread may ring.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::ops::Deref;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::Stream;
use tevent_context::{Handle, Inbox, InboxPoster, Posted};
use tevent_core::asked;
use tevent_core::line::Place;
use tevent_core::panics::Panics;

use crate::permit::Permit;
use crate::served::{Served, serve};

/// A doorbell of a loop: any thread posts it, and its handler is called on the loop's thread (C: `iv_event`).
///
/// Posts coalesce: those that come before the handler is called are one call. A post that comes later, also one that
/// comes while the handler runs, is another call. So whoever **publishes first and posts then** may be sure that a call
/// comes which finds what was published; an event carries nothing and counts nothing itself.
///
/// Events are called after signals and before tasks, timers and descriptors, in the order of their first posts, each
/// once a turn at most. An event has no descriptor, and posting it allocates nothing.
///
/// Dropping it ends it, inside any handler of the same turn, too: a call that is pending then is not made. Posters may
/// outlive it, and its loop.
///
/// ```
/// use std::sync::Mutex;
/// use std::sync::Arc;
/// use std::thread;
/// use tevent_context::Context;
/// use tevent_thread::Event;
///
/// # fn main() -> std::io::Result<()> {
/// let context = Context::new()?;
/// let work = Arc::new(Mutex::new(Vec::new()));
/// let found = Arc::clone(&work);
/// let event = Event::new(&context.handle(), move |this| {
///     let words = found.lock().map(|mut words| std::mem::take(&mut *words));
///     assert_eq!(words.ok(), Some(vec!["hello", "world"])); // both posts in one call
///     this.close(); // lets `run` end
/// })?;
/// let poster = event.poster();
/// thread::spawn(move || {
///     for word in ["hello", "world"] {
///         work.lock().expect("nobody panics").push(word);
///         let _ = poster.post();
///     }
/// })
/// .join()
/// .expect("nobody panics");
/// context.run()?;
/// # Ok(())
/// # }
/// ```
///
/// # As a future
/// Without a handler, or beside it, an event is awaited: [`notified`](Event::notified) takes one call, also one
/// that was made before. As a [`Stream`] it is one item for each.
///
/// ```
/// use tevent_context::{Context, Posted};
/// use tevent_thread::Event;
///
/// # fn main() -> std::io::Result<()> {
/// let context = Context::new()?;
/// let event = Event::without_handler(&context.handle())?;
/// let poster = event.poster();
/// let ringing = std::thread::spawn(move || poster.post());
/// context.block_on(event.notified());
/// assert_eq!(ringing.join().ok(), Some(Posted::Queued));
/// # Ok(())
/// # }
/// ```
#[must_use = "an event is ended when it is dropped"]
pub struct Event {
    handle: EventHandle,
    /// Where the stream stands in the line.
    place: Cell<Option<Place>>,
}

/// An event as its own handler sees it.
pub struct EventHandle(Rc<State>);

/// The end of an [`Event`] that any thread may have. It may outlive the event and its loop: then it reaches nobody, and
/// says so.
///
/// Not for signal handlers, and not for a forked child, which would post to its copy of the loop: there is
/// [`RawPoster`](crate::RawPoster) for both.
#[derive(Clone)]
pub struct EventPoster(InboxPoster);

type Handler = dyn FnMut(&EventHandle);

struct State {
    inbox: Inbox,
    place: &'static Location<'static>,
    /// Out for the time of a call.
    handler: RefCell<Option<Box<Handler>>>,
    permit: Permit,
}

impl Event {
    /// An event with a handler (C: `iv_event_register`).
    ///
    /// # Errors
    /// If the context has ended, or is the parent's of this forked process. There is no other: nothing is asked of the
    /// system.
    #[track_caller]
    pub fn new(handle: &Handle, handler: impl FnMut(&EventHandle) + 'static) -> io::Result<Self> {
        Self::register(handle, Some(Box::new(handler)))
    }

    /// An event for those who await it.
    ///
    /// # Errors
    /// Those of [`Event::new`].
    #[track_caller]
    pub fn without_handler(handle: &Handle) -> io::Result<Self> {
        Self::register(handle, None)
    }

    #[track_caller]
    fn register(handle: &Handle, handler: Option<Box<Handler>>) -> io::Result<Self> {
        let place = Location::caller();
        let state = serve(handle, |inbox| State {
            inbox,
            place,
            handler: RefCell::new(handler),
            permit: Permit::default(),
        })?;
        Ok(Self {
            handle: EventHandle(state),
            place: Cell::new(None),
        })
    }

    /// Waits for a call, and takes it: one that is pending or was made before anybody took it is ready at once. `None`
    /// once the event is closed or its context has ended.
    ///
    /// Several may wait. Each call goes to one of them, in the order in which they began to wait, and calls that nobody
    /// has taken yet are one, like posts: whoever is told has to do all there is to do. Cancel safe: a call that
    /// somebody was told of goes to the next if he is dropped before he takes it.
    pub fn notified(&self) -> Notified<'_> {
        // Nobody polls the stream at the moment, so it must not stand in the way.
        self.leave();
        Notified {
            event: self,
            place: None,
        }
    }

    fn leave(&self) {
        let mut place = self.place.take();
        self.0.permit.leave(&mut place);
    }
}

impl EventHandle {
    /// Posts it from the loop's own thread: no lock is contended and no system is called.
    #[inline]
    pub fn post(&self) -> Posted {
        self.0.inbox.post()
    }

    /// An end for other threads; any number of them.
    #[must_use]
    pub fn poster(&self) -> EventPoster {
        EventPoster(self.0.inbox.poster())
    }

    /// Changes the handler, from the next call on (C: a store to `handler` and `cookie`). An event that had none gets
    /// one. Inside the handler itself, too.
    pub fn set_handler(&self, handler: impl FnMut(&Self) + 'static) {
        if !self.is_closed() {
            let former = self.0.handler.replace(Some(Box::new(handler)));
            drop(former);
        }
    }

    /// Ends it, as the drop of the [`Event`] does (C: `iv_event_unregister`). `false` if it has ended already.
    pub fn close(&self) -> bool {
        self.0.inbox.close()
    }

    /// Whether posts reach nobody any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.inbox.is_closed()
    }

    /// Whether [`Context::run`](tevent_context::Context::run) goes on while this event is open; at first it does.
    pub fn keep_running(&self, keeps: bool) {
        self.0.inbox.keep_running(keeps);
    }

    /// The loop it belongs to.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        self.0.inbox.handle()
    }

    /// The tag, for those who trace; 0 at first.
    #[must_use]
    pub fn tag(&self) -> u64 {
        self.0.inbox.tag()
    }

    /// Gives it a tag.
    pub fn set_tag(&self, tag: u64) {
        self.0.inbox.set_tag(tag);
    }

    fn poll_notified(&self, place: &mut Option<Place>, cx: &Context<'_>) -> Poll<Option<()>> {
        if self.handle().has_ended() {
            return Poll::Ready(None);
        }
        let polled = self.0.permit.poll_take(place, cx);
        if polled.is_pending() {
            asked::answer(|| format!("a post of the event made at {}", self.0.place));
        }
        polled
    }
}

impl EventPoster {
    /// Posts it: the handler will be called after this, unless the event is closed (C: `iv_event_post`). From any
    /// thread. It cannot fail and allocates nothing; a system call is made only if the loop sleeps.
    #[inline]
    pub fn post(&self) -> Posted {
        self.0.post()
    }

    /// Whether the event is closed: posts reach nobody.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

impl Served for State {
    fn serve(self: &Rc<Self>, _: usize) -> usize {
        let mut panics = Panics::default();
        let handler = self.handler.take();
        if let Some(mut handler) = handler {
            panics.guard(|| handler(&EventHandle(Rc::clone(self))));
            panics.guard(|| self.put_back(handler));
        }
        panics.guard(|| self.permit.give());
        panics.resume();
        1
    }

    fn closed(&self) {
        let handler = self.handler.take();
        let mut panics = Panics::default();
        panics.guard(|| drop(handler));
        panics.guard(|| self.permit.close());
        panics.resume();
    }
}

impl State {
    /// After a call. It may have closed the event, or changed the handler: then this one goes.
    fn put_back(&self, handler: Box<Handler>) {
        let mut slot = self.handler.borrow_mut();
        if slot.is_none() && !self.inbox.is_closed() {
            *slot = Some(handler);
            return;
        }
        // No borrow is held: it is foreign code.
        drop(slot);
        drop(handler);
    }
}

/// The future of [`Event::notified`].
#[must_use = "futures do nothing unless polled"]
pub struct Notified<'a> {
    event: &'a EventHandle,
    place: Option<Place>,
}

impl Future for Notified<'_> {
    type Output = Option<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        let Self { event, place } = &mut *self;
        event.poll_notified(place, cx)
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        self.event.0.permit.leave(&mut self.place);
    }
}

/// One item for each call, as long as the event is open: see [`Event::notified`]. Between two polls the stream keeps
/// its place among those who wait, until somebody calls that.
impl Stream for Event {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        let Self { handle, place } = &mut *self;
        handle.poll_notified(place.get_mut(), cx)
    }
}

impl Deref for Event {
    type Target = EventHandle;

    fn deref(&self) -> &EventHandle {
        &self.handle
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for EventHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("inbox", &self.0.inbox)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

impl fmt::Debug for Notified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notified")
            .field("event", self.event)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for EventPoster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventPoster")
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
