//! Roads between threads: everything by which another thread reaches a loop, and by which a loop reaches other threads.
#![forbid(unsafe_code)]

mod blocking;
mod event;
mod permit;
mod raw_event;
mod served;

pub use blocking::{
    BlockingError, BlockingPool, BlockingPoolBuilder, BlockingTask, Shutdown, spawn_blocking,
};
pub use event::{Event, EventHandle, EventPoster, Notified};
pub use raw_event::{RawEvent, RawPoster};
pub use tevent_context::Posted;
