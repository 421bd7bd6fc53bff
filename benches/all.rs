//! tevent beside its peers: `cargo bench` measures every row of every room and prints one table.

mod accept;
mod allocator;
mod arrivals;
mod burst;
mod c_peers;
mod cli;
mod cores;
mod curves;
mod descriptors;
mod doorbell;
mod echo;
mod fairness;
mod fire;
mod gate;
mod hops;
mod immediates;
mod inject;
mod leave;
mod locks;
mod measure;
mod memory;
mod places;
mod pump;
mod queue_states;
mod random;
mod registration;
mod remote_wake;
mod request;
mod restart;
mod ring;
mod row;
mod runtimes;
mod signals;
mod sleep;
mod spawn;
mod spinning;
mod table;
mod threads;
mod timers;
mod two_loops;
mod verdict;
mod writer;
mod yield_now;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use crate::cli::Cli;
use crate::cores::Cores;
use crate::echo::Client;
use crate::row::{Load, Row};
use crate::table::Table;
use crate::verdict::Verdict;

/// The rooms, in the order of the table.
const ROOMS: &[(&str, Rows)] = &[
    ("yield_now", yield_now::rows),
    ("spawn", spawn::rows),
    ("gate", gate::rows),
    ("leave", leave::rows),
    ("queue_states", queue_states::rows),
    ("threads", threads::rows),
    ("two_loops", two_loops::rows),
    ("remote_wake", remote_wake::rows),
    ("inject", inject::rows),
    ("burst", burst::rows),
    ("doorbell", doorbell::rows),
    ("spinning", spinning::rows),
    ("writer", writer::rows),
    ("immediates", immediates::rows),
    ("timers", timers::rows),
    ("restart", restart::rows),
    ("fire", fire::rows),
    ("sleep", sleep::rows),
    ("descriptors", descriptors::rows),
    ("registration", registration::rows),
    ("hops", hops::rows),
    ("ring", ring::rows),
    ("fairness", fairness::rows),
    ("request", request::rows),
    ("signals", signals::rows),
    ("echo", echo::rows),
    ("pump", pump::rows),
    ("accept", accept::rows),
    ("memory", memory::rows),
];

/// What one says instead of a room to have the curves drawn.
const CURVES: &str = "curves";

/// Pairs of a first look.
const QUICK_PAIRS: u16 = 3;

/// Load per core, over the last minute, above which a machine is not idle.
const MAX_LOAD: f64 = 0.3;

type Rows = fn() -> Vec<Row>;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match (&cli.one, &cli.echo_client) {
        (Some(names), _) => run_one(names, &cli),
        (_, Some(numbers)) => Client::from_numbers(numbers).and_then(Client::run),
        _ if cli.list => list(&cli),
        _ if cli.wants_curves() => folder().and_then(|folder| curves::draw(&folder, cli.load())),
        _ => run_all(&cli),
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
    let busy = busy()?;
    if let Some(warning) = &busy {
        eprintln!("{warning}");
    }
    let mut table = Table::default();
    for (index, row) in rows.iter().enumerate() {
        eprint!("[{}/{}] {}", index + 1, rows.len(), row.name);
        let start = Instant::now();
        let measured = measure::measure(row, cli.load(), cli.pairs(row))?;
        eprintln!(": {:.1} s", start.elapsed().as_secs_f64());
        table.add(row, &Verdict::of(row, &measured));
    }
    println!("{table}");
    if cli.quick {
        println!("Quick: a fraction of the work, for a first look. `cargo bench` gives results.");
    }
    if let Some(warning) = busy {
        println!("{warning}");
    }
    if let Some(file) = &cli.markdown {
        table.write_markdown(file)?;
    }
    let summary = folder()?.join("summary.json");
    table.write_json(&summary)?;
    eprintln!("written to {}", summary.display());
    Ok(())
}

fn run_one(names: &[String], cli: &Cli) -> io::Result<()> {
    let rows: Vec<_> = rows(cli).into_iter().chain(curves::rows()).collect();
    let row = rows.iter().find(|row| row.name == names[0]);
    let contestant = row.and_then(|row| row.contestants().find(|someone| someone.name == names[1]));
    let (Some(row), Some(contestant)) = (row, contestant) else {
        return Err(io::Error::other(format!("nobody is called {names:?}")));
    };
    let cores = Cores::allowed()?;
    if row.is_pinned {
        cores.pin(0)?;
    }
    println!("{}", contestant.run(cli.load())?);
    Ok(())
}

/// What to say of a machine that is doing something else: the figures are not worth much then.
fn busy() -> io::Result<Option<String>> {
    let text = fs::read_to_string("/proc/loadavg")?;
    let load = text.split(' ').next().and_then(|load| load.parse().ok());
    let (load, cores): (f64, _) = (load.unwrap_or(0.0), Cores::allowed()?.count());
    let is_busy = load / cores as f64 > MAX_LOAD;
    Ok(is_busy.then(|| {
        format!("Busy machine: a load of {load} on {cores} cores before the first row. Repeat this when it is idle.")
    }))
}

/// Where the results go: `bench` in the target folder.
fn folder() -> io::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench");
    fs::create_dir_all(&folder)?;
    Ok(folder)
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
    fn wants_curves(&self) -> bool {
        self.rooms.iter().any(|name| name == CURVES)
    }

    fn wants(&self, room: &str) -> bool {
        self.rooms.is_empty() || self.rooms.iter().any(|name| name == room)
    }

    fn pairs(&self, row: &Row) -> u16 {
        let most = if self.quick { QUICK_PAIRS } else { row.pairs };
        self.pairs.unwrap_or(row.pairs.min(most))
    }

    fn load(&self) -> Load {
        Load { quick: self.quick }
    }
}
