//! One queue for several loops: work of three threads, strictly one after another, each on its own loop.
//!
//! Three loops on three threads share a `SyncTeventQueue`. Places in it are given out in turn; each is awaited where it
//! belongs, so the work runs on its own loop, with things of that thread that never leave it, but in the order of the
//! places across all of them. Run it: `cargo run --example loops_queue`

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tevent::queue::Threads;
use tevent::{Context, QueueEntry, SyncTeventQueue, sleep};

const LOOPS: [&str; 3] = ["red", "green", "blue"];
const ROUNDS: u64 = 3;

/// What was done, in order: the place in the queue, and on which loop.
type Log = Arc<Mutex<Vec<(u64, &'static str)>>>;

fn main() -> io::Result<()> {
    let queue = SyncTeventQueue::shared("printer");
    let log = Log::default();
    // Nobody is served before all have their places.
    let opening = queue.block();
    let mut places: [Vec<QueueEntry<Threads>>; LOOPS.len()] = Default::default();
    for number in 0..ROUNDS * LOOPS.len() as u64 {
        let place = queue.entry().tagged(number);
        places[number as usize % LOOPS.len()].push(place);
    }
    let loops: Vec<_> = LOOPS
        .into_iter()
        .zip(places)
        .map(|(name, places)| {
            let log = Arc::clone(&log);
            thread::spawn(move || serve(name, places, &log))
        })
        .collect();
    println!("{queue:#?}");
    drop(opening);
    for served in loops {
        served.join().expect("no loop panics")?;
    }
    report(&log);
    Ok(())
}

/// A loop that awaits its places, each in a task of its own.
fn serve(name: &'static str, places: Vec<QueueEntry<Threads>>, log: &Log) -> io::Result<()> {
    let context = Context::new()?;
    // Not `Send`: it belongs to this loop, and all that works with it stays here.
    let own = Rc::new(RefCell::new(0));
    for place in places {
        let (own, log) = (Rc::clone(&own), Arc::clone(log));
        context
            .spawn(async move {
                let turn = place.await.expect("the queue is open");
                sleep(Duration::from_micros(100)).await; // others would overtake here
                *own.borrow_mut() += 1;
                log.lock().expect("nobody panics").push((turn.tag(), name));
            })
            .detach();
    }
    context.run()
}

fn report(log: &Log) {
    let log = log.lock().expect("nobody panics");
    for (place, name) in log.iter() {
        println!("{place}: {name}");
    }
    let places: Vec<u64> = log.iter().map(|(place, _)| *place).collect();
    let expected: Vec<u64> = (0..ROUNDS * LOOPS.len() as u64).collect();
    assert_eq!(places, expected, "in the order of the places");
}
