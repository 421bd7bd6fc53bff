//! Which of its numbers came from one sender: a count of the missing ones, and a short list of the gaps between.
//!
//! ```text
//!   numbers  0  1  2  3  4  5  6  7  8
//!   came     x  x        x     x            next = 7
//!   gaps           2..4     5..6            missing = 3
//! ```

use std::cmp::Ordering;
use std::ops::Range;

/// Most gaps that are listed for one sender, so that nobody can fill the memory by leaving out every second number.
/// Beyond that the oldest gap is forgotten: what belongs to it stays missing, even if it comes late.
const MAX_GAPS: usize = 128;

/// How a number stands to those that came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It is the one that was due.
    Due,
    /// Lower ones are missing.
    Early,
    /// It was missing: a higher one came before it.
    Late,
    /// It came before, or its gap is forgotten.
    Again,
}

/// The numbers that came so far.
#[derive(Default)]
pub(crate) struct Arrivals {
    /// One more than the highest number that came.
    next: u64,
    /// How many lower ones did not come.
    missing: u64,
    /// Where they are, in order; no gap is empty, and no two touch.
    gaps: Vec<Range<u64>>,
}

impl Arrivals {
    /// Writes down that this number came. It must be below `u64::MAX`, for there must be one after it.
    pub(crate) fn add(&mut self, number: u64) -> Arrival {
        match number.cmp(&self.next) {
            Ordering::Less if self.fill(number) => Arrival::Late,
            Ordering::Less => Arrival::Again,
            Ordering::Equal => {
                self.next = number + 1;
                Arrival::Due
            }
            Ordering::Greater => {
                self.missing += number - self.next;
                self.gaps.push(self.next..number);
                self.forget_what_is_too_much();
                self.next = number + 1;
                Arrival::Early
            }
        }
    }

    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    pub(crate) fn missing(&self) -> u64 {
        self.missing
    }

    /// Takes a number out of its gap, of which up to two smaller ones remain. `false` if it is in none.
    fn fill(&mut self, number: u64) -> bool {
        let Some(index) = self.gaps.iter().position(|gap| gap.contains(&number)) else {
            return false;
        };
        let Range { start, end } = self.gaps[index].clone();
        let rest = [start..number, number + 1..end];
        let rest = rest.into_iter().filter(|gap| !gap.is_empty());
        self.gaps.splice(index..=index, rest);
        self.forget_what_is_too_much();
        self.missing -= 1;
        true
    }

    fn forget_what_is_too_much(&mut self) {
        if self.gaps.len() > MAX_GAPS {
            self.gaps.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(arrivals: &mut Arrivals, numbers: &[u64]) -> Vec<Arrival> {
        numbers.iter().map(|number| arrivals.add(*number)).collect()
    }

    #[test]
    fn each_number_fills_its_gap_once() {
        use Arrival::{Again, Due, Early, Late};
        let mut arrivals = Arrivals::default();
        let came = add(&mut arrivals, &[0, 5, 3, 3, 1, 2, 4, 4, 6, 0, 5]);
        assert_eq!(
            came,
            [
                Due, Early, Late, Again, Late, Late, Late, Again, Due, Again, Again
            ]
        );
        assert_eq!((arrivals.missing(), arrivals.next()), (0, 7));
        assert!(arrivals.gaps.is_empty());
    }

    #[test]
    fn a_number_that_comes_twice_does_not_make_up_for_another() {
        let mut arrivals = Arrivals::default();
        assert_eq!(
            add(&mut arrivals, &[0, 0, 2]),
            [Arrival::Due, Arrival::Again, Arrival::Early]
        );
        assert_eq!(arrivals.missing(), 1);
    }

    #[test]
    fn the_list_of_gaps_stays_short_and_what_is_forgotten_stays_missing() {
        let mut arrivals = Arrivals::default();
        let gaps = 10 * MAX_GAPS as u64;
        let every_second: Vec<u64> = (0..gaps).map(|n| 2 * n + 1).collect();
        add(&mut arrivals, &every_second);
        assert_eq!((arrivals.missing(), arrivals.gaps.len()), (gaps, MAX_GAPS));
        assert_eq!(arrivals.add(0), Arrival::Again);
        assert_eq!(arrivals.add(2 * gaps - 2), Arrival::Late);
        assert_eq!(arrivals.missing(), gaps - 1);

        // Gaps that are split count too.
        let mut arrivals = Arrivals::default();
        add(&mut arrivals, &[4 * gaps]);
        let inside: Vec<u64> = (0..gaps).map(|n| 4 * n + 1).collect();
        add(&mut arrivals, &inside);
        assert!(arrivals.gaps.len() <= MAX_GAPS);
    }
}
