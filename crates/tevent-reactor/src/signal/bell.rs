//! The bell of all signals: one descriptor, written by the handler and watched by every reactor with listeners.
//!
//! It is an eventfd that is never read: each write is a new edge in every poll that watches it, so one system call of
//! the handler wakes all loops, and nothing can fill up. It is never closed, as a handler may be about to write it.
//!
//! It is silent while every reactor that watches it is awake:
//!
//! ```text
//! loop:     awaited += 1    look at the total    sleep    told: awaited -= 1
//! handler:  total += 1      awaited? ring
//! ```
//!
//! All four are sequentially consistent, so it cannot be that the loop misses the signal **and** the handler the loop.

use std::cell::Cell;
use std::io;
use std::os::fd::RawFd;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::arrival;
use super::fork::Process;
use super::installed::Locked;
use crate::shared::ReactorHandle;
use crate::source::{Initially, Source};

/// The descriptor in the low half; in the high half, the process that made it: a forked child has it, too, and must not
/// wake its parent.
static BELL: AtomicU64 = AtomicU64::new(NONE);

/// No descriptor is that high.
const NONE: u64 = u32::MAX as u64;

/// How many reactors want to be woken.
static AWAITED: AtomicUsize = AtomicUsize::new(0);

/// Rings, if anybody wants to be woken. May be called in a signal handler, after it has counted. Changes errno.
pub(super) fn ring() {
    if AWAITED.load(Ordering::SeqCst) == 0 {
        return;
    }
    // Ordering: nothing is published by it; who is woken looks at the counts.
    let Some(bell) = current(Ordering::Relaxed) else {
        return;
    };
    let one = 1_u64;
    // SAFETY: eight bytes of our own; the descriptor is never closed. A write to an eventfd that does not block fails
    // only when it is full, after 2^64 signals.
    unsafe { libc::write(bell, (&raw const one).cast(), size_of::<u64>()) };
}

/// The bell as one reactor watches it, as long as one of its listeners lives.
pub(crate) struct Watched {
    is_awaited: Cell<bool>,
    _source: Source<Bell>,
}

/// What a reactor knows of its listeners.
pub(crate) type MaybeWatched = Weak<Watched>;

/// Lets the reactor watch the bell, if it does not yet.
pub(super) fn watch(reactor: &ReactorHandle, locked: &Locked<'_>) -> io::Result<Rc<Watched>> {
    // Also the check that this is the reactor's process, before anything is made.
    reactor.0.registry()?;
    if let Some(watched) = reactor.0.bell.borrow().upgrade() {
        return Ok(watched);
    }
    let bell = Bell(descriptor(locked)?);
    let watched = Rc::new(Watched {
        is_awaited: Cell::new(false),
        _source: Source::new(reactor, bell, Initially::NotReady)?,
    });
    watched.wait(true);
    reactor.0.bell.replace(Rc::downgrade(&watched));
    Ok(watched)
}

impl Watched {
    /// Whether the reactor wants to be woken.
    pub(crate) fn wait(&self, wants: bool) {
        match (self.is_awaited.replace(wants), wants) {
            (false, true) => AWAITED.fetch_add(1, Ordering::SeqCst),
            // Ordering: none needed. A handler that misses it rings once too often, and no more.
            (true, false) => AWAITED.fetch_sub(1, Ordering::Relaxed),
            _ => return,
        };
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.wait(false);
    }
}

/// The descriptor of this process; made by the first who asks.
fn descriptor(_locked: &Locked<'_>) -> io::Result<RawFd> {
    if let Some(bell) = current(Ordering::Relaxed) {
        return Ok(bell);
    }
    let process = Process::current()?;
    // SAFETY: no memory is involved.
    let bell = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if bell < 0 {
        return Err(io::Error::last_os_error());
    }
    arrival::forget_rings();
    BELL.store(pack(process, bell), Ordering::Relaxed);
    Ok(bell)
}

fn current(ordering: Ordering) -> Option<RawFd> {
    let bell = BELL.load(ordering);
    let is_ours = bell != NONE && bell >> 32 == u64::from(Process::forks());
    is_ours.then_some((bell & NONE) as RawFd)
}

fn pack(process: Process, bell: RawFd) -> u64 {
    u64::from(process.forks) << 32 | u64::from(bell.cast_unsigned())
}

/// A borrowed descriptor, as mio wants to see it. Its drop closes nothing.
#[derive(Debug)]
pub(crate) struct Bell(RawFd);

impl mio::event::Source for Bell {
    fn register(&mut self, registry: &Registry, token: Token, _: Interest) -> io::Result<()> {
        // An eventfd can always be written: that is no news.
        SourceFd(&self.0).register(registry, token, Interest::READABLE)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, _: Interest) -> io::Result<()> {
        SourceFd(&self.0).reregister(registry, token, Interest::READABLE)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.0).deregister(registry)
    }
}
