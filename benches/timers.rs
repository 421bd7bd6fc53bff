//! Timers that are cancelled before they are due, as nearly all are, while many others wait.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::c_peers;
use crate::places::{Pinned, Place};
use crate::random::Random;
use crate::row::{Aim, Contestant, Load, Row, Unit, nanos_per_op};
use crate::runtimes;

/// How many timers wait, and how a row says it.
const PENDING: [(u64, &str); 3] = [
    (1_000, "1 k pending"),
    (100_000, "100 k pending"),
    (1_000_000, "1 M pending"),
];

const OPS: u64 = 1_000_000;

/// C tevent keeps its timers in a list without an index, so it is asked for less.
const OPS_ON_A_LIST: u64 = OPS / 10;

const LONGEST_LIST: u64 = 1_000;

pub(crate) fn rows() -> Vec<Row> {
    let works = [Work::All, Work::Own, Work::Other];
    let rows = works.into_iter().flat_map(|work| {
        PENDING.into_iter().flat_map(move |(pending, size)| {
            let round = Round { work, pending };
            [round.row_of_handlers(size), round.row_of_sleeps(size)]
        })
    });
    rows.collect()
}

/// What happens to how many timers.
#[derive(Clone, Copy)]
struct Round {
    work: Work,
    pending: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Work {
    /// All timers come, then all go.
    All,
    /// A timer comes and goes while the others wait.
    Own,
    /// One of the others goes, and comes again with another deadline.
    Other,
}

impl Work {
    fn name(self) -> &'static str {
        match self {
            Self::All => "insert all, then cancel all",
            Self::Own => "insert + cancel",
            Self::Other => "cancel + insert among the others",
        }
    }

    fn argument(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Own => "own",
            Self::Other => "other",
        }
    }
}

impl Round {
    fn row_of_handlers(self, size: &str) -> Row {
        let name = format!("timer {}, {size}", self.work.name());
        let ours = Contestant::new("tevent", move |load| {
            Ok(self.timed(load, &mut Handlers::new()?))
        });
        let row = Row::new(name, Unit::NanosPerOp, ours)
            .beside(self.c_programs())
            .beside(self.futures())
            .aims([Aim::OfFastest(0.6)]);
        row.note(
            "Random deadlines within the next hour. Timers with handlers, made once: here `reset` and `cancel`, in \
             ivykis and libuv register and unregister in the caller's memory; C tevent allocates each time. tokio \
             and async-io have futures only: made, polled once, dropped. libuv, tokio: whole milliseconds. async-io \
             has a second thread.",
        )
    }

    fn row_of_sleeps(self, size: &str) -> Row {
        let name = format!("sleep {}, {size}", self.work.name());
        let ours = Contestant::new("tevent", move |load| {
            let start = Instant::now();
            let make = move |delay| tevent::sleep_until(start + delay);
            runtimes::tevent(self.timed_futures::<Option<_>, _>(load, make))
        });
        let row = Row::new(name, Unit::NanosPerOp, ours)
            .beside(self.futures())
            .aims([Aim::OfFastest(0.6)]);
        row.note(
            "Random deadlines within the next hour. A future is made for a deadline, polled once, and dropped. tokio: \
             whole milliseconds. async-io has a second thread.",
        )
    }

    fn futures(self) -> [Contestant; 2] {
        let tokio = move |load| {
            let start = tokio::time::Instant::now();
            let make = move |delay| tokio::time::sleep_until(start + delay);
            // A cooperative task would be told to wait after 128 polls.
            let work = tokio::task::unconstrained(self.timed_futures::<Pinned<_>, _>(load, make));
            Ok(tokio_with_time()?.block_on(work))
        };
        let async_io = move |load| {
            let start = Instant::now();
            let make = move |delay| async_io::Timer::at(start + delay);
            Ok(async_io::block_on(
                self.timed_futures::<Option<_>, _>(load, make),
            ))
        };
        [
            Contestant::new("tokio", tokio),
            Contestant::new("async-io", async_io),
        ]
    }

    fn c_programs(self) -> impl Iterator<Item = Contestant> {
        let on_a_list = || self.c_program("C tevent", "timers_tevent", OPS_ON_A_LIST);
        let all = [
            self.c_program("ivykis", "timers_ivykis", OPS),
            self.c_program("libuv", "timers_libuv", OPS),
        ];
        all.into_iter()
            .chain((self.pending <= LONGEST_LIST).then(on_a_list))
    }

    fn c_program(self, name: &'static str, program: &'static str, ops: u64) -> Contestant {
        c_peers::peer(name, program, move |load| {
            let work = self.work.argument().to_owned();
            vec![work, self.pending.to_string(), load.ops(ops).to_string()]
        })
    }

    async fn timed_futures<P: Place, M>(self, load: Load, make: M) -> f64
    where
        M: Fn(Duration) -> P::Future + Copy,
    {
        poll_fn(|cx| {
            let mut futures: Futures<'_, '_, P, M> = Futures {
                places: Vec::new(),
                make,
                cx,
            };
            Poll::Ready(self.timed(load, &mut futures))
        })
        .await
    }

    fn timed(self, load: Load, timers: &mut impl Timers) -> f64 {
        let (mut random, ops) = (Random::default(), load.ops(OPS));
        // Whole rounds of those that bring all.
        let ops = ops.max(self.pending);
        timers.prepare(self.pending + 1);
        if self.work == Work::All {
            self.work(self.pending, &mut random, timers);
        } else {
            self.start_all(&mut random, timers);
            self.work(ops / 10, &mut random, timers);
        }
        let start = Instant::now();
        self.work(ops, &mut random, timers);
        nanos_per_op(start, ops)
    }

    fn start_all(self, random: &mut Random, timers: &mut impl Timers) {
        for which in 0..self.pending {
            timers.start(which, random.delay());
        }
    }

    fn work(self, ops: u64, random: &mut Random, timers: &mut impl Timers) {
        match self.work {
            Work::All => {
                for _ in 0..ops / self.pending {
                    self.start_all(random, timers);
                    (0..self.pending).for_each(|which| timers.stop(which));
                }
            }
            Work::Own => {
                for _ in 0..ops {
                    timers.start(self.pending, random.delay());
                    timers.stop(self.pending);
                }
            }
            Work::Other => {
                for _ in 0..ops {
                    let which = random.number() % self.pending;
                    timers.stop(which);
                    timers.start(which, random.delay());
                }
            }
        }
    }
}

/// Timers with numbers; the one after the pending ones is the one that comes and goes. The same as in `c/timers.h`.
trait Timers {
    fn prepare(&mut self, count: u64);
    fn start(&mut self, which: u64, delay: Duration);
    fn stop(&mut self, which: u64);
}

/// Each has its place, where the next future is put; so nobody allocates for the place.
struct Futures<'a, 'b, P, M> {
    places: Vec<P>,
    make: M,
    cx: &'a mut Context<'b>,
}

impl<P: Place, M: Fn(Duration) -> P::Future> Timers for Futures<'_, '_, P, M> {
    fn prepare(&mut self, count: u64) {
        self.places.extend((0..count).map(|_| P::default()));
    }

    fn start(&mut self, which: u64, delay: Duration) {
        let future = self.places[which as usize].put((self.make)(delay));
        assert!(future.poll(self.cx).is_pending());
    }

    fn stop(&mut self, which: u64) {
        self.places[which as usize].clear();
    }
}

/// Timers with handlers.
struct Handlers {
    context: tevent_context::Context,
    start: Instant,
    timers: Vec<tevent_context::Timer>,
}

impl Handlers {
    fn new() -> io::Result<Self> {
        Ok(Self {
            context: tevent_context::Context::new()?,
            start: Instant::now(),
            timers: Vec::new(),
        })
    }
}

impl Timers for Handlers {
    fn prepare(&mut self, count: u64) {
        let handle = self.context.handle();
        let make = |_| {
            let timer = handle.timer(self.start, |_, _| ());
            timer.cancel();
            timer
        };
        self.timers.extend((0..count).map(make));
    }

    fn start(&mut self, which: u64, delay: Duration) {
        self.timers[which as usize].reset(self.start + delay);
    }

    fn stop(&mut self, which: u64) {
        assert!(self.timers[which as usize].cancel());
    }
}

pub(crate) fn tokio_with_time() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
}
