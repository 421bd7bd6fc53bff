//! How long records waited: a histogram of fixed size, however many there are.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest wait that is told apart, in nanoseconds: an hour.
const LONGEST: u64 = 3_600_000_000_000;

/// Three digits are right, from nanoseconds to an hour.
pub(crate) struct Waits(Histogram<u64>);

impl Waits {
    pub(crate) fn add(&mut self, wait: Duration) {
        let nanos = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        self.0.saturating_record(nanos);
    }
}

impl Default for Waits {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST, 3);
        Self(histogram.expect("1, an hour and 3 digits are bounds that a histogram takes"))
    }
}

/// `p50 1.20µs, p99 ..., max ...`, or `none`.
impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        let time = |nanos| Duration::from_nanos(nanos);
        write!(
            f,
            "p50 {:.1?}, p99 {:.1?}, max {:.1?}",
            time(self.0.value_at_quantile(0.5)),
            time(self.0.value_at_quantile(0.99)),
            time(self.0.max()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_told_by_quantile() {
        let mut waits = Waits::default();
        assert_eq!(waits.to_string(), "none");
        (1..=100).for_each(|n| waits.add(Duration::from_nanos(n)));
        assert_eq!(waits.to_string(), "p50 50.0ns, p99 99.0ns, max 100.0ns");
        waits.add(Duration::MAX);
        assert!(waits.to_string().contains("max 36"));
    }
}
