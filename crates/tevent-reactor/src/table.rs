//! The table of sources: slots, the generations of their tenants, and the delivery of a poll result to them.

use std::mem;
use std::os::fd::RawFd;
use std::task::Waker;

use crate::ended::Ended;
use crate::poller::Found;
use crate::reactor::Waited;
use crate::readiness::Readiness;
use crate::slot::{Round, Slot};
use crate::token::Token;
use crate::watch::Watched;

/// Ends the list of free slots. It is also the ringer's slot, so no source may have it.
const NONE: u32 = u32::MAX;

/// An empty table that once held more slots than this gives its memory back.
const KEPT_WHEN_EMPTY: usize = 64;

/// All sources of one reactor. Pure state: no system call, and no foreign code is called; wakers come out for the
/// caller to wake or drop once its borrow of the table has ended.
#[derive(Debug)]
pub(crate) struct Table {
    entries: Vec<Entry>,
    free: u32,
    live: usize,
    /// Counted for the whole table, so that a slot may vanish and come back without repeating a generation.
    next_generation: u32,
    ended: bool,
    round: Round,
    /// What was found out about watches, until somebody takes it.
    watched: Vec<Watched>,
}

#[derive(Debug)]
enum Entry {
    Free { next: u32 },
    Used { generation: u32, slot: Slot },
    Watch { generation: u32, fd: RawFd },
}

impl Entry {
    fn tenant(self) -> Option<Slot> {
        match self {
            Self::Used { slot, .. } => Some(slot),
            Self::Watch { .. } | Self::Free { .. } => None,
        }
    }
}

// Less than a cache line per source.
const _: () = assert!(size_of::<Entry>() <= 48);

impl Table {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: NONE,
            live: 0,
            next_generation: 0,
            ended: false,
            round: 0,
            watched: Vec::new(),
        }
    }

    /// Gives a source its slot.
    pub(crate) fn insert(&mut self, readiness: Readiness) -> Result<Token, Ended> {
        let slot = Slot::new(readiness);
        self.tenant(|generation| Entry::Used { generation, slot })
    }

    /// Gives a watch its slot.
    pub(crate) fn insert_watch(&mut self, fd: RawFd) -> Result<Token, Ended> {
        self.tenant(|generation| Entry::Watch { generation, fd })
    }

    /// Takes a source's slot back. Drop the result only after the borrow of the table has ended: it may hold wakers.
    #[must_use]
    pub(crate) fn remove(&mut self, slot: u32) -> Option<Slot> {
        match self.entries.get(slot as usize)? {
            Entry::Used { .. } => self.vacate(slot).tenant(),
            Entry::Watch { .. } | Entry::Free { .. } => None,
        }
    }

    /// Takes a watch's slot back.
    pub(crate) fn remove_watch(&mut self, token: Token) {
        if self.find_watch(token).is_some() {
            self.vacate(token.slot);
        }
    }

    /// What is in a source's slot, for the source itself: it has the slot until it gives it back.
    ///
    /// # Errors
    ///
    /// The reactor has ended.
    #[inline]
    pub(crate) fn slot(&mut self, slot: u32) -> Result<&mut Slot, Ended> {
        match self.entries.get_mut(slot as usize) {
            Some(Entry::Used { slot, .. }) if !self.ended => Ok(slot),
            _ => Err(Ended),
        }
    }

    /// The token of a source in its slot.
    pub(crate) fn token(&self, slot: u32) -> Token {
        let generation = match self.entries.get(slot as usize) {
            Some(Entry::Used { generation, .. }) => *generation,
            _ => unreachable!("a source has its slot until it gives it back"),
        };
        Token { slot, generation }
    }

    /// Hands the events to their sources and collects the wakers of those who waited for them, in order.
    pub(crate) fn deliver(&mut self, found: &[Found], woken: &mut Vec<Waker>) -> Waited {
        let mut waited = Waited::default();
        self.round = self.round.wrapping_add(1);
        let left = self.watched.len();
        for &Found { token, readiness } in found {
            match self.entries.get_mut(token.slot as usize) {
                Some(Entry::Used { generation, slot }) if *generation == token.generation => {
                    slot.apply(readiness, woken);
                    waited.events += 1;
                }
                Some(Entry::Watch { generation, fd }) if *generation == token.generation => {
                    let fd = *fd;
                    waited.watched += 1;
                    self.note(
                        left,
                        Watched {
                            token,
                            fd,
                            readiness,
                        },
                    );
                }
                _ if token == Token::RINGER => waited.rung = true,
                _ if token == Token::ALARM => waited.alarmed = true,
                _ => waited.stale += 1,
            }
        }
        waited.woken = woken.len();
        waited
    }

    /// Notes what was found out about a watch. Of the round before, so many were left, as when a waker panicked: who is
    /// among them is told once of both.
    #[inline]
    fn note(&mut self, left: usize, watched: Watched) {
        let mut before = self.watched[..left].iter_mut();
        match before.find(|known| known.token == watched.token) {
            Some(known) => known.readiness |= watched.readiness,
            None => self.watched.push(watched),
        }
    }

    /// Refuses everything from now on, and collects the wakers of all who wait, in the order of their slots.
    pub(crate) fn end(&mut self, woken: &mut Vec<Waker>) {
        self.ended = true;
        for entry in &mut self.entries {
            if let Entry::Used { slot, .. } = entry {
                slot.take_all(woken);
            }
        }
    }

    /// Gives out what was found out about watches, for an empty list.
    pub(crate) fn swap_watched(&mut self, empty: &mut Vec<Watched>) {
        mem::swap(&mut self.watched, empty);
    }

    pub(crate) fn has_watched(&self) -> bool {
        !self.watched.is_empty()
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ended
    }

    /// How many results have been delivered.
    pub(crate) fn round(&self) -> Round {
        self.round
    }

    pub(crate) fn has_waiters(&self) -> bool {
        let waited_for =
            |entry: &Entry| matches!(entry, Entry::Used { slot, .. } if slot.has_waiters());
        self.entries.iter().any(waited_for)
    }

    pub(crate) fn live(&self) -> usize {
        self.live
    }

    /// Takes somebody in, under a generation of its own. The slot freed last is taken first: it is still in the cache.
    fn tenant(&mut self, entry: impl FnOnce(u32) -> Entry) -> Result<Token, Ended> {
        if self.ended {
            return Err(Ended);
        }
        let generation = self.next_generation;
        self.next_generation = generation.wrapping_add(1);
        self.live += 1;
        Ok(Token {
            slot: self.put(entry(generation)),
            generation,
        })
    }

    /// Frees a slot that is taken.
    fn vacate(&mut self, slot: u32) -> Entry {
        let entry = &mut self.entries[slot as usize];
        let tenant = mem::replace(entry, Entry::Free { next: self.free });
        self.free = slot;
        self.live -= 1;
        if self.live == 0 && self.entries.capacity() > KEPT_WHEN_EMPTY {
            self.entries = Vec::new();
            self.free = NONE;
        }
        tenant
    }

    fn put(&mut self, entry: Entry) -> u32 {
        if let Some(place) = self.entries.get_mut(self.free as usize) {
            let slot = self.free;
            if let Entry::Free { next } = mem::replace(place, entry) {
                self.free = next;
            }
            return slot;
        }
        self.entries.push(entry);
        // Never cut: 2^32 descriptors are far more than a process can have.
        (self.entries.len() - 1) as u32
    }

    fn find_watch(&self, token: Token) -> Option<RawFd> {
        match self.entries.get(token.slot as usize) {
            Some(Entry::Watch { generation, fd }) if *generation == token.generation => Some(*fd),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readiness::Direction;

    fn found(token: Token) -> Found {
        Found {
            token,
            readiness: Readiness::READABLE,
        }
    }

    #[test]
    fn b25_a_slot_is_used_again_under_another_generation() {
        let mut table = Table::new();
        let first = table.insert(Readiness::EMPTY).unwrap();
        assert!(table.remove(first.slot).is_some());
        let second = table.insert(Readiness::EMPTY).unwrap();
        assert_eq!(first.slot, second.slot);
        let waited = table.deliver(&[found(first)], &mut Vec::new());
        assert_eq!((waited.events, waited.stale), (0, 1));
        assert!(!table.slot(second.slot).unwrap().look(Direction::Read).1);
        assert_eq!(table.live(), 1);
    }

    #[test]
    fn b25_generations_go_on_after_the_memory_was_given_back() {
        let mut table = Table::new();
        let burst: Vec<_> = (0..1000)
            .map(|_| table.insert(Readiness::EMPTY).unwrap())
            .collect();
        for &token in &burst {
            assert!(table.remove(token.slot).is_some());
        }
        assert_eq!(table.entries.capacity(), 0);
        let next = table.insert(Readiness::EMPTY).unwrap();
        assert!(burst.iter().all(|token| *token != next));
        let late: Vec<_> = burst.into_iter().map(found).collect();
        assert_eq!(table.deliver(&late, &mut Vec::new()).stale, 1000);
    }

    #[test]
    fn b25_a_watch_and_a_source_never_answer_for_each_other() {
        let mut table = Table::new();
        let watch = table.insert_watch(7).unwrap();
        assert!(table.remove(watch.slot).is_none() && table.slot(watch.slot).is_err());
        table.remove_watch(watch);
        let source = table.insert(Readiness::EMPTY).unwrap();
        assert_eq!(watch.slot, source.slot);
        table.remove_watch(source);
        let waited = table.deliver(&[found(watch), found(source)], &mut Vec::new());
        assert_eq!((waited.events, waited.watched, waited.stale), (1, 0, 1));
        assert_eq!((table.live(), table.has_watched()), (1, false));
    }

    #[test]
    fn what_was_left_by_a_round_and_is_found_again_is_told_once() {
        let mut table = Table::new();
        let watches = [7, 8].map(|fd| table.insert_watch(fd).unwrap());
        let writable = Found {
            readiness: Readiness::WRITABLE,
            ..found(watches[0])
        };
        for round in [[found(watches[0]); 1], [writable]] {
            table.deliver(&round, &mut Vec::new());
            table.deliver(&[found(watches[1])], &mut Vec::new());
        }
        let mut told = Vec::new();
        table.swap_watched(&mut told);
        let told = told.iter().map(|watched| (watched.fd, watched.readiness));
        let both = Readiness::READABLE | Readiness::WRITABLE;
        assert_eq!(Vec::from_iter(told), [(7, both), (8, Readiness::READABLE)]);
    }

    #[test]
    fn slots_are_reused_last_freed_first_and_never_shared() {
        let mut table = Table::new();
        let tokens: Vec<_> = (0..10)
            .map(|_| table.insert(Readiness::EMPTY).unwrap())
            .collect();
        for token in [tokens[2], tokens[7], tokens[5]] {
            assert!(table.remove(token.slot).is_some());
        }
        let slots: Vec<_> = (0..4)
            .map(|_| table.insert(Readiness::EMPTY).unwrap().slot)
            .collect();
        assert_eq!(slots, [5, 7, 2, 10]);
    }

    #[test]
    fn b41_an_ended_table_takes_and_answers_nothing_but_gives_slots_back() {
        let mut table = Table::new();
        let token = table.insert(Readiness::READABLE).unwrap();
        table.end(&mut Vec::new());
        assert_eq!(table.insert(Readiness::EMPTY), Err(Ended));
        assert_eq!(table.slot(token.slot).err(), Some(Ended));
        assert!(table.remove(token.slot).is_some());
        assert_eq!(table.live(), 0);
    }
}
