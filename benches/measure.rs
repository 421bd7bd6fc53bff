//! Measuring a row: ours and each peer in turn, there and back again, every measurement in a process of its own.
//!
//! A process of its own means that nobody finds the heap, the threads and the thread-locals that another left behind.

use std::env;
use std::io;
use std::iter;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::row::{Contestant, Load, Row};

/// A quick look begins no further round of a row that has taken so long.
const PATIENCE: Duration = Duration::from_secs(1);

/// The figures of one row, in the order of the rounds.
pub(crate) struct Measured {
    pub(crate) ours: Vec<f64>,
    /// As the row's peers; empty for those that are not installed.
    pub(crate) peers: Vec<Vec<f64>>,
}

/// Runs all contestants in turn, so often (A B C, C B A, ...): what one leaves in the machine meets each of the others.
pub(crate) fn measure(row: &Row, load: Load, rounds: u16) -> io::Result<Measured> {
    let mut measured = Measured {
        ours: Vec::new(),
        peers: vec![Vec::new(); row.peers.len()],
    };
    let start = Instant::now();
    for round in 0..rounds {
        if load.quick && start.elapsed() > PATIENCE {
            break;
        }
        let figures = iter::once(&mut measured.ours).chain(&mut measured.peers);
        let mut pairs: Vec<_> = row.contestants().zip(figures).collect();
        if round % 2 == 1 {
            pairs.reverse();
        }
        for (contestant, figures) in pairs {
            if contestant.is_installed() {
                figures.push(in_child(row, contestant, load)?);
            }
        }
    }
    Ok(measured)
}

fn in_child(row: &Row, contestant: &Contestant, load: Load) -> io::Result<f64> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["--one", &row.name, contestant.name]);
    if load.quick {
        command.arg("--quick");
    }
    let output = command.stderr(Stdio::inherit()).output()?;
    let figure = String::from_utf8_lossy(&output.stdout);
    match figure.trim().parse::<f64>() {
        Ok(figure) if output.status.success() && figure.is_finite() => Ok(figure),
        _ => Err(io::Error::other(format!(
            "{}: {} gave no figure ({})",
            row.name, contestant.name, output.status
        ))),
    }
}
