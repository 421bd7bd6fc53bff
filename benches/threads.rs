//! One at a time across threads: tasks of a runtime with two threads at one gate.

use std::future::Future;
use std::hint::black_box;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use tevent::SyncTeventQueue;

use crate::row::{Aim, Contestant, Load, Row, Unit, nanos_per_op};
use crate::runtimes;

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row("gate of threads, one task", Contest { tasks: 1, turns: 2_000_000, yields: false }).note(
            "One task enters and leaves, again and again, on a runtime with two threads.",
        ),
        row("gate of threads, 2 tasks", Contest { tasks: 2, turns: 400_000, yields: false }).note(
            "Two tasks on two threads enter and leave; an operation is both. It is not the same work: async-lock lets \
             in who comes first, not who waits first, and tokio's budget refuses a task that has done much a place, so \
             with both one task goes on for thousands of turns; with ours the two alternate once they have met.",
        ),
        row("gate of threads, 2 tasks that give way", Contest { tasks: 2, turns: 400_000, yields: true }).note(
            "Each of the two gives way once while it holds, so that the other one waits: all hand over.",
        ),
        row("gate of threads, 64 tasks", Contest { tasks: 64, turns: 400_000, yields: true }).note(
            "64 tasks on two threads; each gives way once while it holds.",
        ),
    ]
}

/// How many tasks share how many turns.
#[derive(Clone, Copy)]
struct Contest {
    tasks: u64,
    turns: u64,
    yields: bool,
}

fn row(name: &str, contest: Contest) -> Row {
    let ours = Contestant::new("tevent", move |load| {
        let queue = SyncTeventQueue::shared("bench");
        contest.run(load, move || queue.entry())
    });
    Row::new(name, Unit::NanosPerOp, ours)
        .beside([
            Contestant::new("tokio Mutex", move |load| {
                let lock = Arc::new(tokio::sync::Mutex::new(()));
                contest.run(load, move || lock.clone().lock_owned())
            }),
            Contestant::new("async-lock", move |load| {
                let lock = Arc::new(async_lock::Mutex::new(()));
                contest.run(load, move || {
                    let lock = lock.clone();
                    async move { lock.lock_arc().await }
                })
            }),
        ])
        .aims([Aim::Of("tokio Mutex", 1.0)])
        .on_all_cores()
}

impl Contest {
    fn run<E, G>(
        self,
        load: Load,
        enter: impl Fn() -> E + Clone + Send + Sync + 'static,
    ) -> io::Result<f64>
    where
        E: Future<Output = G> + Send + 'static,
        G: Send + 'static,
    {
        let turns = load.ops(self.turns) / self.tasks;
        runtimes::tokio_threads(async move {
            self.round(turns.div_ceil(10), &enter).await;
            let start = Instant::now();
            self.round(turns, &enter).await;
            nanos_per_op(start, turns * self.tasks)
        })
    }

    async fn round<E, G>(self, turns: u64, enter: &(impl Fn() -> E + Clone + Send + Sync + 'static))
    where
        E: Future<Output = G> + Send + 'static,
        G: Send + 'static,
    {
        let task = || {
            let enter = enter.clone();
            tokio::spawn(async move {
                for _ in 0..turns {
                    let guard = black_box(enter().await);
                    if self.yields {
                        tokio::task::yield_now().await;
                    }
                    drop(guard);
                }
            })
        };
        let tasks: Vec<_> = (0..self.tasks).map(|_| task()).collect();
        for task in tasks {
            task.await.expect("a task of ours does not panic");
        }
    }
}
