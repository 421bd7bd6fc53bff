//! The sending side: many tasks on one context, one connection, and the receiver's answer at the end.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use futures::{AsyncReadExt, AsyncWriteExt};
use indicatif::ProgressBar;
use tevent::net::TcpStream;
use tevent::{Context, spawn};

use super::cli::Options;
use super::digest::Digest;
use super::failure::Failure;
use super::frame::{Kind, Label, record};
use super::input::Input;
use super::outbox::Outbox;
use super::patience::Patience;
use super::road::Road;
use super::splitter::{Found, Splitter};
use super::tally::Tally;
use super::waits::Waits;

/// What was sent, and what the receiver says to it.
pub(crate) struct Delivery {
    pub(crate) sent: Sent,
    pub(crate) answer: Tally,
    pub(crate) elapsed: Duration,
    pub(crate) batches: u64,
    pub(crate) waits: Waits,
}

/// What all senders together have sent.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sent {
    pub(crate) files: u64,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// What the senders share: all of it on one thread, so plain cells will do.
struct Job {
    address: String,
    road: Road,
    inputs: Vec<Input>,
    /// The number of the next file that nobody has taken.
    next: Cell<usize>,
    record_bytes: usize,
    sent: RefCell<Sent>,
    bar: ProgressBar,
}

/// Sends all inputs to the receiver at `address` and waits for its answer, on a context of its own.
///
/// # Errors
/// If there is no receiver, or it goes away, or it does not go on; if its counts are not to be believed; if a file
/// cannot be read or has changed. The connection breaks off then, and the receiver counts what it misses.
pub(crate) fn run(
    address: String,
    inputs: Vec<Input>,
    options: &Options,
    bar: &ProgressBar,
) -> Result<Delivery, Failure> {
    let context = Context::new().map_err(|error| Failure::system("no event loop", error))?;
    context.block_on(deliver(address, inputs, options, bar))
}

async fn deliver(
    address: String,
    inputs: Vec<Input>,
    options: &Options,
    bar: &ProgressBar,
) -> Result<Delivery, Failure> {
    let patience = options.patience();
    let connecting = patience.step(TcpStream::connect(address.as_str()));
    let stream = connecting
        .await
        .map_err(|error| Failure::connection(&address, "cannot connect", error))?;
    let started = Instant::now();
    let job = Rc::new(Job {
        road: Road::new(options.via, stream.clone()),
        address,
        inputs,
        next: Cell::new(0),
        record_bytes: options.record_bytes as usize,
        sent: RefCell::default(),
        bar: bar.clone(),
    });
    let announced = patience.step(announce(&stream, options.senders)).await;
    announced.map_err(|error| job.lost(error))?;
    let sending = patience.watch(job.send_all(options), || job.road.progress());
    sending.await.map_err(|error| job.lost(error))??;
    let answer = read_answer(stream, patience).await;
    let answer = answer.map_err(|error| job.lost(error))?;
    job.check(&answer)?;
    let sent = *job.sent.borrow();
    Ok(Delivery {
        sent,
        answer,
        elapsed: started.elapsed(),
        batches: job.road.batches(),
        waits: job.road.take_waits(),
    })
}

/// Sends the first record: how many senders there are.
async fn announce(mut stream: &TcpStream, senders: u32) -> io::Result<()> {
    let label = Label::of_connection(Kind::Start);
    stream
        .write_all(&record(label, &senders.to_le_bytes()))
        .await
}

impl Job {
    /// Lets all senders run at the same time, and ends the sending half after the last one.
    async fn send_all(self: &Rc<Self>, options: &Options) -> Result<(), Failure> {
        let senders = (0..options.senders).map(|sender| {
            let fault = options.sabotage.filter(|_| sender == 0);
            spawn(Rc::clone(self).send_files(Outbox::new(sender, fault)))
        });
        // The first error ends it all: the other tasks are cancelled when they are dropped.
        try_join_all(senders).await?;

        let closed = self.road.close().await;
        closed.map_err(|error| self.lost(error))
    }

    /// One sender: takes the next file, sends it whole, and so on until there are no more.
    async fn send_files(self: Rc<Self>, mut outbox: Outbox) -> Result<(), Failure> {
        while let Some((number, input)) = self.next_file() {
            self.send_file(&mut outbox, number, input).await?;
        }
        let before = outbox.sent().to_le_bytes();
        let ended = outbox
            .send_body(&self.road, Kind::SenderEnd, 0, &before)
            .await;
        ended.map_err(|error| self.lost(error))?;
        self.sent.borrow_mut().records += outbox.sent();
        Ok(())
    }

    fn next_file(&self) -> Option<(u64, &Input)> {
        let number = self.next.get();
        let input = self.inputs.get(number)?;
        self.next.set(number + 1);
        Some((number as u64, input))
    }

    async fn send_file(
        &self,
        outbox: &mut Outbox,
        number: u64,
        input: &Input,
    ) -> Result<(), Failure> {
        let mut source = input.open()?;
        let mut digest = Digest::new();
        loop {
            let length = source.next_part(self.record_bytes);
            if length == 0 {
                break;
            }
            let part = outbox.body(length);
            source.read(part)?;
            digest.update(part);
            let sent = outbox.send(&self.road, Kind::Data, number).await;
            sent.map_err(|error| self.lost(error))?;
            self.sent.borrow_mut().bytes += length as u64;
            self.bar.inc(length as u64);
        }
        source.finish()?;
        let seal = digest.seal().encode();
        let sent = outbox
            .send_body(&self.road, Kind::FileEnd, number, &seal)
            .await;
        sent.map_err(|error| self.lost(error))?;
        self.sent.borrow_mut().files += 1;
        Ok(())
    }

    /// A receiver that found nothing wrong must have counted all that was sent.
    fn check(&self, answer: &Tally) -> Result<(), Failure> {
        let Sent {
            files,
            records,
            bytes,
        } = *self.sent.borrow();
        let agrees = (answer.files, answer.records, answer.bytes) == (files, records, bytes);
        if agrees || !answer.is_clean() {
            return Ok(());
        }
        let counts = format!(
            "it misses nothing, and counts {} of {files} files, {} of {records} records, {} of {bytes} bytes",
            answer.files, answer.records, answer.bytes
        );
        Err(Failure::connection(
            &self.address,
            "the receiver contradicts itself",
            counts,
        ))
    }

    fn lost(&self, error: io::Error) -> Failure {
        Failure::peer(&self.address, "the receiver", &error)
    }
}

/// What the receiver counted: the only record that it sends.
async fn read_answer(mut stream: TcpStream, patience: Patience) -> io::Result<Tally> {
    let mut splitter = Splitter::new();
    loop {
        let count = patience.step(stream.read(splitter.space())).await?;
        splitter.filled(count);
        match splitter.next() {
            Some(Found::Whole(header, body)) if header.label.kind == Kind::Answer => {
                return Tally::decode(body).ok_or_else(no_answer);
            }
            Some(_) => return Err(no_answer()),
            None if count == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            None => {}
        }
    }
}

fn no_answer() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "what it sent is not the answer of a receiver",
    )
}
