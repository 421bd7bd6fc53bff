//! tevent beside its peers: `cargo bench` measures every row of every room and prints one table.

mod c_peers;
mod cli;
mod cores;
mod descriptors;
mod doorbell;
mod gate;
mod immediates;
mod inject;
mod locks;
mod measure;
mod remote_wake;
mod request;
mod row;
mod runtimes;
mod sleep;
mod spawn;
mod table;
mod threads;
mod timers;
mod two_loops;
mod verdict;
mod writer;
mod yield_now;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::row::{Load, Row};
use crate::table::Table;
use crate::verdict::Verdict;

/// The rooms, in the order of the table.
const ROOMS: [(&str, Rows); 14] = [
    ("yield_now", yield_now::rows),
    ("spawn", spawn::rows),
    ("gate", gate::rows),
    ("threads", threads::rows),
    ("two_loops", two_loops::rows),
    ("remote_wake", remote_wake::rows),
    ("inject", inject::rows),
    ("doorbell", doorbell::rows),
    ("writer", writer::rows),
    ("immediates", immediates::rows),
    ("timers", timers::rows),
    ("sleep", sleep::rows),
    ("descriptors", descriptors::rows),
    ("request", request::rows),
];

/// Pairs of a first look.
const QUICK_PAIRS: u16 = 3;

type Rows = fn() -> Vec<Row>;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.one {
        Some(names) => run_one(names, &cli),
        None if cli.list => list(&cli),
        None => run_all(&cli),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_all(cli: &Cli) -> io::Result<()> {
    let rows = rows(cli);
    let mut table = Table::default();
    for (index, row) in rows.iter().enumerate() {
        eprintln!("[{}/{}] {}", index + 1, rows.len(), row.name);
        let measured = measure::measure(row, cli.load(), cli.pairs(row))?;
        table.add(row, &Verdict::of(row, &measured));
    }
    println!("{table}");
    if cli.quick {
        println!("Quick: a fraction of the work, for a first look. `cargo bench` gives results.");
    }
    let summary = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench/summary.json");
    table.write_json(&summary)?;
    eprintln!("written to {}", summary.display());
    Ok(())
}

fn run_one(names: &[String], cli: &Cli) -> io::Result<()> {
    let rows = rows(cli);
    let row = rows.iter().find(|row| row.name == names[0]);
    let contestant = row.and_then(|row| row.contestants().find(|someone| someone.name == names[1]));
    match contestant {
        Some(contestant) => println!("{}", contestant.run(cli.load())?),
        None => return Err(io::Error::other(format!("nobody is called {names:?}"))),
    }
    Ok(())
}

fn list(cli: &Cli) -> io::Result<()> {
    for row in rows(cli) {
        let names: Vec<_> = row.contestants().map(|someone| someone.name).collect();
        println!("{}: {}", row.name, names.join(", "));
    }
    Ok(())
}

fn rows(cli: &Cli) -> Vec<Row> {
    ROOMS
        .iter()
        .filter(|(name, _)| cli.wants(name))
        .flat_map(|(_, rows)| rows())
        .collect()
}

impl Cli {
    fn wants(&self, room: &str) -> bool {
        self.rooms.is_empty() || self.rooms.iter().any(|name| name == room)
    }

    fn pairs(&self, row: &Row) -> u16 {
        self.pairs
            .unwrap_or(if self.quick { QUICK_PAIRS } else { row.pairs })
    }

    fn load(&self) -> Load {
        Load { quick: self.quick }
    }
}
