//! A descriptor with a handler and a close function, as in chapter 2 of the tevent tutorial: reads all its input.
//!
//! Run it: `cargo run --example fd < Cargo.toml`, or with a pipe, a terminal or `/dev/null` as its input. With
//! `--once` it runs the loop only once, like the tutorial's program.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::num::NonZeroU16;
use std::os::fd::AsFd;
use std::rc::Rc;

use clap::Parser;
use tevent::{Context, FdFlags, FdHandle};

/// Reads the standard input, a piece whenever some is there, and says how much it was.
#[derive(Parser)]
struct Options {
    /// How many bytes are read at once
    #[arg(long, value_name = "BYTES", default_value = "4096")]
    piece: NonZeroU16,
    /// Run the loop once instead of to the end of the input
    #[arg(long)]
    once: bool,
}

/// Called whenever a read does not wait. Once nothing is watched for any more, `run` ends.
fn handler(input: &FdHandle<File>, buffer: &mut [u8]) -> io::Result<()> {
    match input.get_ref().read(buffer) {
        Ok(0) => {
            println!("the end of the input");
            input.set_flags(FdFlags::EMPTY);
        }
        Ok(bytes) => println!("read {bytes} bytes"),
        // What is still there is told again in the next turn.
        Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    let context = Context::new()?;
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut buffer = vec![0; options.piece.get().into()];
    let result = Rc::new(Cell::new(Ok(())));
    let failed = Rc::clone(&result);
    let event = context.handle().fd(input, FdFlags::READ, move |input, _| {
        if let Err(error) = handler(input, &mut buffer) {
            input.set_flags(FdFlags::EMPTY);
            failed.set(Err(error));
        }
    })?;
    event.set_close(|input| {
        println!("closing the descriptor");
        drop(input);
    });
    if options.once {
        context.turn(None)?;
    } else {
        context.run()?;
    }
    drop(event); // deregistered, then closed
    result.replace(Ok(()))
}
