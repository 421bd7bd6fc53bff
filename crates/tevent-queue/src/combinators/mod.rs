//! Work of futures, streams and sinks, one after another: `x.queued(&queue)`.

mod future;
mod sink;
mod stream;
mod turn;

pub use future::{QueueExt, QueuedFuture};
pub use sink::{QueuedSink, QueuedSinkError, SinkQueueExt};
pub use stream::{QueuedStream, StreamQueueExt};
