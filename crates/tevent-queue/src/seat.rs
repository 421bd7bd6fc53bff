//! A seat: one place in one queue, which is given up when the seat is dropped.
//!
//! Entry, guard and block are the faces of a seat: before its turn has come, after, and without anybody who awaits it.

use std::{
    fmt,
    task::{Context, Poll},
};

use tevent_core::{
    budget,
    gate::{Origin, Refusal, State, Ticket, Turn},
    line::Place,
};

use crate::{QueueError, face::sealed::Face, inside::Shared, watch::Moment};

pub(crate) struct Seat<F: Face> {
    /// `None` once the seat has been taken over by another, or if there never was one.
    shared: Option<F::Shared>,
    /// [`Place::NOWHERE`] if the line was full.
    place: Place,
}

impl<F: Face> Seat<F> {
    /// Takes the last place; a seat without one if the line is full.
    #[inline]
    pub(crate) fn join(shared: &F::Shared, origin: Origin) -> Self {
        match shared.join(origin) {
            Some(place) => Self::at(place, shared),
            None => Self {
                shared: None,
                place: Place::NOWHERE,
            },
        }
    }

    /// Takes the last place if fewer than so many are in the line.
    pub(crate) fn join_below(shared: &F::Shared, limit: usize, origin: Origin) -> Option<Self> {
        let place = shared.with(|inside| inside.gate.join_below(limit, origin))?;
        shared.note(Moment::Attached, place);
        Some(Self::at(place, shared))
    }

    /// Takes the last place for nobody who awaits it.
    pub(crate) fn block(shared: &F::Shared, origin: Origin) -> Self {
        let place = shared.with(|inside| inside.gate.block(origin));
        shared.note(Moment::Attached, place);
        Self::at(place, shared)
    }

    /// Takes the turn at once, if nobody is in the way.
    #[inline]
    pub(crate) fn try_hold(shared: &F::Shared, origin: Origin) -> Result<Self, Refusal> {
        let place = shared.with(|inside| inside.gate.try_hold(origin))?;
        shared.note(Moment::Attached, place);
        shared.note(Moment::Triggered, place);
        Ok(Self::at(place, shared))
    }

    #[inline]
    fn at(place: Place, shared: &F::Shared) -> Self {
        Self {
            shared: Some(shared.clone()),
            place,
        }
    }

    /// Ready with the turn, or with an error; either way this seat is over.
    ///
    /// # Panics
    /// If it is over already.
    // Inlined by force: a seat is built from registers then, not copied through memory word by word (3 ns each).
    #[inline(always)]
    pub(crate) fn poll_turn(&mut self, cx: &Context<'_>) -> Poll<Result<Self, QueueError>> {
        let Some(shared) = &self.shared else {
            return Poll::Ready(Err(self.full()));
        };
        match shared.poll(self.place, cx) {
            Turn::Come => Poll::Ready(Ok(self.take())),
            Turn::Closed => Poll::Ready(Err(self.closed())),
            Turn::Waiting | Turn::WakerNeeded => Poll::Pending,
        }
    }

    /// Gives the turn back and waits again in front of all others.
    ///
    /// # Errors
    /// The seat itself, if the queue is running.
    pub(crate) fn untrigger(mut self) -> Result<Self, Self> {
        let untriggered = self
            .shared
            .as_ref()
            .is_some_and(|shared| shared.with(|inside| inside.gate.untrigger(self.place)));
        let seat = self.take();
        if untriggered { Ok(seat) } else { Err(seat) }
    }

    pub(crate) fn set_tag(&self, tag: u64) {
        if let Some(shared) = &self.shared {
            shared.with(|inside| inside.gate.set_tag(self.place, tag));
        }
    }

    /// The turn counts as nobody's in the eyes of the detector.
    pub(crate) fn hand_over(&self) {
        if let Some(watch) = self.shared.as_ref().and_then(|shared| shared.watch()) {
            watch.hand_over(self.place);
        }
    }

    /// The state and what the seat is known by; `None` if it is over.
    pub(crate) fn known(&self) -> Option<(State, Ticket)> {
        let shared = self.shared.as_ref()?;
        shared.with(|inside| inside.gate.entry(self.place))
    }

    pub(crate) fn position(&self) -> Option<usize> {
        let shared = self.shared.as_ref()?;
        shared.with(|inside| inside.gate.position(self.place))
    }

    pub(crate) fn queue_name(&self) -> Option<&str> {
        self.shared.as_ref().map(|shared| &*shared.name)
    }

    #[inline(always)]
    fn take(&mut self) -> Self {
        Self {
            shared: self.shared.take(),
            place: self.place,
        }
    }

    #[cold]
    fn closed(&mut self) -> QueueError {
        let shared = self.shared.as_ref();
        let reason = shared.and_then(|shared| shared.with(|inside| inside.reason.clone()));
        self.leave();
        reason.map_or(QueueError::Closed, QueueError::ClosedWith)
    }

    #[cold]
    fn full(&mut self) -> QueueError {
        assert!(
            self.place == Place::NOWHERE,
            "a queue entry was polled after it was ready"
        );
        QueueError::Full
    }

    #[inline(always)]
    fn leave(&mut self) {
        if let Some(shared) = self.shared.take() {
            Shared::<F>::leave(shared, self.place);
        }
    }

    /// Shows the seat under the name of its face.
    pub(crate) fn fmt_as(&self, face: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(shared) = &self.shared else {
            return write!(f, "{face}(over)");
        };
        let mut shown = f.debug_struct(face);
        shown.field("queue", &shared.name);
        if let Some(Some((state, ticket))) = shared.try_look(|gate| gate.entry(self.place)) {
            shown.field("state", &state).field("origin", &ticket);
        }
        shown.finish()
    }
}

impl<F: Face> Drop for Seat<F> {
    #[inline(always)]
    fn drop(&mut self) {
        self.leave();
    }
}

/// What a seat does with its gate. The fast halves are for those who meet nobody and whom nobody watches; they inline.
impl<F: Face> Shared<F> {
    #[inline]
    fn join(&self, origin: Origin) -> Option<Place> {
        self.with(|inside| inside.quietly()?.join_alone(origin))
            .or_else(|| self.join_others(origin))
    }

    #[inline(never)]
    fn join_others(&self, origin: Origin) -> Option<Place> {
        let place = self.with(|inside| inside.gate.join(origin))?;
        self.note(Moment::Attached, place);
        Some(place)
    }

    /// The turn is charged to the task's budget.
    #[inline]
    fn poll(&self, place: Place, cx: &Context<'_>) -> Turn {
        if budget::is_spent() {
            cx.waker().wake_by_ref();
            return Turn::Waiting;
        }
        let is_alone =
            self.with(|inside| inside.quietly().is_some_and(|gate| gate.poll_alone(place)));
        if !is_alone {
            let turn = self.poll_among_others(place, cx);
            if turn != Turn::Come {
                return turn;
            }
        }
        budget::spend();
        Turn::Come
    }

    #[inline(never)]
    fn poll_among_others(&self, place: Place, cx: &Context<'_>) -> Turn {
        let mut turn = self.with(|inside| inside.gate.poll(place, cx.waker()));
        if turn == Turn::WakerNeeded {
            turn = self.register(place, cx);
        }
        match turn {
            Turn::Come => self.note(Moment::Triggered, place),
            _ => self.note(Moment::Waits, place),
        }
        turn
    }

    #[cold]
    fn register(&self, place: Place, cx: &Context<'_>) -> Turn {
        let waker = cx.waker().clone();
        let (turn, _displaced) = self.with(|inside| inside.gate.register(place, waker));
        turn
    }

    /// Not inlined, so that the check for a seat that is over is: of entry and guard, one always is.
    #[inline(never)]
    fn leave(shared: F::Shared, place: Place) {
        let is_done = shared.with(|inside| {
            let alone = inside.quietly();
            alone.is_some_and(|gate| gate.leave_alone(place))
        });
        if !is_done {
            shared.leave_others(place);
        }
    }

    #[inline(never)]
    fn leave_others(&self, place: Place) {
        self.note(Moment::Detached, place);
        let mut is_drained = false;
        let after = self.with(|inside| {
            let after = inside.gate.leave(place);
            is_drained = inside.is_drained();
            after
        });
        self.carry_out(after);
        if is_drained {
            self.tell_if_drained();
        }
    }
}
