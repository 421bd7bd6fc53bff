//! The records of one sender: numbered, put together in a buffer that is used again, and sent.

use std::io;

use bytes::BytesMut;

use super::frame::{HEADER_LEN, Header, Kind, Label};
use super::road::Road;
use super::sabotage::{Fault, Saboteur};

/// What one sender has to number its records.
pub(crate) struct Outbox {
    sender: u32,
    /// The number of the next record.
    sequence: u64,
    /// Room for one record: the header's place, then the body's.
    buffer: BytesMut,
    saboteur: Saboteur,
}

impl Outbox {
    pub(crate) fn new(sender: u32, fault: Option<Fault>) -> Self {
        Self {
            sender,
            sequence: 0,
            buffer: BytesMut::new(),
            saboteur: Saboteur::new(fault),
        }
    }

    /// How many records have been sent.
    pub(crate) fn sent(&self) -> u64 {
        self.sequence
    }

    /// The place of the next record's body.
    pub(crate) fn body(&mut self, length: usize) -> &mut [u8] {
        self.buffer.clear();
        // Takes the room of the last record back, which nobody holds any more.
        self.buffer.resize(HEADER_LEN + length, 0);
        &mut self.buffer[HEADER_LEN..]
    }

    /// Sends what stands in the [`body`](Self::body).
    pub(crate) async fn send(&mut self, road: &Road, kind: Kind, file: u64) -> io::Result<()> {
        let label = Label {
            kind,
            sender: self.sender,
            sequence: self.sequence,
            file,
        };
        self.sequence += 1;
        let (header, body) = self.buffer.split_at_mut(HEADER_LEN);
        header.copy_from_slice(&Header::new(label, body).encode());
        let record = self.buffer.split().freeze();
        for record in self.saboteur.pass(record) {
            road.send(record).await?;
        }
        Ok(())
    }

    /// Sends a record with this body.
    pub(crate) async fn send_body(
        &mut self,
        road: &Road,
        kind: Kind,
        file: u64,
        body: &[u8],
    ) -> io::Result<()> {
        self.body(body.len()).copy_from_slice(body);
        self.send(road, kind, file).await
    }
}
