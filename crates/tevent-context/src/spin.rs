//! Spinning: looking for what other threads send for a while, before the loop sleeps.

use std::cell::Cell;
use std::hint;
use std::io;
use std::time::{Duration, Instant};

use tevent_reactor::Waited;

use crate::Context;

/// Looks for messages between two looks for events: a look for events is a system call, and takes as long as these.
const LOOKS: u32 = 64;

/// So often in a row a loop that has found a message goes on without a look for events.
const SKIPS: u32 = 16;

/// How a loop spins.
#[derive(Default)]
pub(crate) struct Spin {
    /// How long at most.
    pub(crate) limit: Duration,
    /// Looks for events that spinning has left out since it made one.
    skipped: Cell<u32>,
}

impl Spin {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// Whether a look for events may be left out, as a message has come: the look takes longer than the message did to
    /// come. But not for ever: descriptors have their turn, too.
    fn skips(&self) -> bool {
        let skipped = self.skipped.get();
        self.skipped.set((skipped + 1) % SKIPS);
        skipped + 1 < SKIPS
    }
}

impl Context {
    /// Looks for messages and wakes from elsewhere, and in between for events, until there are any, a timer is due or
    /// the timeout is over. `None` if nothing has come for as long as the loop was told to spin.
    ///
    /// Nobody rings meanwhile: the doorbell is not parked.
    pub(crate) fn spin(&self, timeout: Option<Duration>) -> io::Result<Option<Waited>> {
        let wanted = self.core.spin.limit;
        if wanted.is_zero() || timeout == Some(Duration::ZERO) {
            return Ok(None);
        }
        let timer = self.core.until_next_timer().unwrap_or(wanted);
        let limit = wanted.min(timer).min(timeout.unwrap_or(wanted));
        let start = Instant::now();
        loop {
            let has_come = (0..LOOKS).any(|_| self.look());
            if has_come && self.core.spin.skips() {
                return Ok(Some(Waited::default()));
            }
            let waited = self.reactor.wait(Some(Duration::ZERO))?;
            if has_come || waited != Waited::default() || self.core.has_work() {
                return Ok(Some(waited));
            }
            if start.elapsed() >= limit {
                return Ok((limit < wanted).then_some(waited));
            }
        }
    }

    fn look(&self) -> bool {
        hint::spin_loop();
        self.core.has_come()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_have_their_turn_however_many_messages_come() {
        let spin = Spin::new(Duration::from_secs(1));
        let looks: Vec<u32> = (1..=40).filter(|_| !spin.skips()).collect();
        assert_eq!(looks, [16, 32]);
    }
}
