//! Intervals: a future that is ready again and again.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures::Stream;

use crate::{Handle, Sleep};

/// Ticks once now and then once every `period` (tevent has no such thing).
///
/// ```
/// use std::time::Duration;
/// use tevent_context::{Context, VirtualClock, interval};
///
/// # fn main() -> std::io::Result<()> {
/// let clock = VirtualClock::new();
/// let context = Context::builder().virtual_clock(&clock).build()?;
/// context.block_on(async {
///     let mut seconds = interval(Duration::from_secs(1));
///     let first = seconds.tick().await;
///     assert_eq!(seconds.tick().await - first, Duration::from_secs(1));
/// });
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// If no context runs on this thread, or if `period` is zero.
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    Handle::current().interval(period)
}

/// What an [`Interval`] does after ticks that nobody awaited in time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
#[non_exhaustive]
pub enum MissedTicks {
    /// Makes up for them: ticks at once until it has caught up. The number of ticks is right.
    #[default]
    Burst,
    /// Counts anew from the late tick: two ticks are never closer than a period.
    Delay,
    /// Leaves them out and goes on with the old rhythm: ticks are at multiples of the period from the start.
    Skip,
}

/// A timer that ticks periodically: by [`Interval::tick`], or as a [`Stream`] of the ticks' deadlines.
///
/// Dropping it cancels it. Cancel safe: a tick whose future is dropped is not lost.
#[must_use = "an interval ticks only for who awaits its ticks"]
pub struct Interval {
    /// Until the next tick.
    sleep: Sleep,
    /// To the point, also if it is before the loop was made. `None`: further than an `Instant` can tell.
    next: Option<Instant>,
    period: Duration,
    missed: MissedTicks,
}

impl Handle {
    /// Ticks once now and then once every `period`; see [`interval`].
    ///
    /// # Panics
    /// If `period` is zero.
    #[track_caller]
    pub fn interval(&self, period: Duration) -> Interval {
        self.interval_at(self.read_clock(), period)
    }

    /// Ticks at `start` and then once every `period`.
    ///
    /// # Panics
    /// If `period` is zero.
    #[track_caller]
    pub fn interval_at(&self, start: Instant, period: Duration) -> Interval {
        assert!(
            !period.is_zero(),
            "an interval needs a period longer than zero: use `yield_now` to run again and again"
        );
        Interval {
            sleep: self.sleep_until(start),
            next: Some(start),
            period,
            missed: MissedTicks::default(),
        }
    }
}

impl Interval {
    /// Chooses what happens after ticks that nobody awaited in time.
    pub fn missed(mut self, missed: MissedTicks) -> Self {
        self.missed = missed;
        self
    }

    /// Waits for the next tick and returns its deadline. The tick after the last one that an `Instant` can tell never
    /// comes.
    ///
    /// # Panics
    /// If the context has ended.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// Like [`tick`](Self::tick), for those who poll by hand.
    ///
    /// # Panics
    /// If the context has ended.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(Pin::new(&mut self.sleep).poll(cx));
        let tick = self.next.expect("what is too far away does not come");
        self.go_on(self.after(tick));
        Poll::Ready(tick)
    }

    /// Counts anew: the next tick comes one period from now.
    pub fn restart(&mut self) {
        let now = self.sleep.handle().read_clock();
        self.go_on(now.checked_add(self.period));
    }

    fn go_on(&mut self, next: Option<Instant>) {
        self.next = next;
        match next {
            Some(next) => self.sleep.reset(next),
            None => self.sleep = self.sleep.handle().sleep(Duration::MAX),
        }
    }

    /// The time between two ticks.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }

    /// The deadline of the tick after the one at `tick`, which is due.
    fn after(&self, tick: Instant) -> Option<Instant> {
        let next = tick.checked_add(self.period)?;
        let now = self.sleep.handle().now();
        if self.missed == MissedTicks::Burst || next > now {
            return Some(next);
        }
        if self.missed == MissedTicks::Delay {
            return now.checked_add(self.period);
        }
        let into_period = (now - tick).as_nanos() % self.period.as_nanos();
        let left = self.period - nanos(into_period);
        now.checked_add(left)
    }
}

/// A number of nanoseconds that is less than some `Duration`.
fn nanos(nanos: u128) -> Duration {
    const PER_SECOND: u128 = 1_000_000_000;
    Duration::new((nanos / PER_SECOND) as u64, (nanos % PER_SECOND) as u32)
}

impl Stream for Interval {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.poll_tick(cx).map(Some)
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interval")
            .field("period", &self.period)
            .field("next", &self.next)
            .field("missed", &self.missed)
            .finish_non_exhaustive()
    }
}
