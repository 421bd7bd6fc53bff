//! A seat: one place in one queue, which is given up when the seat is dropped.
//!
//! Entry and guard are the two faces of a seat, before and after its turn has come. This file is also the only one that
//! borrows the gate, always for one call of a gate's method: whatever runs foreign code (wakers) runs after it.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
    task::{Context, Poll},
};

use tevent_core::{
    budget,
    gate::{After, Gate, Refusal, Ticket, Turn},
    line::Place,
    wake::wake_in_batches,
};

use crate::QueueError;

/// What all handles, entries and guards of one queue share.
pub(crate) struct Shared {
    pub(crate) name: Cow<'static, str>,
    /// Living `TeventQueue`s; seats do not count.
    pub(crate) handles: Cell<usize>,
    gate: RefCell<Gate>,
}

pub(crate) struct Seat {
    /// `None` once the seat has been taken over by another.
    shared: Option<Rc<Shared>>,
    place: Place,
}

impl Shared {
    pub(crate) fn new(name: Cow<'static, str>) -> Self {
        Self {
            name,
            handles: Cell::new(1),
            gate: RefCell::new(Gate::new()),
        }
    }

    /// Looks at the gate; `look` calls no foreign code.
    #[inline]
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Gate) -> R) -> R {
        look(&self.gate.borrow())
    }

    /// Looks at the gate if it is not being changed right now.
    pub(crate) fn try_look<R>(&self, look: impl FnOnce(&Gate) -> R) -> Option<R> {
        self.gate.try_borrow().ok().map(|gate| look(&gate))
    }

    pub(crate) fn stop(&self) {
        self.gate.borrow_mut().stop();
    }

    pub(crate) fn start(&self) {
        let after = self.gate.borrow_mut().start();
        self.carry_out(after);
    }

    /// Resolves all that wait with `Closed`, in order. A waker that comes back to close again finds it under way.
    pub(crate) fn close(&self) {
        let is_first = self.gate.borrow_mut().close();
        if is_first {
            wake_in_batches(|batch| self.gate.borrow_mut().dismiss(batch));
        }
    }

    #[inline]
    fn join(&self, ticket: Ticket) -> Place {
        let alone = self.gate.borrow_mut().join_alone(ticket);
        alone.unwrap_or_else(|| self.join_others(ticket))
    }

    #[inline(never)]
    fn join_others(&self, ticket: Ticket) -> Place {
        let joined = self.gate.borrow_mut().join(ticket);
        joined.expect("a line without a bound is never full")
    }

    fn try_hold(&self, ticket: Ticket) -> Result<Place, Refusal> {
        self.gate.borrow_mut().try_hold(ticket)
    }

    /// The turn is charged to the task's budget.
    #[inline]
    fn poll(&self, place: Place, cx: &Context<'_>) -> Turn {
        if budget::is_spent() {
            cx.waker().wake_by_ref();
            return Turn::Waiting;
        }
        let is_alone = self.gate.borrow_mut().poll_alone(place);
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
        let turn = self.gate.borrow_mut().poll(place, cx.waker());
        if turn == Turn::WakerNeeded {
            return self.register(place, cx);
        }
        turn
    }

    #[cold]
    fn register(&self, place: Place, cx: &Context<'_>) -> Turn {
        let waker = cx.waker().clone();
        let (turn, _displaced) = self.gate.borrow_mut().register(place, waker);
        turn
    }

    #[inline]
    fn leave(self: Rc<Self>, place: Place) {
        let is_alone = self.gate.borrow_mut().leave_alone(place);
        if !is_alone {
            self.leave_others(place);
        }
    }

    #[inline(never)]
    fn leave_others(&self, place: Place) {
        let after = self.gate.borrow_mut().leave(place);
        self.carry_out(after);
    }

    #[inline]
    fn carry_out(&self, after: After) {
        after.carry_out(|grant| self.gate.borrow_mut().settle(grant));
    }
}

impl Seat {
    /// Takes the last place.
    #[inline]
    pub(crate) fn join(shared: &Rc<Shared>, ticket: Ticket) -> Self {
        Self::at(shared.join(ticket), shared)
    }

    /// Takes the turn at once, if nobody is in the line.
    #[inline]
    pub(crate) fn try_hold(shared: &Rc<Shared>, ticket: Ticket) -> Result<Self, Refusal> {
        Ok(Self::at(shared.try_hold(ticket)?, shared))
    }

    #[inline]
    fn at(place: Place, shared: &Rc<Shared>) -> Self {
        Self {
            shared: Some(shared.clone()),
            place,
        }
    }

    /// Ready with the turn, or with `Closed`; either way this seat is over.
    ///
    /// # Panics
    /// If it is over already.
    // Inlined by force: a seat is built from registers then, not copied through memory word by word (3 ns each).
    #[inline(always)]
    pub(crate) fn poll_turn(&mut self, cx: &Context<'_>) -> Poll<Result<Self, QueueError>> {
        let Some(shared) = &self.shared else {
            polled_after_ready()
        };
        match shared.poll(self.place, cx) {
            Turn::Come => Poll::Ready(Ok(Self {
                shared: self.shared.take(),
                place: self.place,
            })),
            Turn::Closed => {
                self.leave();
                Poll::Ready(Err(QueueError::Closed))
            }
            Turn::Waiting | Turn::WakerNeeded => Poll::Pending,
        }
    }

    #[inline(always)]
    fn leave(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.leave(self.place);
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

impl Drop for Seat {
    #[inline(always)]
    fn drop(&mut self) {
        self.leave();
    }
}

#[cold]
fn polled_after_ready() -> ! {
    panic!("a queue entry was polled after it was ready");
}
