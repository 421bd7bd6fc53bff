//! What the handler of all signals does: counts, keeps the siginfo if somebody asked, rings.
//!
//! It runs in the middle of anything, on any thread: in an allocation, under a lock, while another handler is at it. So
//! it touches nothing but atomics, and makes one system call, the bell's `write`.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

#[cfg(target_os = "android")]
use libc::__errno as errno_location;
#[cfg(not(target_os = "android"))]
use libc::__errno_location as errno_location;
use libc::{c_int, c_void, siginfo_t};

use super::bell;
use super::kind::SignalKind;
use super::ring::{Ring, SignalInfo};

/// Siginfos that are kept per signal.
const INFOS: usize = 256;

/// What is known of one signal.
pub(super) struct Arrivals {
    /// How often it came while our handler was installed.
    count: AtomicU64,
    /// How many listeners want the siginfos.
    wanted: AtomicU32,
    /// Made by the first who wants them, and never freed: a handler may be in it. Null before.
    ring: AtomicPtr<Ring>,
}

static SIGNALS: [Arrivals; SignalKind::HIGHEST + 1] =
    [const { Arrivals::new() }; SignalKind::HIGHEST + 1];

/// How often any signal came.
static TOTAL: AtomicU64 = AtomicU64::new(0);

/// How many signals with listeners have come in this process. Whoever remembers the number learns by one load that
/// nothing has come since.
#[inline]
#[must_use]
pub fn signals_arrived() -> u64 {
    // Ordering: whoever sees a new number also sees what was counted and kept before it. Whoever does not, and has said
    // that he wants to be woken, will be: the bell says why.
    TOTAL.load(Ordering::SeqCst)
}

/// What is known of the signal at this place.
pub(super) fn of(index: usize) -> &'static Arrivals {
    &SIGNALS[index]
}

/// In a forked child, with the table of handlers locked: the rings may have been copied in the middle of a write by a
/// thread that does not exist here. They are left to the parent's copies of listeners.
pub(super) fn forget_rings() {
    for signal in &SIGNALS {
        signal.ring.store(ptr::null_mut(), Ordering::Release);
    }
}

impl Arrivals {
    const fn new() -> Self {
        Self {
            count: AtomicU64::new(0),
            wanted: AtomicU32::new(0),
            ring: AtomicPtr::new(ptr::null_mut()),
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// One more who wants the siginfos; the table of handlers is locked.
    pub(super) fn want(&self) -> &'static Ring {
        let ring = self.ring().unwrap_or_else(|| {
            let ring: &'static Ring = Box::leak(Box::new(Ring::new(INFOS)));
            self.ring
                .store(ptr::from_ref(ring).cast_mut(), Ordering::Release);
            ring
        });
        self.wanted.fetch_add(1, Ordering::Release);
        ring
    }

    /// One less.
    pub(super) fn want_no_longer(&self) {
        self.wanted.fetch_sub(1, Ordering::Relaxed);
    }

    fn ring(&self) -> Option<&'static Ring> {
        let ring = self.ring.load(Ordering::Acquire);
        // SAFETY: null, or a ring that was leaked; all access to it is shared.
        unsafe { ring.as_ref() }
    }

    /// The siginfo first, then the count, then the total: who sees one of them sees those before.
    fn note(&self, info: *const siginfo_t) {
        // SAFETY: the kernel hands a valid siginfo to a handler that asked for it, for as long as the handler runs.
        let info = unsafe { info.as_ref() };
        if self.wanted.load(Ordering::Acquire) > 0
            && let Some(info) = info
            && let Some(ring) = self.ring()
        {
            ring.push(read(info));
        }
        self.count.fetch_add(1, Ordering::Release);
        // Ordering: with the look at who wants to be woken, which follows.
        TOTAL.fetch_add(1, Ordering::SeqCst);
    }
}

fn read(info: &siginfo_t) -> SignalInfo {
    // SAFETY: fields of a union that are plain numbers; the kernel fills all of it. What they mean depends on the code.
    let (pid, uid, value) = unsafe { (info.si_pid(), info.si_uid(), info.si_value()) };
    SignalInfo {
        pid,
        uid,
        code: info.si_code,
        value: value.sival_ptr.addr(),
    }
}

/// The handler of every signal that is listened to.
pub(super) extern "C" fn on_signal(number: c_int, info: *mut siginfo_t, _context: *mut c_void) {
    // SAFETY: the address of this thread's errno, which exists as long as the thread runs code. No reference to it is
    // made: the C library writes to it in between.
    let (errno, before) = unsafe { (errno_location(), *errno_location()) };
    if let Some(signal) = SIGNALS.get(number as usize) {
        signal.note(info);
    }
    bell::ring();
    // SAFETY: as above.
    unsafe { *errno = before };
}
