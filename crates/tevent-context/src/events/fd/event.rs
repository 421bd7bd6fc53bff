//! A watched descriptor, as its owner and as its handler see it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::rc::Rc;

use super::flags::FdFlags;
use super::seat::{Seat, Watcher};
use super::wait::FdReady;
use crate::Handle;

/// A descriptor that a loop watches, and its owner (C: `tevent_fd`). For every descriptor that can be lent: sockets,
/// pipes, terminals, event descriptors, each owned or shared by an `Rc`; a regular file is always ready.
///
/// **Level-triggered**: what is ready now counts, whatever was told before. Who leaves data unread is told of it in
/// every turn. Nothing is read or written here, so the descriptor need not be non-blocking; one that others read, too,
/// has to be: other processes and threads, and other watchers or futures of the same loop, of which the second is told
/// of what the first may have taken.
///
/// Made by [`FdEvent::new`] for those who await [`readable`](FdHandle::readable) and
/// [`writable`](FdHandle::writable), or whole operations with [`read_with`](FdHandle::read_with) and
/// [`write_with`](FdHandle::write_with); or by [`Handle::fd`] with a handler. Several may watch one descriptor: each is
/// told, in the order in which they were made.
///
/// Dropping it deregisters the descriptor and then closes it, or calls the [close function](Self::set_close). Inside
/// its own handler, the closing waits until the handler has returned, as that still has the descriptor in its hands.
///
/// A handler can end its own event without holding it: the event was [detached](Self::detach), and the handler empties
/// its flags. Nobody can give it any again, so the descriptor is closed as soon as the handler has returned:
///
/// ```
/// # use std::os::unix::net::UnixStream;
/// # use tevent_context::{Context, FdFlags};
/// # fn main() -> std::io::Result<()> {
/// # let context = Context::new()?;
/// # let (near, far) = UnixStream::pair()?;
/// let once = context.handle().fd(near, FdFlags::WRITE, |this, _| {
///     this.set_flags(FdFlags::EMPTY); // the end of it
/// })?;
/// once.detach();
/// context.run()?;
/// assert_eq!(std::io::Read::read(&mut &far, &mut [0])?, 0); // closed
/// # Ok(())
/// # }
/// ```
///
/// A descriptor that was closed behind the loop's back (which safe code cannot do) is noticed when the system is asked
/// for it the next time, as when flags change, and told once: handlers get [`FdFlags::ERROR`], asked for or not, and
/// lose their flags; futures get the error. If a duplicate of it is open somewhere, here or in another process, the
/// system goes on telling what the handler was registered for, and nobody can take that back: the loop never sleeps
/// again while that one is ready.
///
/// ```
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
/// use tevent_context::{Context, FdEvent};
///
/// # fn main() -> std::io::Result<()> {
/// let context = Context::new()?;
/// let (near, mut far) = UnixStream::pair()?;
/// let near = FdEvent::new(&context.handle(), near)?;
/// far.write_all(b"hello")?;
/// let mut text = [0; 5];
/// context.block_on(async {
///     near.readable().await?;
///     near.get_ref().read_exact(&mut text)
/// })?;
/// assert_eq!(&text, b"hello");
/// # Ok(())
/// # }
/// ```
pub struct FdEvent<F: AsFd + 'static>(FdHandle<F>);

/// A watched descriptor as its own handler sees it.
pub struct FdHandle<F: AsFd + 'static>(Rc<State<F>>);

type Handler<F> = dyn FnMut(&FdHandle<F>, FdFlags);

type Close<F> = dyn FnOnce(F);

struct State<F: AsFd + 'static> {
    seat: Seat,
    /// Until the end.
    fd: Option<F>,
    close: Cell<Option<Box<Close<F>>>>,
    handler: Option<RefCell<Box<Handler<F>>>>,
}

impl Handle {
    /// Watches a descriptor with a handler, which is called in every turn in which the descriptor is ready for some of
    /// `flags`, with those (C: `tevent_add_fd`). A change of the flags, and a new event, count from the next wait on.
    ///
    /// # Errors
    /// If the context has ended; what the system says if the descriptor cannot be registered. It is closed then, and
    /// nothing is left behind.
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    /// use tevent_context::{Context, FdFlags};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let context = Context::new()?;
    /// let (near, mut far) = UnixStream::pair()?;
    /// let event = context.handle().fd(near, FdFlags::READ, |this, ready| {
    ///     assert_eq!(ready, FdFlags::READ);
    ///     let mut text = [0; 16];
    ///     if this.get_ref().read(&mut text).is_ok_and(|length| length == 0) {
    ///         this.set_flags(FdFlags::EMPTY); // the end: let `run` end
    ///     }
    /// })?;
    /// far.write_all(b"hello")?;
    /// drop(far);
    /// context.run()?;
    /// # drop(event);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn fd<F: AsFd + 'static>(
        &self,
        fd: F,
        flags: FdFlags,
        handler: impl FnMut(&FdHandle<F>, FdFlags) + 'static,
    ) -> io::Result<FdEvent<F>> {
        let event = FdEvent::enter(self, fd, Some(RefCell::new(Box::new(handler))))?;
        let seat = event.seat();
        seat.join(Rc::clone(&event.0.0) as Rc<dyn Watcher>, flags);
        if self.core().fds.watch(&seat.node, &self.reactor()?)? {
            self.core().notify();
        }
        seat.tell_flags();
        Ok(event)
    }
}

impl<F: AsFd + 'static> FdEvent<F> {
    /// Takes a descriptor in, for futures. The system is asked when the first of them waits.
    ///
    /// # Errors
    /// If the context has ended. The descriptor is closed then.
    #[track_caller]
    pub fn new(handle: &Handle, fd: F) -> io::Result<Self> {
        Self::enter(handle, fd, None)
    }

    #[track_caller]
    fn enter(
        handle: &Handle,
        fd: F,
        handler: Option<RefCell<Box<Handler<F>>>>,
    ) -> io::Result<Self> {
        handle.reactor()?;
        let number = fd.as_fd().as_raw_fd();
        let node = handle.core().fds.enter(number);
        Ok(Self(FdHandle(Rc::new(State {
            seat: Seat::new(handle, node),
            fd: Some(fd),
            close: Cell::new(None),
            handler,
        }))))
    }

    /// Ends the event and gives the descriptor back, deregistered and open. The close function is not called.
    ///
    /// # Panics
    /// Inside the event's own handler, which still has the descriptor in its hands.
    #[must_use]
    pub fn into_inner(self) -> F {
        self.seat().end();
        let state = Rc::clone(&self.0.0);
        drop(self);
        let fd = Rc::into_inner(state).and_then(|mut state| state.fd.take());
        fd.expect("a handler cannot take its own descriptor away: do that after it has returned")
    }

    /// Sets what is done with the descriptor when the event ends, instead of closing it (C: `tevent_fd_set_close_fn`;
    /// for `tevent_fd_set_auto_close` nothing is needed). It is deregistered by then.
    pub fn set_close(&self, close: impl FnOnce(F) + 'static) {
        let former = self.0.0.close.replace(Some(Box::new(close)));
        drop(former);
    }

    /// Lets the handler go on by itself, until it empties its flags or the context ends; then the descriptor is closed.
    /// Without a handler, or without flags, that is now.
    pub fn detach(self) {
        let is_watched = !self.flags().is_empty();
        self.seat().is_detached.set(is_watched);
    }
}

impl<F: AsFd + 'static> FdHandle<F> {
    /// Waits until a read would not wait: there is data, or its end, or an error to be told. Ready as soon as that is
    /// so at a wait of the loop, whatever was told before; never inside the first poll. Any number of tasks may wait.
    ///
    /// # Errors
    /// If the context ends; what the system says if it refuses to watch the descriptor.
    pub fn readable(&self) -> FdReady<'_> {
        FdReady::new(self.seat(), FdFlags::READ)
    }

    /// Waits until a write would not wait: there is room, or an error or a hang-up that the write will tell; see
    /// [`readable`](Self::readable).
    ///
    /// # Errors
    /// Like [`readable`](Self::readable).
    pub fn writable(&self) -> FdReady<'_> {
        FdReady::new(self.seat(), FdFlags::WRITE)
    }

    /// Waits for an error, a hang-up, or the end of what the peer sends; see [`FdFlags::ERROR`]. A regular file never
    /// has one.
    ///
    /// # Errors
    /// Like [`readable`](Self::readable).
    pub fn error(&self) -> FdReady<'_> {
        FdReady::new(self.seat(), FdFlags::ERROR)
    }

    /// What the handler is called for (C: `tevent_fd_get_flags`). Nothing if there is no handler.
    #[must_use]
    pub fn flags(&self) -> FdFlags {
        self.seat().flags()
    }

    /// Changes what the handler is called for, from the next wait on; any number of changes between two waits cost one
    /// system call at most (C: `tevent_fd_set_flags`). Nothing happens if there is no handler, or once the context has
    /// ended.
    pub fn set_flags(&self, flags: FdFlags) {
        self.seat().set_flags(flags);
    }

    /// The descriptor.
    #[must_use]
    pub fn get_ref(&self) -> &F {
        let fd = self.0.fd.as_ref();
        fd.expect("who takes the descriptor out consumes the event")
    }

    /// The loop that watches it.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.seat().handle
    }

    /// Whether [`Context::run`](crate::Context::run) goes on while the handler has flags; at first it does. Futures
    /// count by their tasks.
    pub fn keep_running(&self, keeps: bool) {
        let seat = self.seat();
        seat.event.set_counted(seat.handle.core(), keeps);
    }

    /// The tag, for those who trace; 0 at first (C: `tevent_fd_get_tag`).
    #[must_use]
    pub fn tag(&self) -> u64 {
        self.seat().event.tag()
    }

    /// Gives it a tag (C: `tevent_fd_set_tag`).
    pub fn set_tag(&self, tag: u64) {
        self.seat().event.set_tag(tag);
    }

    pub(super) fn seat(&self) -> &Seat {
        &self.0.seat
    }
}

impl<F: AsFd + 'static> Watcher for State<F> {
    fn seat(&self) -> &Seat {
        &self.seat
    }

    fn lend(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(AsFd::as_fd)
    }

    fn call(self: Rc<Self>, ready: FdFlags) {
        let this = FdHandle(self);
        let State { seat, handler, .. } = &*this.0;
        let _end = EndDetached(seat);
        if let Some(handler) = handler {
            // Not borrowed: a handler runs on a loop that it cannot run itself.
            let call = || (handler.borrow_mut())(&this, ready);
            seat.event.call(seat.handle.core(), call);
        }
    }
}

/// After a call, also one that panicked: nobody can give flags to a detached event without any.
struct EndDetached<'a>(&'a Seat);

impl Drop for EndDetached<'_> {
    fn drop(&mut self) {
        let Self(seat) = self;
        if seat.is_detached.get() && seat.flags().is_empty() {
            seat.end();
        }
    }
}

impl<F: AsFd + 'static> Deref for FdEvent<F> {
    type Target = FdHandle<F>;

    fn deref(&self) -> &FdHandle<F> {
        &self.0
    }
}

impl<F: AsFd + 'static> AsFd for FdHandle<F> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<F: AsFd + 'static> AsFd for FdEvent<F> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<F: AsFd + 'static> Drop for FdEvent<F> {
    fn drop(&mut self) {
        let seat = self.seat();
        if !seat.is_detached.get() {
            seat.end();
        }
    }
}

impl<F: AsFd + 'static> Drop for State<F> {
    fn drop(&mut self) {
        // Deregistered before; the order of the end is that.
        self.seat.end();
        if let Some(fd) = self.fd.take() {
            match self.close.take() {
                Some(close) => close(fd),
                None => drop(fd),
            }
        }
    }
}

impl<F: AsFd + 'static> fmt::Debug for FdHandle<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FdEvent")
            .field("fd", &self.seat().node.fd())
            .field("flags", &self.flags())
            .field("event", &self.seat().event)
            .finish_non_exhaustive()
    }
}

impl<F: AsFd + 'static> fmt::Debug for FdEvent<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
