//! A place: the slot of one source in the table, and the source in it, from its registration until its close.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::thread;

use mio::Interest;
use tevent_core::panics::Panics;
use tevent_core::{asked, budget};

use crate::ended::Ended;
use crate::readiness::{Direction, Readiness};
use crate::shared::Shared;
use crate::slot::{Crowd, Joined, Refused, Slot, Tick};
use crate::token::Token;
use crate::wake::wake_all;

/// A source's slot, and the source. Dropping it takes the source from the kernel's poll, gives the slot back, and
/// closes the descriptor, in this order.
pub(crate) struct Place<S: mio::event::Source> {
    shared: Rc<Shared>,
    /// The slot is its own until the drop, so the generation need not be kept: two words for all, beside a descriptor.
    slot: u32,
    io: S,
}

impl<S: mio::event::Source> Place<S> {
    pub(crate) fn take(shared: &Rc<Shared>, mut io: S, readiness: Readiness) -> io::Result<Self> {
        let registry = shared.registry()?;
        let token = shared.table.borrow_mut().insert(readiness)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        // Foreign code: the slot comes back, also if it panics.
        let (mut registered, mut panics) = (None, Panics::default());
        panics.guard(|| registered = Some(registry.register(&mut io, token.into(), interest)));
        if !matches!(registered, Some(Ok(()))) {
            // Nobody can wait there yet.
            drop(shared.table.borrow_mut().remove(token.slot));
        }
        panics.resume();
        registered.transpose()?;
        Ok(Self {
            shared: Rc::clone(shared),
            slot: token.slot,
            io,
        })
    }

    pub(crate) fn io(&self) -> &S {
        &self.io
    }

    pub(crate) fn token(&self) -> Token {
        self.shared.table.borrow().token(self.slot)
    }

    /// Ready when an operation should be tried: with the tick to hand back if the kernel refuses it.
    #[inline]
    pub(crate) fn poll_ready(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Tick>> {
        loop {
            let (seen, ready) = self.slot(|slot| slot.look(direction))?;
            if !ready {
                ready!(self.poll_newer(direction, seen, cx))?;
            } else if budget::is_spent() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            } else {
                return Poll::Ready(Ok(seen));
            }
        }
    }

    /// The kernel has refused, or nothing is ready: waits for an event newer than tick `seen`.
    pub(crate) fn poll_newer(
        &self,
        direction: Direction,
        seen: Tick,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        asked::answer(|| format!("a socket to be ready ({direction:?})"));
        match self.slot(|slot| slot.refuse(direction, seen, cx.waker()))? {
            Refused::Waiting => Poll::Pending,
            Refused::Outdated => Poll::Ready(Ok(())),
            Refused::Stranger => self.join(direction, seen, cx),
        }
    }

    /// The kernel gave or took less than was asked for: it will refuse the next time, so that time is saved.
    pub(crate) fn clear(&self, direction: Direction, seen: Tick) {
        // Of an ended reactor nothing is remembered: the next operation will fail.
        let _ = self.slot(|slot| slot.clear(direction, seen));
    }

    fn join(&self, direction: Direction, seen: Tick, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Cloned and, if not wanted, dropped with no borrow held: both are foreign code, and may even wait on the
        // reactor. That is why `join_first` compares the tick once more.
        let mut waker = Some(cx.waker().clone());
        match self.slot(|slot| slot.join_first(direction, seen, &mut waker))? {
            Joined::Waits => Poll::Pending,
            Joined::Outdated => Poll::Ready(Ok(())),
            Joined::Crowded => self.join_others(direction, seen, waker),
        }
    }

    #[cold]
    fn join_others(
        &self,
        direction: Direction,
        seen: Tick,
        mut waker: Option<Waker>,
    ) -> Poll<io::Result<()>> {
        let mut crowd = Crowd {
            round: self.shared.table.borrow().round(),
            wakers: Vec::new(),
        };
        let joined = self.slot(|slot| slot.join(direction, seen, &mut waker, &mut crowd))?;
        wake_all(&mut crowd.wakers);
        match joined {
            Joined::Waits | Joined::Crowded => Poll::Pending,
            Joined::Outdated => Poll::Ready(Ok(())),
        }
    }

    /// Does something to the slot. The table is borrowed meanwhile: `act` calls no foreign code.
    #[inline]
    fn slot<R>(&self, act: impl FnOnce(&mut Slot) -> R) -> Result<R, Ended> {
        self.shared.table.borrow_mut().slot(self.slot).map(act)
    }
}

impl<S: mio::event::Source> Drop for Place<S> {
    fn drop(&mut self) {
        // Gone with its reactor, or a forked child's copy: then there is nothing to take away. An error is of no use to
        // anybody either: the descriptor is closed next.
        let mut panics = Panics::default();
        if let Ok(registry) = self.shared.registry() {
            panics.guard(|| _ = registry.deregister(&mut self.io));
        }
        let slot = self.shared.table.borrow_mut().remove(self.slot);
        // Only now, with the borrow ended: wakers of former waiters may be in it.
        panics.guard(|| drop(slot));
        match thread::panicking() {
            // A second panic would abort the process.
            true => panics.discard(),
            false => panics.resume(),
        }
    }
}
