//! Four requests in one queue, as in chapter 5 of the tevent tutorial: each is processed when the one before has left.
//!
//! Every third request is done at once, the others take a while. Run it: `cargo run --example queue`

use std::io;
use std::time::Duration;

use tevent::{Context, TeventQueue, sleep};

const REQUESTS: u32 = 4;

/// How long a request takes that is not done at once.
const WORK: Duration = Duration::from_millis(300);

/// What the loop does when it is the request's turn.
async fn process(number: u32) {
    println!("Processing request #{number}");
    if !number.is_multiple_of(3) {
        sleep(WORK).await;
        println!("time_handler");
    }
    println!("Callback is done...");
    println!("Request #{number} set as done.");
}

fn main() -> io::Result<()> {
    println!("INIT");
    let context = Context::new()?;
    let queue = TeventQueue::new("test_queue");
    queue.stop();
    queue.start();
    let state = if queue.is_running() {
        "running"
    } else {
        "not running"
    };
    println!("Queue is {state} (length: {})", queue.len());

    for number in 1..=REQUESTS {
        println!("foo_send");
        // The place in the line is taken here; the loop does the work when its turn has come.
        queue.add_on(&context.handle(), process(number)).detach();
    }

    println!("Queue length: {}", queue.len());
    while !queue.is_empty() {
        let before = queue.len();
        context.turn(None)?;
        if queue.len() < before {
            println!("Queue: {} items left", queue.len());
        }
    }
    println!("FINISH");
    Ok(())
}
