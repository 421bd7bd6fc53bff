//! What is inside a queue, behind its borrow or lock; and around it, what all handles and seats share.

use std::borrow::Cow;

use tevent_core::{
    gate::{After, Gate, Lane, Limits},
    line::Place,
    panics::Panics,
    wake::wake_in_batches,
};

use crate::{
    drains::Drains,
    error::Reason,
    face::sealed::Face,
    watch::{Moment, Seen, Watch},
};

/// What all handles, entries and guards of one queue share.
pub struct Shared<F: Face> {
    pub(crate) name: Cow<'static, str>,
    pub(crate) watching: F::Watching,
    /// Driven work that has the turn.
    pub(crate) driven: F::Driven,
    /// Living handles; seats do not count.
    handles: F::Handles,
    room: F::Room,
}

/// What is changed under the borrow or lock.
pub struct Inside {
    pub(crate) gate: Gate,
    /// Why the queue was closed, if somebody said so.
    pub(crate) reason: Option<Reason>,
    /// Somebody watches what happens.
    pub(crate) is_watched: bool,
    /// Who waits until nobody is in the line.
    pub(crate) drains: Drains,
}

impl<F: Face> Shared<F> {
    pub(crate) fn share(name: Cow<'static, str>, limits: Limits) -> F::Shared {
        F::share(Self {
            name,
            watching: F::Watching::default(),
            driven: F::Driven::default(),
            handles: F::handles(1),
            room: F::room(Inside {
                gate: Gate::with_limits(limits),
                reason: None,
                is_watched: false,
                drains: Drains::default(),
            }),
        })
    }

    /// Works on the inside. This is the only way in: whatever runs foreign code (wakers, hooks) runs after it.
    #[inline]
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Inside) -> R) -> R {
        F::with(&self.room, work)
    }

    /// The way past the gate, for who comes alone.
    #[inline]
    pub(crate) fn lane(&self) -> Option<&Lane> {
        F::lane(&self.room)
    }

    /// Looks at the gate if nobody is changing it right now.
    pub(crate) fn try_look<R>(&self, look: impl FnOnce(&Gate) -> R) -> Option<R> {
        F::try_with(&self.room, |inside| look(&inside.gate))
    }

    /// Who wants to know what happens, if anybody does.
    #[inline]
    pub(crate) fn watch(&self) -> Option<&Watch> {
        F::watch(&self.watching)
    }

    pub(crate) fn stop(&self) {
        self.with(|inside| inside.gate.stop());
    }

    pub(crate) fn start(&self) {
        let after = self.with(|inside| inside.gate.start());
        self.carry_out(after);
    }

    /// Resolves all that wait, in order. A waker that comes back to close again finds it under way.
    pub(crate) fn close(&self, reason: Option<Reason>) {
        let is_first = self.with(|inside| {
            let is_first = inside.gate.close();
            if is_first {
                inside.reason = reason;
            }
            is_first
        });
        if is_first {
            let mut panics = Panics::default();
            panics
                .guard(|| wake_in_batches(|batch| self.with(|inside| inside.gate.dismiss(batch))));
            panics.guard(|| self.tell_if_drained());
            let spare = self.with(|inside| inside.gate.take_spare());
            panics.guard(|| drop(spare));
            panics.resume();
        }
    }

    #[inline]
    pub(crate) fn add_handle(&self) {
        F::count(&self.handles, |handles| handles + 1);
    }

    #[inline]
    pub(crate) fn drop_handle(&self) {
        if F::count(&self.handles, |handles| handles - 1) == 0 {
            self.close(None);
        }
    }

    /// Wakes who was granted, one after the other.
    #[inline(always)] // or it would be moved through memory
    pub(crate) fn carry_out(&self, mut after: After) {
        self.carry_out_here(&mut after);
    }

    /// The same, where it lies.
    #[inline]
    pub(crate) fn carry_out_here(&self, after: &mut After) {
        self.note_grant(after);
        after.carry_out_here(|after| {
            self.with(|inside| inside.gate.settle(after));
            self.note_grant(after);
        });
    }

    /// Tells who watches what has become of an entry.
    #[inline]
    pub(crate) fn note(&self, moment: Moment, place: Place) {
        if let Some(watch) = self.watch() {
            self.tell(watch, moment, place);
        }
    }

    #[cold]
    fn tell(&self, watch: &Watch, moment: Moment, place: Place) {
        if let Some((state, ticket)) = self.with(|inside| inside.gate.entry(place)) {
            watch.tell(&Seen {
                queue: &self.name,
                moment,
                place,
                state,
                ticket,
            });
        }
    }

    /// A panic of whoever watches ends here: the entry has still to be woken.
    #[inline]
    fn note_grant(&self, after: &After) {
        if let (Some(watch), Some(place)) = (self.watch(), after.granted()) {
            let mut panics = Panics::default();
            panics.guard(|| self.tell(watch, Moment::Granted, place));
            panics.discard();
        }
    }

    /// Wakes who waits for the line to become empty, if it has: each once, and in order.
    pub(crate) fn tell_if_drained(&self) {
        let round = self.with(|inside| inside.is_drained().then(|| inside.drains.begin_round()));
        let Some(round) = round else { return };
        wake_in_batches(|batch| {
            self.with(|inside| {
                if inside.gate.is_empty() {
                    inside.drains.collect(round, batch);
                }
            });
        });
    }
}

impl Inside {
    /// Whether nobody wants to know what happens.
    #[inline]
    pub(crate) fn is_unobserved(&self) -> bool {
        !self.is_watched && self.drains.is_empty()
    }

    /// Whether nobody is left, but something that those who were have left behind, or somebody who waits for that.
    #[inline]
    pub(crate) fn is_to_be_cleared(&self) -> bool {
        self.gate.is_empty() && (self.gate.has_spare() || !self.drains.is_empty())
    }

    /// Whether somebody waits for the line to become empty, and it has.
    #[inline]
    pub(crate) fn is_drained(&self) -> bool {
        !self.drains.is_empty() && self.gate.is_empty()
    }
}
