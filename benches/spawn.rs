//! Spawning tasks and waiting for them: many at a time, and one after another.

use std::hint::black_box;
use std::time::Instant;

use crate::arrivals::{all_have_arrived, arrive, expect};
use crate::row::{Aim, Contestant, Load, Row, Unit, nanos_per_op};
use crate::runtimes;

/// Tasks that live at the same time.
const MANY: u64 = 1_000_000;

/// Tasks that nobody awaits, and how many of them at a time.
const DETACHED: u64 = 2_000_000;
const BATCH: u64 = 1_000;

/// Tasks one after another.
const ONE_BY_ONE: u64 = 2_000_000;

pub(crate) fn rows() -> Vec<Row> {
    vec![many(), detached(), one_by_one()]
}

fn many() -> Row {
    live_tasks("spawn + join, 1 M live tasks", MANY)
    .aims([Aim::OfFastest(1.0), Aim::Of("tokio", 0.4)])
    .note(
        "All are spawned before the first is polled; the memory of a first, uncounted batch is warm. monoio \
         catches no panics of tasks.",
    )
}

/// A row in which so many tasks live at the same time.
pub(crate) fn live_tasks(name: impl Into<String>, tasks: u64) -> Row {
    Row::new(
        name,
        Unit::NanosPerOp,
        Contestant::new("tevent", move |_| {
            runtimes::tevent(batch(tasks, tevent::spawn, task))
        }),
    )
    .beside([
        Contestant::new("tokio", move |_| {
            runtimes::tokio(batch(tasks, tokio::spawn, task))
        }),
        Contestant::new("monoio", move |_| {
            runtimes::monoio(batch(tasks, monoio::spawn, task))
        }),
        Contestant::new("smol static", move |_| {
            runtimes::smol(|executor| batch(tasks, |future| executor.spawn(future), task))
        }),
        Contestant::new("smol local", move |_| {
            runtimes::smol_local(|executor| {
                batch(tasks, move |future| executor.spawn(future), task)
            })
        }),
        Contestant::new("futures", move |_| {
            runtimes::futures(|pool| {
                let spawn = move |future| pool.spawn(future);
                batch(tasks, spawn, task)
            })
        }),
    ])
}

fn detached() -> Row {
    let times = |load: Load| load.ops(DETACHED);
    Row::new(
        "spawn detached",
        Unit::NanosPerOp,
        Contestant::new("tevent", move |load| {
            let spawn = |index| tevent::spawn(unawaited(index)).detach();
            runtimes::tevent(forgotten(times(load), spawn))
        }),
    )
    .beside([
        Contestant::new("tokio", move |load| {
            let spawn = |index| drop(tokio::spawn(unawaited(index)));
            runtimes::tokio(forgotten(times(load), spawn))
        }),
        Contestant::new("monoio", move |load| {
            let spawn = |index| drop(monoio::spawn(unawaited(index)));
            runtimes::monoio(forgotten(times(load), spawn))
        }),
        Contestant::new("smol static", move |load| {
            runtimes::smol(|executor| {
                let spawn = |index| executor.spawn(unawaited(index)).detach();
                forgotten(times(load), spawn)
            })
        }),
        Contestant::new("futures", move |load| {
            runtimes::futures(|pool| {
                forgotten(times(load), move |index| pool.spawn(unawaited(index)).forget())
            })
        }),
    ])
    .aims([Aim::OfFastest(1.0), Aim::Of("tokio", 0.4)])
    .note(
        "Tasks that nobody awaits, a thousand at a time: the next are spawned when the last of them has run. monoio \
         catches no panics of tasks.",
    )
}

fn one_by_one() -> Row {
    let times = |load: Load| load.ops(ONE_BY_ONE);
    Row::new(
        "spawn + await, one at a time",
        Unit::NanosPerOp,
        Contestant::new("tevent", move |load| {
            runtimes::tevent(
                async move { tevent::spawn(chain(times(load), tevent::spawn, task)).await },
            )
        }),
    )
    .beside([
        Contestant::new("tokio", move |load| {
            let ended = runtimes::tokio(async move {
                tokio::spawn(chain(times(load), tokio::spawn, task)).await
            });
            Ok(ended??)
        }),
        Contestant::new("monoio", move |load| {
            runtimes::monoio(
                async move { monoio::spawn(chain(times(load), monoio::spawn, task)).await },
            )
        }),
        Contestant::new("smol static", move |load| {
            runtimes::smol(|executor| {
                executor.spawn(chain(times(load), |future| executor.spawn(future), task))
            })
        }),
        Contestant::new("futures", move |load| {
            runtimes::futures(|pool| {
                let inner = pool.clone();
                let spawn = move |future| inner.spawn(future);
                pool.spawn(chain(times(load), spawn, task))
            })
        }),
    ])
    .aims([Aim::Of("tokio", 0.5)])
    .note("From inside a task: the next is spawned when the one before has been awaited.")
}

/// Spawns so many tasks and then awaits them, in the same order.
pub(crate) async fn spawn_and_join<H: Future>(tasks: u64, spawn: impl Fn(u64) -> H) {
    let mut handles = Vec::with_capacity(tasks as usize);
    for index in 0..tasks {
        handles.push(spawn(index));
    }
    for handle in handles {
        black_box(handle.await);
    }
}

/// So many at a time, until a million have been: once for a million.
async fn batch<F, H: Future>(tasks: u64, spawn: impl Fn(F) -> H, make: impl Fn(u64) -> F) -> f64 {
    let round = async || spawn_and_join(tasks, |index| spawn(make(index))).await;
    round().await;
    let (start, rounds) = (Instant::now(), (MANY / tasks).max(1));
    for _ in 0..rounds {
        round().await;
    }
    nanos_per_op(start, rounds * tasks)
}

async fn chain<F, H: Future>(times: u64, spawn: impl Fn(F) -> H, make: impl Fn(u64) -> F) -> f64 {
    for index in 0..times / 10 {
        black_box(spawn(make(index)).await);
    }
    let start = Instant::now();
    for index in 0..times {
        black_box(spawn(make(index)).await);
    }
    nanos_per_op(start, times)
}

/// So many that nobody awaits: a tenth to warm up, then with the clock running.
async fn forgotten(times: u64, spawn: impl Fn(u64)) -> f64 {
    let batch = async || {
        expect(BATCH);
        (0..BATCH).for_each(&spawn);
        all_have_arrived().await;
    };
    let batches = times / BATCH;
    for _ in 0..batches / 10 {
        batch().await;
    }
    let start = Instant::now();
    for _ in 0..batches {
        batch().await;
    }
    nanos_per_op(start, batches * BATCH)
}

async fn unawaited(index: u64) {
    black_box(index);
    arrive();
}

async fn task(index: u64) -> u64 {
    black_box(index)
}
