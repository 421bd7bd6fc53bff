//! Why an entry did not get its turn.

use std::{error::Error, fmt, sync::Arc};

use tevent_core::gate::Refusal;

/// Why a queue was closed, in the words of whoever closed it.
pub type Reason = Arc<str>;

/// Why an awaited entry has no turn.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum QueueError {
    /// The queue was closed, or its last handle dropped, before the entry's turn.
    Closed,
    /// The queue was closed before the entry's turn, for this reason
    /// ([`close_with`](crate::TeventQueue::close_with)).
    ClosedWith(Reason),
    /// As many were in the line as may be ([`capacity`](crate::Builder::capacity)); the entry never had a place.
    Full,
    /// Driven work was cancelled ([`cancel`](crate::Queued::cancel)), before its turn or after: it has been dropped.
    Cancelled,
    /// The loop that was to run the work has ended, or refused it: the work has been dropped.
    Abandoned,
}

/// Why [`try_entry`](crate::TeventQueue::try_entry) did not give the turn at once.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TryEntryError {
    /// Somebody has the turn, or waits for it.
    Busy,
    /// The queue is stopped.
    Stopped,
    /// The queue is closed.
    Closed,
}

/// A queue that is running takes no turn back; with the guard, which still has it.
///
/// Stop the queue first: between `untrigger` and `start` nobody may be granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotStopped<G>(pub G);

impl QueueError {
    /// Whether the queue was closed, for whatever reason.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed | Self::ClosedWith(_))
    }
}

impl From<Refusal> for TryEntryError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Busy => Self::Busy,
            Refusal::Stopped => Self::Stopped,
            Refusal::Closed => Self::Closed,
        }
    }
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the queue was closed before the entry's turn"),
            Self::ClosedWith(reason) => {
                write!(f, "the queue was closed before the entry's turn: {reason}")
            }
            Self::Full => {
                f.write_str("the queue was full: try again when its length has gone down")
            }
            Self::Cancelled => f.write_str("the work was cancelled"),
            Self::Abandoned => {
                f.write_str("the loop that was to run the work has ended, or refused it")
            }
        }
    }
}

impl fmt::Display for TryEntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "somebody else is in the queue",
            Self::Stopped => "the queue is stopped",
            Self::Closed => "the queue is closed",
        })
    }
}

impl<G> fmt::Display for NotStopped<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue is running: stop it before a turn is given back")
    }
}

impl Error for QueueError {}
impl Error for TryEntryError {}
impl<G: fmt::Debug> Error for NotStopped<G> {}
