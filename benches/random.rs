//! Numbers and delays that look random and are the same for everybody.

use std::time::Duration;

/// The same steps as in `c/work.h`, so that all draw the same.
pub(crate) struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Random {
    pub(crate) fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Nothing is due while the clock runs: a minute to an hour.
    pub(crate) fn delay(&mut self) -> Duration {
        const SECOND: u64 = 1_000_000_000;
        Duration::from_nanos(60 * SECOND + self.number() % (3540 * SECOND))
    }
}
