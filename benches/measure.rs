//! Measuring a row: ours and each peer in turn, every measurement in a process of its own.
//!
//! A process of its own means that nobody finds the heap, the threads and the thread-locals that another left behind.

use std::env;
use std::io;
use std::process::{Command, Stdio};

use crate::row::{Contestant, Load, Row};

/// The figures of one row, in the order of the rounds.
pub(crate) struct Measured {
    pub(crate) ours: Vec<f64>,
    /// As the row's peers.
    pub(crate) peers: Vec<Vec<f64>>,
}

/// Runs all contestants in turn (A B C, A B C, ...), so often.
pub(crate) fn measure(row: &Row, load: Load, rounds: u16) -> io::Result<Measured> {
    let mut measured = Measured {
        ours: Vec::new(),
        peers: vec![Vec::new(); row.peers.len()],
    };
    for _ in 0..rounds {
        measured.ours.push(in_child(row, &row.ours, load)?);
        for (peer, figures) in row.peers.iter().zip(&mut measured.peers) {
            figures.push(in_child(row, peer, load)?);
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
