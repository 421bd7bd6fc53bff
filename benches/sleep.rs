//! Sleeping for a moment: how late it ends.

use std::future::Future;
use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

use rustix::event::epoll;
use rustix::fd::OwnedFd;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

use crate::row::{Aim, Contestant, Load, Row, Unit};
use crate::runtimes;
use crate::timers::tokio_with_time;

const BARE: &str = "timerfd + epoll";

pub(crate) fn rows() -> Vec<Row> {
    let micros = Duration::from_micros;
    vec![
        row("sleep 10 us, lateness", micros(10), 2_000),
        row("sleep 50 us, lateness", micros(50), 2_000),
        row("sleep 1 ms, lateness", micros(1_000), 200),
        row("sleep 100 ms, lateness", micros(100_000), 5),
    ]
}

fn row(name: &str, moment: Duration, times: u64) -> Row {
    let sleeps = move |load: Load| Sleeps {
        moment,
        times: load.ops(times).max(1),
    };
    let ours = Contestant::new("tevent", move |load| {
        runtimes::tevent(sleeps(load).lateness(tevent::sleep))?
    });
    Row::new(name, Unit::NanosPerOp, ours)
        .beside([
            Contestant::new(BARE, move |load| sleeps(load).bare()),
            Contestant::new("tokio", move |load| {
                tokio_with_time()?.block_on(sleeps(load).lateness(tokio::time::sleep))
            }),
            Contestant::new("async-io", move |load| {
                async_io::block_on(sleeps(load).lateness(async_io::Timer::after))
            }),
        ])
        .aims([Aim::Of(BARE, 1.2)])
        .note(
            "One sleep after the other; the figure is the median of how long after its deadline a sleep ends, by the \
             clock of the one who sleeps. Whoever ends early has no figure. tokio: whole milliseconds.",
        )
}

/// How long, and how often.
#[derive(Clone, Copy)]
struct Sleeps {
    moment: Duration,
    times: u64,
}

impl Sleeps {
    async fn lateness<F: Future>(self, sleep: impl Fn(Duration) -> F) -> io::Result<f64> {
        let mut lates = Lates::default();
        for _ in 0..self.times {
            let start = Instant::now();
            black_box(sleep(self.moment).await);
            lates.add(start + self.moment)?;
        }
        Ok(lates.median())
    }

    /// The least that a loop can do: arm the descriptor, wait, read it.
    fn bare(self) -> io::Result<f64> {
        let (timer, mut lates) = (BareLoop::new()?, Lates::default());
        for _ in 0..self.times {
            let start = Instant::now();
            timer.sleep(self.moment)?;
            lates.add(start + self.moment)?;
        }
        Ok(lates.median())
    }
}

struct BareLoop {
    timer: OwnedFd,
    epoll: OwnedFd,
}

impl BareLoop {
    fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let (data, flags) = (epoll::EventData::new_u64(0), epoll::EventFlags::IN);
        epoll::add(&epoll, &timer, data, flags)?;
        Ok(Self { timer, epoll })
    }

    fn sleep(&self, duration: Duration) -> io::Result<()> {
        let now = clock_gettime(ClockId::Monotonic);
        let deadline = Duration::new(now.tv_sec as u64, now.tv_nsec as u32) + duration;
        let at = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec::try_from(deadline).map_err(io::Error::other)?,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &at)?;
        let mut events = Vec::with_capacity(8);
        epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut events),
            None,
        )?;
        rustix::io::read(&self.timer, &mut [0; 8])?;
        Ok(())
    }
}

/// How late the sleeps ended, in nanoseconds.
#[derive(Default)]
struct Lates(Vec<u64>);

impl Lates {
    fn add(&mut self, deadline: Instant) -> io::Result<()> {
        match Instant::now().checked_duration_since(deadline) {
            Some(late) => self.0.push(late.as_nanos() as u64),
            None => return Err(io::Error::other("a sleep ended early")),
        }
        Ok(())
    }

    fn median(mut self) -> f64 {
        self.0.sort_unstable();
        self.0[self.0.len() / 2] as f64
    }
}
