//! What a writer has done.

/// What has gone through a [`QueuedWriter`](super::QueuedWriter), and what waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriterStats {
    /// Records that the stream has taken. Small ones that were accepted one after another go together, and count when
    /// the last of them is out.
    pub records: u64,
    /// Bytes that the stream has taken.
    pub bytes: u64,
    /// Calls of the stream that took something: each is one system call of a socket.
    pub batches: u64,
    /// Records that wait: all that were handed over and are not counted as [`records`](Self::records).
    pub queued_records: u64,
    /// Bytes that wait: of accepted records, and of those whose futures wait.
    pub queued_bytes: usize,
}
