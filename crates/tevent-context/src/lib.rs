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
mod events;
mod extension;
mod handle;
mod queue_ext;
mod sleep;
mod spin;
mod stuck;
mod timeout;
mod trace;
mod turn;
mod watchdog;
mod yield_now;

pub use builder::Builder;
pub use clock::VirtualClock;
pub use context::Context;
pub use current::NoContext;
pub use events::fd::{FdEvent, FdFlags, FdHandle, FdReady};
pub use events::immediate::{Immediate, ImmediateHandle};
pub use events::inbox::{Inbox, InboxPoster};
pub use events::interval::{Interval, MissedTicks, interval};
pub use events::signal::{Signal, SignalHandler};
pub use events::timer::{Timer, TimerHandle};
pub use events::{EventKind, TracedEvent};
pub use handle::{Handle, spawn};
pub use queue_ext::{EntryTimeout, QueueEntryExt, TeventQueueExt, WaitError};
pub use sleep::{Sleep, sleep, sleep_until};
pub use stuck::{Stuck, StuckTask};
pub use tevent_core::post::Posted;
pub use tevent_executor::{Cancel, Outcome, Task, TaskError};
pub use tevent_reactor::{Delivery, SignalInfo, SignalKind};
pub use timeout::{Elapsed, Timeout, timeout};
pub use trace::{TraceHook, TracePoint};
pub use turn::Turn;
pub use watchdog::{Culprit, Slow};
pub use yield_now::{YieldNow, yield_now};
