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
//! - The loop and its time: [`Context`], [`Handle`], [`spawn`], [`sleep()`], [`timeout()`], [`interval()`],
//!   [`yield_now()`]. Tests take a [`VirtualClock`].
//! - Signals and descriptors as futures: [`Signal`], [`FdEvent`].
//! - Handlers, for those who do not await: [`Immediate`], [`Timer`], [`SignalHandler`], [`FdEvent`].
//! - What a loop does is told by [`Handle::on_trace`], what goes wrong in it by `slow_after` and `stuck_after` of the
//!   [`Builder`].
//! - Tasks: a [`Task`] is a future of the task's output; dropping it cancels.
//! - Order: [`TeventQueue`], [`queue.add(work)`](TeventQueueExt::add), or [`future.queued(&queue)`](QueueExt::queued);
//!   [`SyncTeventQueue`] for many threads; the rest in [`queue`].
//! - Requests, for what an `async fn` lacks: [`work.request("name")`](RequestExt::request) with a deadline, a cancel
//!   and cleanups; [`request()`] for code that ends by a callback; a [`RequestScope`] for children; the rest in
//!   [`request`](mod@request).
//! - Other threads reach a loop by a [`ThreadProxy`], which takes closures and futures, a [`Mailbox`] for values of one
//!   type, or an [`Event`] that carries nothing and is only rung. Work that would hold the loop goes to other threads
//!   by [`spawn_blocking`]; the rest in [`thread`].
//! - Sockets, and a writer that keeps many tasks' records whole and in order on one of them: [`net`].
//!
//! This crate only re-exports; the code lives in the crates `tevent-context`, `tevent-executor`, `tevent-queue`,
//! `tevent-request`, `tevent-thread` and `tevent-net`.
#![forbid(unsafe_code)]
#![cfg_attr(doctest, doc = include_str!("../../../README.md"))]

pub use tevent_context::{
    Builder, Cancel, Context, Culprit, Delivery, Elapsed, EntryTimeout, EventKind, FdEvent,
    FdFlags, FdHandle, FdReady, Handle, Immediate, ImmediateHandle, Interval, MissedTicks,
    NoContext, Outcome, QueueEntryExt, Signal, SignalHandler, SignalInfo, SignalKind, Sleep, Slow,
    Stuck, StuckTask, Task, TaskError, TeventQueueExt, Timeout, Timer, TimerHandle, TraceHook,
    TracePoint, TracedEvent, Turn, VirtualClock, WaitError, YieldNow, interval, sleep, sleep_until,
    spawn, timeout, yield_now,
};
pub use tevent_queue::{
    QueueEntry, QueueError, QueueExt, QueueGuard, Queued, QueuedFuture, SyncTeventQueue,
    TeventQueue, TryEntryError,
};

pub use tevent_request::{
    CancelToken, Request, RequestError, RequestExt, RequestScope, RequestTask, request,
};

pub use tevent_thread::{
    Event, EventPoster, MailSender, Mailbox, ProxySender, RemoteTask, ThreadProxy, spawn_blocking,
};

/// Requests, in full; the most used names are at the top of this crate, too.
pub mod request {
    pub use tevent_request::*;
}

/// Everything about queues; the most used names are at the top of this crate, too.
pub mod queue {
    pub use tevent_queue::*;
}

/// Roads between threads, in full; the most used names are at the top of this crate, too.
pub mod thread {
    pub use tevent_thread::*;
}

/// TCP as futures, and the queued writer.
pub mod net {
    pub use tevent_net::*;
}

/// The chapters of the book, so that their programs are compiled and run.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../../../docs/book/context.md")]
    mod context {}

    #[doc = include_str!("../../../docs/book/events.md")]
    mod events {}

    #[doc = include_str!("../../../docs/book/queue.md")]
    mod queue {}

    #[doc = include_str!("../../../docs/book/requests.md")]
    mod requests {}

    #[doc = include_str!("../../../docs/book/threads.md")]
    mod threads {}

    #[doc = include_str!("../../../docs/book/doorbells.md")]
    mod doorbells {}
}
