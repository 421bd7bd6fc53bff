//! A node of the writer's line: one thing that was handed over, and what has become of it.
//!
//! ```text
//!   (new) --1--> Waiting --4--------> Accepted --6--> (gone)
//!   (new) --2--> Queued --3 or 4----> Accepted
//!   (new) --3-----------------------> Accepted
//!   Waiting, Queued --5 or 6--> (gone)
//!   Waiting, Queued --7--> Failed --8--> (gone)
//!
//!   1 join       a write, a flush, a close: its future waits for its end
//!   2 join       a send over the limit: its future waits for acceptance
//!   3 accept     it fits under the limit: nobody waits for it any more
//!   4 abandon    its future is dropped after the stream has begun to take it, or learns of the end before arrow 7
//!   5 withdraw   its future is dropped before
//!   6 finish     the stream has taken all of it
//!   7 fail       the stream has ended before
//!   8 learn      its future has learned of it, or is dropped
//! ```
//!
//! To a future that waits, a node that is gone has ended well.

use std::task::Waker;

use bytes::Bytes;
use tevent_core::line::Place;

pub(super) struct Node {
    pub(super) stage: Stage,
    pub(super) body: Body,
    /// Bytes of the body, also while it is lent.
    pub(super) len: usize,
    /// Bytes of the body that the stream has taken.
    pub(super) taken: usize,
    pub(super) waker: Option<Waker>,
    /// The place among the queued.
    pub(super) queued: Option<Place>,
}

pub(super) enum Body {
    Record(Bytes),
    /// Small records, accepted one after another.
    Chunk {
        bytes: Vec<u8>,
        records: u64,
    },
    /// Waits until the stream is flushed.
    Flush,
    /// Waits until the stream is closed.
    Close,
    /// In the batch that the stream is taking.
    Lent,
}

/// The state of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    Waiting,
    Queued,
    Accepted,
    Failed,
}

impl Node {
    #[inline]
    pub(super) fn new(body: Body, stage: Stage) -> Self {
        Self {
            stage,
            len: body.bytes().len(),
            body,
            taken: 0,
            waker: None,
            queued: None,
        }
    }

    /// Bytes that the stream has not taken.
    #[inline]
    pub(super) fn rest(&self) -> usize {
        self.len - self.taken
    }

    #[inline]
    pub(super) fn is_known(&self, waker: &Waker) -> bool {
        let known = self.waker.as_ref();
        known.is_some_and(|known| known.will_wake(waker))
    }

    /// Whether nothing is left to do for it.
    #[inline]
    pub(super) fn is_over(&self, dirty: bool) -> bool {
        match self.body {
            Body::Record(_) | Body::Chunk { .. } => self.rest() == 0,
            Body::Flush => !dirty,
            Body::Close | Body::Lent => false,
        }
    }
}

impl Body {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Record(bytes) => bytes,
            Self::Chunk { bytes, .. } => bytes,
            Self::Flush | Self::Close | Self::Lent => &[],
        }
    }
}
