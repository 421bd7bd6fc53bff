//! Mailboxes: values of one type from any thread, for a handler on the thread of a loop.

mod channel;
mod counts;
mod drain;
mod road;
pub(crate) mod room;
mod sender;
mod sending;

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use tevent_context::{Handle, Inbox};
use tevent_core::panics::Panics;

use counts::Counts;
use drain::Drain;
use road::Road;

pub use counts::MailboxStats;
pub use sender::MailSender;
pub use sending::Sending;

/// Marks roads that take whatever is sent, as long as there is memory: sending never waits.
#[derive(Clone, Copy, Debug)]
pub enum Unbounded {}

/// Marks roads with room for so many messages: whoever sends more is told, or waits.
#[derive(Clone, Copy, Debug)]
pub enum Bounded {}

/// The owner's end of a road for values of one type: a handler that is called with each of them, on the thread of its
/// loop. [Senders](MailSender) go to other threads.
///
/// - What one sender sends arrives in that order; what several send, in the order in which it came.
/// - Messages are handled after the signals of a turn and before its tasks, at most 256 of all roads in a turn; what
///   comes while they are handled is for the next turn. What the loop's own thread sends takes the same road.
/// - A handler that panics is called again with the next message. The panic hook has reported it; it is
///   [counted](Mailbox::stats), and [`on_panic`](Mailbox::on_panic) is told.
/// - Dropping the mailbox, and the end of its loop, close it: messages that have not been handled are dropped, in
///   order, on the loop's thread, and counted. Later ones come back to who sends them.
///
/// ```
/// use std::{cell::Cell, rc::Rc, thread};
/// use tevent_context::Context;
/// use tevent_thread::Mailbox;
///
/// # fn main() -> std::io::Result<()> {
/// let context = Context::new()?;
/// let sum = Rc::new(Cell::new(0));
/// let total = Rc::clone(&sum);
/// let mailbox = Mailbox::new(&context.handle(), move |handle, number: u32| {
///     total.set(total.get() + number);
///     if number == 3 {
///         handle.stop();
///     }
/// })?;
/// mailbox.keep_running(true);
/// let sender = mailbox.sender();
/// let other = thread::spawn(move || (1..=3).all(|number| sender.send(number).is_ok()));
/// context.run()?;
/// assert_eq!(sum.get(), 6);
/// assert!(other.join().is_ok_and(|all_sent| all_sent));
/// # Ok(())
/// # }
/// ```
#[must_use = "a mailbox is closed when it is dropped"]
pub struct Mailbox<T, L = Unbounded> {
    road: Arc<Road<T>>,
    inbox: Inbox,
    counts: Rc<Counts>,
    limit: PhantomData<L>,
}

impl<T: Send + 'static> Mailbox<T> {
    /// A mailbox that takes whatever is sent. It may grow without a limit: [`bounded`](Mailbox::bounded) does not.
    ///
    /// # Errors
    /// If the context has ended, or is the parent's of this forked process.
    #[track_caller]
    pub fn new(handle: &Handle, handler: impl FnMut(&Handle, T) + 'static) -> io::Result<Self> {
        Self::with_room(handle, None, handler)
    }
}

impl<T: Send + 'static> Mailbox<T, Bounded> {
    /// A mailbox with room for so many messages: from when one is sent until the turn that has handled it goes on to
    /// other things.
    ///
    /// # Errors
    /// If the context has ended, or is the parent's of this forked process.
    ///
    /// # Panics
    /// If `room` is 0.
    #[track_caller]
    pub fn bounded(
        handle: &Handle,
        room: usize,
        handler: impl FnMut(&Handle, T) + 'static,
    ) -> io::Result<Self> {
        assert!(
            room > 0,
            "without room nothing can be sent: give the road room for one message at least"
        );
        Self::with_room(handle, Some(room), handler)
    }
}

impl<T, L> Mailbox<T, L> {
    #[track_caller]
    pub(crate) fn with_room(
        handle: &Handle,
        room: Option<usize>,
        handler: impl FnMut(&Handle, T) + 'static,
    ) -> io::Result<Self>
    where
        T: Send + 'static,
    {
        let (road, messages) = Road::new(room);
        let (road, counts) = (Arc::new(road), Rc::default());
        let mut drain = Drain::new(Arc::clone(&road), Rc::clone(&counts), messages, handler);
        let inbox = handle.inbox(move |handle, allowance| drain.run(handle, allowance))?;
        inbox.keep_running(false);
        road.connect(inbox.poster());
        Ok(Self {
            road,
            inbox,
            counts,
            limit: PhantomData,
        })
    }

    /// Gives it a name, for its `Debug` form and that of its senders. The first name given is the one.
    pub fn named(self, name: impl Into<Cow<'static, str>>) -> Self {
        self.road.name(name.into());
        self
    }

    /// Calls `hook` with what a handler's panic has thrown, on the loop's thread. The last hook given is the one.
    pub fn on_panic(self, hook: impl Fn(&(dyn Any + Send)) + 'static) -> Self {
        self.counts.set_hook(Rc::new(hook));
        self
    }

    /// An end for other threads; any number of them.
    #[must_use]
    pub fn sender(&self) -> MailSender<T, L> {
        MailSender::new(Arc::clone(&self.road))
    }

    /// Whether [`Context::run`](tevent_context::Context::run) goes on while this is open; at first it does not.
    pub fn keep_running(&self, keeps: bool) {
        self.inbox.keep_running(keeps);
    }

    /// Closes it, as its drop does: after this, [`stats`](Self::stats) tells what was dropped. Called by its own
    /// handler, the messages are dropped when the handler has returned.
    pub fn close(&self) {
        let mut panics = Panics::default();
        // First, so that nothing more is accepted.
        panics.guard(|| self.road.close());
        panics.guard(|| {
            self.inbox.close();
        });
        panics.resume();
    }

    /// What became of the messages so far; also when it is closed.
    #[must_use]
    pub fn stats(&self) -> MailboxStats {
        self.counts.stats()
    }

    /// Messages that have been sent, and that the loop has not come to.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.road.queued()
    }

    /// The loop it belongs to.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        self.inbox.handle()
    }

    /// The tag, for those who trace the loop; 0 at first.
    #[must_use]
    pub fn tag(&self) -> u64 {
        self.inbox.tag()
    }

    /// Gives it a tag.
    pub fn set_tag(&self, tag: u64) {
        self.inbox.set_tag(tag);
    }

    pub(crate) fn describe(&self, kind: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.road
            .describe(f.debug_struct(kind))
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl<T, L> Drop for Mailbox<T, L> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<T, L> fmt::Debug for Mailbox<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe("Mailbox", f)
    }
}
