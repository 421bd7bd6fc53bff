//! The grant rules of a queue: who has the turn, decided over a [`Line`](crate::line::Line) without calling anybody.
//!
//! The life of an entry:
//!
//! ```text
//!            1            2             3
//!   (new) -----> Waiting -----> Granted -----> Held      1 join       takes the last place
//!    |  |         |   ^ ^          |           ^  |      2 advance    first waiting, running, a permit free
//!    |  |         |   | +----4-----+           |  |      3 poll       its future learns of the grant
//!    |  |         5   +-----------9------------+--+      4 stop       or close, before its future has learned of it
//!    |  +----8-> Closed                        |  |      5 dismiss    the gate is closed; its future will learn
//!    +---------------------------7-------------+  6      6 leave      its future or guard is dropped, in any state
//!                                                 v      7 try_hold   running, a permit free, nobody waits
//!             (any state) -----------6--------> gone     8 join       the gate is closed already
//!                                                        9 untrigger  the gate is stopped; its place is as before
//! ```
//!
//! An entry that nobody awaits (a block) goes from Waiting to Held in one step. Grants are decided in one function,
//! `advance`, and every change that may free a turn ends with it. It looks at the states alone, so it may run any
//! number of times: a grant cannot be given twice and cannot be forgotten. (Arrow 7 needs no decision: nobody waits.
//! Nor does a [`Lane`] past the gate, which takes the arrows 1 and 2 at once: nobody is there.)
//!
//! Wakers are code of somebody else, so the gate never calls, clones or drops one. It returns an [`After`] instead:
//! what its owner has to do once the borrow or lock around the gate has ended. One algorithm, any number of faces.

mod after;
mod lane;
mod look;
mod order;
mod state;

use std::{fmt, task::Waker};

use self::{lane::Passage, order::Order, state::Mark};
use crate::{line::Place, wake::WakeBatch};

pub use self::{
    after::{After, Grant},
    lane::Lane,
    state::{Origin, State, Ticket},
};

/// A line of entries, of which the first have the turn.
///
/// Invariants after every call, for a gate that is running and not closed: the entries that have the turn (granted or
/// held) joined before all that wait, and nobody waits while a permit is free (but for the time of a wake).
pub struct Gate {
    order: Order,
    /// Entries that are granted or held.
    turns: usize,
    /// Why nothing is granted now; 0 if nothing stands in the way.
    bars: u8,
    limits: Limits,
    counts: Counts,
    /// The waker of the entry that left last: a task that leaves and joins again takes it back, instead of a clone.
    spare: Option<Waker>,
}

/// [`Gate::stop`] has been called.
const STOPPED: u8 = 1;
/// [`Gate::close`] has been called.
const CLOSED: u8 = 2;
/// A grant is being told to its waker. What is decided meanwhile waits for [`settle`](Gate::settle), so that wakers
/// which let go at once follow each other in a loop, not on the stack.
const WAKING: u8 = 4;

/// How many a gate lets in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Entries that may have the turn at once; at least 1.
    pub permits: usize,
    /// Entries that may be in the line at once, with those that have the turn; at least 1.
    pub capacity: usize,
}

/// What has happened to a gate since it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Turns that were taken.
    pub grants: u64,
    /// Entries that left before they took their turn, while the gate was open.
    pub cancellations: u64,
    /// The most entries that were in the line at once.
    pub high_water: usize,
}

/// What a poll of an entry found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// It is the entry's turn, from now until it leaves.
    Come,
    /// The gate was closed before the entry's turn.
    Closed,
    /// Not yet; the waker is registered.
    Waiting,
    /// Not yet, and the waker is not known: clone it outside the borrow, then [`register`](Gate::register) it.
    WakerNeeded,
}

/// Why a gate refused; nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Somebody is in the line.
    Busy,
    /// The gate does not run.
    Stopped,
    /// The gate is closed.
    Closed,
}

impl Default for Limits {
    /// One at a time, out of a line without a bound.
    fn default() -> Self {
        Self {
            permits: 1,
            capacity: usize::MAX,
        }
    }
}

impl Gate {
    /// An empty gate that is running; allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// An empty gate with these limits.
    ///
    /// # Panics
    /// If a limit is 0.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        assert!(limits.permits > 0, "a gate without permits lets nobody in");
        assert!(
            limits.capacity > 0,
            "a gate without capacity lets nobody join"
        );
        Self {
            order: Order::new(),
            turns: 0,
            bars: 0,
            limits,
            counts: Counts::default(),
            spare: None,
        }
    }

    /// Takes the last place (arrow 1); at a closed gate, a place outside the line (arrow 8).
    ///
    /// `None` if as many are in the line as may be.
    #[inline]
    #[must_use = "the place has to be left"]
    pub fn join(&mut self, origin: Origin) -> Option<Place> {
        self.join_below(usize::MAX, origin)
    }

    /// Takes the last place if fewer than so many are in the line, and fewer than the capacity.
    #[inline(always)] // as `leave_noting`
    #[must_use = "the place has to be left"]
    pub fn join_below(&mut self, limit: usize, origin: Origin) -> Option<Place> {
        if self.is_closed() {
            return Some(self.join_closed(origin));
        }
        let is_full = self.len() >= limit || self.is_full();
        (!is_full).then(|| self.join_last(origin, Mark::default()))
    }

    /// Takes the last place for an entry that nobody awaits: it has the turn from the moment it is granted until it
    /// leaves. The capacity does not count.
    pub fn block(&mut self, origin: Origin) -> Place {
        if self.is_closed() {
            return self.join_closed(origin);
        }
        self.join_last(origin, Mark::block())
    }

    /// Takes the turn at once (arrow 7), if the gate is running, a permit is free and nobody waits.
    ///
    /// # Errors
    /// Says what is in the way; nothing has changed.
    #[inline]
    pub fn try_hold(&mut self, origin: Origin) -> Result<Place, Refusal> {
        if self.is_closed() {
            return Err(Refusal::Closed);
        }
        if !self.is_running() {
            return Err(Refusal::Stopped);
        }
        if self.turns == self.limits.permits || self.len() > self.turns || self.is_full() {
            return Err(Refusal::Busy);
        }
        self.counts.grants += 1;
        self.turns += 1;
        self.counts.high_water = self.counts.high_water.max(self.turns);
        Ok(self.order.join(origin, Mark::new(State::Held)))
    }

    /// Asks whether the turn of an entry has come, and takes it (arrow 3).
    #[inline]
    pub fn poll(&mut self, place: Place, waker: &Waker) -> Turn {
        let Some((mark, waiter)) = self.order.get_mut(place) else {
            return Turn::Closed;
        };
        match mark.state {
            State::Granted | State::Held => {
                self.counts.grants += u64::from(mark.state == State::Granted);
                mark.state = State::Held;
                Turn::Come
            }
            State::Waiting if self.bars & CLOSED == 0 => waiter.wait_for(waker, &mut self.spare),
            State::Waiting | State::Closed => Turn::Closed,
        }
    }

    /// Polls again with a waker to keep, and returns the waker that is no longer needed, to be dropped after the
    /// borrow.
    ///
    /// Decides anew, because cloning the waker was foreign code: the turn may have come meanwhile.
    #[inline]
    #[must_use = "the waker must be dropped after the borrow has ended"]
    pub fn register(&mut self, place: Place, waker: Waker) -> (Turn, Option<Waker>) {
        match self.poll(place, &waker) {
            Turn::WakerNeeded => {
                let known = self
                    .order
                    .get_mut(place)
                    .map(|(_, waiter)| &mut waiter.waker);
                (Turn::Waiting, known.and_then(|known| known.replace(waker)))
            }
            turn => (turn, Some(waker)),
        }
    }

    /// Gives a place up in whatever state it is (arrow 6), and passes its turn on if it had it.
    #[inline]
    pub fn leave(&mut self, place: Place) -> After {
        let mut after = After::default();
        self.leave_noting(place, &mut after);
        after
    }

    /// The same, for an `after` in which nothing has to be done yet.
    // In place and by force: what is stored word by word and moved at once makes the processor wait (4 ns each time).
    #[inline(always)]
    pub fn leave_noting(&mut self, place: Place, after: &mut After) {
        let Some((mark, waker)) = self.order.leave(place) else {
            return;
        };
        if mark.state.has_turn() {
            self.turns -= 1;
        }
        if matches!(mark.state, State::Waiting | State::Granted) && !self.is_closed() {
            self.counts.cancellations += 1;
        }
        if let Some(waker) = waker {
            match &self.spare {
                None => self.spare = Some(waker),
                Some(_) => self.replace_spare(waker, after),
            }
        }
        self.advance(after);
    }

    // Not inlined: the spare would be loaded in any case, and at once what was stored word by word.
    #[inline(never)]
    fn replace_spare(&mut self, waker: Waker, after: &mut After) {
        after.discard = self.spare.replace(waker);
    }

    /// Gives the turn of a holder back and makes it wait again, at the place that it had (arrow 9); at a closed gate
    /// it waits in vain (arrow 5). `false` if the gate is running, and nothing has changed: only one that is stopped
    /// takes a turn back.
    #[must_use = "a gate that is running takes no turn back"]
    pub fn untrigger(&mut self, place: Place) -> bool {
        if self.is_running() {
            return false;
        }
        if self.state(place) == Some(State::Held) {
            self.set_state(place, State::Waiting);
            self.turns -= 1;
            if self.is_closed() {
                self.turn_away(place);
            }
        }
        true
    }

    /// Whether there is a waker that the last one has left behind.
    #[inline]
    #[must_use]
    pub fn has_spare(&self) -> bool {
        self.spare.is_some()
    }

    /// Gives up the waker that the last one has left behind: it keeps its task's memory, and on some executors the
    /// task. To be dropped after the borrow.
    #[inline]
    #[must_use = "a waker is dropped outside"]
    pub fn take_spare(&mut self) -> Option<Waker> {
        self.spare.take()
    }

    /// The wake is over: decides what had to wait for it, and puts the waker back to its place, where it serves the
    /// next time. In this order: an entry that is granted anew has just been woken, and has no waker to be woken again.
    #[inline(always)] // as `leave_noting`
    pub fn settle(&mut self, after: &mut After) {
        self.bars &= !WAKING;
        let told = after.grant.take();
        if self.may_grant() {
            self.advance_again(after);
        }
        let Some(Grant { place, waker }) = told else {
            return;
        };
        match self.order.get_mut(place) {
            Some((_, waiter)) if waiter.waker.is_none() => waiter.waker = Some(waker),
            _ => after.discard = Some(waker),
        }
    }

    /// Grants nothing from now on; takes back the grants that their futures have not seen yet (arrow 4).
    pub fn stop(&mut self) {
        self.bars |= STOPPED;
        self.take_back_grants();
    }

    /// Grants again, beginning with the first that waits.
    pub fn start(&mut self) -> After {
        let mut after = After::default();
        self.bars &= !STOPPED;
        self.advance(&mut after);
        after
    }

    /// Grants nothing any more, and lets nobody join. `true` the first time: then the caller has to call
    /// [`dismiss`](Self::dismiss), batch by batch, until nobody is left.
    #[must_use = "those who wait have to be dismissed"]
    pub fn close(&mut self) -> bool {
        self.take_back_grants();
        let is_first = !self.is_closed();
        self.bars |= CLOSED;
        is_first
    }

    /// Fills the batch with the next waiters of a closed gate, in order, and takes them out of the line (arrow 5).
    /// Holders stay. Leaves the batch empty once nobody is left.
    pub fn dismiss(&mut self, batch: &mut WakeBatch) {
        while !batch.is_full()
            && let Some(place) = self.order.first_waiting(self.turns)
        {
            let waiter = self.order.get_mut(place);
            let waker = waiter.and_then(|(_, waiter)| waiter.take_waker());
            self.turn_away(place);
            let refused = waker.and_then(|waker| batch.push(waker).err());
            debug_assert!(refused.is_none(), "the batch had room");
        }
    }

    /// Whether the gate grants; a closed gate keeps the flag.
    #[inline]
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.bars & STOPPED == 0
    }

    /// Whether the gate has been closed.
    #[inline]
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.bars & CLOSED != 0
    }

    /// Entries in the line, with those that have the turn.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether nobody is in the line and nobody has the turn.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Whether nobody is here and nothing stands in the way of who comes.
    #[inline]
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.order.is_vacant() && self.bars == 0
    }

    /// The limits given at the start.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The state of an entry; `None` after it has left.
    #[inline]
    #[must_use]
    pub fn state(&self, place: Place) -> Option<State> {
        self.order.get(place).map(|(mark, _)| mark.state)
    }

    /// The state of an entry and what it is known by; `None` after it has left.
    #[must_use]
    pub fn entry(&self, place: Place) -> Option<(State, Ticket)> {
        let (mark, waiter) = self.order.get(place)?;
        Some((mark.state, waiter.ticket))
    }

    /// Gives an entry another tag.
    pub fn set_tag(&mut self, place: Place, tag: u64) {
        if let Some((_, waiter)) = self.order.get_mut(place) {
            waiter.ticket.tag = tag;
        }
    }

    /// Decides who has the turn (arrow 2). The only place where a waiting entry is granted; may run at any time, any
    /// number of times.
    #[inline(always)] // as `leave_noting`
    fn advance(&mut self, after: &mut After) {
        while self.may_grant() {
            let Some((place, mark, waiter)) = self.order.first_waiting_mut(self.turns) else {
                return;
            };
            self.turns += 1;
            self.counts.grants += u64::from(mark.grant());
            if let Some(waker) = waiter.take_waker() {
                self.bars |= WAKING;
                after.grant = Some(Grant { place, waker });
                return;
            }
        }
    }

    /// After a wake there is mostly nothing to decide.
    #[cold]
    fn advance_again(&mut self, after: &mut After) {
        self.advance(after);
    }

    #[inline(always)] // as `leave_noting`
    fn join_last(&mut self, origin: Origin, mark: Mark) -> Place {
        let before = self.len();
        let place = self.order.join(origin, mark);
        self.counts.high_water = self.counts.high_water.max(before + 1);
        // As many stood before him as have turns: nobody waits, so the next turn is his.
        if before == self.turns && self.may_grant() {
            let joined = self.order.get_mut(place);
            let is_held = joined.is_some_and(|(mark, _)| mark.grant());
            self.counts.grants += u64::from(is_held);
            self.turns += 1;
        }
        place
    }

    #[cold]
    fn join_closed(&mut self, origin: Origin) -> Place {
        let place = self.order.join(origin, Mark::new(State::Closed));
        self.order.detach(place);
        place
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.len() >= self.limits.capacity
    }

    /// Whether there is a turn to give, and somebody who waits: nobody is looked for among those that all have it.
    #[inline]
    fn may_grant(&self) -> bool {
        self.bars == 0 && self.turns < self.limits.permits && self.len() > self.turns
    }

    /// Goes on where its lane has stopped.
    fn take_over(&mut self, passage: Passage) {
        let Passage { generation, inside } = passage;
        let entered = generation - self.order.generation();
        let is_unseen = matches!(inside, Some((_, State::Granted, _)));
        self.counts.grants += u64::from(entered) - u64::from(is_unseen);
        self.counts.high_water = self.counts.high_water.max((entered > 0).into());
        self.turns = inside.is_some().into();
        let inside = inside.map(|(place, state, origin)| (place, Mark::new(state), origin));
        self.order.take_over(generation, inside);
    }

    fn take_back_grants(&mut self) {
        let mut next = self.order.front();
        let mut turns = self.turns;
        while turns > 0
            && let Some(place) = next
        {
            let state = self.state(place);
            turns -= usize::from(state.is_some_and(State::has_turn));
            if state == Some(State::Granted) {
                self.set_state(place, State::Waiting);
                self.turns -= 1;
            }
            next = self.order.next(place);
        }
    }

    fn turn_away(&mut self, place: Place) {
        self.set_state(place, State::Closed);
        self.order.detach(place);
    }

    fn set_state(&mut self, place: Place, new: State) {
        if let Some((mark, _)) = self.order.get_mut(place) {
            mark.state = new;
        }
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("running", &self.is_running())
            .field("closed", &self.is_closed())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
