//! Immediates, as in chapter 2 of the tevent tutorial: handlers that are called as soon as the loop comes to it.
//!
//! The first one is the tutorial's. The others show the order: first scheduled, first called; one that is scheduled
//! again goes to the end; one that schedules itself is called behind those that were there before; a timer that is due
//! comes after all of them. Run it: `cargo run --example immediate`

use std::io;

use tevent::{Context, Immediate};

fn main() -> io::Result<()> {
    println!("INIT");
    let context = Context::new()?;
    let handle = context.handle();

    let counter = 1;
    handle.immediate(move |_| println!("Data value: {counter}"));
    context.run()?; // until nothing is scheduled

    handle
        .timer(handle.now(), |_, _| println!("a timer that was due"))
        .detach();
    let names = ["first", "second", "third", "fourth"];
    let several = names.map(|name| Immediate::new(&handle, move |_| println!("{name}")));
    for immediate in &several {
        immediate.schedule();
    }
    several[0].schedule(); // once more: behind the fourth
    several[2].cancel();

    let mut left = 2;
    let again = Immediate::new(&handle, move |this| {
        println!("again: {left} left");
        left -= 1;
        if left > 0 {
            this.schedule();
        }
    });
    again.schedule();
    handle.immediate(|_| println!("last"));
    context.run()?;
    println!("FINISH");
    Ok(())
}
