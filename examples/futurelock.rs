//! The futurelock of Oxide's RFD 609: a turn that is granted to a future which its task no longer polls.
//!
//! A `select!` waits for a turn and for a timer. The timer comes first, and its branch wants a turn of the same queue:
//! it is behind the first future in the line, and that one is not polled while the branch runs. With guards the program
//! hangs, and the queue says why, with both lines. With driven entries it simply works: the loop does the work, polled
//! or not. Run it: `cargo run --example futurelock`

use std::io;
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use tevent::queue::Policy;
use tevent::{Context, QueueError, TeventQueue, TeventQueueExt, sleep, spawn, timeout, yield_now};

const TICK: Duration = Duration::from_millis(10);

/// Somebody else, who has the turn when the story begins.
async fn holds_for_a_while(queue: TeventQueue) -> Result<(), QueueError> {
    let _turn = queue.entry().await?;
    sleep(5 * TICK).await;
    Ok(())
}

async fn with_guards(queue: TeventQueue) -> Result<&'static str, QueueError> {
    let first = pin!(async {
        let _turn = queue.entry().await?; // granted, and nobody looks
        Ok("the work")
    });
    match select(first, pin!(sleep(TICK))).await {
        Either::Left((done, _)) => done,
        Either::Right(((), _still_in_line)) => {
            let _turn = queue.entry().await?; // waits for ever
            Ok("the other branch")
        }
    }
}

async fn driven(queue: TeventQueue) -> Result<&'static str, QueueError> {
    let first = pin!(queue.add(async { "the work" }));
    match select(first, pin!(sleep(TICK))).await {
        Either::Left((done, _)) => done,
        Either::Right(((), _still_in_line)) => queue.add(async { "the other branch" }).await,
    }
}

fn main() -> io::Result<()> {
    let context = Context::new()?;
    context.block_on(async {
        let policy = Policy::call(|finding| println!("with guards: the queue reports: {finding}"));
        let queue = TeventQueue::builder("database").detector(policy).build();
        let holder = spawn(holds_for_a_while(queue.clone()));
        yield_now().await;
        let story = spawn(with_guards(queue)).named("story");
        match timeout(20 * TICK, story).await {
            Ok(end) => println!("with guards: {end:?}"),
            Err(_elapsed) => println!("with guards: still hanging, given up"),
        }
        let _ = holder.await;

        let queue = TeventQueue::new("database");
        let holder = spawn(holds_for_a_while(queue.clone()));
        yield_now().await;
        match timeout(20 * TICK, spawn(driven(queue))).await {
            Ok(end) => println!("driven: {end:?}"),
            Err(_elapsed) => println!("driven: hanging"),
        }
        let _ = holder.await;
    });
    Ok(())
}
