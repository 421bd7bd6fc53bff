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

impl Slot {
    pub(crate) fn new(readiness: Readiness) -> Self {
        Self {
            tick: 0,
            readiness,
            readers: Waiters::default(),
            writers: Waiters::default(),
        }
    }

    /// Whether to try an operation, and the tick to hand back if the kernel refuses it.
    #[inline]
    pub(crate) fn look(&self, direction: Direction) -> (Tick, bool) {
        (self.tick, self.readiness.is_ready_for(direction))
    }

    /// Arrow 1: takes an event in, and moves those it concerns into `woken`, readers first.
    pub(crate) fn apply(&mut self, readiness: Readiness, woken: &mut Vec<Waker>) {
        self.tick = self.tick.wrapping_add(1);
        self.readiness |= readiness;
        for direction in [Direction::Read, Direction::Write] {
            if readiness.is_ready_for(direction) {
                self.waiters(direction).take_all(woken);
            }
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

    /// Takes the waker into the waiters, unless an event newer than `seen` came in: then it stays in `waker`, and the
    /// answer is `false`. Waiters of a full list move into `crowd`: to be woken, so that those who still wait come
    /// again.
    pub(crate) fn join(
        &mut self,
        direction: Direction,
        seen: Tick,
        waker: &mut Option<Waker>,
        crowd: &mut Crowd,
    ) -> bool {
        if self.tick != seen {
            return false;
        }
        if let Some(waker) = waker.take() {
            self.waiters(direction).push(waker, crowd);
        }
        true
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
        self.readers
            .iter()
            .chain(self.writers.iter())
            .next()
            .is_some()
    }

    fn waiters(&mut self, direction: Direction) -> &mut Waiters {
        match direction {
            Direction::Read => &mut self.readers,
            Direction::Write => &mut self.writers,
        }
    }
}

/// Waiters behind the first that make a list full, as long as few really wait.
const MORE: usize = 15;

/// Those who wait in one direction, in the order in which they came. Nearly always at most one.
///
/// A waiter that has lost interest looks like any other, so none can be dropped unwoken. But all may be woken: when the
/// list is full, those who still wait come again, and the others are gone. If those who come again fill it in the same
/// round, they are as many as that, and the list may grow. So it stays in proportion to those who really wait.
#[derive(Debug, Default)]
struct Waiters {
    first: Option<Waker>,
    /// Boxed: one word in the slot, for a list hardly anybody needs.
    more: Option<Box<More>>,
}

/// The waiters behind the first.
#[derive(Debug)]
struct More {
    wakers: Vec<Waker>,
    /// How many make the list full.
    limit: usize,
    /// The round in which it was full the last time.
    full_in: Option<Round>,
}

impl Default for More {
    fn default() -> Self {
        Self {
            wakers: Vec::new(),
            limit: MORE,
            full_in: None,
        }
    }
}

impl More {
    /// Takes a waker in, or gives it back: then all others have to be woken first.
    fn push(&mut self, waker: Waker, round: Round) -> Result<(), Waker> {
        if self.wakers.len() >= self.limit {
            if self.full_in != Some(round) {
                self.full_in = Some(round);
                return Err(waker);
            }
            self.limit *= 2;
        }
        self.wakers.push(waker);
        Ok(())
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
    fn contains(&self, waker: &Waker) -> bool {
        self.iter().any(|known| known.will_wake(waker))
    }

    fn push(&mut self, waker: Waker, crowd: &mut Crowd) {
        if self.first.is_none() {
            self.first = Some(waker);
        } else if let Err(waker) = self.more.get_or_insert_default().push(waker, crowd.round) {
            self.take_all(&mut crowd.wakers);
            self.first = Some(waker);
        }
    }

    fn take_all(&mut self, woken: &mut Vec<Waker>) {
        woken.extend(mem::take(&mut self.first));
        if let Some(more) = &mut self.more {
            woken.append(&mut more.wakers);
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Waker> {
        self.first
            .iter()
            .chain(self.more.iter().flat_map(|more| &more.wakers))
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
        assert!(!slot.join(READ, seen, &mut waker, &mut Crowd::default()));
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
            assert!(slot.join(
                direction,
                0,
                &mut Some(waker.clone()),
                &mut Crowd::default()
            ));
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
            assert!(slot.join(READ, 0, &mut Some(fresh_waker()), &mut crowd));
            woken += crowd.wakers.len();
            assert!(slot.readers.iter().count() <= 1 + MORE);
        }
        assert_eq!(woken + slot.readers.iter().count(), 1000);
    }

    #[test]
    fn b32_those_who_come_again_in_the_same_round_are_not_sent_away_for_ever() {
        let mut slot = Slot::new(Readiness::EMPTY);
        let mut crowd = Crowd::default();
        let mut waiting: Vec<_> = (0..100).map(|_| fresh_waker()).collect();
        let mut joins = 0;
        while let Some(waker) = waiting.pop() {
            assert!(slot.join(READ, 0, &mut Some(waker), &mut crowd));
            waiting.append(&mut crowd.wakers);
            joins += 1;
        }
        assert_eq!((slot.readers.iter().count(), joins), (100, 100 + 1 + MORE));
    }
}
