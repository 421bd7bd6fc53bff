//! The alarm: a timer descriptor that ends a sleep to the nanosecond.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::token::Token;

/// A timer descriptor in the poll. It is never read: setting it anew makes a new edge.
pub(crate) struct Alarm {
    timer: OwnedFd,
    /// When it goes off next, unless it has.
    set: Cell<Option<Instant>>,
}

impl Alarm {
    pub(crate) fn new(registry: &Registry) -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let number = timer.as_raw_fd();
        let mut source = SourceFd(&number);
        registry.register(&mut source, Token::ALARM.into(), Interest::READABLE)?;
        Ok(Self {
            timer,
            set: Cell::new(None),
        })
    }

    /// Lets the poll end at `deadline`, or before. An alarm that goes off too early costs one look at the clock; so
    /// one that is set for an earlier time stays, and a deadline that is put off again and again costs nothing.
    pub(crate) fn set(&self, deadline: Instant) -> bool {
        if self.set.get().is_some_and(|set| set <= deadline) {
            return true;
        }
        // Counted from now, not as a time of the kernel's clock: nobody can say what that shows at an `Instant`.
        // The kernel begins to count after this reading, so it cannot be early.
        let left = deadline.saturating_duration_since(Instant::now());
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: timespec(left),
        };
        let set = timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once).is_ok();
        self.set.set(set.then_some(deadline));
        set
    }

    /// It has gone off.
    pub(crate) fn went_off(&self) {
        self.set.set(None);
    }
}

/// Zero would switch the timer off, so it is a nanosecond. What is too far for the kernel is as far as it goes.
fn timespec(left: Duration) -> Timespec {
    let left = left.max(Duration::from_nanos(1));
    Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: left.subsec_nanos().into(),
    }
}
