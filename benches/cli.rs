//! The command line.

use clap::Parser;
use clap::builder::PossibleValuesParser;

use crate::row::MIN_PAIRS;

/// Measures tevent beside its peers and prints one table.
#[derive(Parser, Debug)]
#[command(name = "cargo bench --", bin_name = "cargo bench --")]
pub(crate) struct Cli {
    /// The rooms to measure; all of them if none is named
    #[arg(value_name = "ROOM", value_parser = PossibleValuesParser::new(crate::ROOMS.map(|(name, _)| name)))]
    pub(crate) rooms: Vec<String>,

    /// Does a fraction of the work per measurement, for a first look
    #[arg(long)]
    pub(crate) quick: bool,

    /// How often ours and each peer are measured, in turn [default: 5, some rows 11; quick: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(i64::from(MIN_PAIRS)..))]
    pub(crate) pairs: Option<u16>,

    /// Lists the rows and who runs in them, measures nothing
    #[arg(long)]
    pub(crate) list: bool,

    /// One measurement in this process: its figure goes to stdout
    #[arg(long, hide = true, num_args = 2, value_names = ["ROW", "CONTESTANT"])]
    pub(crate) one: Option<Vec<String>>,

    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}
