//! Spinning: looking for what other threads send for a while, before the loop sleeps.

use std::hint;
use std::io;
use std::time::{Duration, Instant};

use tevent_reactor::Waited;

use crate::Context;

/// Looks for messages between two looks for events: a look for events is a system call, and takes as long as these.
const LOOKS: u32 = 64;

impl Context {
    /// Looks for messages and wakes from elsewhere, and in between for events, until there are any, a timer is due or
    /// the timeout is over. `None` if nothing has come for as long as the loop was told to spin.
    ///
    /// Nobody rings meanwhile: the doorbell is not parked.
    pub(crate) fn spin(&self, timeout: Option<Duration>) -> io::Result<Option<Waited>> {
        let wanted = self.core.spin;
        if wanted.is_zero() || timeout == Some(Duration::ZERO) {
            return Ok(None);
        }
        let timer = self.core.until_next_timer().unwrap_or(wanted);
        let limit = wanted.min(timer).min(timeout.unwrap_or(wanted));
        let start = Instant::now();
        loop {
            let has_come = (0..LOOKS).any(|_| self.look());
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
