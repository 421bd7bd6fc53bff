//! A message around a ring of tasks: each waits for the one before it.

use std::time::Instant;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::row::{Aim, Contestant, Load, Row, Unit, nanos_per_op};
use crate::runtimes;

const TASKS: u64 = 1000;

const HOPS: u64 = 2_000_000;

pub(crate) fn rows() -> Vec<Row> {
    let times = |load: Load| load.ops(HOPS) / TASKS;
    let ours = Contestant::new("tevent", move |load| {
        runtimes::tevent(ring(times(load), tevent::spawn, pass_on))
    });
    let row = Row::new("ring of 1000 tasks", Unit::NanosPerOp, ours)
        .beside([
            Contestant::new("tokio", move |load| {
                runtimes::tokio(ring(times(load), tokio::spawn, pass_on))
            }),
            Contestant::new("monoio", move |load| {
                runtimes::monoio(ring(times(load), monoio::spawn, pass_on))
            }),
            Contestant::new("smol", move |load| {
                runtimes::smol(|executor| ring(times(load), |task| executor.spawn(task), pass_on))
            }),
            Contestant::new("futures", move |load| {
                runtimes::futures(|pool| ring(times(load), move |task| pool.spawn(task), pass_on))
            }),
        ])
        .aims([Aim::Of("tokio", 1.0)])
        .note(
            "One message goes from task to task by channels of one place: a receive, a send and a switch each. The \
             channels are tokio's, for all.",
        );
    vec![row]
}

/// So many rounds: a tenth to warm up, then with the clock running.
async fn ring<F, H: Future>(
    rounds: u64,
    spawn: impl Fn(F) -> H,
    pass: impl Fn(End, Beginning) -> F,
) -> f64 {
    let (to_first, mut last) = channel(1);
    let mut handles = Vec::new();
    for _ in 0..TASKS {
        let (to_next, next) = channel(1);
        handles.push(spawn(pass(std::mem::replace(&mut last, next), to_next)));
    }
    let mut round = async || {
        to_first.send(()).await.ok();
        last.recv().await
    };
    for _ in 0..rounds.div_ceil(10) {
        round().await;
    }
    let start = Instant::now();
    for _ in 0..rounds {
        round().await;
    }
    let figure = nanos_per_op(start, rounds * TASKS);
    // The ring ends from the first task to the last.
    drop(to_first);
    for task in handles {
        task.await;
    }
    figure
}

type End = Receiver<()>;
type Beginning = Sender<()>;

/// A task of the ring: until the one before it is gone.
async fn pass_on(mut before: End, after: Beginning) {
    while before.recv().await.is_some() {
        after.send(()).await.ok();
    }
}
