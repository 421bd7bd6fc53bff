//! Requests: what one costs beside the bare future, and a deadline that does not expire.

use std::future::Future;
use std::hint::black_box;
use std::time::{Duration, Instant};

use tevent::RequestExt;

use crate::row::{Aim, Contestant, Load, Row, Unit, nanos_per_op};
use crate::runtimes::{self, Yield};
use crate::timers::tokio_with_time;

/// Requests one after another.
const TIMES: u64 = 1_000_000;

/// Bare and not bare in turn, so that a core that changes its pace in between does so for both.
const ROUNDS: u32 = 8;

/// Deadlines one after another.
const DEADLINES: u64 = 2_000_000;

/// Far enough away not to expire.
const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn rows() -> Vec<Row> {
    vec![over_the_bare_future(), deadline()]
}

fn over_the_bare_future() -> Row {
    let bare = move |load: Load| runtimes::tevent(timed(load.ops(TIMES), work));
    let request = move |load: Load| {
        runtimes::tevent(timed(load.ops(TIMES), |index| work(index).request("bench")))
    };
    Row::new(
        "request over the bare future",
        Unit::NanosPerOp,
        Contestant::new("tevent", move |load| {
            let mut over = 0.0;
            for _ in 0..ROUNDS {
                let bare = bare(load)?;
                over += request(load)? - bare;
            }
            Ok(over / f64::from(ROUNDS))
        }),
    )
    .beside([
        Contestant::new("bare future", bare),
        Contestant::new("boxed future", move |load| {
            runtimes::tevent(timed(load.ops(TIMES), |index| {
                let boxed: std::pin::Pin<Box<dyn Future<Output = Outcome>>> =
                    Box::pin(work(index));
                boxed
            }))
        }),
    ])
    .aims([Aim::Absolute(15.0)])
    .note(
        "Ours is the difference: a request that is made, awaited and dropped, less the same work as a bare future, \
         measured in turn in the same process. The work gives way once. The peers are not differences: they tell \
         what the work itself costs, bare and in a box.",
    )
}

fn deadline() -> Row {
    Row::new(
        "deadline that does not expire",
        Unit::NanosPerOp,
        Contestant::new("tevent", |load| {
            runtimes::tevent(timed(load.ops(DEADLINES), |index| {
                work(index).request("bench").timeout(HOUR)
            }))
        }),
    )
    .beside([
        Contestant::new("tokio", |load| {
            let runtime = tokio_with_time()?;
            Ok(runtime.block_on(timed(load.ops(DEADLINES), |index| {
                tokio::time::timeout(HOUR, work(index))
            })))
        }),
        Contestant::new("tevent timeout", |load| {
            runtimes::tevent(timed(load.ops(DEADLINES), |index| {
                tevent::timeout(HOUR, work(index))
            }))
        }),
    ])
    .aims([Aim::Of("tokio", 0.4)])
    .note(
        "The work gives way once, so that the timer is armed, and is done before the deadline. Ours is a whole \
         request; `tevent timeout` is the plain future.",
    )
}

type Outcome = Result<u64, ()>;

async fn work(index: u64) -> Outcome {
    Yield::default().await;
    Ok(black_box(index))
}

/// Awaits so many, one after another: a tenth to warm up, then with the clock running.
async fn timed<F: Future>(times: u64, make: impl Fn(u64) -> F) -> f64 {
    for index in 0..times / 10 {
        black_box(make(index).await);
    }
    let start = Instant::now();
    for index in 0..times {
        black_box(make(index).await);
    }
    nanos_per_op(start, times)
}
