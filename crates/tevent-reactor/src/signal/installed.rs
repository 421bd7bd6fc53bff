//! Installed handlers: the first listener of a signal installs ours, the last one puts back what was there.
//!
//! The table is locked across a fork, so a child never finds it locked by a thread that it does not have. Signal
//! handlers do not look at it.

use std::cell::Cell;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use libc::{c_int, sigaction};

use super::arrival::on_signal;
use super::kind::SignalKind;

type Table = [Option<Entry>; SignalKind::HIGHEST + 1];

struct Entry {
    listeners: usize,
    /// What was installed before us.
    original: sigaction,
}

static TABLE: Mutex<Table> = Mutex::new([const { None }; SignalKind::HIGHEST + 1]);

thread_local! {
    /// The lock of the table, while this thread forks.
    static HELD: Cell<Option<MutexGuard<'static, Table>>> = const { Cell::new(None) };
}

/// The table, locked. No foreign code runs while it is.
pub(super) struct Locked<'a>(MutexGuard<'a, Table>);

pub(super) fn lock() -> Locked<'static> {
    // Never left half changed: what may panic does so before a change.
    Locked(TABLE.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Before a fork. (A program that forks inside a signal handler of its own, which interrupted a thread in the middle
/// of a registration, waits for itself here: `fork` is no call for a signal handler of a program with threads.) A
/// thread that is about to end has no place for the lock, and forks without it.
pub(super) fn hold() {
    let _ = HELD.try_with(|held| held.set(Some(lock().0)));
}

/// After a fork, in both processes.
pub(super) fn release() {
    let _ = HELD.try_with(|held| drop(held.take()));
}

/// One listener's share in an installed handler.
#[derive(Debug)]
pub(super) struct Installed {
    index: usize,
}

impl Locked<'_> {
    /// Installs our handler if this is the first listener.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn install(&mut self, index: usize) -> io::Result<Installed> {
        if let Some(entry) = &mut self.0[index] {
            entry.listeners += 1;
        } else {
            self.0[index] = Some(Entry {
                listeners: 1,
                original: exchange(index as c_int, Some(&ours()))?,
            });
        }
        Ok(Installed { index })
    }

    /// One listener less. The last one puts back what was there, unless somebody else has installed a handler since:
    /// that one stays.
    fn uninstall(&mut self, index: usize) {
        let Some(entry) = &mut self.0[index] else {
            return;
        };
        entry.listeners -= 1;
        if entry.listeners > 0 {
            return;
        }
        let number = index as c_int;
        let is_ours = |action: sigaction| action.sa_sigaction == ours().sa_sigaction;
        if exchange(number, None).is_ok_and(is_ours) {
            // It was good enough for the kernel before. There is nobody to tell, either.
            let _ = exchange(number, Some(&entry.original));
        }
        self.0[index] = None;
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        lock().uninstall(self.index);
    }
}

/// Our handler: with siginfo; system calls that it interrupts go on; on the alternate stack if the thread has one.
fn ours() -> sigaction {
    // SAFETY: a struct of numbers, an optional pointer and a set, for all of which zero is a value: the empty set.
    let mut action: sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    let handler: extern "C" fn(_, _, _) = on_signal;
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    action
}

/// Asks what is installed, and installs something else if told to.
fn exchange(number: c_int, new: Option<&sigaction>) -> io::Result<sigaction> {
    let new = new.map_or(ptr::null(), ptr::from_ref);
    let mut old = MaybeUninit::uninit();
    // SAFETY: both pointers are valid or null; what is installed is our handler, which may run at any time, or what was
    // installed before.
    if unsafe { libc::sigaction(number, new, old.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has filled it, as it has not failed.
    Ok(unsafe { old.assume_init() })
}
