//! How long one side waits while not a byte goes to the other or comes from it.
//!
//! A peer whose machine is gone, or whose process hangs, does not close the connection: without a limit, whoever waits
//! for it waits for ever.

use std::io;
use std::pin::pin;
use std::time::Duration;

use tevent::timeout;

/// The limit; none between two sides in one process, which stop and go on together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience(Option<Duration>);

impl Patience {
    pub(crate) fn limited(limit: Duration) -> Self {
        Self(Some(limit))
    }

    pub(crate) fn unlimited() -> Self {
        Self(None)
    }

    /// Does one step: to connect, to read once, to send a few bytes.
    ///
    /// # Errors
    /// Those of the step, and `TimedOut` if it took longer than the limit. It is dropped then.
    pub(crate) async fn step<T>(self, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        self.watch(step, || 0).await?
    }

    /// Does work of many steps, as long as `progress` gives another number from time to time.
    ///
    /// # Errors
    /// `TimedOut` if it stayed the same for longer than the limit (found out after at most twice as long). The work is
    /// dropped then.
    pub(crate) async fn watch<T>(
        self,
        work: impl Future<Output = T>,
        progress: impl Fn() -> u64,
    ) -> io::Result<T> {
        let Some(limit) = self.0 else {
            return Ok(work.await);
        };
        let mut work = pin!(work);
        loop {
            let before = progress();
            match timeout(limit, work.as_mut()).await {
                Ok(result) => return Ok(result),
                Err(_) if progress() == before => return Err(silence(limit)),
                Err(_) => {}
            }
        }
    }
}

fn silence(limit: Duration) -> io::Error {
    let message = format!("not a byte for {limit:?}");
    io::Error::new(io::ErrorKind::TimedOut, message)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;

    use tevent::{Context, sleep};

    use super::*;

    const LIMIT: Duration = Duration::from_millis(20);

    #[test]
    fn silence_ends_the_wait_and_progress_does_not() {
        let patience = Patience::limited(LIMIT);
        let steps = Cell::new(0);
        let slow = async {
            for _ in 0..5 {
                sleep(LIMIT * 3 / 4).await;
                steps.set(steps.get() + 1);
            }
            "done"
        };
        let context = Context::new().unwrap();
        let slow = context.block_on(patience.watch(slow, || steps.get()));
        assert_eq!(slow.unwrap(), "done");
        let silent = context.block_on(patience.step(pending::<io::Result<()>>()));
        assert_eq!(silent.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn without_a_limit_nothing_ends_the_wait() {
        let context = Context::new().unwrap();
        let slow = async {
            sleep(LIMIT).await;
            Ok(7)
        };
        assert_eq!(
            context.block_on(Patience::unlimited().step(slow)).unwrap(),
            7
        );
    }
}
