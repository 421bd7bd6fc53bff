//! The far timers, in buckets without an order inside: the farther, the wider the bucket.
//!
//! A deadline is a number of eleven digits of six bits. A far timer's bucket is named by the highest digit in which its
//! deadline differs from `near`, and by what that digit is:
//!
//! ```text
//! near       3 17 41 63 63        timers up to here are in the heap
//! deadline   3 17 52  8 20        level 2, digit 52: bucket 3 17 52 xx xx
//! deadline   9  1  0  0  0        level 4, digit 9:  bucket 9 xx xx xx xx
//! ```
//!
//! So a bucket of a lower level is before all of the higher ones, and within a level the digits ascend. `near` goes
//! forward to the end of the first bucket, or to its start; in neither case does it change a digit that names another
//! bucket, so no timer has to move but those of that bucket.

use std::mem;

use super::Entry;
use super::slots::{Place, Slots};

const BITS: u32 = 6;
const DIGITS: usize = 1 << BITS;
const LEVELS: u32 = u64::BITS.div_ceil(BITS);

/// A bucket keeps memory for so many entries that it does not need.
const KEPT_ENTRIES: usize = 64;

#[derive(Default)]
pub(super) struct Wheel {
    /// As many as have been needed, level after level.
    buckets: Vec<Vec<Entry>>,
    /// For each level one bit for each bucket that is not empty.
    filled: [u64; LEVELS as usize],
    len: usize,
    /// Memory of a bucket that is empty, for the next that is not.
    spare: Vec<Entry>,
}

/// A bucket taken out.
pub(super) struct Bucket {
    pub(super) entries: Vec<Entry>,
    /// The first and the last deadline that belong in it.
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Wheel {
    pub(super) const fn new() -> Self {
        Self {
            buckets: Vec::new(),
            filled: [0; LEVELS as usize],
            len: 0,
            spare: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds an entry that is later than `near`.
    pub(super) fn put<T>(&mut self, near: u64, entry: Entry, slots: &mut Slots<T>) {
        let number = number(near, entry.deadline);
        if number >= self.buckets.len() {
            self.buckets.resize_with(number + 1, Vec::new);
        }
        let bucket = &mut self.buckets[number];
        if bucket.capacity() == 0 {
            mem::swap(bucket, &mut self.spare);
        }
        slots.moved(&entry, number as u16, bucket.len());
        bucket.push(entry);
        self.filled[number / DIGITS] |= 1 << (number % DIGITS);
        self.len += 1;
    }

    /// Takes out the entry at `place`; the last one of its bucket fills the gap.
    pub(super) fn take<T>(&mut self, place: Place, slots: &mut Slots<T>) -> Entry {
        let bucket = &mut self.buckets[place.bucket as usize];
        let entry = bucket.swap_remove(place.position as usize);
        if let Some(stand_in) = bucket.get(place.position as usize) {
            slots.moved(stand_in, place.bucket, place.position as usize);
        }
        self.len -= 1;
        if bucket.is_empty() {
            let bucket = self.empty(place.bucket as usize);
            self.retire(bucket);
        } else if bucket.len() < bucket.capacity() / 4 && bucket.capacity() > KEPT_ENTRIES {
            bucket.shrink_to(bucket.capacity() / 2);
        }
        entry
    }

    /// Takes out the bucket that is due first.
    pub(super) fn take_first(&mut self, near: u64) -> Option<Bucket> {
        let level = self.lowest_level()?;
        let digit = self.filled[level as usize].trailing_zeros();
        let entries = self.empty(level as usize * DIGITS + digit as usize);
        self.len -= entries.len();
        let start = clear_below(near, level + 1) | u64::from(digit) << (level * BITS);
        Some(Bucket {
            entries,
            start,
            end: start | !clear_below(u64::MAX, level),
        })
    }

    /// The earliest value that `near` may go back to: the buckets that are filled are named by higher digits.
    pub(super) fn earliest_near(&self, near: u64) -> u64 {
        clear_below(near, self.lowest_level().unwrap_or(LEVELS))
    }

    /// Keeps the memory of a bucket that was emptied, unless it is much.
    pub(super) fn retire(&mut self, mut bucket: Vec<Entry>) {
        bucket.clear();
        if (self.spare.capacity()..=KEPT_ENTRIES).contains(&bucket.capacity()) {
            self.spare = bucket;
        }
    }

    fn lowest_level(&self) -> Option<u32> {
        let level = self.filled.iter().position(|&digits| digits != 0)?;
        Some(level as u32)
    }

    fn empty(&mut self, number: usize) -> Vec<Entry> {
        self.filled[number / DIGITS] &= !(1 << (number % DIGITS));
        mem::take(&mut self.buckets[number])
    }
}

/// The number of the bucket of a deadline that is later than `near`.
pub(super) fn number(near: u64, deadline: u64) -> usize {
    let level = (near ^ deadline).ilog2() / BITS;
    let digit = (deadline >> (level * BITS)) as usize % DIGITS;
    level as usize * DIGITS + digit
}

/// `deadline` with zeros instead of the digits below `level`.
fn clear_below(deadline: u64, level: u32) -> u64 {
    deadline & u64::MAX.checked_shl(level * BITS).unwrap_or(0)
}

#[cfg(test)]
impl Wheel {
    /// All entries, each with the number of its bucket.
    pub(super) fn entries(&self) -> impl Iterator<Item = (usize, &Entry)> {
        let buckets = self.buckets.iter().enumerate();
        buckets.flat_map(|(number, bucket)| bucket.iter().map(move |entry| (number, entry)))
    }

    pub(super) fn capacity(&self) -> usize {
        let buckets: usize = self.buckets.iter().map(Vec::capacity).sum();
        buckets + self.spare.capacity()
    }
}
