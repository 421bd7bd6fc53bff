//! Several contexts, each with events of its own, as in chapter 1 of the tevent tutorial: a loop notices its own only.
//!
//! One context has a descriptor, one has timers, one has the rest. Something is due in each of them all the time, and
//! yet it happens only when that context's loop is run: once by `turn`, or to the end by `run`.
//! Run it: `cargo run --example context`

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use tevent::{Context, FdEvent, FdFlags};

/// A context with a socket that has something to read.
fn with_descriptor() -> io::Result<(Context, FdEvent<UnixStream>)> {
    let context = Context::new()?;
    let (near, mut far) = UnixStream::pair()?;
    far.write_all(b"hello")?;
    let event = context.handle().fd(near, FdFlags::READ, |this, _| {
        let mut text = String::new();
        match this.get_ref().read_to_string(&mut text) {
            Ok(_) => println!("  the socket says {text:?}"),
            Err(error) => println!("  cannot read: {error}"),
        }
        this.set_flags(FdFlags::EMPTY);
    })?;
    Ok((context, event))
}

/// A context with two timers, one of which is due.
fn with_timers() -> io::Result<Context> {
    let context = Context::new()?;
    let handle = context.handle();
    let now = handle.now();
    handle
        .timer(now, |_, _| println!("  the first timer"))
        .detach();
    let later = now + Duration::from_millis(20);
    handle
        .timer(later, |_, _| println!("  the second timer"))
        .detach();
    Ok(context)
}

/// A context with an immediate and a task.
fn with_the_rest() -> io::Result<Context> {
    let context = Context::new()?;
    context.handle().immediate(|_| println!("  an immediate"));
    context.spawn(async { println!("  a task") }).detach();
    Ok(context)
}

fn main() -> io::Result<()> {
    let (files, event) = with_descriptor()?;
    let times = with_timers()?;
    let rest = with_the_rest()?;

    println!("one turn for the timers:");
    times.turn(None)?; // does what is due, and waits for nothing after that
    println!("run the rest:");
    rest.run()?; // ends when nothing is left
    println!("run the timers:");
    times.run()?;
    println!("run the timers once more: nothing is left in them");
    times.run()?;
    println!("run the descriptors:");
    files.run()?;
    drop(event);
    println!("FINISH");
    Ok(())
}
