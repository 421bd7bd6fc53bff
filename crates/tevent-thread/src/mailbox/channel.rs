//! What carries the messages of a road, and how its end is made exact.
//!
//! A channel of crossbeam's carries them. What it does not know is who counts what is discarded when the receiver goes:
//! so every message travels in a `Parcel`, whose destructor does.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker, ready};

use crossbeam_channel::{Receiver, Sender, unbounded};
use tevent_core::line::Place;
use tevent_core::panics::Panics;

use super::room::{Refusal, Room};

/// The senders' end of the channel.
pub(super) struct Channel<T> {
    sender: Sender<Parcel<T>>,
    open: AtomicBool,
    room: Option<Room>,
}

/// The loop's end of it, on the loop's thread.
pub(super) struct Messages<T>(Receiver<Parcel<T>>);

/// A message on its way.
struct Parcel<T>(Option<T>);

/// Both ends. `room` for so many; `None` is no bound.
pub(super) fn channel<T>(room: Option<usize>) -> (Channel<T>, Messages<T>) {
    // Also where there is a bound: a bounded channel keeps what comes just before its receiver goes until the last
    // sender goes, too.
    let (sender, receiver) = unbounded();
    let channel = Channel {
        sender,
        open: AtomicBool::new(true),
        room: room.map(Room::new),
    };
    (channel, Messages(receiver))
}

impl<T> Channel<T> {
    #[inline]
    pub(super) fn push(&self, message: T) -> Result<(), (Refusal, T)> {
        if let Some(room) = &self.room
            && let Err(refusal) = room.take()
        {
            return Err((refusal, message));
        }
        self.send(message)
            .map_err(|message| (Refusal::Closed, message))
    }

    /// For a sender that waits, whose `seat` is kept between its polls. Takes the message when it is sent; refused, it
    /// is left: the channel is closed.
    pub(super) fn poll_push(
        &self,
        seat: &mut Option<Place>,
        message: &mut Option<T>,
        waker: &Waker,
    ) -> Poll<Result<(), Refusal>> {
        if let Some(room) = &self.room
            && let Err(refusal) = ready!(room.poll_take(seat, waker))
        {
            return Poll::Ready(Err(refusal));
        }
        let sent = self.send(message.take().expect("sent once only"));
        Poll::Ready(sent.map_err(|refused| {
            *message = Some(refused);
            Refusal::Closed
        }))
    }

    /// A sender that waited does so no more. Whom that lets in is to be woken.
    #[must_use]
    pub(super) fn leave(&self, seat: Place) -> Vec<Waker> {
        self.ask_room(|room| room.leave(seat))
    }

    /// So many messages are handled: who waited for their room is to be woken.
    #[must_use]
    pub(super) fn give(&self, handled: usize) -> Vec<Waker> {
        self.ask_room(|room| room.give(handled))
    }

    /// The end: messages are refused from now on. Who waits for room is to be woken.
    ///
    /// One that is being sent at this moment is accepted or refused; accepted, the loop's end finds it.
    #[must_use]
    pub(super) fn close(&self) -> Vec<Waker> {
        self.open.store(false, Ordering::Relaxed);
        self.ask_room(Room::close)
    }

    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Messages that the loop has not taken.
    pub(super) fn len(&self) -> usize {
        self.sender.len()
    }

    #[inline]
    fn send(&self, message: T) -> Result<(), T> {
        if !self.is_open() {
            return Err(message);
        }
        let sent = self.sender.send(Parcel(Some(message)));
        sent.map_err(|refused| refused.0.open().expect("a parcel is opened once"))
    }

    fn ask_room(&self, ask: impl FnOnce(&Room) -> Vec<Waker>) -> Vec<Waker> {
        self.room.as_ref().map(ask).unwrap_or_default()
    }
}

impl<T> Messages<T> {
    #[inline]
    pub(super) fn next(&self) -> Option<T> {
        self.0.try_recv().ok()?.open()
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Drops what is left, also what is being sent at this moment; after this, every sender is refused. Returns how
    /// many were dropped. A destructor that panics does not keep the others.
    pub(super) fn discard(self) -> u64 {
        // A message may own another channel's end.
        let outside = DISCARDED.replace(0);
        drop(self.0);
        DISCARDED.replace(outside)
    }
}

impl<T> Parcel<T> {
    #[inline]
    fn open(mut self) -> Option<T> {
        self.0.take()
    }
}

thread_local! {
    /// How many messages the channel that is being dropped on this thread has discarded.
    static DISCARDED: Cell<u64> = const { Cell::new(0) };
}

impl<T> Drop for Parcel<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(message) = self.0.take() {
            discard(message);
        }
    }
}

#[cold]
fn discard<T>(message: T) {
    DISCARDED.set(DISCARDED.get() + 1);
    let mut panics = Panics::default();
    panics.guard(|| drop(message));
    panics.discard();
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A message whose destructor panics.
    struct Bad;

    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }

    #[test]
    fn b57_what_is_discarded_at_the_end_is_counted_and_what_comes_later_is_refused() {
        for room in [None, Some(8)] {
            let (channel, messages) = channel(room);
            for _ in 0..3 {
                assert!(channel.push(Some(Bad)).is_ok());
            }
            assert_eq!(messages.discard(), 3);
            let refused = channel.push(None);
            assert!(matches!(refused, Err((Refusal::Closed, None))));
        }
    }
}
