//! An event loop, an async/await executor and serialised queues.
//!
//! A [`Context`] owns a loop on one thread, and everything that waits is a future. A [`TeventQueue`] lets requests
//! through strictly one after another, in the order in which they were added: here two tasks write a line in two steps
//! each, and give way in between.
//!
//! ```
//! use std::{cell::RefCell, io, rc::Rc};
//! use tevent::{Context, QueueError, TeventQueue, spawn, yield_now};
//!
//! async fn write(queue: TeventQueue, socket: Rc<RefCell<String>>, line: &str) -> Result<(), QueueError> {
//!     let (header, body) = line.split_at(1);
//!     let _turn = queue.entry().await?; // until it is dropped, nobody else writes
//!     socket.borrow_mut().push_str(header);
//!     yield_now().await;
//!     socket.borrow_mut().push_str(body);
//!     Ok(())
//! }
//!
//! # fn main() -> io::Result<()> {
//! let context = Context::new()?;
//! let socket = Rc::new(RefCell::new(String::new()));
//! let written = context.block_on(async {
//!     let queue = TeventQueue::new("socket");
//!     let first = spawn(write(queue.clone(), socket.clone(), "one "));
//!     let second = spawn(write(queue.clone(), socket.clone(), "two "));
//!     first.await.and(second.await)
//! });
//! assert_eq!(written, Ok(()));
//! assert_eq!(*socket.borrow(), "one two "); // without the turn: "otne wo "
//! # Ok(())
//! # }
//! ```
//!
//! # Where things are
//! - The loop and its time: [`Context`], [`Handle`], [`spawn`], [`sleep()`], [`timeout()`], [`yield_now()`]. Tests take
//!   a [`VirtualClock`].
//! - Tasks: a [`Task`] is a future of the task's output; dropping it cancels.
//! - Order: [`TeventQueue`], [`queue.add(work)`](TeventQueueExt::add), or [`future.queued(&queue)`](QueueExt::queued);
//!   [`SyncTeventQueue`] for many threads; the rest in [`queue`].
//! - Sockets, and a writer that keeps many tasks' records whole and in order on one of them: [`net`].
//!
//! This crate only re-exports; the code lives in the crates `tevent-context`, `tevent-executor`, `tevent-queue` and
//! `tevent-net`.
#![forbid(unsafe_code)]
#![cfg_attr(doctest, doc = include_str!("../../../README.md"))]

pub use tevent_context::{
    Builder, Cancel, Context, Elapsed, EntryTimeout, Handle, NoContext, Outcome, QueueEntryExt,
    Sleep, Task, TaskError, TeventQueueExt, Timeout, Turn, VirtualClock, WaitError, YieldNow,
    sleep, sleep_until, spawn, timeout, yield_now,
};
pub use tevent_queue::{
    QueueEntry, QueueError, QueueExt, QueueGuard, Queued, QueuedFuture, SyncTeventQueue,
    TeventQueue, TryEntryError,
};

/// Everything about queues; the most used names are at the top of this crate, too.
pub mod queue {
    pub use tevent_queue::*;
}

/// TCP as futures, and the queued writer.
pub mod net {
    pub use tevent_net::*;
}

/// The chapters of the book, so that their programs are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/book/queue.md")]
mod book {}
