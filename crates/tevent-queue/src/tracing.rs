//! Events of the `tracing` crate for the moments of entries.

use ::tracing::event_enabled;

use crate::{TraceKind, TracePoint};

/// A hook for [`TeventQueue::on_trace`](crate::TeventQueue::on_trace) that makes every trace point an event: target
/// `tevent::queue`, level trace, fields `queue`, `origin`, `tag`, and the message `attach`, `trigger` or `detach`.
///
/// ```
/// use tevent_queue::{TeventQueue, tracing_hook};
///
/// let queue = TeventQueue::new("disk");
/// queue.on_trace(tracing_hook());
/// ```
pub fn tracing_hook() -> impl Fn(&TracePoint<'_>) + 'static {
    |point| {
        // The origin is not written out for nobody.
        if !event_enabled!(target: "tevent::queue", ::tracing::Level::TRACE) {
            return;
        }
        let moment = match point.kind {
            TraceKind::Attach => "attach",
            TraceKind::BeforeTrigger => "trigger",
            TraceKind::Detach => "detach",
        };
        ::tracing::trace!(
            target: "tevent::queue",
            queue = point.queue,
            origin = %point.origin,
            tag = point.tag,
            "{moment}"
        );
    }
}
