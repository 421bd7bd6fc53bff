//! The future of a descriptor's readiness.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tevent_core::asked;
use tevent_core::line::Place;

use super::flags::FdFlags;
use super::node::{Look, Member, Waiting};
use super::seat::Seat;
use crate::core_loop;

/// Waits until a descriptor is ready. Made by [`FdHandle::readable`](super::FdHandle::readable) and its kin.
///
/// Cancel safe: nothing is taken from the descriptor.
#[must_use = "futures do nothing unless polled"]
pub struct FdReady<'a> {
    seat: &'a Seat,
    wanted: FdFlags,
    /// Where it stands in the node's line, once it was polled.
    place: Option<Place>,
}

impl<'a> FdReady<'a> {
    pub(super) fn new(seat: &'a Seat, wanted: FdFlags) -> Self {
        Self {
            seat,
            wanted,
            place: None,
        }
    }

    fn join(&mut self, waker: Waker) {
        let (core, node) = (self.seat.handle.core(), &self.seat.node);
        let member = Member::Future(self.wanted, Waiting::For(waker));
        self.place = Some(node.join(member));
        if !node.knows_already(self.wanted) {
            core.fds.touch(node);
            core.notify();
        }
    }

    /// What it has come to; a waker other than the one that waits takes its place.
    fn look(&self, place: Place, waker: &Waker) -> Poll<io::Result<()>> {
        let looked = self.seat.node.future(place, |waiting| waiting.look(waker));
        match looked {
            Some(Look::Waits) => Poll::Pending,
            Some(Look::Stranger) => {
                // Cloned before, and the old one dropped after the borrow: both are foreign code.
                let mut waker = waker.clone();
                let node = &self.seat.node;
                node.future(place, |waiting| waiting.exchange(&mut waker));
                Poll::Pending
            }
            Some(Look::Done(done)) => Poll::Ready(done),
            // A place is lost at the end of the loop only.
            None => Poll::Ready(Err(core_loop::ended())),
        }
    }

    fn leave(&mut self) {
        let member = self.place.take().map(|place| self.seat.node.leave(place));
        drop(member);
    }
}

impl Future for FdReady<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.seat.handle.core().has_ended() {
            self.leave();
            return Poll::Ready(Err(core_loop::ended()));
        }
        let looked = match self.place {
            Some(place) => self.look(place, cx.waker()),
            // Its own handler still sees an event that has ended: nobody will be told, and the node is for others.
            None if self.seat.has_ended() => Poll::Pending,
            None => {
                self.join(cx.waker().clone());
                Poll::Pending
            }
        };
        match looked {
            Poll::Ready(_) => self.leave(),
            Poll::Pending => asked::answer(|| self.to_string()),
        }
        looked
    }
}

impl Drop for FdReady<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// What it waits for.
impl fmt::Display for FdReady<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (fd, wanted) = (self.seat.node.fd(), self.wanted);
        write!(f, "descriptor {fd} to be ready for {wanted:?}")
    }
}

impl fmt::Debug for FdReady<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FdReady")
            .field("fd", &self.seat.node.fd())
            .field("for", &self.wanted)
            .finish_non_exhaustive()
    }
}
