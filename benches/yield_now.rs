//! Giving way: what one switch between ready tasks costs.

use std::hint::black_box;
use std::time::Instant;

use crate::row::{Aim, Contestant, Load, Row, Unit, nanos_per_op};
use crate::runtimes::{self, Yield};
use crate::spawn::spawn_and_join;

/// Switches per measurement, over all tasks.
const SWITCHES: u64 = 4_000_000;

pub(crate) fn rows() -> Vec<Row> {
    [(1, "yield, 1 task"), (1000, "yield, 1000 tasks")]
        .map(|(tasks, name)| row(tasks, name))
        .into()
}

fn row(tasks: u64, name: &str) -> Row {
    let run = move |load: Load| Round {
        tasks,
        yields: load.ops(SWITCHES) / tasks,
    };
    Row::new(
        name,
        Unit::NanosPerOp,
        Contestant::new("tevent", move |load| {
            runtimes::tevent(run(load).timed(wake_itself, tevent::spawn))
        }),
    )
    .beside([
        Contestant::new("tokio", move |load| {
            runtimes::tokio(run(load).timed(wake_itself, tokio::spawn))
        }),
        Contestant::new("tokio yield_now", move |load| {
            runtimes::tokio(run(load).timed(tokio_yield, tokio::spawn))
        }),
        Contestant::new("monoio", move |load| {
            runtimes::monoio(run(load).timed(wake_itself, monoio::spawn))
        }),
        Contestant::new("smol", move |load| {
            runtimes::smol(|executor| {
                run(load).timed(wake_itself, |future| executor.spawn(future))
            })
        }),
        Contestant::new("futures", move |load| {
            runtimes::futures(|pool| {
                run(load).timed(wake_itself, move |future| pool.spawn(future))
            })
        }),
    ])
    .aims([Aim::OfFastest(0.4)])
    .note(
        "Every task wakes itself and stays pending, by the same future on every executor. `tokio yield_now` is \
         tokio's own function, which also polls the descriptors once per round. monoio polls a task that woke \
         itself again at once, before all others: it does not switch tasks here.",
    )
}

/// So many tasks, each of which gives way so often.
#[derive(Clone, Copy)]
struct Round {
    tasks: u64,
    yields: u64,
}

impl Round {
    async fn timed<F: Future, H: Future>(
        self,
        give_way: impl Fn(u64) -> F,
        spawn: impl Fn(F) -> H,
    ) -> f64 {
        spawn_and_join(self.tasks, |_| spawn(give_way(self.yields / 10))).await;
        let start = Instant::now();
        spawn_and_join(self.tasks, |_| spawn(give_way(self.yields))).await;
        nanos_per_op(start, self.tasks * self.yields)
    }
}

async fn wake_itself(times: u64) {
    for time in 0..times {
        Yield::default().await;
        black_box(time);
    }
}

async fn tokio_yield(times: u64) {
    for time in 0..times {
        tokio::task::yield_now().await;
        black_box(time);
    }
}
