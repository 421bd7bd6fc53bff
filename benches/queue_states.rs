//! A queue that is stopped and started, and one who is in and goes back to the head of the line.

use std::hint::black_box;
use std::time::Instant;

use tevent::TeventQueue;

use crate::c_peers;
use crate::row::{Aim, Contestant, Load, Row, Unit, nanos_per_op};
use crate::runtimes;

const TIMES: u64 = 4_000_000;

/// C tevent is asked for less, as it takes longer.
const TIMES_IN_C: u64 = TIMES / 4;

const C_TEVENT: &str = "C tevent";

pub(crate) fn rows() -> Vec<Row> {
    let stop = Contestant::new("tevent", |load| {
        runtimes::tevent(timed(load, async |times| stop_and_start(times).await))
    });
    let untrigger = Contestant::new("tevent", |load| {
        runtimes::tevent(timed(load, async |times| go_back(times).await))
    });
    vec![
        row("queue stop + start", "stop", stop, 0.33).note(
            "A queue is stopped, one joins, it is started, and the one gets in and leaves. C tevent makes a request \
             for the entry, and a turn of its loop lets it in.",
        ),
        row("queue untrigger", "untrigger", untrigger, 1.0).note(
            "One who is in stops the queue, goes back to the head of the line, starts the queue, and gets in again. C \
             tevent lets it in by a turn of its loop.",
        ),
    ]
}

fn row(name: &str, work: &'static str, ours: Contestant, of_c_tevent: f64) -> Row {
    let arguments = move |load: Load| vec![work.to_owned(), load.ops(TIMES_IN_C).to_string()];
    Row::new(name, Unit::NanosPerOp, ours)
        .beside([c_peers::peer(C_TEVENT, "queue_tevent", arguments)])
        .aims([Aim::Of(C_TEVENT, of_c_tevent)])
}

/// A tenth to warm up, then with the clock running.
async fn timed(load: Load, work: impl AsyncFn(u64)) -> f64 {
    let times = load.ops(TIMES);
    work(times / 10).await;
    let start = Instant::now();
    work(times).await;
    nanos_per_op(start, times)
}

async fn stop_and_start(times: u64) {
    let queue = TeventQueue::new("bench");
    for _ in 0..times {
        queue.stop();
        let entry = queue.entry();
        queue.start();
        drop(black_box(entry.await));
    }
}

async fn go_back(times: u64) {
    let queue = TeventQueue::new("bench");
    let mut guard = queue.entry().await.expect("the queue is open");
    for _ in 0..times {
        queue.stop();
        let entry = guard.untrigger().expect("the queue is stopped");
        queue.start();
        guard = entry.await.expect("the queue is open");
    }
}
