//! Many tasks write whole records through one socket, one after another: none torn, none lost.
//!
//! ```text
//!   64 sender tasks on one context                              a receiver on a second thread and context
//!     input  -> outbox  -+
//!     input  -> outbox  -+-> road == one TCP connection ==> splitter -> ledger -> tally
//!     input  -> outbox  -+      <================================================ answer
//! ```
//! - `input` finds the files and reads them in parts; `outbox` makes records of them (`frame`, `digest`, `sabotage`);
//! - `road` is what this example is about: how many tasks share one connection;
//! - `splitter` finds the records in the stream of bytes (`window`), also in a damaged one; `ledger` defines and counts
//!   what is torn, lost and out of order (`arrivals`, `tally`);
//! - `descriptors` and `patience` see to it that the job neither fails half-way nor waits for ever.
//!
//! `cargo run --release --example serialized_writes -- --help` says how to use it.

#[path = "serialized_writes/arrivals.rs"]
mod arrivals;
#[path = "serialized_writes/cli.rs"]
mod cli;
#[path = "serialized_writes/descriptors.rs"]
mod descriptors;
#[path = "serialized_writes/digest.rs"]
mod digest;
#[path = "serialized_writes/failure.rs"]
mod failure;
#[path = "serialized_writes/frame.rs"]
mod frame;
#[path = "serialized_writes/input.rs"]
mod input;
#[path = "serialized_writes/ledger.rs"]
mod ledger;
#[path = "serialized_writes/outbox.rs"]
mod outbox;
#[path = "serialized_writes/patience.rs"]
mod patience;
#[path = "serialized_writes/receiver.rs"]
mod receiver;
#[path = "serialized_writes/report.rs"]
mod report;
#[path = "serialized_writes/road.rs"]
mod road;
#[path = "serialized_writes/sabotage.rs"]
mod sabotage;
#[path = "serialized_writes/sender.rs"]
mod sender;
#[path = "serialized_writes/splitter.rs"]
mod splitter;
#[path = "serialized_writes/tally.rs"]
mod tally;
#[path = "serialized_writes/waits.rs"]
mod waits;
#[path = "serialized_writes/window.rs"]
mod window;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use cli::Options;
use failure::Failure;
use input::Input;
use patience::Patience;
use sender::Delivery;

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.listen {
        Some(address) => listen(address, options.patience()),
        None => send(&options),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("serialized_writes: {}", failure.message);
            ExitCode::from(failure.status)
        }
    }
}

/// Sends all there is to send, to a receiver in this process or in another. Says whether all of it came as it should.
fn send(options: &Options) -> Result<bool, Failure> {
    // Before anything is sent, so that a path that cannot be read ends the job while nothing has happened.
    let inputs = match options.paths[..] {
        [] => input::collect_sources()?,
        _ => input::collect(&options.paths)?,
    };
    let files = inputs.len() as u64;
    descriptors::reserve(files.min(options.senders.into()))?;
    sabotage::check(options.sabotage, files)?;
    let delivery = match &options.to {
        Some(address) => deliver(address.clone(), inputs, options)?,
        None => {
            let receiver = receiver::Local::start()?;
            let delivery = deliver(receiver.address.to_string(), inputs, options)?;
            receiver.join()?;
            delivery
        }
    };
    print(&report::of_delivery(&delivery, options))?;
    Ok(delivery.answer.is_clean())
}

fn deliver(address: String, inputs: Vec<Input>, options: &Options) -> Result<Delivery, Failure> {
    let bar = match io::stderr().is_terminal() {
        true => progress_bar(inputs.iter().map(Input::bytes).sum()),
        false => ProgressBar::hidden(),
    };
    let delivery = sender::run(address, inputs, options, &bar);
    bar.finish_and_clear();
    delivery
}

fn progress_bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    let look = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}, {bytes_per_sec}");
    bar.with_style(look.expect("the names in this template are those of indicatif"))
}

/// Receives one connection, and says whether all of it came as it should.
fn listen(address: &str, patience: Patience) -> Result<bool, Failure> {
    let listening = |address| eprintln!("listening on {address}");
    let receipt = receiver::receive_one(address, patience, listening)?;
    print(&report::of_receipt(&receipt))?;
    match receipt.error {
        None => Ok(receipt.tally.is_clean()),
        Some(error) => Err(Failure::peer(receipt.peer, "the sender", &error)),
    }
}

/// Prints without a panic if nobody reads any more.
fn print(report: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(report.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::system("cannot print the report", error))
}
