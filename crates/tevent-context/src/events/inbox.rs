//! Inboxes: what other threads post to a loop, and the phase of the turn in which it is looked at.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::rc::Rc;

use tevent_core::doorbell::Doorbell;
use tevent_core::line::{Line, Place};
use tevent_core::panics::Panics;
use tevent_core::post::{Bell, Posted, Posts};
use tevent_core::sync::Arc;

use crate::Handle;
use crate::core_loop::ended;
use crate::events::{Event, EventKind};

/// Messages looked at in one turn.
pub(crate) const MESSAGES_PER_TURN: usize = 256;

/// The owner's end of a road from other threads into a loop: a handler that is called, on the loop's thread, after
/// somebody has posted. Made by [`Handle::inbox`]. Dropping it closes the road; inside any handler of the same batch,
/// too: a call that is pending then is not made.
///
/// This is the seam on which the crate `tevent-thread` is built. What a user looks for stands there: `ThreadProxy`,
/// `Mailbox`, `Event`.
#[must_use = "an inbox is closed when it is dropped"]
pub struct Inbox(Rc<State>);

type Handler = dyn FnMut(&Handle, usize) -> usize;

struct State {
    handle: Handle,
    event: Event,
    place: Place,
    bell: Arc<Bell>,
    /// Until it is closed. Taken out for a call, so that it may close itself.
    handler: RefCell<Option<Box<Handler>>>,
}

impl Handle {
    /// Calls `handler` after somebody has [posted](InboxPoster::post), once for all posts since it was called last:
    /// among inboxes in the order of the first such post, after signals and before tasks. Whoever publishes something
    /// before he posts may be sure that a call comes which sees it.
    ///
    /// The handler is told how many messages it may look at, and returns how many it did: all inboxes of a loop
    /// together have 256 in a turn. If it leaves some, it posts itself.
    ///
    /// # Errors
    /// If the context has ended, or is the parent's of this forked process.
    #[track_caller]
    pub fn inbox(&self, handler: impl FnMut(&Self, usize) -> usize + 'static) -> io::Result<Inbox> {
        let core = self.core();
        core.check_process()?;
        if core.has_ended() {
            return Err(ended());
        }
        let event = Event::new(EventKind::Message);
        let state = core.inboxes.join(|place, bell| {
            Rc::new(State {
                handle: self.clone(),
                event,
                place,
                bell,
                handler: RefCell::new(Some(Box::new(handler))),
            })
        });
        state.event.attach(core);
        Ok(Inbox(state))
    }
}

impl Inbox {
    /// An end for other threads; any number of them.
    #[must_use]
    pub fn poster(&self) -> InboxPoster {
        InboxPoster(Arc::clone(&self.0.bell))
    }

    /// Posts it from its own thread.
    #[inline]
    pub fn post(&self) -> Posted {
        self.0.bell.post()
    }

    /// Closes it, as its drop does. `false` if it is closed already.
    pub fn close(&self) -> bool {
        let core = self.0.handle.core();
        let left = core.inboxes.leave(self.0.place);
        self.0.event.detach(core);
        self.0.close();
        left.is_some()
    }

    /// Whether it is closed: its handler is not called any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.bell.is_closed()
    }

    /// Whether [`Context::run`](crate::Context::run) goes on while this inbox is open; at first it does.
    pub fn keep_running(&self, keeps: bool) {
        self.0.event.set_counted(self.0.handle.core(), keeps);
    }

    /// The loop it belongs to.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.0.handle
    }

    /// The tag, for those who trace; 0 at first.
    #[must_use]
    pub fn tag(&self) -> u64 {
        self.0.event.tag()
    }

    /// Gives it a tag.
    pub fn set_tag(&self, tag: u64) {
        self.0.event.set_tag(tag);
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("bell", &self.0.bell)
            .field("event", &self.0.event)
            .finish_non_exhaustive()
    }
}

/// The end of an [`Inbox`] for other threads. It may outlive the inbox and its loop.
#[derive(Clone, Debug)]
pub struct InboxPoster(Arc<Bell>);

impl InboxPoster {
    /// Posts: the handler will be called after this, unless it is closed. No allocation; a system call only if the loop
    /// sleeps.
    #[inline]
    pub fn post(&self) -> Posted {
        self.0.post()
    }

    /// Whether the inbox is closed: whoever posts calls nobody.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

impl State {
    /// Calls the handler, if it is still to be called; returns how many messages that counts for.
    fn call(&self, handle: &Handle, allowance: usize) -> usize {
        if !self.bell.begin() {
            return 0;
        }
        let Some(mut handler) = self.handler.take() else {
            return 0;
        };
        let (mut looked_at, mut panics) = (0, Panics::default());
        let call = || looked_at = handler(handle, allowance).clamp(1, allowance);
        panics.guard(|| self.event.call(handle.core(), call));
        if self.bell.is_closed() {
            panics.guard(|| drop(handler));
        } else {
            self.handler.replace(Some(handler));
        }
        panics.resume();
        looked_at
    }

    /// The handler goes, with what it owns; if it is being called, then after that.
    fn close(&self) {
        if self.handle.core().process.is_current() {
            self.bell.close();
        } else {
            self.bell.abandon();
        }
        let handler = self.handler.take();
        // No borrow is held: it is foreign code.
        drop(handler);
    }
}

/// The inboxes of one loop. May grow: each belongs to a value that somebody holds.
pub(crate) struct Inboxes {
    posts: Arc<Posts>,
    open: RefCell<Line<Option<Rc<State>>>>,
    /// What was posted and has not been called yet: at most one place an inbox, and places that lead nowhere.
    batch: RefCell<VecDeque<Place>>,
}

impl Inboxes {
    pub(crate) fn new(doorbell: Arc<Doorbell>) -> Self {
        Self {
            posts: Arc::new(Posts::new(doorbell)),
            open: RefCell::default(),
            batch: RefCell::default(),
        }
    }

    /// Whether somebody elsewhere may post.
    pub(crate) fn is_open(&self) -> bool {
        !self.open.borrow().is_empty()
    }

    /// Whether something has been posted since the last phase.
    #[inline]
    pub(crate) fn has_any(&self) -> bool {
        self.posts.has_any()
    }

    /// Whether the last phase has left something.
    #[inline]
    pub(crate) fn has_batch(&self) -> bool {
        !self.batch.borrow().is_empty()
    }

    /// Calls those that have been posted, once each; what is posted meanwhile is for the next turn. Returns how many
    /// messages they looked at, or were called for, which is 256 at most.
    ///
    /// # Panics
    /// With the first panic of a handler, after the others have been called.
    pub(crate) fn dispatch(&self, handle: &Handle) -> usize {
        let has_some = self.has_any() || self.has_batch();
        // In a child that a signal's handler has forked they are the parent's, and their lock may be held for ever.
        if !has_some || !handle.core().process.is_current() {
            return 0;
        }
        self.posts.accept(&mut *self.batch.borrow_mut());
        let (mut looked_at, mut panics) = (0, Panics::default());
        while looked_at < MESSAGES_PER_TURN
            && let Some(place) = self.next()
        {
            if let Some(inbox) = self.at(place) {
                let allowance = MESSAGES_PER_TURN - looked_at;
                panics.guard(|| looked_at += inbox.call(handle, allowance));
            }
        }
        panics.resume();
        looked_at
    }

    /// Closes all, and drops their handlers uncalled.
    ///
    /// # Panics
    /// With the first panic of a destructor, after all have been dropped.
    pub(crate) fn end(&self, handle: &Handle) {
        if handle.core().process.is_current() {
            self.posts.close();
        }
        self.batch.take();
        let mut panics = Panics::default();
        while let Some(inbox) = self.pop() {
            panics.guard(|| inbox.event.detach(handle.core()));
            panics.guard(|| inbox.close());
        }
        panics.resume();
    }

    fn pop(&self) -> Option<Rc<State>> {
        let mut open = self.open.borrow_mut();
        let first = open.front()?;
        open.leave(first).flatten()
    }

    fn next(&self) -> Option<Place> {
        self.batch.borrow_mut().pop_front()
    }

    fn at(&self, place: Place) -> Option<Rc<State>> {
        self.open.borrow().get(place)?.clone()
    }

    fn join(&self, make: impl FnOnce(Place, Arc<Bell>) -> Rc<State>) -> Rc<State> {
        let mut open = self.open.borrow_mut();
        let place = open.join(None);
        let bell = Arc::new(Bell::new(Arc::clone(&self.posts), place));
        let inbox = make(place, bell);
        if let Some(seat) = open.get_mut(place) {
            *seat = Some(Rc::clone(&inbox));
        }
        inbox
    }

    fn leave(&self, place: Place) -> Option<Rc<State>> {
        self.open.borrow_mut().leave(place).flatten()
    }
}
