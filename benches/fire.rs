//! Timers that are due: what it takes to call their handlers, or to go on with the tasks that sleep.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use tevent_context::{Context, Timer};

use crate::arrivals::{all_have_arrived, arrive, expect};
use crate::c_peers;
use crate::random::Random;
use crate::row::{Aim, Contestant, Load, Row, Unit};
use crate::runtimes;
use crate::timers::tokio_with_time;

/// From the first deadline to the last.
const SPAN: Duration = Duration::from_millis(10);

/// What the slowest timer rounds up by.
const LONGEST: Duration = Duration::from_millis(2);

/// So long do tasks have to come before the first of their sleeps is over.
const LEAD: Duration = Duration::from_millis(100);

const SLEEPERS: u64 = 100_000;

pub(crate) fn rows() -> Vec<Row> {
    vec![
        handlers("timers fire, 100 k due", 100_000, 8),
        handlers("timers fire, 1 M due", 1_000_000, 1),
        tasks(),
    ]
}

fn handlers(name: &str, due: u64, rounds: u64) -> Row {
    let rounds = move |load: Load| load.ops(rounds).max(1);
    let arguments = move |load: Load| {
        let numbers = [due, rounds(load)].map(|number| number.to_string());
        [String::from("fire")].into_iter().chain(numbers).collect()
    };
    Row::new(
        name,
        Unit::NanosPerOp,
        Contestant::new("tevent", move |load| fire(due, rounds(load))),
    )
    .beside([
        c_peers::peer("ivykis", "timers_ivykis", arguments),
        c_peers::peer("libuv", "timers_libuv", arguments),
    ])
    .aims([Aim::OfFastest(1.0)])
    .note(
        "Timers with handlers at random deadlines within 10 ms; counted is the loop that calls them, once all are \
         due. libuv: whole milliseconds. Not C tevent, whose timers are in a list without an index.",
    )
}

/// The same as in `c/timers.h`.
fn fire(due: u64, rounds: u64) -> io::Result<f64> {
    let (context, to_fire) = (Context::new()?, Rc::new(Cell::new(0)));
    let handle = context.handle();
    let make = |_| {
        let to_fire = Rc::clone(&to_fire);
        let timer = handle.timer(Instant::now(), move |this, _| {
            to_fire.set(to_fire.get() - 1);
            if to_fire.get() == 0 {
                this.handle().stop();
            }
        });
        timer.cancel();
        timer
    };
    let timers: Vec<Timer> = (0..due).map(make).collect();
    let (mut random, mut took) = (Random::default(), Duration::ZERO);
    for round in 0..=rounds {
        let base = Instant::now();
        for timer in &timers {
            timer.reset(base + within_span(&mut random));
        }
        thread::sleep(SPAN + LONGEST);
        to_fire.set(due);
        let start = Instant::now();
        context.run()?;
        // The first is to warm up.
        if round > 0 {
            took += start.elapsed();
        }
    }
    Ok(took.as_nanos() as f64 / (rounds * due) as f64)
}

fn within_span(random: &mut Random) -> Duration {
    Duration::from_nanos(random.number() % SPAN.as_nanos() as u64)
}

fn tasks() -> Row {
    Row::new(
        "sleeping tasks wake, 100 k due",
        Unit::NanosPerOp,
        Contestant::new("tevent", |load| {
            runtimes::tevent(woken(load, |at| {
                tevent::spawn(sleeper(tevent::sleep_until(at)))
            }))
        }),
    )
    .beside([
        Contestant::new("tokio", |load| {
            let sleep = |at: Instant| tokio::time::sleep_until(at.into());
            let spawn = |at| tokio::spawn(async move { sleeper(sleep(at)).await });
            Ok(tokio_with_time()?.block_on(woken(load, spawn)))
        }),
        Contestant::new("smol static", |load| {
            let executor = async_executor::LocalExecutor::new().leak();
            let spawn = |at| executor.spawn(sleeper(async_io::Timer::at(at)));
            Ok(async_io::block_on(executor.run(woken(load, spawn))))
        }),
    ])
    .aims([Aim::OfFastest(1.0)])
    .note(
        "Tasks that sleep until random deadlines within 10 ms; counted is the loop that wakes, polls and joins them, \
         once all are due. tokio: whole milliseconds. smol's timers are async-io's, whose own thread may already \
         have taken some out of its tree by then.",
    )
}

/// A round to warm up, then those that count.
async fn woken<H: Future>(load: Load, spawn: impl Fn(Instant) -> H) -> f64 {
    let (mut random, mut took) = (Random::default(), Duration::ZERO);
    let rounds = load.ops(8);
    for round in 0..=rounds {
        expect(SLEEPERS);
        let base = Instant::now() + LEAD;
        let spawn = |_| spawn(base + within_span(&mut random));
        let tasks: Vec<_> = (0..SLEEPERS).map(spawn).collect();
        all_have_arrived().await;
        thread::sleep((base + SPAN + LONGEST).saturating_duration_since(Instant::now()));
        let start = Instant::now();
        for task in tasks {
            task.await;
        }
        if round > 0 {
            took += start.elapsed();
        }
    }
    took.as_nanos() as f64 / (rounds * SLEEPERS) as f64
}

async fn sleeper(sleep: impl Future) {
    arrive();
    sleep.await;
}
