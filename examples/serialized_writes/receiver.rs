//! The receiving side: one connection, read to its end, checked, and answered.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use futures::{AsyncReadExt, AsyncWriteExt};
use tevent::Context;
use tevent::net::{TcpListener, TcpStream};

use super::failure::Failure;
use super::frame::{Kind, Label, record};
use super::ledger::Ledger;
use super::patience::Patience;
use super::splitter::Splitter;
use super::tally::Tally;

/// The address of a receiver in this process: any free port of this machine.
const HERE: &str = "127.0.0.1:0";

/// What came over one connection.
pub(crate) struct Receipt {
    pub(crate) peer: SocketAddr,
    pub(crate) tally: Tally,
    pub(crate) elapsed: Duration,
    /// Why reading or answering ended early.
    pub(crate) error: Option<io::Error>,
}

/// A receiver on a thread and a context of its own.
pub(crate) struct Local {
    pub(crate) address: SocketAddr,
    thread: JoinHandle<Result<Receipt, Failure>>,
}

impl Local {
    /// Starts the thread and waits until it listens.
    ///
    /// # Errors
    /// If it cannot listen.
    pub(crate) fn start() -> Result<Self, Failure> {
        let (told, address) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("receiver".to_owned())
            .spawn(move || {
                receive_one(HERE, Patience::unlimited(), |address| {
                    // Whoever asked waits for it.
                    let _ = told.send(address);
                })
            })
            .map_err(|error| Failure::system("no thread for the receiver", error))?;
        match address.recv() {
            Ok(address) => Ok(Self { address, thread }),
            // It ended before it told its address, and says why.
            Err(_) => Err(end(thread).err().unwrap_or_else(|| {
                Failure::system("the receiver", "ended before it began to listen")
            })),
        }
    }

    /// Waits until the thread has ended. Its counts have gone over the connection; what is left is an error.
    ///
    /// # Errors
    /// If it failed.
    pub(crate) fn join(self) -> Result<(), Failure> {
        let address = self.address;
        match end(self.thread)?.error {
            None => Ok(()),
            Some(error) => Err(Failure::connection(address, "the receiver failed", error)),
        }
    }
}

fn end(thread: JoinHandle<Result<Receipt, Failure>>) -> Result<Receipt, Failure> {
    thread
        .join()
        .unwrap_or_else(|_| Err(Failure::system("the receiver", "its thread panicked")))
}

/// Receives one connection on `address`, on a context of its own. `listening` is told where it really listens; then it
/// waits for a sender as long as it takes, and for what the sender sends as long as it has `patience`.
///
/// # Errors
/// If it cannot listen. An error of the connection is part of the receipt: what came before it has been counted.
pub(crate) fn receive_one(
    address: &str,
    patience: Patience,
    listening: impl FnOnce(SocketAddr),
) -> Result<Receipt, Failure> {
    let context = Context::new().map_err(|error| Failure::system("no event loop", error))?;
    context.block_on(async {
        let refused = |error| Failure::connection(address, "cannot listen", error);
        let listener = TcpListener::bind(address).map_err(refused)?;
        listening(listener.local_addr().map_err(refused)?);
        let (stream, peer) = listener
            .accept()
            .await
            .map_err(|error| Failure::connection(address, "cannot accept", error))?;
        drop(listener); // One connection: who comes later is refused, and does not wait for ever.
        Ok(receive(stream, peer, patience).await)
    })
}

/// Reads the connection to its end and answers with the counts.
async fn receive(mut stream: TcpStream, peer: SocketAddr, patience: Patience) -> Receipt {
    let started = Instant::now();
    let mut ledger = Ledger::default();
    let read = read_all(&mut stream, &mut ledger, patience).await;
    let tally = ledger.close();
    let elapsed = started.elapsed();
    let answered = match read {
        Ok(()) => patience.step(answer(&mut stream, tally)).await,
        Err(error) => Err(error),
    };
    Receipt {
        peer,
        tally,
        elapsed,
        error: answered.err(),
    }
}

async fn read_all(
    stream: &mut TcpStream,
    ledger: &mut Ledger,
    patience: Patience,
) -> io::Result<()> {
    let mut splitter = Splitter::new();
    loop {
        let read = patience.step(stream.read(splitter.space())).await;
        let count = *read.as_ref().unwrap_or(&0);
        splitter.filled(count); // After an error as after the end: what is left in the buffer still counts.
        while let Some(found) = splitter.next() {
            ledger.add(found);
        }
        if count == 0 {
            return read.map(drop);
        }
    }
}

async fn answer(stream: &mut TcpStream, tally: Tally) -> io::Result<()> {
    let answer = record(Label::of_connection(Kind::Answer), &tally.encode());
    stream.write_all(&answer).await?;
    stream.close().await
}
