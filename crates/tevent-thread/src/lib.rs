//! Roads between threads: everything by which another thread reaches a loop, and by which a loop reaches other threads.
//!
//! A [`ThreadProxy`] takes closures and futures for its loop, a [`Mailbox`] takes values of one type for a handler. An
//! [`Event`] is a doorbell that carries nothing, a [`RawEvent`] one that signal handlers and forked children may ring.
//! All belong to the thread of the loop; their senders and posters go anywhere. [`spawn_blocking`] does work on other
//! threads, for the loop.
//!
//! ```
//! use std::thread;
//! use tevent_context::Context;
//! use tevent_thread::ThreadProxy;
//!
//! # fn main() -> std::io::Result<()> {
//! let context = Context::new()?;
//! let proxy = ThreadProxy::new(&context.handle())?;
//! let sender = proxy.sender();
//! let other = thread::spawn(move || sender.schedule(|handle| handle.stop()));
//! proxy.keep_running(true); // until the message comes
//! context.run()?;
//! assert!(other.join().is_ok_and(|sent| sent.is_ok()));
//! # Ok(())
//! # }
//! ```
//!
//! - What one sender sends arrives in that order, right after the signals of a turn: at most 256 messages in a turn.
//! - Nothing is lost in silence: what a closed road refuses comes back in the error, what it has accepted is run, or
//!   dropped on the loop's thread and counted.
//! - Senders may outlive the owner's end and its loop, and do not keep [`Context::run`](tevent_context::Context::run)
//!   going.
#![forbid(unsafe_code)]

mod blocking;
mod error;
mod event;
mod mailbox;
mod park;
mod permit;
mod proxy;
mod raw_event;
mod reply;
mod served;

pub use blocking::{
    BlockingError, BlockingPool, BlockingPoolBuilder, BlockingTask, Shutdown, spawn_blocking,
};
pub use error::{CallError, Closed, TrySendError};
pub use event::{Event, EventHandle, EventPoster, Notified};
pub use mailbox::{Bounded, MailSender, Mailbox, MailboxStats, Sending, Unbounded};
pub use proxy::{ProxySender, RemoteTask, Scheduling, ThreadProxy};
pub use raw_event::{RawEvent, RawPoster};
pub use tevent_context::Posted;
