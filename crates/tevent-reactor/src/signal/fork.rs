//! Forks: which process something belongs to, at the price of one load.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::installed;

/// How often this process, or the one it was forked from, was forked on its way here.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// What became of the request to count forks. The C library keeps it as long as the process lives.
static COUNTED: OnceLock<i32> = OnceLock::new();

/// The process that something belongs to. A child of a fork has a copy of all memory, but shares the descriptors with
/// its parent: what it does to an epoll is done to the parent's.
///
/// Children that the C library's `fork` made are told apart, and so are those of `std::process::Command`; those of a
/// bare system call (`clone`) are not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Process {
    pub(super) forks: u32,
}

impl Process {
    /// The process that runs this.
    ///
    /// # Errors
    /// If the C library has no memory left for counting forks.
    pub fn current() -> io::Result<Self> {
        match COUNTED.get_or_init(count_forks) {
            0 => Ok(Self {
                forks: Self::forks(),
            }),
            error => Err(io::Error::from_raw_os_error(*error)),
        }
    }

    /// Whether this is the process that runs this.
    #[inline]
    #[must_use]
    pub fn is_current(self) -> bool {
        self.forks == Self::forks()
    }

    /// What tells the process that runs this from its ancestors. May be called in a signal handler.
    #[inline]
    pub(super) fn forks() -> u32 {
        // Ordering: written only while a child has a single thread.
        FORKS.load(Ordering::Relaxed)
    }
}

/// The error of whoever asks for something that belongs to another process.
#[cold]
pub fn forked() -> io::Error {
    io::Error::other(
        "this loop belongs to the process that this one was forked from: make a new `Context` in the child",
    )
}

fn count_forks() -> i32 {
    // SAFETY: the functions may be called around every fork: they lock and unlock a mutex that is held for moments
    // only, and the child's adds to an atomic.
    unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) }
}

extern "C" fn before() {
    installed::hold();
}

extern "C" fn in_parent() {
    installed::release();
}

extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    installed::release();
}
