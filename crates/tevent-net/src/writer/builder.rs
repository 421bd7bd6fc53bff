//! The bounds of a new writer.

use std::rc::Rc;

use ::futures::io::AsyncWrite;
use tevent_context::Handle;

use super::QueuedWriter;
use super::batch::Bounds;
use super::shared::Shared;
use super::task::Driver;

const DEFAULT_LIMIT: usize = 256 * 1024;
/// Room for all that the limit lets in and the small records that wait behind it: one call for all.
const DEFAULT_BATCH_BYTES: usize = 2 * DEFAULT_LIMIT;
const MAX_BATCH_RECORDS: usize = 1024;

/// Builds a [`QueuedWriter`] with bounds of one's own.
#[derive(Clone, Debug)]
#[must_use = "a builder builds nothing until `build`"]
pub struct Builder {
    limit: usize,
    bounds: Bounds,
}

impl Builder {
    /// Bytes that may be accepted and unsent at a time, before [`send`](QueuedWriter::send) waits. Default: 256 KiB.
    /// A single record may be larger.
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Bytes that one system call is offered at most; at least 1. Default: 512 KiB.
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.bounds.bytes = bytes.max(1);
        self
    }

    /// Records of [`write`](QueuedWriter::write) that go out with one system call at most, from 1 to 1024. Default:
    /// 1024. (Small records that were accepted by [`send`](QueuedWriter::send) are bounded by their bytes alone.)
    pub fn batch_records(mut self, records: usize) -> Self {
        self.bounds.records = records.clamp(1, MAX_BATCH_RECORDS);
        self
    }

    /// The writer, with its task on the context that runs on this thread. If that context has ended, so has the writer.
    ///
    /// # Panics
    /// If no context runs on this thread.
    #[track_caller]
    pub fn build(self, stream: impl AsyncWrite + Unpin + 'static) -> QueuedWriter {
        let shared = Rc::new(Shared::new(self.limit));
        let driver = Driver::new(stream, Rc::clone(&shared), self.bounds);
        Handle::current().spawn(driver).detach();
        QueuedWriter { shared }
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            limit: DEFAULT_LIMIT,
            bounds: Bounds {
                bytes: DEFAULT_BATCH_BYTES,
                records: MAX_BATCH_RECORDS,
            },
        }
    }
}
