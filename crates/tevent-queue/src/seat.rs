//! A seat: one place in one queue, which is given up when the seat is dropped.
//!
//! Entry, guard and block are the faces of a seat: before its turn has come, after, and without anybody who awaits it.

use std::{
    fmt,
    task::{Context, Poll},
};

use tevent_core::{
    asked, budget,
    gate::{After, Origin, Refusal, State, Ticket, Turn},
    line::Place,
    panics::Panics,
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
        match shared.lane().and_then(|lane| lane.enter(origin)) {
            Some(place) => Self::at(place, shared),
            None => Self::join_others(shared, origin),
        }
    }

    #[inline(never)]
    fn join_others(shared: &F::Shared, origin: Origin) -> Self {
        match shared.with(|inside| inside.gate.join(origin)) {
            Some(place) => Self::attach(place, shared),
            None => Self {
                shared: None,
                place: Place::NOWHERE,
            },
        }
    }

    /// Takes the last place if fewer than so many are in the line.
    pub(crate) fn join_below(shared: &F::Shared, limit: usize, origin: Origin) -> Option<Self> {
        let place = shared.with(|inside| inside.gate.join_below(limit, origin))?;
        Some(Self::attach(place, shared))
    }

    /// Takes the last place for nobody who awaits it.
    pub(crate) fn block(shared: &F::Shared, origin: Origin) -> Self {
        let place = shared.with(|inside| inside.gate.block(origin));
        Self::attach(place, shared)
    }

    /// Takes the turn at once, if nobody is in the way.
    #[inline]
    pub(crate) fn try_hold(shared: &F::Shared, origin: Origin) -> Result<Self, Refusal> {
        if let Some(lane) = shared.lane()
            && let Some(place) = lane.enter(origin)
        {
            lane.hold(place);
            return Ok(Self::at(place, shared));
        }
        Self::try_hold_among_others(shared, origin)
    }

    #[inline(never)]
    fn try_hold_among_others(shared: &F::Shared, origin: Origin) -> Result<Self, Refusal> {
        let place = shared.with(|inside| inside.gate.try_hold(origin))?;
        let seat = Self::attach(place, shared);
        shared.note(Moment::Triggered, place);
        Ok(seat)
    }

    /// A seat that those who watch are told of. If that panics, the seat is given up again.
    #[inline]
    fn attach(place: Place, shared: &F::Shared) -> Self {
        let seat = Self::at(place, shared);
        shared.note(Moment::Attached, place);
        seat
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
            Turn::Waiting | Turn::WakerNeeded => {
                asked::answer_local(|| waits_for::<F>(shared, self.place, cx));
                Poll::Pending
            }
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
        // On a queue that is closed, the entry is out of the line now.
        if let Some(shared) = &self.shared {
            if untriggered {
                shared.note(Moment::GivenBack, self.place);
            }
            shared.tell_if_drained();
        }
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

    /// Of entry and guard, one is always over: that is looked for before anything is stored.
    #[inline(always)]
    fn leave(&mut self) {
        if self.shared.is_some()
            && let Some(shared) = self.shared.take()
        {
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

/// What a seat does with its gate. Those who meet nobody, and whom nobody watches, use the lane; that inlines.
impl<F: Face> Shared<F> {
    /// The turn is charged to the task's budget.
    #[inline]
    fn poll(&self, place: Place, cx: &Context<'_>) -> Turn {
        if budget::is_spent() {
            cx.waker().wake_by_ref();
            return Turn::Waiting;
        }
        let is_alone = self.lane().is_some_and(|lane| lane.hold(place));
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

    /// Not inlined, so that the check for a seat that is over is. Whoever may be the last owner goes the long way, so
    /// that the short one needs no stack.
    #[inline(never)]
    fn leave(shared: F::Shared, place: Place) {
        let lane = shared.lane();
        let is_done = lane.is_some_and(|lane| !F::is_last(&shared) && lane.leave(place));
        if !is_done {
            Self::leave_others(shared, place);
        }
    }

    #[inline(never)]
    fn leave_others(shared: F::Shared, place: Place) {
        shared.leave_gate(place);
    }

    fn leave_gate(&self, place: Place) {
        if self.watch().is_some() {
            return self.leave_watched(place);
        }
        let mut after = After::default();
        let is_to_be_cleared = self.with(|inside| {
            inside.gate.leave_noting(place, &mut after);
            inside.is_to_be_cleared()
        });
        if is_to_be_cleared {
            return self.leave_empty(after);
        }
        self.carry_out_here(&mut after);
    }

    /// Whatever a hook does, the place is given up and the turn passes on.
    #[cold]
    fn leave_watched(&self, place: Place) {
        let mut panics = Panics::default();
        panics.guard(|| self.note(Moment::Detached, place));
        let after = self.with(|inside| inside.gate.leave(place));
        panics.guard(|| self.carry_out(after));
        if self.with(|inside| inside.gate.is_empty()) {
            panics.guard(|| self.leave_empty(After::default()));
        }
        panics.resume();
    }

    /// Nobody is left: nobody is granted, whoever waits for that is told, and no waker is kept.
    #[cold]
    fn leave_empty(&self, after: After) {
        let mut panics = Panics::default();
        panics.guard(|| self.carry_out(after));
        let spare = self.with(|inside| inside.gate.take_spare());
        panics.guard(|| drop(spare));
        panics.guard(|| self.tell_if_drained());
        panics.resume();
    }
}

/// For whoever asks what an entry waits for, and whether its waker lies with a queue of this thread.
#[cold]
fn waits_for<F: Face>(shared: &F::Shared, place: Place, cx: &Context<'_>) -> (String, usize) {
    let address = cx.waker().data().addr();
    shared.with(|inside| {
        let gate = &inside.gate;
        let mut answer = format!("its turn in queue `{}`", shared.name);
        if let (Some((_, ticket)), Some(ahead)) = (gate.entry(place), gate.position(place)) {
            let (origin, number) = (ticket.origin, ahead + 1);
            answer += &format!(", asked for at {origin}, number {number} in the line");
        }
        match gate.turns().next() {
            Some((_, _, turn)) => {
                answer += &format!(", the turn is with who asked at {}", turn.origin);
            }
            None if !gate.is_running() => answer += ", the queue is stopped",
            None => {}
        }
        let is_local = F::IS_LOCAL && gate.has_waker_of(place, address);
        (answer, is_local.into())
    })
}
