//! Waking: the bell that ends the reactor's sleep from any thread, and the batch of tasks that a wait found ready.

use std::io;
use std::sync::Arc;
use std::task::{Wake, Waker};

use tevent_core::panics::Panics;

use crate::signal::fork::Process;
use crate::token::Token;

/// Makes the bell of a poller: waking it writes the wake descriptor once.
///
/// The descriptor is watched edge-triggered and never read, so a ring costs one system call, not two; each write is a
/// new edge. Whoever holds the waker holds the descriptor: a ring after the reactor has ended reaches nothing, and
/// never a descriptor that was reused.
pub(crate) fn ringer(registry: &mio::Registry, process: Process) -> io::Result<Waker> {
    let bell = mio::Waker::new(registry, Token::RINGER.into())?;
    Ok(Waker::from(Arc::new(Ringer { bell, process })))
}

struct Ringer {
    bell: mio::Waker,
    process: Process,
}

impl Wake for Ringer {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.process.is_current() {
            return; // a forked child does not ring its parent
        }
        // The write cannot fail: mio resets the counter when it is full, and the descriptor is open and ours. There
        // would be nobody to tell, either.
        let _ = self.bell.wake();
    }
}

/// Wakes all, in order, and empties the list. No borrow may be held: a waker is foreign code, and so is its drop.
///
/// # Panics
///
/// If a waker panicked: with the first such panic, after all the others have been woken.
pub(crate) fn wake_all(wakers: &mut Vec<Waker>) {
    let mut panics = Panics::default();
    for waker in wakers.drain(..) {
        panics.guard(|| waker.wake());
    }
    panics.resume();
}
