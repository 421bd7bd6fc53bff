//! A place: the slot of one source in the table, held from before its registration until after its close.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tevent_core::{asked, budget};

use crate::ended::Ended;
use crate::readiness::{Direction, Readiness};
use crate::shared::Shared;
use crate::slot::{Crowd, Refused, Slot, Tick};
use crate::token::Token;
use crate::wake::wake_all;

/// A source's slot. Dropping it gives the slot back.
pub(crate) struct Place {
    shared: Rc<Shared>,
    token: Token,
}

impl Place {
    pub(crate) fn reserve(shared: &Rc<Shared>, readiness: Readiness) -> io::Result<Self> {
        let token = shared.table.borrow_mut().insert(readiness)?;
        Ok(Self {
            shared: Rc::clone(shared),
            token,
        })
    }

    pub(crate) fn token(&self) -> Token {
        self.token
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
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
        // reactor. That is why `join` compares the tick once more.
        let (mut waker, mut crowd) = (Some(cx.waker().clone()), Crowd::default());
        crowd.round = self.shared.table.borrow().round();
        if self.slot(|slot| slot.join(direction, seen, &mut waker, &mut crowd))? {
            wake_all(&mut crowd.wakers);
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }

    /// Does something to the slot. The table is borrowed meanwhile: `act` calls no foreign code.
    #[inline]
    fn slot<R>(&self, act: impl FnOnce(&mut Slot) -> R) -> Result<R, Ended> {
        self.shared.table.borrow_mut().slot(self.token).map(act)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let slot = self.shared.table.borrow_mut().remove(self.token);
        // Only now, with the borrow ended: wakers of former waiters may be in it.
        drop(slot);
    }
}
