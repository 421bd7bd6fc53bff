//! Why an entry did not get its turn.

use std::{error::Error, fmt};

use tevent_core::gate::Refusal;

/// Why an awaited entry has no turn.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum QueueError {
    /// The queue was closed, or its last handle dropped, before the entry's turn.
    Closed,
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

impl From<Refusal> for TryEntryError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Busy | Refusal::Full => Self::Busy,
            Refusal::Stopped => Self::Stopped,
            Refusal::Closed => Self::Closed,
        }
    }
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the queue was closed before the entry's turn"),
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

impl Error for QueueError {}
impl Error for TryEntryError {}
