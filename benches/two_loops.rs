//! Two loops on two cores: whether they get into each other's way.

use std::io;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use tevent::{TeventQueue, spawn, yield_now};

use crate::cores::Cores;
use crate::row::{Aim, Contestant, Load, Row, Unit, kilo_ops_per_second};
use crate::runtimes;

const TASKS: u64 = 100;
const TURNS: u64 = 4_000_000;

pub(crate) fn rows() -> Vec<Row> {
    let loops = |count: usize| move |load: Load| hand_over(count, load.ops(TURNS) / TASKS);
    let row = Row::new(
        "hand-offs, two contexts on two cores",
        Unit::KiloOpsPerSecond,
        Contestant::new("two contexts", loops(2)),
    );
    vec![
        row.beside([Contestant::new("one context", loops(1))])
            .aims([Aim::Of("one context", 1.9)])
            .note(
                "100 tasks hand one turn around, on each context by itself, each context pinned to a core; the sum of \
                 both beside one alone.",
            ),
    ]
}

/// The turns of all loops, per second.
fn hand_over(loops: usize, turns: u64) -> io::Result<f64> {
    let (cores, start) = (Arc::new(Cores::allowed()?), Arc::new(Barrier::new(loops)));
    let threads: Vec<_> = (0..loops)
        .map(|nth| {
            let (cores, start) = (Arc::clone(&cores), Arc::clone(&start));
            thread::spawn(move || -> io::Result<Duration> {
                cores.pin(nth)?;
                runtimes::tevent(round(turns.div_ceil(10)))?;
                start.wait();
                let begin = Instant::now();
                runtimes::tevent(round(turns))?;
                Ok(begin.elapsed())
            })
        })
        .collect();
    let mut sum = 0.0;
    for thread in threads {
        let took = thread.join().expect("a loop of ours does not panic")?;
        sum += kilo_ops_per_second(turns * TASKS, took);
    }
    Ok(sum)
}

/// All tasks join the line; each enters, gives way once, leaves, and joins again.
async fn round(turns: u64) {
    let queue = TeventQueue::new("bench");
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let queue = queue.clone();
            spawn(async move {
                for _ in 0..turns {
                    let turn = queue.entry().await.expect("the queue is open");
                    yield_now().await;
                    drop(turn);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await;
    }
}
