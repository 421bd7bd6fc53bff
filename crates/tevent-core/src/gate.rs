//! The grant rules of a queue: who has the turn, decided over a [`Line`] without calling anybody.
//!
//! The life of an entry:
//!
//! ```text
//!            1            2             3
//!   (new) -----> Waiting -----> Granted -----> Held      1 join      takes the last place
//!    |  |         |   ^            |           ^  |      2 advance   first waiting, running, a permit free
//!    |  |         |   +-----4------+           |  |      3 poll      its future learns of the grant
//!    |  |         5                            |  |      4 stop      or close, before its future has learned of it
//!    |  +----8-> Closed                        |  |      5 dismiss   the gate is closed; its future will learn
//!    +---------------------------7-------------+  6      6 leave     its future or guard is dropped, in any state
//!                                                 v      7 try_hold  running and empty
//!             (any state) -----------6--------> gone     8 join      the gate is closed already
//! ```
//!
//! Grants are decided in one function, `advance`, and every change that may free the turn ends with it. It looks at the
//! states alone, so it may run any number of times: a grant cannot be given twice and cannot be forgotten. (Arrow 7
//! needs no decision: nobody is there.)
//!
//! Wakers are code of somebody else, so the gate never calls, clones or drops one. It returns an [`After`] instead:
//! what its owner has to do once the borrow or lock around the gate has ended. One algorithm, any number of faces.

use std::{fmt, mem, panic::Location, task::Waker};

use crate::{
    line::{Line, Place},
    wake::{Panics, WakeBatch},
};

/// How many entries may have the turn at once.
const PERMITS: usize = 1;

/// Where an entry of a [`Gate`] was asked for.
pub type Origin = &'static Location<'static>;

/// A line of entries, of which the first has the turn.
///
/// Invariants after every call, for a gate that is running and not closed: the entries that have the turn (granted or
/// held) joined before all that wait, and nobody waits while a permit is free (but for the time of a wake).
pub struct Gate {
    line: Line<Waiter, State>,
    /// Entries that are granted or held.
    turns: usize,
    /// A grant is being told to its waker. What is decided meanwhile waits for [`settle`](Self::settle), so that wakers
    /// which let go at once follow each other in a loop, not on the stack.
    waking: bool,
    running: bool,
    closed: bool,
    /// The waker of the entry that left last: a task that leaves and joins again takes it back, instead of a clone.
    spare: Option<Waker>,
}

/// What an entry is kept by; its state is the mark beside it.
struct Waiter {
    waker: Option<Waker>,
    origin: Origin,
}

/// The state of an entry; the module's page has the picture.
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

/// Why [`Gate::try_hold`] refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Somebody is in the line.
    Busy,
    /// The gate does not run.
    Stopped,
    /// The gate is closed.
    Closed,
}

/// What has to be done after the borrow or lock around the gate has ended.
#[must_use = "a granted entry has to be woken"]
#[derive(Default)]
pub struct After {
    grant: Option<Grant>,
    discard: Option<Waker>,
}

/// An entry that has been granted and has to be woken.
pub struct Grant {
    place: Place,
    waker: Waker,
}

impl After {
    /// Wakes who was granted and drops what is no longer needed; `settle` is [`Gate::settle`] behind its borrow or
    /// lock.
    ///
    /// # Panics
    /// With the first panic of a waker, after the others have been woken; not if the thread is panicking already.
    #[inline]
    pub fn carry_out(self, settle: impl FnMut(Grant) -> After) {
        if self.grant.is_some() || self.discard.is_some() {
            self.wake_and_drop(settle);
        }
    }

    #[inline(never)]
    fn wake_and_drop(mut self, mut settle: impl FnMut(Grant) -> After) {
        let mut panics = Panics::default();
        while let Some(grant) = self.grant.take() {
            panics.guard(|| grant.waker.wake_by_ref());
            let discard = self.discard.take();
            self = settle(grant);
            panics.guard(|| drop(discard));
        }
        panics.guard(|| drop(self.discard));
        panics.resume();
    }
}

impl Gate {
    /// An empty gate that is running; allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            line: Line::default(),
            turns: 0,
            waking: false,
            running: true,
            closed: false,
            spare: None,
        }
    }

    /// Takes the last place (arrow 1); at a closed gate, a place outside the line (arrow 8).
    #[inline]
    pub fn join(&mut self, origin: Origin) -> Place {
        let place = self.line.join(Waiter::new(origin));
        if self.closed {
            self.turn_away(place);
        }
        let grant = self.advance();
        debug_assert!(
            grant.is_none(),
            "who joins can only be granted itself, and has no waker yet"
        );
        place
    }

    /// Takes the turn at once (arrow 7), if the gate is running and nobody is in the line.
    ///
    /// # Errors
    /// Says what is in the way; nothing has changed.
    #[inline]
    pub fn try_hold(&mut self, origin: Origin) -> Result<Place, Refusal> {
        match self {
            Self { closed: true, .. } => Err(Refusal::Closed),
            Self { running: false, .. } => Err(Refusal::Stopped),
            Self { line, .. } if !line.is_empty() => Err(Refusal::Busy),
            Self { line, .. } => {
                let place = line.join(Waiter::new(origin));
                self.turns += 1;
                self.set_state(place, State::Held);
                Ok(place)
            }
        }
    }

    /// Asks whether the turn of an entry has come, and takes it (arrow 3).
    #[inline]
    pub fn poll(&mut self, place: Place, waker: &Waker) -> Turn {
        if let Some((state @ (State::Granted | State::Held), _)) = self.line.both_mut(place) {
            *state = State::Held;
            return Turn::Come;
        }
        self.wait(place, waker)
    }

    /// Polls again with a waker to keep, and returns the waker that is no longer needed, to be dropped after the
    /// borrow.
    ///
    /// Decides anew, because cloning the waker was foreign code: the turn may have come meanwhile.
    #[must_use = "the waker must be dropped after the borrow has ended"]
    pub fn register(&mut self, place: Place, waker: Waker) -> (Turn, Option<Waker>) {
        match self.poll(place, &waker) {
            Turn::WakerNeeded => {
                let known = self.line.get_mut(place).map(|waiter| &mut waiter.waker);
                (Turn::Waiting, known.and_then(|known| known.replace(waker)))
            }
            turn => (turn, Some(waker)),
        }
    }

    /// Gives a place up in whatever state it is (arrow 6), and passes its turn on if it had it.
    #[inline]
    pub fn leave(&mut self, place: Place) -> After {
        let Some((state, waiter)) = self.line.leave_with_mark(place) else {
            return After::default();
        };
        if matches!(state, State::Granted | State::Held) {
            self.turns -= 1;
        }
        let waker = waiter.waker;
        let discard = waker.and_then(|waker| self.spare.replace(waker));
        After {
            grant: self.advance(),
            discard,
        }
    }

    /// The wake is over: decides what had to wait for it, and puts the waker back to its place, where it serves the
    /// next time. In this order: an entry that is granted anew has just been woken, and has no waker to be woken again.
    #[inline]
    pub fn settle(&mut self, Grant { place, waker }: Grant) -> After {
        self.waking = false;
        let grant = self.advance();
        let discard = match self.line.get_mut(place) {
            Some(Waiter {
                waker: empty @ None,
                ..
            }) => empty.replace(waker),
            _ => Some(waker),
        };
        After { grant, discard }
    }

    /// Grants nothing from now on; takes back a grant that its future has not seen yet (arrow 4).
    pub fn stop(&mut self) {
        self.running = false;
        self.take_back_grant();
    }

    /// Grants again, beginning with the first that waits.
    pub fn start(&mut self) -> After {
        self.running = true;
        After {
            grant: self.advance(),
            discard: None,
        }
    }

    /// Grants nothing any more, and lets nobody join. `true` the first time: then the caller has to call
    /// [`dismiss`](Self::dismiss), batch by batch, until nobody is left.
    #[must_use = "those who wait have to be dismissed"]
    pub fn close(&mut self) -> bool {
        self.take_back_grant();
        !mem::replace(&mut self.closed, true)
    }

    /// Fills the batch with the next waiters of a closed gate, in order, and takes them out of the line (arrow 5).
    /// The holder stays. Leaves the batch empty once nobody is left.
    pub fn dismiss(&mut self, batch: &mut WakeBatch) {
        while !batch.is_full()
            && let Some(place) = self.first_waiting()
        {
            self.turn_away(place);
            let waiter = self.line.get_mut(place);
            let waker = waiter.and_then(Waiter::take_waker);
            let refused = waker.and_then(|waker| batch.push(waker).err());
            debug_assert!(refused.is_none(), "the batch had room");
        }
    }

    /// Whether the gate grants; a closed gate keeps the flag.
    #[inline]
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// Whether the gate has been closed.
    #[inline]
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Entries in the line, with the one that has the turn.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.line.len()
    }

    /// Whether nobody is in the line and nobody has the turn.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// The state of an entry; `None` after it has left.
    #[inline]
    #[must_use]
    pub fn state(&self, place: Place) -> Option<State> {
        self.line.mark(place)
    }

    /// The state of an entry and where it was asked for; `None` after it has left.
    #[must_use]
    pub fn entry(&self, place: Place) -> Option<(State, Origin)> {
        Some((self.state(place)?, self.line.get(place)?.origin))
    }

    /// The entries in the line, in order.
    pub fn entries(&self) -> impl Iterator<Item = (State, Origin)> {
        self.line.places().filter_map(|place| self.entry(place))
    }

    /// Decides who has the turn (arrow 2). The only place where a waiting entry is granted; may run at any time, any
    /// number of times.
    ///
    /// While the one permit is free, nobody in the line has the turn: who is first is the first that waits.
    #[inline]
    fn advance(&mut self) -> Option<Grant> {
        let (place, state, waiter) = self.line.front_mut()?;
        if self.turns == PERMITS || self.waking || !self.running || self.closed {
            return None;
        }
        *state = State::Granted;
        self.turns += 1;
        let waker = waiter.take_waker()?;
        self.waking = true;
        Some(Grant { place, waker })
    }

    fn first_waiting(&self) -> Option<Place> {
        self.line
            .places()
            .find(|&place| self.state(place) == Some(State::Waiting))
    }

    fn take_back_grant(&mut self) {
        if let Some(first) = self.line.front()
            && self.state(first) == Some(State::Granted)
        {
            self.set_state(first, State::Waiting);
            self.turns -= 1;
        }
    }

    fn turn_away(&mut self, place: Place) {
        self.set_state(place, State::Closed);
        self.line.detach(place);
    }

    /// Finds the waker of an entry that has to wait: at its place, or as the spare that its task left behind.
    fn wait(&mut self, place: Place, waker: &Waker) -> Turn {
        let is_same =
            |known: &Option<Waker>| known.as_ref().is_some_and(|known| known.will_wake(waker));
        match self.line.both_mut(place) {
            _ if self.closed => Turn::Closed,
            Some((State::Waiting, waiter)) => {
                if !is_same(&waiter.waker) {
                    if !is_same(&self.spare) {
                        return Turn::WakerNeeded;
                    }
                    mem::swap(&mut waiter.waker, &mut self.spare);
                }
                Turn::Waiting
            }
            _ => Turn::Closed,
        }
    }

    #[inline]
    fn set_state(&mut self, place: Place, new: State) {
        if let Some((state, _)) = self.line.both_mut(place) {
            *state = new;
        }
    }
}

impl Waiter {
    #[inline]
    fn new(origin: Origin) -> Self {
        Self {
            waker: None,
            origin,
        }
    }

    /// Most have no waker: looking first reads one word, where `take` alone would move two.
    #[inline]
    fn take_waker(&mut self) -> Option<Waker> {
        if self.waker.is_some() {
            self.waker.take()
        } else {
            None
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
            .field("running", &self.running)
            .field("closed", &self.closed)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// A node has room for a 64-bit tag of the user's within 48 bytes.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<crate::line::Slot<Waiter, State>>() + size_of::<u64>() <= 48);
