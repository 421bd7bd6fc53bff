//! A context inside a bare loop over `poll(2)`: the host watches one descriptor and learns of everything.
//!
//! Run it: `cargo run --example embed_poll`

#[path = "embed/guest.rs"]
mod guest;

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tevent::Context;

fn main() -> io::Result<()> {
    let context = Context::new()?;
    let guest = guest::start(&context);
    let mut sleeps = 0;
    while !guest.is_finished() {
        // The host's own descriptors have their places beside it.
        let mut watched = [PollFd::new(&context, PollFlags::IN)];
        match poll(&mut watched, None) {
            Ok(_) | Err(Errno::INTR) => sleeps += 1,
            Err(error) => return Err(error.into()),
        }
        if watched[0].revents().contains(PollFlags::IN) {
            while context.turn(Some(Duration::ZERO))?.more {}
        }
    }
    println!("poll: slept {sleeps} times");
    context.block_on(guest)
}
