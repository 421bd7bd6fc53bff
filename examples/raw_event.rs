//! A doorbell for signal handlers and forked children, after `iv_event_raw`: each of them rings, and the loop counts.
//!
//! The signal handler is installed by hand, as a library might do that knows nothing of loops; it must not lock and not
//! allocate, and a post does neither. The child is a copy of this process in which no loop runs: a post is a `write` to
//! a descriptor that both have. Run it: `cargo run --example raw_event`

use std::io;
use std::sync::OnceLock;

use tevent::Context;
use tevent::thread::{RawEvent, RawPoster};

const CHILD_POSTS: u64 = 3;

/// Where the signal handler finds its poster: to look at it takes no lock.
static FROM_HANDLER: OnceLock<RawPoster> = OnceLock::new();

extern "C" fn handler(_: libc::c_int) {
    if let Some(poster) = FROM_HANDLER.get() {
        poster.post();
    }
}

fn main() -> io::Result<()> {
    let context = Context::new()?;
    let handle = context.handle();
    let (of_signal, of_child) = (
        RawEvent::without_handler(&handle)?,
        RawEvent::without_handler(&handle)?,
    );
    FROM_HANDLER.get_or_init(|| of_signal.poster());

    install()?;
    for _ in 0..2 {
        // SAFETY: the handler is installed, and does nothing but post.
        unsafe { libc::raise(libc::SIGUSR1) };
    }
    let posts = context.block_on(of_signal.notified())?;
    println!("the signal handler rang {posts} times");

    let child = fork_and_post(&of_child.poster())?;
    let mut posts = 0;
    while posts < CHILD_POSTS {
        // Sleeps until the child rings. What it rang since the last time comes at once.
        posts += context.block_on(of_child.notified())?;
    }
    println!("the child rang {posts} times");
    wait(child)
}

fn install() -> io::Result<()> {
    let installed = unsafe {
        // SAFETY: all zeroes is a valid action: no flags, nothing blocked.
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // SAFETY: the handler does nothing but what a signal handler may.
        libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut())
    };
    if installed == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The child posts and ends, without anything that is the parent's: no destructors, no buffers.
fn fork_and_post(poster: &RawPoster) -> io::Result<libc::pid_t> {
    // SAFETY: this process has one thread, and the child calls only what a signal handler may.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            (0..CHILD_POSTS).for_each(|_| poster.post());
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(0) }
        }
        child => Ok(child),
    }
}

fn wait(child: libc::pid_t) -> io::Result<()> {
    // SAFETY: no status is asked for.
    match unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
