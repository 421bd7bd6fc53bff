//! One sleep goes and one comes, while many others wait.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::random::Random;
use crate::row::{Contestant, Load, Row, Unit, nanos_per_op};
use crate::runtimes;
use crate::timers::tokio_with_time;

const TIMES: u64 = 400_000;

pub(super) fn row(name: String, pending: u64) -> Row {
    let times = |load: Load| load.ops(TIMES);
    let ours = Contestant::new("tevent", move |load| {
        runtimes::tevent(timed(pending, times(load), tevent::sleep))
    });
    Row::new(name, Unit::NanosPerOp, ours).beside([
        Contestant::new("tokio", move |load| {
            let work = timed(pending, times(load), tokio::time::sleep);
            // A cooperative task would be told to wait after 128 polls.
            Ok(tokio_with_time()?.block_on(tokio::task::unconstrained(work)))
        }),
        Contestant::new("async-io", move |load| {
            let work = timed(pending, times(load), async_io::Timer::after);
            Ok(async_io::block_on(work))
        }),
    ])
}

/// The oldest goes, another comes: so often, a tenth to warm up. All in boxes, as some may not be moved.
async fn timed<F: Future>(pending: u64, times: u64, sleep: impl Fn(Duration) -> F) -> f64 {
    let mut random = Random::default();
    let mut sleeps = VecDeque::new();
    poll_fn(|cx| {
        let mut come = |sleeps: &mut VecDeque<_>| {
            let mut sleep: Pin<Box<F>> = Box::pin(sleep(random.delay()));
            assert!(sleep.as_mut().poll(cx).is_pending());
            sleeps.push_back(sleep);
        };
        (0..pending).for_each(|_| come(&mut sleeps));
        let mut work = |times| {
            for _ in 0..times {
                sleeps.pop_front();
                come(&mut sleeps);
            }
        };
        work(times / 10);
        let start = Instant::now();
        work(times);
        Poll::Ready(nanos_per_op(start, times))
    })
    .await
}
