//! Work of futures, streams and sinks, one after another: `x.queued(&queue)`.

mod future;

pub use future::{QueueExt, QueuedFuture};
