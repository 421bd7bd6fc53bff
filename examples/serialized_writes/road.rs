//! Three ways for many tasks to share one connection: in turns of a queue, through the queued writer, or with neither.

use std::cell::{Cell, RefCell};
use std::io;
use std::time::Instant;

use bytes::Bytes;
use futures::AsyncWriteExt;
use tevent::net::{QueuedWriter, TcpStream};
use tevent::{TeventQueue, yield_now};

use super::cli::Via;
use super::frame::HEADER_LEN;
use super::waits::Waits;

/// Most bytes that are handed over in one piece, so that a long record counts as progress before all of it is out.
const PIECE: usize = 64 << 10;

/// The sending half of the connection, shared by all senders of one loop.
pub(crate) struct Road {
    way: Way,
    /// Turns that were granted.
    turns: Cell<u64>,
    /// Bytes that the system took; the writer counts its own.
    written: Cell<u64>,
    waits: RefCell<Waits>,
}

enum Way {
    Queue {
        queue: TeventQueue,
        stream: TcpStream,
    },
    Writer(QueuedWriter),
    None(TcpStream),
}

impl Road {
    /// The road onto `stream`, for the context that runs on this thread.
    pub(crate) fn new(via: Via, stream: TcpStream) -> Self {
        let way = match via {
            Via::Queue => Way::Queue {
                queue: TeventQueue::new("connection"),
                stream,
            },
            Via::Writer => Way::Writer(QueuedWriter::new(stream)),
            Via::None => Way::None(stream),
        };
        Self {
            way,
            turns: Cell::new(0),
            written: Cell::new(0),
            waits: RefCell::default(),
        }
    }

    /// Sends one record, a header and a body. Ends when it is with the system.
    ///
    /// This is what the example is about. The two steps of the first way belong together, whoever comes in between: the
    /// guard sees to it. The second way needs no guard, for the record is handed over in one piece. The third is the
    /// first one without its guard.
    pub(crate) async fn send(&self, record: Bytes) -> io::Result<()> {
        let asked = Instant::now();
        match &self.way {
            Way::Queue { queue, stream } => {
                let _guard = queue.entry().await.map_err(io::Error::other)?;
                self.had_its_turn(asked);
                self.in_two_steps(stream, &record).await
            }
            Way::Writer(writer) => {
                writer.write(record).await.map_err(io::Error::from)?;
                self.had_its_turn(asked);
                Ok(())
            }
            Way::None(stream) => self.in_two_steps(stream, &record).await,
        }
    }

    /// Writes the header, gives way, and writes the body: whoever else writes meanwhile tears the record.
    async fn in_two_steps(&self, stream: &TcpStream, record: &[u8]) -> io::Result<()> {
        let (header, body) = record.split_at(HEADER_LEN);
        self.write(stream, header).await?;
        yield_now().await;
        self.write(stream, body).await
    }

    async fn write(&self, mut stream: &TcpStream, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(PIECE) {
            stream.write_all(piece).await?;
            self.written.set(self.written.get() + piece.len() as u64);
        }
        Ok(())
    }

    /// Ends the sending half, once all senders have ended.
    pub(crate) async fn close(&self) -> io::Result<()> {
        match &self.way {
            Way::Queue { stream, .. } | Way::None(stream) => (&mut &*stream).close().await,
            Way::Writer(writer) => writer.close().await.map_err(io::Error::from),
        }
    }

    /// How often somebody had the connection for himself: turns of the queue, or system calls of the writer.
    pub(crate) fn batches(&self) -> u64 {
        match &self.way {
            Way::Queue { .. } | Way::None(_) => self.turns.get(),
            Way::Writer(writer) => writer.stats().batches,
        }
    }

    /// Bytes that the system took so far: once its buffers are full, they grow only if the receiver reads.
    pub(crate) fn progress(&self) -> u64 {
        match &self.way {
            Way::Queue { .. } | Way::None(_) => self.written.get(),
            Way::Writer(writer) => writer.stats().bytes,
        }
    }

    /// How long records have waited for their turn.
    pub(crate) fn take_waits(&self) -> Waits {
        self.waits.take()
    }

    fn had_its_turn(&self, asked: Instant) {
        self.turns.set(self.turns.get() + 1);
        self.waits.borrow_mut().add(asked.elapsed());
    }
}
