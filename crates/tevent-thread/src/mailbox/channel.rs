//! What the senders and the loop share: messages in order, room for them, and who waits for room.
//!
//! A sender that finds no room waits for it in a line:
//!
//! ```text
//!   (room) ------------------0---------------------> sent      0 room, and nobody waits: sent at once
//!   Waiting --1--> Granted --2---------------------> sent      1 room came, and it is the first   2 polled
//!      |              |
//!      3              4                                        3 dropped: leaves the line
//!      +-> gone       +-> gone                                 4 dropped: its room is the next one's
//! ```
//!
//! Who is granted has left the line, and its room is taken already: nobody comes in between. From every state the close
//! leads to the end: the value stays with the sender.

use std::collections::VecDeque;
use std::mem;
use std::sync::PoisonError;
use std::task::{Poll, Waker};

use tevent_core::line::{Line, Place};
use tevent_core::sync::Mutex;

/// A buffer that is larger, in bytes, is given back when the channel has run dry.
const KEPT_BYTES: usize = 64 * 1024;

/// A lock, and not a channel without one, because the loop takes all messages at once, so that senders hardly ever find
/// it held: twice as fast as the best of the others. And because the end is exact: what was accepted before is found
/// by the owner, what comes later is refused.
pub(crate) struct Channel<T>(Mutex<State<T>>);

struct State<T> {
    open: bool,
    messages: VecDeque<T>,
    /// How many may come. Nobody gives room back to a channel without a bound: it has more than will ever be sent.
    room: usize,
    /// Those who wait for room, so there is none: granted, they leave the line.
    line: Line<Option<Waker>>,
}

/// Why a message was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    Full,
    Closed,
}

impl<T> Channel<T> {
    /// Room for so many; `usize::MAX` is no bound.
    pub(crate) fn new(room: usize) -> Self {
        Self(Mutex::new(State {
            open: true,
            messages: VecDeque::new(),
            room,
            line: Line::new(),
        }))
    }

    /// Arrow 0. Says whether it is the first since the loop took all: then, and only then, the loop has to be told. Who
    /// comes second leaves that to the first.
    #[inline]
    pub(crate) fn push(&self, message: T) -> Result<bool, (Refusal, T)> {
        self.with(|state| match state.refusal() {
            None => Ok(state.add(message)),
            Some(refusal) => Err((refusal, message)),
        })
    }

    /// Arrows 0 to 2 for a sender that waits, whose `seat` is kept between its polls. Takes the message when it is
    /// sent.
    pub(crate) fn poll_push(
        &self,
        seat: &mut Option<Place>,
        message: &mut Option<T>,
        waker: &Waker,
    ) -> Poll<Result<bool, Refusal>> {
        // Cloned, and the old one dropped, outside of the lock: it is foreign code.
        let mut waker = Some(waker.clone());
        self.with(|state| {
            if !state.open {
                return Poll::Ready(Err(Refusal::Closed));
            }
            match *seat {
                Some(place) => match state.line.get_mut(place) {
                    Some(known) => {
                        mem::swap(known, &mut waker);
                        return Poll::Pending;
                    }
                    None => state.room += 1,
                },
                None if state.refusal().is_some() => {
                    *seat = Some(state.line.join(waker.take()));
                    return Poll::Pending;
                }
                None => {}
            }
            *seat = None;
            let message = message.take();
            Poll::Ready(Ok(state.add(message.expect("sent once only"))))
        })
    }

    /// Arrows 3 and 4: a sender that waited does so no more.
    pub(crate) fn leave(&self, seat: Place) -> Vec<Waker> {
        let (waker, woken) = self.with(|state| match state.line.leave(seat) {
            Some(waker) => (waker, Vec::new()),
            None => (None, state.give(1)),
        });
        drop(waker);
        woken
    }

    /// Room for so many more: arrow 1 for those who are to be woken.
    #[must_use]
    pub(crate) fn give(&self, room: usize) -> Vec<Waker> {
        self.with(|state| state.give(room))
    }

    /// Takes all messages in exchange for an empty buffer.
    pub(crate) fn take(&self, into: &mut VecDeque<T>) {
        debug_assert!(into.is_empty(), "the order would be lost");
        self.with(|state| mem::swap(&mut state.messages, into));
    }

    /// Whether a buffer is so large that it should not be kept.
    pub(crate) fn is_large(capacity: usize) -> bool {
        capacity.saturating_mul(size_of::<T>()) > KEPT_BYTES
    }

    /// Gives the memory of a burst back, if nothing has come since: the buffer of the loop, and that of the senders.
    pub(crate) fn give_memory_back(&self, buffer: &mut VecDeque<T>) {
        let ours = self.with(|state| {
            let is_dry = state.messages.is_empty() && buffer.is_empty();
            is_dry.then(|| (mem::take(&mut state.messages), mem::take(buffer)))
        });
        drop(ours);
    }

    /// The end: messages are refused from now on, those that are here stay until they are taken. Who waits for room is
    /// to be woken.
    #[must_use]
    pub(crate) fn close(&self) -> Vec<Waker> {
        self.with(|state| {
            state.open = false;
            // Room for all of them: they find that it is closed.
            state.give(state.line.len())
        })
    }

    pub(crate) fn is_open(&self) -> bool {
        self.with(|state| state.open)
    }

    /// Messages that the loop has not taken.
    pub(crate) fn len(&self) -> usize {
        self.with(|state| state.messages.len())
    }

    #[inline]
    fn with<R>(&self, act: impl FnOnce(&mut State<T>) -> R) -> R {
        // Nothing of the user's runs under this lock.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> State<T> {
    #[inline]
    fn refusal(&self) -> Option<Refusal> {
        if !self.open {
            Some(Refusal::Closed)
        } else if self.room == 0 {
            Some(Refusal::Full)
        } else {
            None
        }
    }

    #[inline]
    fn add(&mut self, message: T) -> bool {
        self.room -= 1;
        let is_first = self.messages.is_empty();
        self.messages.push_back(message);
        is_first
    }

    fn give(&mut self, room: usize) -> Vec<Waker> {
        self.room += room;
        let mut wakers = Vec::new();
        while self.room > 0
            && let Some(first) = self.line.front()
        {
            self.room -= 1;
            wakers.extend(self.line.leave(first).flatten());
        }
        wakers
    }
}
