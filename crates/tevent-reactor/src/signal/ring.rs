//! The ring of siginfos of one signal: writers never wait, and each reader has a cursor of its own.
//!
//! Deliveries are numbered from 0; number `n` belongs into slot `n mod slots`. The sequence word of a slot:
//!
//! ```text
//!   any even word below 2n+1 --1 n comes--> 2n+1 --2 n has written--> 2n+2
//! ```
//!
//! A writer that finds another one in its slot (an odd word), or finds that it was overtaken, leaves the slot alone:
//! the info is lost, and no writer waits for a thread that was stopped inside its handler. A reader takes number `n`
//! only if it finds `2n+2` before and after it reads.
//!
//! A slot with an older word is still to be written, or never will be. Which of the two is told by two counters: if as
//! many have finished as have claimed a number, nobody is on the way. Otherwise the reader stops there; whoever is on
//! the way is counted when it is done, and the reader is woken by that.

use std::fmt;

use super::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// Who sent a signal, and why: what the kernel says besides the number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub struct SignalInfo {
    /// The process that sent it (`si_pid`); of a child's signal, the child. 0 if the kernel did.
    pub pid: i32,
    /// The real user of that process (`si_uid`).
    pub uid: u32,
    /// How it was sent (`si_code`): `SI_USER` is `kill`, `SI_QUEUE` is `sigqueue`, above 0 is the kernel.
    pub code: i32,
    /// What `sigqueue` sent along, as a pointer (`si_value`); of `SIGCHLD`, the low half is the exit status or the
    /// signal. Otherwise it means nothing.
    pub value: usize,
}

impl SignalInfo {
    /// [`value`](Self::value) as the number that was sent along (`sival_int`).
    #[must_use]
    pub fn int(&self) -> i32 {
        // The two share their first bytes, whatever the order of the bytes.
        let bytes = self.value.to_ne_bytes();
        i32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }
}

/// What a reader got: an info, and how many were lost before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Taken {
    /// `None` if those that were lost are the last ones.
    pub(crate) info: Option<SignalInfo>,
    pub(crate) lost: u64,
}

/// The last deliveries of one signal. All of it is atomics, as writers are signal handlers.
pub(crate) struct Ring {
    slots: Box<[Slot]>,
    /// Numbers that were given to writers.
    claimed: AtomicU64,
    /// Writers that are done, whether they wrote or not.
    finished: AtomicU64,
}

struct Slot {
    sequence: AtomicU64,
    pid: AtomicU32,
    uid: AtomicU32,
    code: AtomicU32,
    value: AtomicU64,
}

/// What a reader found in a slot.
enum Found {
    Info(SignalInfo),
    /// The writer has not come yet, or is writing, or has given up.
    Older,
    /// A later delivery has taken the slot.
    Newer,
}

impl Ring {
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            slots: (0..slots).map(|_| Slot::new()).collect(),
            claimed: AtomicU64::new(0),
            finished: AtomicU64::new(0),
        }
    }

    /// Adds an info, or loses it. May be called in a signal handler: bounded, nothing but atomics.
    pub(crate) fn push(&self, info: SignalInfo) {
        let number = self.claimed.fetch_add(1, Ordering::Relaxed);
        if let Some(slot) = self.slot(number) {
            slot.write(number, info);
        }
        // Ordering: a reader that sees as many finished as claimed also sees what they wrote.
        self.finished.fetch_add(1, Ordering::Release);
    }

    /// The cursor of a reader that wants all from now on.
    pub(crate) fn end(&self) -> u64 {
        self.claimed.load(Ordering::Acquire)
    }

    /// Takes the next info and moves the cursor on. `None` if there is none yet.
    pub(crate) fn take(&self, cursor: &mut u64) -> Option<Taken> {
        // In this order: if they are equal, there was a moment in between when nobody was on the way.
        let finished = self.finished.load(Ordering::Acquire);
        let claimed = self.claimed.load(Ordering::Acquire);
        let oldest = claimed.saturating_sub(self.slots.len() as u64);
        let mut lost = oldest.saturating_sub(*cursor);
        *cursor += lost;
        while *cursor < claimed {
            let found = self.slot(*cursor)?.read(*cursor);
            if matches!(found, Found::Older) && finished != claimed {
                break;
            }
            *cursor += 1;
            if let Found::Info(info) = found {
                let info = Some(info);
                return Some(Taken { info, lost });
            }
            lost += 1;
        }
        (lost > 0).then_some(Taken { info: None, lost })
    }

    /// What a writer does before it is stopped in the middle.
    #[cfg(all(test, not(loom)))]
    pub(super) fn begin_to_write(&self) {
        let number = self.claimed.fetch_add(1, Ordering::Relaxed);
        let slot = self.slot(number).expect("a ring has slots");
        let before = slot.sequence.load(Ordering::Relaxed);
        assert!(slot.enter(before, 2 * number + 1));
    }

    fn slot(&self, number: u64) -> Option<&Slot> {
        let index = number.checked_rem(self.slots.len() as u64)?;
        self.slots.get(index as usize)
    }
}

impl Slot {
    fn new() -> Self {
        Self {
            sequence: AtomicU64::new(0),
            pid: AtomicU32::new(0),
            uid: AtomicU32::new(0),
            code: AtomicU32::new(0),
            value: AtomicU64::new(0),
        }
    }

    /// Arrows 1 and 2.
    fn write(&self, number: u64, info: SignalInfo) {
        let writing = 2 * number + 1;
        let before = self.sequence.load(Ordering::Relaxed);
        let is_free = before.is_multiple_of(2) && before < writing;
        if !is_free || !self.enter(before, writing) {
            return;
        }
        // Ordering: a reader that gets one of the words below sees the odd sequence, too, behind its own fence.
        fence(Ordering::Release);
        self.pid.store(info.pid.cast_unsigned(), Ordering::Relaxed);
        self.uid.store(info.uid, Ordering::Relaxed);
        self.code
            .store(info.code.cast_unsigned(), Ordering::Relaxed);
        self.value.store(info.value as u64, Ordering::Relaxed);
        // Ordering: with the first load of a reader, and with the next writer.
        self.sequence.store(writing + 1, Ordering::Release);
    }

    /// Arrow 1. `false` if another writer was faster.
    fn enter(&self, before: u64, writing: u64) -> bool {
        self.sequence
            .compare_exchange(before, writing, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    fn read(&self, number: u64) -> Found {
        let written = 2 * number + 2;
        let before = self.sequence.load(Ordering::Acquire);
        if before < written {
            return Found::Older;
        }
        let info = SignalInfo {
            pid: self.pid.load(Ordering::Relaxed).cast_signed(),
            uid: self.uid.load(Ordering::Relaxed),
            code: self.code.load(Ordering::Relaxed).cast_signed(),
            value: self.value.load(Ordering::Relaxed) as usize,
        };
        // Ordering: pairs with the fence of a writer whose words were read above.
        fence(Ordering::Acquire);
        if before != written || self.sequence.load(Ordering::Relaxed) != written {
            return Found::Newer;
        }
        Found::Info(info)
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("claimed", &self.end())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn info(value: usize) -> SignalInfo {
        SignalInfo {
            value,
            ..SignalInfo::default()
        }
    }

    fn values(ring: &Ring, cursor: &mut u64) -> (Vec<usize>, u64) {
        let (mut values, mut lost) = (Vec::new(), 0);
        while let Some(taken) = ring.take(cursor) {
            values.extend(taken.info.map(|info| info.value));
            lost += taken.lost;
        }
        (values, lost)
    }

    #[test]
    fn s2_each_reader_gets_all_in_order() {
        let ring = Ring::new(4);
        let (mut first, mut second) = (ring.end(), ring.end());
        (0..3).for_each(|value| ring.push(info(value)));
        assert_eq!(values(&ring, &mut first), (vec![0, 1, 2], 0));
        ring.push(info(3));
        assert_eq!(values(&ring, &mut first), (vec![3], 0));
        assert_eq!(values(&ring, &mut second), (vec![0, 1, 2, 3], 0));
        assert_eq!(ring.take(&mut second), None);
    }

    #[test]
    fn s6_a_reader_that_was_overtaken_is_told_how_many_are_lost() {
        let ring = Ring::new(4);
        let mut cursor = ring.end();
        (0..11).for_each(|value| ring.push(info(value)));
        assert_eq!(values(&ring, &mut cursor), (vec![7, 8, 9, 10], 7));
    }

    #[test]
    fn b76_a_writer_that_stands_still_in_its_slot_costs_infos_and_holds_nobody_up() {
        let ring = Ring::new(2);
        let mut cursor = ring.end();
        ring.begin_to_write();
        ring.push(info(1));
        assert_eq!(
            ring.take(&mut cursor),
            None,
            "the order is kept: 0 comes before 1"
        );
        ring.push(info(2));
        assert_eq!(
            values(&ring, &mut cursor),
            (vec![1], 1),
            "0 was overtaken, and 2 found its slot taken"
        );
        assert_eq!(values(&ring, &mut cursor), (vec![], 0));
        ring.finished.fetch_add(1, Ordering::Release);
        assert_eq!(values(&ring, &mut cursor), (vec![], 1), "2 never comes");
    }
}
