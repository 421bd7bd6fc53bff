//! A watch: level-triggered news of a descriptor that belongs to somebody else.
//!
//! ```text
//!            1 news (in `take_watched`)
//!   ASKED ------------------------------> ANSWERED
//!     ^                                      |
//!     +--------------- 2 ask ----------------+
//! ```
//!
//! There are two ways. The kernel is asked **once**, edge-triggered: when it has said that a descriptor is readable, it
//! says so again only after more has come. Whoever still wants to know asks anew, and gets an answer from the next wait
//! if the descriptor is ready by then, whatever happened before. So what nobody wants to know is not told in every
//! wait; but each answer that somebody wants costs a system call, unless he knows from elsewhere that it is used up.
//!
//! Or it is asked **for good**, level-triggered: it answers in every wait in which the descriptor is ready, and nobody
//! asks again. That is for those who want every answer.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;

use mio::Registry;
use mio::unix::SourceFd;

use crate::level;
use crate::readiness::Readiness;
use crate::shared::{ReactorHandle, Shared};
use crate::token::Token;

/// What a [`Watch`] asks the kernel for. Errors and hang-ups are told in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interest {
    /// Whether something can be read, and whether the peer has closed its half.
    Readable,
    /// Whether something can be written.
    Writable,
    /// Both.
    Both,
}

impl From<Interest> for mio::Interest {
    fn from(interest: Interest) -> Self {
        match interest {
            Interest::Readable => Self::READABLE,
            Interest::Writable => Self::WRITABLE,
            Interest::Both => Self::READABLE | Self::WRITABLE,
        }
    }
}

/// What a wait found out about a watched descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Watched {
    /// Whom it is for ([`Watch::token`]).
    pub token: Token,
    /// The descriptor.
    pub fd: RawFd,
    /// What the kernel said.
    pub readiness: Readiness,
}

/// The registration of a descriptor that somebody else owns and keeps open for as long as this lives. There can be one
/// per reactor and descriptor.
///
/// It wakes nobody: what is found waits in [`ReactorHandle::take_watched`] for the loop that drives the reactor.
/// Dropping it takes the registration away, except in a forked child, where it is the parent's.
///
/// ```
/// use std::io::Write;
/// use std::os::fd::AsRawFd;
/// use std::os::unix::net::UnixStream;
/// use std::time::Duration;
/// use tevent_reactor::{Interest, Reactor, Watch};
///
/// # fn main() -> std::io::Result<()> {
/// let reactor = Reactor::new()?;
/// let (near, mut far) = UnixStream::pair()?;
/// let watch = Watch::new(&reactor.handle(), near.as_raw_fd(), Interest::Readable)?
///     .expect("a socket can be watched");
/// far.write_all(b"unread")?;
/// for _ in 0..2 {
///     assert_eq!(reactor.wait(Some(Duration::from_secs(1)))?.watched, 1);
///     watch.ask(Interest::Readable)?; // it is still readable
/// }
/// # Ok(())
/// # }
/// ```
pub struct Watch {
    shared: Rc<Shared>,
    token: Token,
    fd: RawFd,
    /// Whether the kernel knows of it.
    registered: Cell<bool>,
}

impl Watch {
    /// Registers a descriptor, and asks for it once. `None` if it is always ready, and therefore cannot be watched: a
    /// regular file, `/dev/null`.
    ///
    /// # Errors
    ///
    /// What the kernel says (`AlreadyExists`; not open; no memory, or the user has too many watches), or that the
    /// reactor has ended, or that this is a forked child of its process. Nothing is left behind then.
    pub fn new(reactor: &ReactorHandle, fd: RawFd, interest: Interest) -> io::Result<Option<Self>> {
        Self::enter(reactor, fd, |registry, token| {
            registry.register(&mut SourceFd(&fd), token.into(), interest.into())
        })
    }

    /// Like [`new`](Self::new), but asks for good.
    ///
    /// # Errors
    ///
    /// As with [`new`](Self::new).
    pub fn for_good(
        reactor: &ReactorHandle,
        fd: BorrowedFd<'_>,
        interest: Interest,
    ) -> io::Result<Option<Self>> {
        Self::enter(reactor, fd.as_raw_fd(), |registry, token| {
            level::register(registry, fd, token, interest)
        })
    }

    fn enter(
        reactor: &ReactorHandle,
        fd: RawFd,
        register: impl FnOnce(&Registry, Token) -> io::Result<()>,
    ) -> io::Result<Option<Self>> {
        let shared = Rc::clone(&reactor.0);
        let registry = shared.registry()?;
        let token = shared.table.borrow_mut().insert_watch(fd)?;
        shared.count_watch_call();
        // Made before it is registered: its drop gives the slot back.
        let watch = Self {
            shared,
            token,
            fd,
            registered: Cell::new(false),
        };
        match register(&registry, token) {
            Ok(()) => watch.registered.set(true),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
            Err(error) => return Err(error),
        }
        Ok(Some(watch))
    }

    /// Asks anew, once, and perhaps for something else: the next wait tells what is true by then.
    ///
    /// # Errors
    ///
    /// As with [`new`](Self::new). If the descriptor was closed behind the watch, it is no longer registered, and its
    /// number may be somebody else's now: the watch's drop leaves that alone.
    pub fn ask(&self, interest: Interest) -> io::Result<()> {
        self.change(|registry| {
            registry.reregister(&mut SourceFd(&self.fd), self.token.into(), interest.into())
        })
    }

    /// Asks for good, and perhaps for something else. `fd` is the watched descriptor.
    ///
    /// # Errors
    ///
    /// As with [`ask`](Self::ask).
    pub fn ask_for_good(&self, fd: BorrowedFd<'_>, interest: Interest) -> io::Result<()> {
        debug_assert_eq!(fd.as_raw_fd(), self.fd, "another descriptor");
        self.change(|registry| level::reregister(registry, fd, self.token, interest))
    }

    fn change(&self, reregister: impl FnOnce(&Registry) -> io::Result<()>) -> io::Result<()> {
        let registry = self.shared.registry()?;
        self.shared.count_watch_call();
        let asked = reregister(&registry);
        if let Err(error) = &asked {
            let is_gone = matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EBADF));
            self.registered.set(self.registered.get() && !is_gone);
        }
        asked
    }

    /// The name of this watch in what is found.
    #[must_use]
    pub fn token(&self) -> Token {
        self.token
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.table.borrow_mut().remove_watch(self.token);
        if !self.registered.get() {
            return;
        }
        // Gone with its reactor, or a forked child's copy: then there is nothing to take away.
        if let Ok(registry) = self.shared.registry() {
            self.shared.count_watch_call();
            // An error says that it is not registered, which is what was wanted.
            let _ = registry.deregister(&mut SourceFd(&self.fd));
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("fd", &self.fd)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

impl ReactorHandle {
    /// Moves what the waits have found out about watches into `out`, which is emptied first; in the order in which it
    /// was found. A watch may have been dropped since, or its descriptor watched anew: compare the tokens.
    pub fn take_watched(&self, out: &mut Vec<Watched>) {
        out.clear();
        self.0.table.borrow_mut().swap_watched(out);
    }

    /// Whether [`take_watched`](Self::take_watched) would find something.
    #[must_use]
    pub fn has_watched(&self) -> bool {
        self.0.table.borrow().has_watched()
    }

    /// How many system calls the watches of this reactor have made: to register, to ask, to take away. For those who
    /// count what they cost.
    #[must_use]
    pub fn watch_calls(&self) -> u64 {
        self.0.watch_calls()
    }
}
