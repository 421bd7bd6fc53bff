//! One queue for the tasks of a runtime with many threads: `SyncTeventQueue` on tokio.
//!
//! Eight workers draw numbered tickets at a counter; the counter serves one at a time, in the order of the places they
//! took, whatever thread they run on. Run it: `cargo run --example shared_queue`

use std::sync::{Arc, Mutex};

use tevent::SyncTeventQueue;

const WORKERS: u64 = 8;
const TICKETS: usize = 5;

#[tokio::main(flavor = "multi_thread", worker_threads = 4)]
async fn main() {
    let counter = SyncTeventQueue::shared("counter");
    let served = Arc::new(Mutex::new(Vec::new()));
    // Nobody is served before all have taken their first place.
    let opening = counter.block();

    let mut workers = Vec::new();
    for worker in 1..=WORKERS {
        let first = counter.entry().tagged(worker);
        let (counter, served) = (counter.clone(), served.clone());
        workers.push(tokio::spawn(async move {
            let mut entry = first;
            for _ in 0..TICKETS {
                let turn = entry.await.expect("the counter is open");
                served.lock().expect("nobody panics").push(turn.tag());
                // The next place is taken during the turn: behind all others, before the turn ends.
                entry = counter.entry().tagged(worker);
                tokio::task::yield_now().await;
                drop(turn);
            }
        }));
    }
    println!("{counter:#?}");
    drop(opening);
    for worker in workers {
        worker.await.expect("no worker panics");
    }

    let served = served.lock().expect("nobody panics");
    for round in served.chunks(WORKERS as usize) {
        println!("served: {round:?}");
    }
    let stats = counter.stats();
    println!(
        "{} turns, at most {} in line",
        stats.grants, stats.high_water
    );
    let expected: Vec<u64> = (0..TICKETS).flat_map(|_| 1..=WORKERS).collect();
    assert_eq!(*served, expected, "in the order of the places");
}
