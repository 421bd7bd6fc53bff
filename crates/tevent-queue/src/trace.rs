//! Trace points: what a hook of the user is told about every entry.

use std::{panic::Location, rc::Rc};

use crate::watch::{Moment, Seen};

/// A function that is called at every trace point of a queue.
pub(crate) type Hook = Rc<dyn Fn(&TracePoint<'_>)>;

/// A moment in the life of an entry, as a hook sees it ([`TeventQueue::on_trace`](crate::TeventQueue::on_trace)).
/// C: `tevent_trace_queue_callback_t`.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TracePoint<'a> {
    /// The name of the queue.
    pub queue: &'a str,
    /// What happens.
    pub kind: TraceKind,
    /// The line that asked for the entry.
    pub origin: &'static Location<'static>,
    /// The entry's tag; 0 if it was given none.
    pub tag: u64,
    /// A number that tells the entry from all others in its queue, as long as it is there.
    pub entry: u64,
}

/// Which moment it is.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TraceKind {
    /// The entry has taken its place. C: `TEVENT_EVENT_TRACE_ATTACH`.
    Attach,
    /// The entry takes its turn: the holder learns of it right after this. C: `TEVENT_EVENT_TRACE_BEFORE_HANDLER`.
    BeforeTrigger,
    /// The entry leaves, in whatever state it is. C: `TEVENT_EVENT_TRACE_DETACH`.
    Detach,
}

impl<'a> TracePoint<'a> {
    pub(crate) fn of(seen: &Seen<'a>) -> Option<Self> {
        let kind = match seen.moment {
            Moment::Attached => TraceKind::Attach,
            Moment::Triggered => TraceKind::BeforeTrigger,
            Moment::Detached => TraceKind::Detach,
            Moment::Waits | Moment::Granted | Moment::GivenBack => return None,
        };
        Some(Self {
            queue: seen.queue,
            kind,
            origin: seen.ticket.origin,
            tag: seen.ticket.tag,
            entry: seen.place.number(),
        })
    }
}
