//! The state of a writer: what waits for the stream, in order, decided without calling anybody.
//!
//! Everything handed over stands in one line of [`Node`]s, in the order of the calls; their page has the picture that
//! the arrows here belong to.
//!
//! Records, wakers and streams are code of somebody else. So nothing here is called, cloned or dropped: what is no
//! longer needed is handed out, and the owner gets rid of it after the borrow has ended.

use std::mem;
use std::task::Waker;

use bytes::Bytes;
use tevent_core::line::Line;
pub(super) use tevent_core::line::Place;
use tevent_core::wake::WakeBatch;

use super::batch::COPY_MAX;
use super::node::{Body, Node, Stage};
use super::{TrySendError, WriteError, WriterStats};

/// Small records that are accepted share chunks of this size.
const CHUNK_BYTES: usize = 64 * 1024;

/// Empty chunks that are kept for the next records.
const SPARE_CHUNKS: usize = 4;

pub(super) struct State {
    pub(super) line: Line<Node>,
    /// The queued ones, in order, each known by its node's place.
    queued: Line<Place>,
    limit: usize,
    /// Bytes of accepted records that the stream has not taken.
    unsent: usize,
    stats: WriterStats,
    /// The stream has taken bytes since it was flushed.
    dirty: bool,
    closing: bool,
    /// The stream is being called and may be taking any record: none can be withdrawn.
    pub(super) lent: bool,
    end: Option<Result<(), WriteError>>,
    /// The chunk at the end of the line, if it may grow.
    open_chunk: Option<Place>,
    spare_chunks: Vec<Vec<u8>>,
}

/// What the writer's task does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Write,
    Flush,
    Close,
    /// The first is over: take it away.
    Settle,
    /// Wait for more.
    Idle,
}

/// What a future found.
pub(super) enum Found {
    Done(Result<(), WriteError>),
    Waiting,
    /// Its waker is not known: clone it outside the borrow, then [`register`](State::register) it.
    WakerNeeded,
}

/// Why a record was refused, and the record, if the error does not carry it.
pub(super) type Refusal = (WriteError, Option<Bytes>);

/// What is over and has to be woken or dropped after the borrow has ended.
#[derive(Default)]
pub(super) struct Finished {
    pub(super) wakers: Vec<Waker>,
    pub(super) records: Vec<Bytes>,
}

impl State {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            line: Line::new(),
            queued: Line::new(),
            limit,
            unsent: 0,
            stats: WriterStats::default(),
            dirty: false,
            closing: false,
            lent: false,
            end: None,
            open_chunk: None,
            spare_chunks: Vec::new(),
        }
    }

    /// Takes the last place for a record whose future waits until the stream has taken it (arrow 1).
    #[inline]
    pub(super) fn write(&mut self, record: Bytes) -> Result<Place, Refusal> {
        if !self.is_open() {
            return Err(self.refuse(record));
        }
        self.count(record.len());
        Ok(self.join(Body::Record(record), Stage::Waiting))
    }

    /// Takes the last place for a record: accepted at once (`None`, arrow 3), or queued (arrow 2).
    pub(super) fn send(&mut self, record: Bytes) -> Result<Option<Place>, Refusal> {
        if !self.is_open() {
            return Err(self.refuse(record));
        }
        if self.fits(record.len()) {
            self.join_accepted(record);
            return Ok(None);
        }
        self.count(record.len());
        let place = self.join(Body::Record(record), Stage::Queued);
        let queued = self.queued.join(place);
        if let Some(node) = self.line.get_mut(place) {
            node.queued = Some(queued);
        }
        Ok(Some(place))
    }

    /// Accepts a record at once (arrow 3), or gives it back.
    pub(super) fn try_send(&mut self, record: Bytes) -> Result<(), TrySendError> {
        match &self.end {
            Some(Err(error)) => Err(TrySendError::Failed(record, error.clone())),
            _ if !self.is_open() => Err(TrySendError::Closed(record)),
            _ if !self.fits(record.len()) => Err(TrySendError::Full(record)),
            _ => {
                self.join_accepted(record);
                Ok(())
            }
        }
    }

    /// Accepts a small record by copying it behind the last one, if it may be accepted at once.
    #[inline]
    pub(super) fn append(&mut self, record: &[u8]) -> bool {
        if !self.is_open() || !self.fits(record.len()) {
            return false;
        }
        if !self.append_to_open_chunk(record) {
            self.open_chunk(record);
        }
        self.unsent += record.len();
        self.count(record.len());
        true
    }

    /// Whether a send of so many bytes would be accepted at once.
    #[inline]
    pub(super) fn fits(&self, len: usize) -> bool {
        self.queued.is_empty() && self.has_room(len)
    }

    /// Takes the last place for a future that waits for a flush (arrow 1); `None` if everything is over.
    pub(super) fn flush(&mut self) -> Option<Place> {
        self.end
            .is_none()
            .then(|| self.join(Body::Flush, Stage::Waiting))
    }

    /// Lets nobody join any more.
    pub(super) fn close(&mut self) {
        self.closing = true;
    }

    /// Takes the last place for a future that waits for the close (arrow 1); `None` if everything is over.
    pub(super) fn wait_for_close(&mut self) -> Option<Place> {
        self.end
            .is_none()
            .then(|| self.join(Body::Close, Stage::Waiting))
    }

    /// How everything ended, if it has.
    pub(super) fn end(&self) -> Option<&Result<(), WriteError>> {
        self.end.as_ref()
    }

    /// The result of all that comes after the end.
    pub(super) fn result(&self) -> Result<(), WriteError> {
        self.end.clone().unwrap_or(Ok(()))
    }

    /// Whether records may join.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        !self.closing && self.end.is_none()
    }

    pub(super) fn stats(&self) -> WriterStats {
        self.stats
    }

    /// What became of the node of a future (and arrows 4 and 8).
    #[inline]
    pub(super) fn poll(&mut self, place: Place, waker: &Waker) -> Found {
        match self.line.get_mut(place) {
            None => Found::Done(Ok(())),
            Some(node) => match node.stage {
                Stage::Accepted => Found::Done(Ok(())),
                Stage::Failed => {
                    self.line.leave(place);
                    Found::Done(self.result())
                }
                // It is polled before its turn to be dismissed has come.
                Stage::Waiting | Stage::Queued if self.end.is_some() => {
                    node.stage = Stage::Accepted;
                    Found::Done(self.result())
                }
                Stage::Waiting | Stage::Queued if node.is_known(waker) => Found::Waiting,
                Stage::Waiting | Stage::Queued => Found::WakerNeeded,
            },
        }
    }

    /// Polls again with a waker to keep, and hands out the one that is no longer needed.
    #[inline]
    pub(super) fn register(&mut self, place: Place, waker: Waker) -> (Found, Option<Waker>) {
        match self.poll(place, &waker) {
            Found::WakerNeeded => {
                let known = self.line.get_mut(place).map(|node| &mut node.waker);
                (Found::Waiting, known.and_then(|known| known.replace(waker)))
            }
            found => (found, Some(waker)),
        }
    }

    /// The future of a node is dropped (arrows 4, 5, 8). Hands out what it leaves behind.
    pub(super) fn leave(&mut self, place: Place) -> (Option<Node>, Option<Waker>) {
        match self.line.get(place) {
            None => (None, None),
            Some(node) => match node.stage {
                Stage::Accepted => (None, None),
                Stage::Failed => (self.line.leave(place), None),
                Stage::Waiting | Stage::Queued if node.taken > 0 || self.lent => {
                    (None, self.set_accepted(place))
                }
                Stage::Waiting | Stage::Queued => (self.withdraw(place), None),
            },
        }
    }

    /// Accepts those that wait for it, in order, while they fit (arrow 3), until the batch is full.
    pub(super) fn accept(&mut self, batch: &mut WakeBatch) {
        while !batch.is_full()
            && let Some(place) = self.next_acceptable()
        {
            if let Some(waker) = self.set_accepted(place) {
                let refused = batch.push(waker);
                debug_assert!(refused.is_ok(), "the batch had room");
            }
        }
    }

    /// Whether [`accept`](Self::accept) would accept somebody.
    pub(super) fn can_accept(&self) -> bool {
        self.next_acceptable().is_some()
    }

    /// The stream has taken `count` bytes, not more than were lent to it.
    pub(super) fn take(&mut self, count: usize) {
        self.stats.bytes += count as u64;
        self.stats.batches += 1;
        self.stats.queued_bytes -= count;
        self.dirty |= count > 0;
        let (mut left, mut next) = (count, self.line.front());
        while left > 0
            && let Some(place) = next
        {
            left -= self.take_from(place, left);
            next = self.line.next(place);
        }
    }

    /// The stream has been flushed.
    pub(super) fn flushed(&mut self) {
        self.dirty = false;
    }

    /// Takes from the front of the line all that is over (arrow 6).
    pub(super) fn finish(&mut self, finished: &mut Finished) {
        while let Some(place) = self.line.front()
            && self
                .line
                .get(place)
                .is_some_and(|node| node.is_over(self.dirty))
            && let Some(node) = self.line.leave(place)
        {
            if let Some(queued) = node.queued {
                self.queued.leave(queued);
            }
            self.recycle(node.body, finished);
            finished.wakers.extend(node.waker);
        }
    }

    /// What to do next. The foreign code that runs after [`finish`](Self::finish) may hand over what is over at once,
    /// such as an empty record: the stream is not asked for that.
    pub(super) fn next_step(&self) -> Step {
        let front = self.line.front().and_then(|place| self.line.get(place));
        match front.map(|node| &node.body) {
            _ if front.is_some_and(|node| node.is_over(self.dirty)) => Step::Settle,
            Some(Body::Record(_) | Body::Chunk { .. } | Body::Lent) => Step::Write,
            Some(Body::Flush) => Step::Flush,
            None | Some(Body::Close) if self.dirty => Step::Flush,
            None if !self.closing => Step::Idle,
            None | Some(Body::Close) => Step::Close,
        }
    }

    /// It is all over. Those in the line are to be [dismissed](Self::dismiss), batch by batch, until nobody is left.
    pub(super) fn set_end(&mut self, end: Result<(), WriteError>) {
        self.end = Some(end);
        self.queued = Line::new();
        (self.unsent, self.stats.queued_bytes) = (0, 0);
        (self.open_chunk, self.spare_chunks) = (None, Vec::new());
        self.stats.queued_records = 0;
    }

    /// Takes out of the line, in order, those for whom it is all over, until the batch is full (arrows 6 and 7).
    pub(super) fn dismiss(&mut self, batch: &mut WakeBatch, records: &mut Vec<Bytes>) {
        while !batch.is_full()
            && let Some(place) = self.line.front()
        {
            let body = match self.line.get_mut(place) {
                Some(node) => mem::replace(&mut node.body, Body::Lent),
                None => Body::Lent,
            };
            if let Body::Record(record) = body {
                records.push(record);
            }
            if let Some(waker) = self.dismiss_one(place) {
                let refused = batch.push(waker);
                debug_assert!(refused.is_ok(), "the batch had room");
            }
        }
    }

    /// Why a record may not join the line.
    #[cold]
    fn refuse(&self, record: Bytes) -> Refusal {
        match &self.end {
            Some(Err(error)) => (error.clone(), Some(record)),
            _ => (WriteError::Closed(record), None),
        }
    }

    #[inline]
    fn join(&mut self, body: Body, stage: Stage) -> Place {
        self.open_chunk = None;
        self.line.join(Node::new(body, stage))
    }

    fn join_accepted(&mut self, record: Bytes) {
        self.unsent += record.len();
        self.count(record.len());
        self.join(Body::Record(record), Stage::Accepted);
    }

    #[inline]
    fn count(&mut self, len: usize) {
        self.stats.queued_bytes += len;
        self.stats.queued_records += 1;
    }

    #[inline]
    fn has_room(&self, len: usize) -> bool {
        self.unsent == 0 || self.unsent.saturating_add(len) <= self.limit
    }

    #[inline]
    fn append_to_open_chunk(&mut self, record: &[u8]) -> bool {
        let Some(node) = self.open_chunk.and_then(|place| self.line.get_mut(place)) else {
            return false;
        };
        match &mut node.body {
            Body::Chunk { bytes, records } if bytes.len() + record.len() <= CHUNK_BYTES => {
                bytes.extend_from_slice(record);
                *records += 1;
                node.len = bytes.len();
                true
            }
            _ => false,
        }
    }

    #[cold]
    fn open_chunk(&mut self, record: &[u8]) {
        let mut bytes = self.spare_chunks.pop().unwrap_or_default();
        bytes.extend_from_slice(record);
        let chunk = Body::Chunk { bytes, records: 1 };
        self.open_chunk = Some(self.join(chunk, Stage::Accepted));
    }

    /// The first that is queued, if it may be accepted.
    fn next_acceptable(&self) -> Option<Place> {
        let place = *self.queued.get(self.queued.front()?)?;
        self.has_room(self.line.get(place)?.rest()).then_some(place)
    }

    /// Nobody waits for the node any more; its bytes count against the limit. Hands out the waker.
    fn set_accepted(&mut self, place: Place) -> Option<Waker> {
        let node = self.line.get_mut(place)?;
        node.stage = Stage::Accepted;
        self.unsent += node.rest();
        if let Some(queued) = node.queued.take() {
            self.queued.leave(queued);
        }
        node.waker.take()
    }

    fn withdraw(&mut self, place: Place) -> Option<Node> {
        let node = self.line.leave(place)?;
        if let Some(queued) = node.queued {
            self.queued.leave(queued);
        }
        // The end has set the counts to zero, before its last node is dismissed.
        if let (Body::Record(record), None) = (&node.body, &self.end) {
            self.stats.queued_bytes -= record.len();
            self.stats.queued_records -= 1;
        }
        Some(node)
    }

    fn take_from(&mut self, place: Place, left: usize) -> usize {
        let Some(node) = self.line.get_mut(place) else {
            return 0;
        };
        let taken = left.min(node.rest());
        node.taken += taken;
        if node.stage == Stage::Accepted {
            self.unsent -= taken;
        }
        taken
    }

    fn recycle(&mut self, body: Body, finished: &mut Finished) {
        match body {
            Body::Record(record) => {
                self.count_finished(1);
                finished.records.push(record);
            }
            Body::Chunk { mut bytes, records } => {
                self.count_finished(records);
                if self.spare_chunks.len() < SPARE_CHUNKS {
                    bytes.clear();
                    self.spare_chunks.push(bytes);
                }
            }
            Body::Flush | Body::Close | Body::Lent => {}
        }
    }

    fn count_finished(&mut self, records: u64) {
        self.stats.records += records;
        self.stats.queued_records -= records;
    }

    fn dismiss_one(&mut self, place: Place) -> Option<Waker> {
        let has_failed = matches!(self.end, Some(Err(_)));
        let node = self.line.get_mut(place)?;
        if node.stage == Stage::Accepted || !has_failed {
            return self.line.leave(place)?.waker;
        }
        node.stage = Stage::Failed;
        let waker = node.waker.take();
        self.line.detach(place);
        waker
    }
}

/// A record that is small enough is copied when it is accepted, so a chunk has room for many.
const _: () = assert!(COPY_MAX * 8 <= CHUNK_BYTES);
