//! The loop of tevent: a [`Context`] owns it, a [`Handle`] reaches it, everything that waits is a future.
//!
//! ```
//! use std::time::Duration;
//! use tevent_context::{Context, sleep, spawn};
//!
//! # fn main() -> std::io::Result<()> {
//! let context = Context::new()?;
//! let answer = context.block_on(async {
//!     let task = spawn(async {
//!         sleep(Duration::from_millis(1)).await;
//!         42
//!     });
//!     task.await
//! });
//! assert_eq!(answer, 42);
//! # Ok(())
//! # }
//! ```
//!
//! The phases of a turn stand in `turn.rs`, top to bottom.
#![forbid(unsafe_code)]

mod builder;
mod clock;
mod context;
mod core_loop;
mod current;
mod handle;
mod queue_ext;
mod sleep;
mod timeout;
mod turn;
mod yield_now;

pub use builder::Builder;
pub use clock::VirtualClock;
pub use context::Context;
pub use current::NoContext;
pub use handle::{Handle, spawn};
pub use queue_ext::{EntryTimeout, QueueEntryExt, TeventQueueExt, WaitError};
pub use sleep::{Sleep, sleep, sleep_until};
pub use tevent_executor::{Cancel, Outcome, Task, TaskError};
pub use timeout::{Elapsed, Timeout, timeout};
pub use turn::Turn;
pub use yield_now::{YieldNow, yield_now};
