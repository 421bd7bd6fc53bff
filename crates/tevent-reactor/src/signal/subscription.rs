//! A subscription: what one listener has not yet been told of one signal.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::rc::Rc;

use super::arrival::{self, Arrivals};
use super::bell::{self, Watched};
use super::installed::{Installed, lock};
use super::kind::SignalKind;
use super::ring::{Ring, SignalInfo, Taken};
use crate::shared::ReactorHandle;

/// Deliveries of a signal, as one listener is told of them. The counts of all that a listener was told add up to the
/// number of deliveries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Delivery {
    /// The signal.
    pub kind: SignalKind,
    /// How many deliveries this stands for. With siginfo, one and those that were [lost](Self::lost).
    pub count: u64,
    /// Who sent it and why, for those who asked; `None` also if only those that were lost are left to tell of.
    pub info: Option<SignalInfo>,
    /// How many deliveries just before this one have lost their siginfo, because too many were pending.
    pub lost: u64,
}

/// One listener to one signal of this process. All listeners of a signal are told of each delivery, whatever reactor or
/// thread they belong to.
///
/// From the first subscription on, the signal is handled by this crate; the drop of the last one puts back what was
/// installed before, unless somebody else has installed a handler since. While it lives, its reactor wakes up from
/// [`wait`](crate::Reactor::wait) when any signal comes that somebody in the process listens to, unless it was told
/// [not to](ReactorHandle::await_signals).
///
/// ```
/// use tevent_reactor::{Reactor, SignalKind, Subscription};
///
/// # fn main() -> std::io::Result<()> {
/// let reactor = Reactor::new()?;
/// let hangups = Subscription::new(&reactor.handle(), SignalKind::HANGUP, false)?;
/// assert!(hangups.take().is_none());
/// # Ok(())
/// # }
/// ```
pub struct Subscription {
    kind: SignalKind,
    arrivals: &'static Arrivals,
    /// The count that was told.
    seen: Cell<u64>,
    infos: Option<Infos>,
    // The order of the fields is the order of the end: nobody is to be told any more, then nobody is woken.
    _installed: Installed,
    _bell: Rc<Watched>,
}

/// A reader's end of a ring.
struct Infos {
    arrivals: &'static Arrivals,
    ring: &'static Ring,
    cursor: Cell<u64>,
}

impl Subscription {
    /// Listens to a signal, on a reactor that it wakes; with or without siginfos. Signals that come from now on are
    /// told.
    ///
    /// # Errors
    /// `InvalidInput` if the signal cannot be listened to: there is none of that number, or the kernel or the C library
    /// keeps it, or it tells of a fault. [`Ended`](crate::Ended); a forked child of the reactor's process; no
    /// descriptors or no memory left. Nothing is left behind then.
    pub fn new(reactor: &ReactorHandle, kind: SignalKind, with_info: bool) -> io::Result<Self> {
        let index = kind.index()?;
        let mut locked = lock();
        let bell = bell::watch(reactor, &locked)?;
        let arrivals = arrival::of(index);
        // Before the handler is installed: the first delivery is to be told.
        let seen = Cell::new(arrivals.count());
        let infos = with_info.then(|| Infos::new(arrivals));
        Ok(Self {
            kind,
            arrivals,
            seen,
            infos,
            _installed: locked.install(index)?,
            _bell: bell,
        })
    }

    /// The signal.
    #[must_use]
    pub fn kind(&self) -> SignalKind {
        self.kind
    }

    /// How many times [`take`](Self::take) is worth calling now: with siginfos, once for each delivery; without, once.
    #[must_use]
    pub fn pending(&self) -> u64 {
        match &self.infos {
            Some(infos) => infos.pending(),
            None => u64::from(self.arrivals.count() != self.seen.get()),
        }
    }

    /// The next that there is to tell: with siginfos, one delivery; without, all that came since the last call. Fewer
    /// than were [pending](Self::pending) may come out, if siginfos were lost or are still being written: whoever is
    /// writing rings the bell when it has, if anybody awaits it.
    #[must_use]
    pub fn take(&self) -> Option<Delivery> {
        let (count, taken) = match &self.infos {
            Some(infos) => {
                let taken = infos.take()?;
                (taken.lost + u64::from(taken.info.is_some()), taken)
            }
            None => (self.take_count()?, Taken::default()),
        };
        Some(Delivery {
            kind: self.kind,
            count,
            info: taken.info,
            lost: taken.lost,
        })
    }

    fn take_count(&self) -> Option<u64> {
        let count = self.arrivals.count();
        let new = count.wrapping_sub(self.seen.replace(count));
        (new > 0).then_some(new)
    }
}

impl Infos {
    fn new(arrivals: &'static Arrivals) -> Self {
        let ring = arrivals.want();
        Self {
            arrivals,
            ring,
            cursor: Cell::new(ring.end()),
        }
    }

    fn pending(&self) -> u64 {
        self.ring.end() - self.cursor.get()
    }

    fn take(&self) -> Option<Taken> {
        let mut cursor = self.cursor.get();
        let taken = self.ring.take(&mut cursor);
        self.cursor.set(cursor);
        taken
    }
}

impl Drop for Infos {
    fn drop(&mut self) {
        self.arrivals.want_no_longer();
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("kind", &self.kind)
            .field("with_info", &self.infos.is_some())
            .field("pending", &self.pending())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::Reactor;

    fn listen(reactor: &Reactor) -> Subscription {
        Subscription::new(&reactor.handle(), SignalKind::USER1, true).unwrap()
    }

    /// More deliveries than a ring has slots. Returns whether each was told.
    fn hears_itself() -> bool {
        let reactor = Reactor::new().unwrap();
        let subscription = listen(&reactor);
        (0..300).all(|_| {
            // SAFETY: the signal has a handler.
            unsafe { libc::raise(libc::SIGUSR1) };
            subscription.take().is_some_and(|told| told.info.is_some())
        })
    }

    #[test]
    fn b81_a_child_does_not_wait_for_a_writer_that_only_its_parent_has() {
        let reactor = Reactor::new().unwrap();
        let subscription = listen(&reactor);
        let infos = subscription.infos.as_ref().unwrap();
        infos.ring.begin_to_write();
        // SAFETY: the other threads hold no lock that the child needs: the C library and this crate see to theirs.
        let process = unsafe { libc::fork() };
        if process == 0 {
            let heard = hears_itself();
            // SAFETY: ends the child at once, without running what belongs to its parent.
            unsafe { libc::_exit(if heard { 0 } else { 1 }) };
        }
        let mut status = -1;
        // SAFETY: `status` is a valid place for the answer.
        assert_eq!(unsafe { libc::waitpid(process, &mut status, 0) }, process);
        assert_eq!(status, 0, "the child was told of all its signals");
    }
}
