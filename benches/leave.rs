//! Leaving a long line from the middle: those who wait give up, in any order.

use std::future::poll_fn;
use std::hint::black_box;
use std::task::Poll;
use std::time::Instant;

use futures_lite::future::block_on;

use crate::locks::{
    FuturesMutex, LocalSemaphore, Lock, Queue, SmolMutex, TokioMutex, TokioSemaphore,
    UnsyncSemaphore,
};
use crate::places::{Pinned, Place};
use crate::random::Random;
use crate::row::{Aim, Contestant, Load, Row, Unit, nanos_per_op};
use crate::runtimes;

const WAITING: u64 = 100_000;

const TIMES: u64 = 1_000_000;

pub(crate) fn rows() -> Vec<Row> {
    let ours = Contestant::new("tevent", |load| runtimes::tevent(timed::<Queue>(load)));
    let row = Row::new("leave the middle, 100 k waiting", Unit::NanosPerOp, ours)
        .beside([
            Contestant::new("tokio Mutex", |load| {
                // A cooperative task would be told to wait after 128 polls.
                runtimes::tokio(tokio::task::unconstrained(timed::<TokioMutex>(load)))
            }),
            Contestant::new("tokio Semaphore", |load| {
                runtimes::tokio(tokio::task::unconstrained(timed::<TokioSemaphore>(load)))
            }),
            Contestant::new("async-lock", |load| Ok(block_on(timed::<SmolMutex>(load)))),
            Contestant::new("async-unsync", |load| {
                Ok(block_on(timed::<UnsyncSemaphore>(load)))
            }),
            Contestant::new("local-sync", |load| {
                Ok(block_on(timed::<LocalSemaphore>(load)))
            }),
            Contestant::new("futures Mutex", |load| {
                Ok(block_on(timed::<FuturesMutex>(load)))
            }),
        ])
        .aims([Aim::OfFastest(1.0)])
        .note(
            "Somebody holds, and 100 000 futures of one task wait; one of them after the other, at random, is dropped \
             and another joins at the end. An operation is both. The places of the futures are not allocated anew.",
        );
    vec![row]
}

/// A tenth to warm up, then with the clock running.
async fn timed<L: Lock + Default>(load: Load) -> f64 {
    let lock = L::default();
    let _held = lock.enter().await;
    poll_fn(|cx| {
        let mut join = |place: &mut Pinned<_>| {
            assert!(place.put(lock.enter()).poll(cx).is_pending());
        };
        let mut line: Vec<_> = (0..WAITING).map(|_| Pinned::default()).collect();
        line.iter_mut().for_each(&mut join);
        let mut random = Random::default();
        let mut work = |times| {
            for _ in 0..times {
                let place = &mut line[(random.number() % WAITING) as usize];
                black_box(&mut *place).clear();
                join(place);
            }
        };
        let times = load.ops(TIMES);
        work(times / 10);
        let start = Instant::now();
        work(times);
        Poll::Ready(nanos_per_op(start, times))
    })
    .await
}
