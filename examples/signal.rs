//! A signal that ends the program, as in chapter 2 of the tevent tutorial: the handler is called by the loop.
//!
//! Run it: `cargo run --example signal`, then press Ctrl-C.

use std::io;
use std::process;
use std::time::Duration;

use tevent::{Context, SignalKind, interval};

fn main() -> io::Result<()> {
    let context = Context::new()?;
    let handle = context.handle();
    // Kept until the loop has ended: dropped, it would listen no more.
    let interrupt = handle.signal(SignalKind::INTERRUPT, |handle, delivery| {
        println!("handling signal...");
        println!("{} came, {} in number", delivery.kind, delivery.count);
        handle.stop(); // `run` returns, and `main` ends as it should; nothing is torn off
    })?;
    // The rest of the program goes on; a signal interrupts none of it.
    let work = context.spawn(async {
        let mut seconds = interval(Duration::from_secs(1));
        loop {
            seconds.tick().await;
        }
    });
    println!("ready: press Ctrl-C, or `kill -INT {}`", process::id());
    context.run()?;
    drop((interrupt, work)); // what was installed for the signal before is back
    println!("FINISH");
    Ok(())
}
