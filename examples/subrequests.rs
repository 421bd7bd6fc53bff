//! Requests inside requests, as in chapter 4 of the tevent tutorial: in which order they begin, end and are received.
//!
//! A wakeup starts the cascade: `a` needs `b`, `b` needs `c`. Each begins inside the one above it and ends before it.
//! Three scenes: all goes well; the innermost fails; the outermost has a deadline that comes too early. The clock is a
//! virtual one, so nobody waits. Run it: `cargo run --example subrequests`

use std::io;
use std::time::Duration;

use tevent::request::{State, wakeup};
use tevent::{Context, Handle, Request, RequestError, RequestExt, VirtualClock, sleep};

/// How long the innermost request takes.
const WORK: Duration = Duration::from_secs(2);

/// Says how a request ends, and that its result is received: both before the request above goes on.
fn told(name: &'static str) -> impl FnMut(State) {
    move |state| println!("{name}: {state:?}")
}

fn c_send(goes_well: bool) -> Request<u32, String> {
    println!("c_send");
    let work = async move {
        sleep(WORK).await;
        goes_well.then_some(1).ok_or("no luck".to_owned())
    };
    work.request("c").on_cleanup(told("c")).boxed()
}

fn b_send(goes_well: bool) -> Request<u32, String> {
    println!("b_send");
    let c = c_send(goes_well); // belongs to the work of `b`: ends with it, at the latest
    let work = Request::new("b", |_| async {
        let value = c.await?;
        println!("b goes on with {value}");
        Ok(value + 1)
    });
    work.on_cleanup(told("b")).boxed()
}

fn a_send(goes_well: bool) -> Request<u32, String> {
    println!("a_send");
    let b = b_send(goes_well);
    let work = Request::new("a", |_| async {
        let value = b.await?;
        println!("a goes on with {value}");
        Ok(value + 1)
    });
    work.on_cleanup(told("a")).boxed()
}

/// What starts the whole cascade, after a second, and receives what comes of it.
async fn wrapper(goes_well: bool, limit: Duration) -> Result<u32, RequestError<String>> {
    let started = wakeup(Handle::current().now() + Duration::from_secs(1)).await;
    started.map_err(|error| error.map(|never| match never {}))?;
    a_send(goes_well).timeout(limit).await
}

fn main() -> io::Result<()> {
    let context = Context::builder()
        .virtual_clock(&VirtualClock::new())
        .build()?;
    for (scene, goes_well, limit) in [
        ("all goes well:", true, WORK * 2),
        ("the innermost fails:", false, WORK * 2),
        ("the outermost times out:", true, WORK / 2),
    ] {
        println!("{scene}");
        let received = context.block_on(wrapper(goes_well, limit));
        println!("received: {received:?}");
    }
    println!("Quit");
    Ok(())
}
