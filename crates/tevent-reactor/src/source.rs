//! A source: a mio socket that is registered once for its whole life, and its operations.

use std::fmt;
use std::io;
use std::task::{Context, Poll, ready};

use tevent_core::budget;

use crate::place::Place;
use crate::readiness::{Direction, Readiness};
use crate::shared::ReactorHandle;
use crate::token::Token;

/// What a new source is taken for, until the kernel says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initially {
    /// The first operation is tried at once: a socket that is connected, was accepted, or listens.
    Ready,
    /// The first operation waits for an event: a socket that is still connecting.
    NotReady,
}

/// A descriptor that is watched by a reactor, both directions, edge-triggered, from its making to its drop.
///
/// Any number of tasks may wait on it at a time; an event wakes all those it concerns. An operation whose future is
/// dropped leaves at most a spurious wake behind.
///
/// When the reactor ends, everybody who waits is woken, and every operation from then on fails with
/// [`Ended`](crate::Ended). Dropping a source takes it from the reactor before it closes the descriptor.
pub struct Source<S: mio::event::Source> {
    place: Place<S>,
}

// A pointer to the reactor, a slot and the descriptor. In debug builds mio keeps more in a socket.
#[cfg(not(debug_assertions))]
const _: () = assert!(size_of::<Source<mio::net::TcpStream>>() <= 16);

impl<S: mio::event::Source> Source<S> {
    /// Registers `io` with the reactor.
    ///
    /// # Errors
    ///
    /// [`Ended`](crate::Ended), or what the kernel says to the registration (`AlreadyExists`, `PermissionDenied` for
    /// what cannot be watched, no memory), or that this is a forked child of the reactor's process. `io` is closed
    /// then, and nothing is left behind.
    pub fn new(reactor: &ReactorHandle, io: S, initially: Initially) -> io::Result<Self> {
        let readiness = match initially {
            Initially::Ready => Readiness::READABLE | Readiness::WRITABLE,
            Initially::NotReady => Readiness::EMPTY,
        };
        let place = Place::take(&reactor.0, io, readiness)?;
        Ok(Self { place })
    }

    /// Tries `operation` if the source is taken for ready; when the kernel refuses it (`WouldBlock`), waits for the
    /// next event. `Interrupted` is tried again at once.
    ///
    /// Keeps to the cooperative budget: charged when the operation has succeeded or failed.
    ///
    /// # Errors
    ///
    /// Those of `operation`, and [`Ended`](crate::Ended).
    pub fn poll_io<R>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&S) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_operation(direction, cx, &mut operation)
            .map_ok(|(done, _)| done)
    }

    /// Like [`poll_io`](Self::poll_io) for an operation that moves up to `wanted` bytes of a stream. When it moves some
    /// but fewer, the kernel's buffer is taken for empty (or full): the next operation waits, and the system call that
    /// would be refused is saved. Not so after the peer closed or the connection broke: that is always asked for.
    ///
    /// For streams where a short count means just that: TCP without urgent data, pipes, Unix sockets without ancillary
    /// data.
    ///
    /// # Errors
    ///
    /// Those of `operation`, and [`Ended`](crate::Ended).
    pub fn poll_transfer(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        wanted: usize,
        mut operation: impl FnMut(&S) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let (moved, seen) = ready!(self.poll_operation(direction, cx, &mut operation))?;
        if 0 < moved && moved < wanted {
            self.place.clear(direction, seen);
        }
        Poll::Ready(Ok(moved))
    }

    /// Ready when an operation in this direction is worth trying. Only an operation that is refused takes that away.
    ///
    /// # Errors
    ///
    /// [`Ended`](crate::Ended).
    pub fn poll_ready(&self, direction: Direction, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.place.poll_ready(direction, cx))?;
        budget::spend();
        Poll::Ready(Ok(()))
    }

    /// The descriptor. Operations on it by this way do not change what the source is taken for.
    pub fn get_ref(&self) -> &S {
        self.place.io()
    }

    /// The name of this source in the poll result, for tests that stand behind the seam of the
    /// [`Poller`](crate::Poller).
    pub fn token(&self) -> Token {
        self.place.token()
    }

    #[inline]
    fn poll_operation<R>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        operation: &mut impl FnMut(&S) -> io::Result<R>,
    ) -> Poll<io::Result<(R, u32)>> {
        loop {
            let seen = ready!(self.place.poll_ready(direction, cx))?;
            match operation(self.place.io()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.place.poll_newer(direction, seen, cx))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => {
                    budget::spend_on_io();
                    return Poll::Ready(done.map(|done| (done, seen)));
                }
            }
        }
    }
}

impl<S: mio::event::Source + fmt::Debug> fmt::Debug for Source<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("io", self.get_ref())
            .field("token", &self.token())
            .finish()
    }
}
