//! The single-threaded executor of tevent: `!Send` tasks, one allocation each.
//!
//! An [`Executor`] belongs to one thread. [`Executor::spawn`] gives a [`Task`], a future of the output: dropping it
//! cancels, [`Task::detach`] lets it run on. A wake on the owner's thread, while the executor runs, touches plain
//! memory only; a wake from anywhere else pushes the task on a stack that the owner takes whole, and rings the
//! [`Doorbell`](tevent_core::doorbell::Doorbell) only if the loop is parked.
//!
//! The executor does not block and knows no loop: `tevent-context` runs it between two polls of the reactor.
//!
//! ```
//! use std::{sync::Arc, task::Waker};
//! use tevent_core::doorbell::Doorbell;
//! use tevent_executor::Executor;
//!
//! let executor = Executor::new(Arc::new(Doorbell::new(Waker::noop().clone())));
//! let task = executor.spawn(async { 6 * 7 });
//! executor.enter(|| executor.run_ready(u32::MAX));
//! assert!(task.is_finished());
//! ```
#![deny(unsafe_code)]

mod error;
mod executor;
mod join;
mod spawner;
mod task;

pub use error::TaskError;
pub use executor::{Executor, NextPoll, Ran};
pub use join::{Cancel, Outcome, Task};
pub use spawner::Spawner;
