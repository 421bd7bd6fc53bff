//! Raw events: doorbells with a descriptor of their own, which signal handlers and other processes may ring, too.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use rustix::event::EventfdFlags;
use rustix::io::Errno;
use tevent_context::{FdEvent, FdFlags, FdHandle, Handle};

/// A doorbell with a descriptor (C: `iv_event_raw`). Unlike an [`Event`](crate::Event) it may be posted by **signal
/// handlers** and by **other processes** that share the descriptor: forked children, and programs that were handed
/// [a copy of it](RawPoster::inheritable). It costs a descriptor, and a post is a system call.
///
/// Posts coalesce: the handler is called once for all that came since the last call, with their number. It is called
/// with the descriptors, so after the [`Event`](crate::Event)s of the same turn.
///
/// It is a watched descriptor, as [`FdHandle`] has it: `keep_running`, tags and the loop's handle are there, and
/// emptied flags end the calls. Dropping it ends it, inside its own handler, too; the descriptor is closed once no
/// poster is left, so a post that comes later reaches nobody, and no stranger.
///
/// ```
/// use tevent_context::{Context, FdFlags};
/// use tevent_thread::RawEvent;
///
/// # fn main() -> std::io::Result<()> {
/// let context = Context::new()?;
/// let event = RawEvent::new(&context.handle(), |this, posts| {
///     assert_eq!(posts, 2);
///     this.set_flags(FdFlags::EMPTY); // lets `run` end
/// })?;
/// let poster = event.poster();
/// poster.post();
/// poster.post();
/// context.run()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a raw event is ended when it is dropped"]
pub struct RawEvent(FdEvent<RawPoster>);

impl RawEvent {
    /// A raw event with a handler, which is told how many posts came (C: `iv_event_raw_register`).
    ///
    /// # Errors
    /// If the system gives no descriptor, or the context has ended. Nothing is left behind then.
    #[track_caller]
    pub fn new(
        handle: &Handle,
        mut handler: impl FnMut(&FdHandle<RawPoster>, u64) + 'static,
    ) -> io::Result<Self> {
        let poster = RawPoster::new()?;
        let event = handle.fd(poster, FdFlags::READ, move |this, _| {
            match this.get_ref().take_posts() {
                Ok(posts) => handler(this, posts),
                // Somebody else has read it; or it is one of those whose count others take.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // No such error is known. Whatever it is, it would come again and again.
                Err(_) => this.set_flags(FdFlags::EMPTY),
            }
        })?;
        Ok(Self(event))
    }

    /// A raw event for those who await it.
    ///
    /// # Errors
    /// Those of [`RawEvent::new`].
    #[track_caller]
    pub fn without_handler(handle: &Handle) -> io::Result<Self> {
        FdEvent::new(handle, RawPoster::new()?).map(Self)
    }

    /// Waits for posts, and takes them: their number, which is ready at once if some came before. For an event without
    /// a handler: that one would take them first. Several may wait; one of them gets the posts. Cancel safe.
    ///
    /// # Errors
    /// If the context has ended.
    pub async fn notified(&self) -> io::Result<u64> {
        self.0.read_with(RawPoster::take_posts).await
    }

    /// An end for others; any number of them.
    #[must_use]
    pub fn poster(&self) -> RawPoster {
        self.get_ref().clone()
    }
}

impl Deref for RawEvent {
    type Target = FdHandle<RawPoster>;

    fn deref(&self) -> &FdHandle<RawPoster> {
        &self.0
    }
}

impl fmt::Debug for RawEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RawEvent").field(&self.0).finish()
    }
}

/// The end of a [`RawEvent`] that posts: for any thread, for signal handlers, for forked children.
///
/// All clones are one descriptor, which is closed with the last of them. For a signal handler, put one where it can be
/// reached without a lock: `static POSTER: OnceLock<RawPoster>`, whose `get` is a load, or a reference that was leaked.
#[derive(Clone)]
pub struct RawPoster(Arc<OwnedFd>);

impl RawPoster {
    fn new() -> io::Result<Self> {
        let flags = EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC;
        Ok(rustix::event::eventfd(0, flags)?.into())
    }

    /// Posts: one `write` of eight bytes (C: `iv_event_raw_post`). It never waits and cannot fail: if the counter is
    /// full, the loop has been told 2^64 - 2 times. Async-signal-safe: it locks nothing, allocates nothing and leaves
    /// `errno` as it is.
    pub fn post(&self) {
        // `Interrupted` is for devices that block; it is retried all the same, as the rule asks for it.
        while rustix::io::write(&*self.0, &1_u64.to_ne_bytes()) == Err(Errno::INTR) {}
    }

    /// A copy of the descriptor that a program gets which is started meanwhile: the poster's own is closed on `exec`.
    /// That program makes a poster [of it](#impl-From<OwnedFd>-for-RawPoster), or writes the number one, eight bytes
    /// long, itself. Every program that is started while the copy lives gets it, so drop it soon.
    ///
    /// # Errors
    /// If there is no descriptor left.
    pub fn inheritable(&self) -> io::Result<OwnedFd> {
        let copy = rustix::io::dup(&*self.0)?;
        Ok(copy)
    }

    /// How many posts came since the last call.
    fn take_posts(&self) -> io::Result<u64> {
        let mut posts = [0; 8];
        rustix::io::retry_on_intr(|| rustix::io::read(&*self.0, &mut posts))?;
        Ok(u64::from_ne_bytes(posts))
    }
}

/// For a program that was handed the descriptor of a raw event when it was started.
impl From<OwnedFd> for RawPoster {
    fn from(fd: OwnedFd) -> Self {
        Self(Arc::new(fd))
    }
}

impl AsFd for RawPoster {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for RawPoster {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl fmt::Debug for RawPoster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RawPoster").field(&self.as_raw_fd()).finish()
    }
}
