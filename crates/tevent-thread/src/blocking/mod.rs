//! Blocking work: a bounded pool of threads, whose results come to the loop as messages.

mod crew;
mod desk;
mod error;
mod job;
mod pool;
mod state;
mod task;

use std::time::Duration;

use tevent_context::Handle;

pub use desk::Shutdown;
pub use error::BlockingError;
pub use pool::{BlockingPool, BlockingPoolBuilder};
pub use task::BlockingTask;

/// Exchanged by the loom model for loom's own.
mod sync {
    pub(super) use std::sync::{Condvar, Mutex, MutexGuard};
}

/// Does blocking work on a thread of the running context's own [pool](BlockingPool), which is made when it is first
/// asked for, and ends with the context.
///
/// # Panics
/// If no context runs on this thread.
///
/// ```
/// use tevent_context::Context;
/// use tevent_thread::spawn_blocking;
///
/// # fn main() -> std::io::Result<()> {
/// let context = Context::new()?;
/// let text = context.block_on(async {
///     spawn_blocking(|| std::fs::read_to_string("Cargo.toml")).await?
/// })?;
/// assert!(text.contains("[package]"));
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> BlockingTask<T> {
    match Handle::current().extension(BlockingPool::new) {
        Ok(pool) => pool.spawn(work),
        Err(_) => BlockingTask::refused(BlockingError::Cancelled),
    }
}

#[derive(Clone, Debug)]
struct Choices {
    max_threads: usize,
    keep_alive: Duration,
    name: String,
    stack_size: Option<usize>,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            max_threads: 64,
            keep_alive: Duration::from_secs(10),
            name: "tevent-blocking".to_owned(),
            stack_size: None,
        }
    }
}
