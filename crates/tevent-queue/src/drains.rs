//! Who waits for a line to become empty.

use std::task::Waker;

use tevent_core::{
    line::{Line, Place},
    wake::WakeBatch,
};

/// Registrations in order, each marked with the round in which it was made.
///
/// Whoever is told is taken out of the order, without a waker; who registers again is of a later round. So one
/// emptying tells each registration once, however fast its owner comes back, and passes over nobody twice.
#[derive(Default)]
pub(crate) struct Drains {
    line: Line<Option<Waker>, u64>,
    round: u64,
}

impl Drains {
    /// Whether nobody is to be told.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// Registers a waker, or registers again. Tells whether the registration before was used, and gives its waker back
    /// if not, to be dropped outside.
    pub(crate) fn register(
        &mut self,
        place: &mut Option<Place>,
        waker: Waker,
    ) -> (bool, Option<Waker>) {
        let before = place.and_then(|place| self.line.leave(place));
        *place = Some(self.line.join_with_mark(self.round, Some(waker)));
        match before {
            Some(unused) => (unused.is_none(), unused),
            None => (false, None),
        }
    }

    /// Takes a registration back.
    pub(crate) fn leave(&mut self, place: Place) -> Option<Waker> {
        self.line.leave(place).flatten()
    }

    /// Begins to tell all who have registered so far.
    pub(crate) fn begin_round(&mut self) -> u64 {
        let round = self.round;
        self.round += 1;
        round
    }

    /// Fills the batch with the next of those who had registered by then.
    pub(crate) fn collect(&mut self, round: u64, batch: &mut WakeBatch) {
        while !batch.is_full()
            && let Some(place) = self.line.front()
            && let Some((mark, waker)) = self.line.both_mut(place)
            && *mark <= round
        {
            let refused = waker.take().and_then(|waker| batch.push(waker).err());
            debug_assert!(refused.is_none(), "the batch had room");
            self.line.detach(place);
        }
    }
}
