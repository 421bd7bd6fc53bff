//! Proxies: closures and futures from any thread, for a loop.

mod errand;
mod job;
mod remote;
mod scheduling;
mod sender;
mod work;

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::io;

use tevent_context::Handle;

use crate::mailbox::{Bounded, Mailbox, MailboxStats, Unbounded};
use job::Job;

pub use remote::RemoteTask;
pub use scheduling::Scheduling;
pub use sender::ProxySender;

/// The owner's end of a road for closures and futures: they run on the thread of its loop, whatever thread they come
/// from (C: `tevent_thread_proxy`, `tevent_threaded_context`). [Senders](ProxySender) go to other threads.
///
/// - First in, first out: what one sender schedules runs in that order, after the signals of a turn and before its
///   tasks; at most 256 messages of all roads in a turn, and what is scheduled meanwhile runs in the next. What the
///   loop's own thread schedules takes the same road. (In C the newest comes first.)
/// - A closure that panics costs the others nothing: the panic hook has reported it, it is
///   [counted](ThreadProxy::stats), and [`on_panic`](ThreadProxy::on_panic) is told.
/// - Dropping the proxy, and the end of its loop, close it: closures that have not run are dropped, in order, on the
///   loop's thread, and counted. Later ones come back to who sends them. Tasks that were spawned go on.
/// - Neither proxy nor senders keep [`Context::run`](tevent_context::Context::run) going, unless
///   [asked to](ThreadProxy::keep_running).
///
/// ```
/// use std::thread;
/// use tevent_context::Context;
/// use tevent_thread::ThreadProxy;
///
/// # fn main() -> std::io::Result<()> {
/// let context = Context::new()?;
/// let proxy = ThreadProxy::new(&context.handle())?;
/// let sender = proxy.sender();
/// let other = thread::spawn(move || {
///     let task = sender.spawn(async { 6 * 7 }); // runs on the loop
///     let answer = task.wait();
///     let stopped = sender.schedule(|handle| handle.stop());
///     (answer.ok(), stopped.is_ok())
/// });
/// proxy.keep_running(true);
/// context.run()?;
/// assert!(other.join().is_ok_and(|told| told == (Some(42), true)));
/// # Ok(())
/// # }
/// ```
#[must_use = "a proxy is closed when it is dropped"]
pub struct ThreadProxy<L = Unbounded> {
    mailbox: Mailbox<Job, L>,
}

impl ThreadProxy {
    /// A proxy that takes whatever is scheduled. It may grow without a limit: [`bounded`](ThreadProxy::bounded) does
    /// not.
    ///
    /// # Errors
    /// If the context has ended, or is the parent's of this forked process.
    #[track_caller]
    pub fn new(handle: &Handle) -> io::Result<Self> {
        let mailbox = Mailbox::new(handle, |handle, job: Job| job.run(handle))?;
        Ok(Self { mailbox })
    }
}

impl ThreadProxy<Bounded> {
    /// A proxy with room for so many messages: from when one is sent until the turn that has run it goes on to other
    /// things. Tasks have no bound of their own: they are spawned by a [call](ProxySender::call).
    ///
    /// # Errors
    /// If the context has ended, or is the parent's of this forked process.
    ///
    /// # Panics
    /// If `room` is 0.
    #[track_caller]
    pub fn bounded(handle: &Handle, room: usize) -> io::Result<Self> {
        let mailbox = Mailbox::bounded(handle, room, |handle, job: Job| job.run(handle))?;
        Ok(Self { mailbox })
    }
}

impl<L> ThreadProxy<L> {
    /// Gives it a name, for its `Debug` form and that of its senders. The first name given is the one.
    pub fn named(self, name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            mailbox: self.mailbox.named(name),
        }
    }

    /// Calls `hook` with what a closure's panic has thrown, on the loop's thread. The last hook given is the one. (What
    /// is thrown in a [call](ProxySender::call) or a spawned future goes to who asked instead.)
    pub fn on_panic(self, hook: impl Fn(&(dyn Any + Send)) + 'static) -> Self {
        Self {
            mailbox: self.mailbox.on_panic(hook),
        }
    }

    /// An end for other threads; any number of them.
    #[must_use]
    pub fn sender(&self) -> ProxySender<L> {
        ProxySender::new(self.mailbox.sender())
    }

    /// Whether [`Context::run`](tevent_context::Context::run) goes on while this is open; at first it does not.
    pub fn keep_running(&self, keeps: bool) {
        self.mailbox.keep_running(keeps);
    }

    /// Closes it, as its drop does: after this, [`stats`](Self::stats) tells what was dropped. Called by a closure that
    /// it runs, the others are dropped when that one has returned.
    pub fn close(&self) {
        self.mailbox.close();
    }

    /// What became of the messages so far; also when it is closed.
    #[must_use]
    pub fn stats(&self) -> MailboxStats {
        self.mailbox.stats()
    }

    /// Messages that have been sent, and that the loop has not come to.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.mailbox.queued()
    }

    /// The loop it belongs to.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        self.mailbox.handle()
    }

    /// The tag, for those who trace the loop; 0 at first.
    #[must_use]
    pub fn tag(&self) -> u64 {
        self.mailbox.tag()
    }

    /// Gives it a tag.
    pub fn set_tag(&self, tag: u64) {
        self.mailbox.set_tag(tag);
    }
}

impl<L> fmt::Debug for ThreadProxy<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mailbox.describe("ThreadProxy", f)
    }
}
