//! One timer that is put off again and again, as the deadline of a connection that is not idle.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use tevent_context::Context;

use crate::c_peers;
use crate::random::Random;
use crate::row::{Aim, Contestant, Load, Row, Unit, nanos_per_op};
use crate::runtimes;
use crate::timers::tokio_with_time;

const OTHERS: u64 = 1_000;

const TIMES: u64 = 4_000_000;

const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn rows() -> Vec<Row> {
    vec![handlers(), sleeps()]
}

fn handlers() -> Row {
    let arguments = |load: Load| {
        let numbers = [OTHERS, load.ops(TIMES)].map(|number| number.to_string());
        [String::from("restart")]
            .into_iter()
            .chain(numbers)
            .collect()
    };
    Row::new("timer restart, 1 k pending", Unit::NanosPerOp, Contestant::new("tevent", timer))
        .beside([
            c_peers::peer("ivykis", "timers_ivykis", arguments),
            c_peers::peer("libuv", "timers_libuv", arguments),
        ])
        .aims([Aim::OfFastest(0.6)])
        .note(
            "One timer with a handler is put off by a microsecond again and again, from a minute on, while a thousand \
             others wait. ivykis and libuv: stopped and started; libuv counts whole \
             milliseconds, so mostly the deadline is the same.",
        )
}

fn timer(load: Load) -> io::Result<f64> {
    let context = Context::new()?;
    let (handle, now, mut random) = (context.handle(), Instant::now(), Random::default());
    let mut other = |_| handle.timer(now + random.delay(), |_, _| ());
    let _others: Vec<_> = (0..OTHERS).map(&mut other).collect();
    let timer = handle.timer(now + MINUTE, |_, _| ());
    Ok(put_off(load, |later| timer.reset(now + later)))
}

fn sleeps() -> Row {
    Row::new(
        "sleep restart, 1 k pending",
        Unit::NanosPerOp,
        Contestant::new("tevent", |load| {
            let now = Instant::now();
            let make = |delay| tevent::sleep_until(now + delay);
            runtimes::tevent(among_others(load, make, |mut sleep, delay| {
                sleep.reset(now + delay);
            }))
        }),
    )
    .beside([
        Contestant::new("tokio", |load| {
            let now = tokio::time::Instant::now();
            let make = |delay| tokio::time::sleep_until(now + delay);
            let work = among_others(load, make, |sleep, delay| sleep.reset(now + delay));
            Ok(tokio_with_time()?.block_on(tokio::task::unconstrained(work)))
        }),
        Contestant::new("async-io", |load| {
            let now = Instant::now();
            let make = |delay| async_io::Timer::at(now + delay);
            Ok(async_io::block_on(among_others(load, make, |mut sleep, delay| {
                sleep.set_at(now + delay);
            })))
        }),
    ])
    .aims([Aim::OfFastest(1.0)])
    .note(
        "The same with a future that a task waits for. tokio: whole milliseconds; to a later one it only notes it, and \
         looks again when the first is due.",
    )
}

/// Polls each once, so that all wait.
async fn among_others<F: Future>(
    load: Load,
    make: impl Fn(Duration) -> F,
    restart: impl Fn(Pin<&mut F>, Duration),
) -> f64 {
    let mut random = Random::default();
    let mut others: Vec<_> = (0..OTHERS)
        .map(|_| Box::pin(make(random.delay())))
        .collect();
    let mut hot = pin!(make(MINUTE));
    poll_fn(|cx| {
        let mut waits = |sleep: Pin<&mut F>| sleep.poll(cx).is_pending();
        assert!(others.iter_mut().all(|sleep| waits(sleep.as_mut())) && waits(hot.as_mut()));
        Poll::Ready(put_off(load, |later| restart(hot.as_mut(), later)))
    })
    .await
}

/// A tenth to warm up, then with the clock running. The same as in `c/timers.h`.
fn put_off(load: Load, mut restart: impl FnMut(Duration)) -> f64 {
    let mut work = |times| {
        (0..times).for_each(|time| restart(MINUTE + Duration::from_micros(time)));
    };
    let times = load.ops(TIMES);
    work(times / 10);
    let start = Instant::now();
    work(times);
    nanos_per_op(start, times)
}
