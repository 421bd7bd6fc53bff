//! What is known of an entry: its state, and who asked for it.

use std::{fmt, panic::Location, task::Waker};

use super::Turn;

/// Where an entry of a [`Gate`](super::Gate) was asked for.
pub type Origin = &'static Location<'static>;

/// What an entry is known by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// The line that asked for it.
    pub origin: Origin,
    /// A number of the user's own; 0 is none.
    pub tag: u64,
}

/// The state of an entry; the page of [`gate`](super) has the picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum State {
    /// Waits for its turn.
    #[default]
    Waiting,
    /// Has the turn; its future has been woken, not polled.
    Granted,
    /// Has the turn, and its owner knows.
    Held,
    /// Will never have a turn; out of the line.
    Closed,
}

/// What stands beside a waiter, next to the links.
#[derive(Clone, Copy, Default)]
pub(super) struct Mark {
    pub(super) state: State,
    /// Nobody awaits the entry: its turn counts as held from the beginning.
    pub(super) is_block: bool,
}

/// What an entry is kept by.
pub(super) struct Waiter {
    pub(super) waker: Option<Waker>,
    pub(super) ticket: Ticket,
}

impl Mark {
    #[inline]
    pub(super) fn new(state: State) -> Self {
        Self {
            state,
            is_block: false,
        }
    }

    pub(super) fn block() -> Self {
        Self {
            state: State::Waiting,
            is_block: true,
        }
    }

    /// Gives the turn; `true` if it counts as held.
    #[inline]
    pub(super) fn grant(&mut self) -> bool {
        self.state = match self.is_block {
            true => State::Held,
            false => State::Granted,
        };
        self.is_block
    }
}

impl Ticket {
    #[inline]
    pub(super) fn new(origin: Origin) -> Self {
        Self { origin, tag: 0 }
    }
}

impl State {
    /// Whether the entry has the turn.
    #[inline]
    #[must_use]
    pub fn has_turn(self) -> bool {
        matches!(self, Self::Granted | Self::Held)
    }
}

impl Waiter {
    #[inline]
    pub(super) fn new(origin: Origin) -> Self {
        Self {
            waker: None,
            ticket: Ticket::new(origin),
        }
    }

    /// Finds the waker of an entry that has to wait: at its place, or as the spare that its task left behind.
    #[inline]
    pub(super) fn wait_for(&mut self, waker: &Waker, spare: &mut Option<Waker>) -> Turn {
        let known = self.waker.as_ref();
        if known.is_some_and(|known| known.will_wake(waker)) {
            return Turn::Waiting;
        }
        // Taken out to be looked at, not swapped: two words that were stored one by one are loaded one by one, or the
        // processor waits until all stores before them are done, those to memory that is far away, too.
        match spare.take() {
            Some(left) if left.will_wake(waker) => *spare = self.waker.replace(left),
            other => {
                *spare = other;
                return Turn::WakerNeeded;
            }
        }
        Turn::Waiting
    }

    /// Most have no waker: looking first reads one word, where `take` alone would move two.
    #[inline]
    pub(super) fn take_waker(&mut self) -> Option<Waker> {
        if self.waker.is_some() {
            self.waker.take()
        } else {
            None
        }
    }
}

/// `src/main.rs:7:21`, with ` tag 5` behind it if there is one.
impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.origin)?;
        if self.tag != 0 {
            write!(f, " tag {}", self.tag)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Links and node stay within 48 bytes.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<crate::line::Slot<(), Mark>>() + size_of::<Waiter>() <= 48);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    struct Nobody;

    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }

    fn wakes(waker: Option<&Waker>, task: &Arc<Nobody>) -> bool {
        waker.is_some_and(|waker| waker.will_wake(&Waker::from(Arc::clone(task))))
    }

    #[test]
    fn finding_a_waker_drops_none_inside_the_borrow() {
        let [here, before] = [Arc::new(Nobody), Arc::new(Nobody)];
        let mut waiter = Waiter::new(Location::caller());
        waiter.waker = Some(Arc::clone(&before).into());
        let mut spare = None;
        let waker = Waker::from(Arc::clone(&here));
        assert_eq!(waiter.wait_for(&waker, &mut spare), Turn::WakerNeeded);
        // The spare of another task stays for that one.
        spare = Some(Arc::clone(&before).into());
        assert_eq!(waiter.wait_for(&waker, &mut spare), Turn::WakerNeeded);
        assert!(wakes(spare.as_ref(), &before));
        // One's own goes to one's place, and what was there is the spare.
        spare = Some(waker.clone());
        assert_eq!(waiter.wait_for(&waker, &mut spare), Turn::Waiting);
        assert!(wakes(waiter.waker.as_ref(), &here) && wakes(spare.as_ref(), &before));
    }
}
