//! Events across threads, after the manual page of `iv_event`: a recipient, and posters in other threads.
//!
//! Each worker puts its results into a list that it shares with the loop, and posts: the handler takes all that is
//! there. A second event is posted by the handler itself, and ends both: inside a handler any event may be ended, its
//! own included. Run it: `cargo run --example iv_event`

use std::cell::RefCell;
use std::io;
use std::mem;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tevent::Context;
use tevent::thread::{Event, EventPoster, Posted};

const WORKERS: u32 = 3;
const RESULTS: u32 = 4;

type List = Arc<Mutex<Vec<u32>>>;

fn main() -> io::Result<()> {
    let context = Context::new()?;
    let (list, both) = (List::default(), Rc::new(RefCell::new(Vec::new())));

    let events = Rc::clone(&both);
    let end = Event::new(&context.handle(), move |_| {
        let ended = events.take().len(); // both of them, this one as well
        println!("{ended} events are ended");
    })?;
    let (found, last, mut sums) = (Arc::clone(&list), end.poster(), Vec::new());
    let results = Event::new(&context.handle(), move |_| {
        let new = take(&found);
        if new.is_empty() {
            return; // the call before has taken what this one is about
        }
        sums.extend(new);
        if sums.len() as u32 == WORKERS * RESULTS {
            println!(
                "all {} results came, their sum is {}",
                sums.len(),
                sums.iter().sum::<u32>()
            );
            let _ = last.post();
        }
    })?;

    let poster = results.poster();
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| start(worker, &list, &poster))
        .collect();
    both.borrow_mut().extend([results, end]);
    context.run()?; // ends when no event is left

    for worker in workers {
        worker.join().expect("a worker of ours does not panic");
    }
    println!("a post after the end: {:?}", poster.post());
    Ok(())
}

/// A thread without a loop: publishes first, posts then.
fn start(worker: u32, list: &List, poster: &EventPoster) -> thread::JoinHandle<()> {
    let (list, poster) = (Arc::clone(list), poster.clone());
    thread::spawn(move || {
        for result in 0..RESULTS {
            let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
            list.push(worker * RESULTS + result);
            drop(list);
            if poster.post() == Posted::Closed {
                return; // nobody looks any more
            }
        }
    })
}

fn take(list: &List) -> Vec<u32> {
    mem::take(&mut *list.lock().unwrap_or_else(PoisonError::into_inner))
}
