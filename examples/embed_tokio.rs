//! A context inside tokio: an `AsyncFd` over the context's descriptor, which tokio watches edge-triggered.
//!
//! Run it: `cargo run --example embed_tokio --features peers`

#[path = "embed/guest.rs"]
mod guest;

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use tevent::Context;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Runs the context's loop inside tokio's, for as long as nobody drops the future. It is not `Send`: its place is
/// `block_on`, a `LocalSet` or a runtime of one thread.
async fn drive(context: &Context) -> io::Result<()> {
    // SAFETY: the context is borrowed for as long as this lives, and keeps its one descriptor open.
    let watched = unsafe { AsyncFd::register_with_interest(context.as_fd(), Interest::READABLE) }?;
    loop {
        // Cleared before the turns: what happens during them is a new edge.
        watched.readable().await?.clear_ready();
        while context.turn(Some(Duration::ZERO))?.more {
            tokio::task::yield_now().await; // the host's own tasks have their turn
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let context = Context::new()?;
    let guest = guest::start(&context);
    let host = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        println!("tokio: its own timer");
    };
    // Tokio may await what tevent runs: a task is a future, and its waker is one like any other.
    let both = async { tokio::join!(guest, host).0 };
    tokio::select! {
        done = both => done,
        failed = drive(&context) => failed,
    }
}
