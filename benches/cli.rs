//! The command line.

use std::path::PathBuf;

use clap::Parser;
use clap::builder::PossibleValuesParser;

/// Measures tevent beside its peers and prints one table.
#[derive(Parser, Debug)]
#[command(name = "cargo bench --", bin_name = "cargo bench --")]
pub(crate) struct Cli {
    /// The rooms to measure, all of them if none is named; or `curves`, to draw what grows with the work
    #[arg(value_name = "ROOM", value_parser = PossibleValuesParser::new(names()))]
    pub(crate) rooms: Vec<String>,

    /// Does a fraction of the work per measurement, for a first look
    #[arg(long)]
    pub(crate) quick: bool,

    /// Measurements of ours and each peer, in turn [default: 5 or 11, counts 1; quick: 1 to 3]; below 3 decides nothing
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) pairs: Option<u16>,

    /// Lists the rows and who runs in them, measures nothing
    #[arg(long)]
    pub(crate) list: bool,

    /// One measurement in this process: its figure goes to stdout
    #[arg(long, hide = true, num_args = 2, value_names = ["ROW", "CONTESTANT"])]
    pub(crate) one: Option<Vec<String>>,

    /// The client of the room `echo`, in this process: its figures go to stdout
    #[arg(long, hide = true, num_args = 4, value_names = ["PORT", "CONNECTIONS", "ROUND_TRIPS", "SERVER"])]
    pub(crate) echo_client: Option<Vec<u64>>,

    /// Writes the table into this file, between the lines that mark its place
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,

    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn names() -> impl Iterator<Item = &'static str> {
    let rooms = crate::ROOMS.iter().map(|(name, _)| *name);
    rooms.chain([crate::CURVES])
}
