//! A slot: the cached readiness of one source, and who waits for it to change.
//!
//! ```text
//!            1 event (tick + 1, waiters woken)
//!          +----------------------------------+
//!          v                                  |
//!       READY --- 2 refused, tick unchanged ---> NOT READY, waker joins the waiters
//!        ^  |
//!        +--+ 3 refused, but the tick has moved: a newer event came in between, try again
//! ```
//!
//! A refusal is the kernel's word and beats a sticky bit: after it, even a hung-up source waits for the next event.

use std::mem;
use std::slice;
use std::task::Waker;

use crate::readiness::{Direction, Readiness};

/// Counts the events of one source. Compared for equality only, so it may wrap.
pub(crate) type Tick = u32;

/// One source as the table knows it.
#[derive(Debug)]
pub(crate) struct Slot {
    tick: Tick,
    readiness: Readiness,
    readers: Waiters,
    writers: Waiters,
}

/// What became of a waker that was shown to [`Slot::refuse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It waits already.
    Waiting,
    /// It does not wait yet: clone it and [`Slot::join`].
    Stranger,
    /// A newer event came in: try again instead.
    Outdated,
}

/// What became of a waker that wants to join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// It waits.
    Waits,
    /// A newer event came in: try again instead.
    Outdated,
    /// Others wait: [`Slot::join`].
    Crowded,
}

impl Slot {
    pub(crate) fn new(readiness: Readiness) -> Self {
        Self {
            tick: 0,
            readiness,
            readers: Waiters::NONE,
            writers: Waiters::NONE,
        }
    }

    /// Whether to try an operation, and the tick to hand back if the kernel refuses it.
    #[inline]
    pub(crate) fn look(&self, direction: Direction) -> (Tick, bool) {
        (self.tick, self.readiness.is_ready_for(direction))
    }

    /// Arrow 1: takes an event in, and moves those it concerns into `woken`, readers first.
    #[inline]
    pub(crate) fn apply(&mut self, readiness: Readiness, woken: &mut Vec<Waker>) {
        self.tick = self.tick.wrapping_add(1);
        self.readiness |= readiness;
        if readiness.is_ready_for(Direction::Read) {
            self.readers.take_all(woken);
        }
        if readiness.is_ready_for(Direction::Write) {
            self.writers.take_all(woken);
        }
    }

    /// Arrows 2 and 3: the kernel refused an operation that was begun at tick `seen`; `waker` wants to wait.
    pub(crate) fn refuse(&mut self, direction: Direction, seen: Tick, waker: &Waker) -> Refused {
        if !self.clear(direction, seen) {
            return Refused::Outdated;
        }
        if self.waiters(direction).contains(waker) {
            Refused::Waiting
        } else {
            Refused::Stranger
        }
    }

    /// Takes the waker in as the only one who waits. Otherwise it stays in `waker`.
    #[inline]
    pub(crate) fn join_first(
        &mut self,
        direction: Direction,
        seen: Tick,
        waker: &mut Option<Waker>,
    ) -> Joined {
        let waiters = match direction {
            Direction::Read => &mut self.readers,
            Direction::Write => &mut self.writers,
        };
        match waiters {
            _ if self.tick != seen => Joined::Outdated,
            Waiters::Others(None) => {
                *waiters = waker.take().map_or(Waiters::NONE, Waiters::One);
                Joined::Waits
            }
            Waiters::One(_) | Waiters::Others(Some(_)) => Joined::Crowded,
        }
    }

    /// Takes the waker in among others, unless an event newer than `seen` came in: then it stays in `waker`. Waiters of
    /// a full list move into `crowd`: to be woken, so that those who still wait come again.
    pub(crate) fn join(
        &mut self,
        direction: Direction,
        seen: Tick,
        waker: &mut Option<Waker>,
        crowd: &mut Crowd,
    ) -> Joined {
        if self.tick != seen {
            return Joined::Outdated;
        }
        if let Some(waker) = waker.take() {
            self.waiters(direction).push(waker, crowd);
        }
        Joined::Waits
    }

    /// Takes the passing readiness away, unless an event newer than `seen` came in: then the answer is `false`.
    #[inline]
    pub(crate) fn clear(&mut self, direction: Direction, seen: Tick) -> bool {
        let current = self.tick == seen;
        if current {
            self.readiness = self.readiness.without(direction);
        }
        current
    }

    /// Moves everybody who waits into `woken`, readers first.
    pub(crate) fn take_all(&mut self, woken: &mut Vec<Waker>) {
        self.readers.take_all(woken);
        self.writers.take_all(woken);
    }

    pub(crate) fn has_waiters(&self) -> bool {
        !self.readers.all().is_empty() || !self.writers.all().is_empty()
    }

    fn waiters(&mut self, direction: Direction) -> &mut Waiters {
        match direction {
            Direction::Read => &mut self.readers,
            Direction::Write => &mut self.writers,
        }
    }
}

/// Waiters that make a list full, as long as few really wait.
const FULL: usize = 16;

/// Those who wait in one direction, in the order in which they came. Nearly always at most one.
///
/// A waiter that has lost interest looks like any other, so none can be dropped unwoken. But all may be woken: when the
/// list is full, those who still wait come again, and the others are gone. If those who come again fill it in the same
/// round, they are as many as that, and the list may grow. So it stays in proportion to those who really wait.
#[derive(Debug)]
enum Waiters {
    One(Waker),
    /// Nobody, or a list, which is kept once it was needed. Both lie where the waker would: two words.
    Others(Option<Box<Many>>),
}

// Of two in each slot.
const _: () = assert!(size_of::<Waiters>() == size_of::<Waker>());

#[derive(Debug)]
struct Many {
    wakers: Vec<Waker>,
    /// How many make the list full.
    limit: usize,
    /// The round in which it was full the last time.
    full_in: Option<Round>,
}

impl Many {
    fn beginning_with(waker: Waker) -> Self {
        Self {
            wakers: vec![waker],
            limit: FULL,
            full_in: None,
        }
    }

    fn push(&mut self, waker: Waker, crowd: &mut Crowd) {
        if self.wakers.len() >= self.limit {
            if self.full_in == Some(crowd.round) {
                self.limit *= 2;
            } else {
                self.full_in = Some(crowd.round);
                crowd.wakers.append(&mut self.wakers);
            }
        }
        self.wakers.push(waker);
    }
}

/// Those who have to be woken because a list was full.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    pub(crate) round: Round,
    pub(crate) wakers: Vec<Waker>,
}

/// Counts the polls of a reactor. Compared for equality only, so it may wrap.
pub(crate) type Round = u32;

impl Waiters {
    const NONE: Self = Self::Others(None);

    fn contains(&self, waker: &Waker) -> bool {
        self.all().iter().any(|known| known.will_wake(waker))
    }

    fn push(&mut self, waker: Waker, crowd: &mut Crowd) {
        match mem::replace(self, Self::NONE) {
            Self::Others(None) => *self = Self::One(waker),
            Self::Others(Some(mut many)) => {
                many.push(waker, crowd);
                *self = Self::Others(Some(many));
            }
            Self::One(first) => {
                let mut many = Many::beginning_with(first);
                many.push(waker, crowd);
                *self = Self::Others(Some(Box::new(many)));
            }
        }
    }

    #[inline]
    fn take_all(&mut self, woken: &mut Vec<Waker>) {
        match self {
            Self::Others(None) => {}
            Self::Others(Some(many)) => woken.append(&mut many.wakers),
            Self::One(_) => {
                if let Self::One(waker) = mem::replace(self, Self::NONE) {
                    woken.push(waker);
                }
            }
        }
    }

    fn all(&self) -> &[Waker] {
        match self {
            Self::One(waker) => slice::from_ref(waker),
            Self::Others(Some(many)) => &many.wakers,
            Self::Others(None) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Direction = Direction::Read;

    #[test]
    fn b31_a_refusal_older_than_an_event_clears_nothing() {
        let mut slot = Slot::new(Readiness::READABLE);
        let (seen, ready) = slot.look(READ);
        assert!(ready);
        slot.apply(Readiness::READABLE, &mut Vec::new());
        assert_eq!(slot.refuse(READ, seen, Waker::noop()), Refused::Outdated);
        assert!(slot.look(READ).1);
    }

    #[test]
    fn b31_a_waker_that_comes_after_an_event_does_not_join() {
        let mut slot = Slot::new(Readiness::EMPTY);
        let (seen, _) = slot.look(READ);
        assert_eq!(slot.refuse(READ, seen, Waker::noop()), Refused::Stranger);
        slot.apply(Readiness::READABLE, &mut Vec::new());
        let mut waker = Some(Waker::noop().clone());
        assert_eq!(slot.join_first(READ, seen, &mut waker), Joined::Outdated);
        let joined = slot.join(READ, seen, &mut waker, &mut Crowd::default());
        assert_eq!(joined, Joined::Outdated);
        assert!(
            waker.is_some(),
            "it goes back, to be dropped with no borrow held"
        );
    }

    #[test]
    fn b31_the_tick_may_wrap() {
        let mut slot = Slot::new(Readiness::READABLE);
        slot.tick = Tick::MAX;
        slot.apply(Readiness::READABLE, &mut Vec::new());
        assert_eq!(
            slot.refuse(READ, Tick::MAX, Waker::noop()),
            Refused::Outdated
        );
        assert_eq!(slot.refuse(READ, 0, Waker::noop()), Refused::Stranger);
    }

    #[test]
    fn b32_waiters_come_out_in_order_readers_first_and_once() {
        let tasks: Vec<_> = (0..4)
            .map(|_| tokio_test::task::spawn(std::future::pending::<()>()))
            .collect();
        let wakers: Vec<_> = tasks
            .into_iter()
            .map(|mut task| task.enter(|cx, _| cx.waker().clone()))
            .collect();
        let mut slot = Slot::new(Readiness::EMPTY);
        for (waker, direction) in wakers.iter().zip([READ, READ, READ, Direction::Write]) {
            assert_eq!(slot.refuse(direction, 0, waker), Refused::Stranger);
            let mut joining = Some(waker.clone());
            if slot.join_first(direction, 0, &mut joining) == Joined::Crowded {
                let joined = slot.join(direction, 0, &mut joining, &mut Crowd::default());
                assert_eq!(joined, Joined::Waits);
            }
            assert!(joining.is_none());
            assert_eq!(slot.refuse(direction, 0, waker), Refused::Waiting);
        }
        let mut woken = Vec::new();
        slot.apply(Readiness::ERROR, &mut woken);
        assert!(
            woken
                .iter()
                .zip(&wakers)
                .all(|(woken, waker)| woken.will_wake(waker))
        );
        assert_eq!(woken.len(), 4);
        slot.apply(Readiness::ERROR, &mut woken);
        assert_eq!(woken.len(), 4);
    }

    fn fresh_waker() -> Waker {
        let task = tokio_test::task::spawn(std::future::pending::<()>());
        { task }.enter(|cx, _| cx.waker().clone())
    }

    #[test]
    fn b32_waits_that_come_and_go_stay_few_and_the_others_are_woken() {
        let mut slot = Slot::new(Readiness::EMPTY);
        let mut woken = 0;
        for round in 0..1000 {
            let mut crowd = Crowd {
                round,
                wakers: Vec::new(),
            };
            slot.join(READ, 0, &mut Some(fresh_waker()), &mut crowd);
            woken += crowd.wakers.len();
            assert!(slot.readers.all().len() <= FULL);
        }
        assert_eq!(woken + slot.readers.all().len(), 1000);
    }

    #[test]
    fn b32_those_who_come_again_in_the_same_round_are_not_sent_away_for_ever() {
        let mut slot = Slot::new(Readiness::EMPTY);
        let mut crowd = Crowd::default();
        let mut waiting: Vec<_> = (0..100).map(|_| fresh_waker()).collect();
        let mut joins = 0;
        while let Some(waker) = waiting.pop() {
            slot.join(READ, 0, &mut Some(waker), &mut crowd);
            waiting.append(&mut crowd.wakers);
            joins += 1;
        }
        assert_eq!((slot.readers.all().len(), joins), (100, 100 + FULL));
    }
}
