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
use super::bucket::Bucket;
use super::slots::{Place, Slots};

const BITS: u32 = 6;
const DIGITS: usize = 1 << BITS;
const LEVELS: u32 = u64::BITS.div_ceil(BITS);

pub(super) struct Wheel {
    /// As many as have been needed, level after level.
    buckets: Vec<Bucket>,
    /// For each level one bit for each bucket that is not empty.
    filled: [u64; LEVELS as usize],
    len: usize,
}

/// A bucket taken out.
pub(super) struct First {
    pub(super) bucket: Bucket,
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
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds an entry that is later than `near`.
    #[inline(always)] // as `Slots::occupy`
    pub(super) fn put<T>(&mut self, near: u64, entry: Entry, slots: &mut Slots<T>) {
        let number = number(near, entry.deadline);
        let bucket = match self.buckets.get_mut(number) {
            Some(bucket) if !bucket.is_empty() => bucket,
            _ => self.open(number),
        };
        let place = Place {
            bucket: number as u16,
            position: bucket.put(entry.slot),
        };
        slots.enter(&entry, place);
        self.len += 1;
    }

    /// Takes out the entry at `place`.
    #[inline(always)] // as `Slots::occupy`
    pub(super) fn take<T>(&mut self, place: Place, slots: &mut Slots<T>) {
        let bucket = &mut self.buckets[place.bucket as usize];
        bucket.take(place.position);
        self.len -= 1;
        if bucket.is_empty() || bucket.is_sparse() {
            self.tidy(place.bucket, slots);
        }
    }

    /// Keeps no more memory for a bucket than it needs.
    fn tidy<T>(&mut self, number: u16, slots: &mut Slots<T>) {
        let bucket = &mut self.buckets[number as usize];
        if bucket.is_empty() {
            self.close(number as usize).give_memory_back();
            return;
        }
        bucket.close_holes(|slot, position| {
            let place = Place {
                bucket: number,
                position,
            };
            slots.moved(slot, place);
        });
    }

    /// Takes out the bucket that is due first.
    pub(super) fn take_first(&mut self, near: u64) -> Option<First> {
        let level = self.lowest_level()?;
        let digit = self.filled[level as usize].trailing_zeros();
        let bucket = self.close(level as usize * DIGITS + digit as usize);
        let bucket = mem::replace(bucket, Bucket::new());
        self.len -= bucket.len();
        let start = clear_below(near, level + 1) | u64::from(digit) << (level * BITS);
        Some(First {
            bucket,
            start,
            end: start | !clear_below(u64::MAX, level),
        })
    }

    /// The earliest value that `near` may go back to: the buckets that are filled are named by higher digits.
    pub(super) fn earliest_near(&self, near: u64) -> u64 {
        clear_below(near, self.lowest_level().unwrap_or(LEVELS))
    }

    fn lowest_level(&self) -> Option<u32> {
        let level = self.filled.iter().position(|&digits| digits != 0)?;
        Some(level as u32)
    }

    /// The bucket, which is about to be filled.
    fn open(&mut self, number: usize) -> &mut Bucket {
        if number >= self.buckets.len() {
            self.buckets.resize_with(number + 1, Bucket::new);
        }
        self.filled[number / DIGITS] |= 1 << (number % DIGITS);
        &mut self.buckets[number]
    }

    /// The bucket, which is empty or will be.
    fn close(&mut self, number: usize) -> &mut Bucket {
        self.filled[number / DIGITS] &= !(1 << (number % DIGITS));
        &mut self.buckets[number]
    }
}

/// The number of the bucket of a deadline that is later than `near`.
#[inline]
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
    /// The slots of all entries, each with its place.
    pub(super) fn entries(&self) -> impl Iterator<Item = (usize, u32)> {
        let buckets = self.buckets.iter().enumerate();
        buckets.flat_map(|(number, bucket)| bucket.slots().map(move |slot| (number, slot)))
    }

    pub(super) fn capacity(&self) -> usize {
        self.buckets.iter().map(Bucket::capacity).sum()
    }
}
