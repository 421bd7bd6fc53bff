//! Why the job ended early: one line for people, and the exit status that belongs to it.

use std::fmt::Display;
use std::path::Path;

/// Exit status of a connection that failed, as of one that damaged records.
const CONNECTION: u8 = 1;

/// Exit status of input that cannot be read.
const INPUT: u8 = 2;

/// An error of the job.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) status: u8,
}

impl Failure {
    /// Something about the input: names the path.
    pub(crate) fn input(path: &Path, error: impl Display) -> Self {
        Self {
            message: format!("{}: {error}", path.display()),
            status: INPUT,
        }
    }

    /// Something about the connection: names the address and what was tried.
    pub(crate) fn connection(address: impl Display, tried: &str, error: impl Display) -> Self {
        Self {
            message: format!("{address}: {tried}: {error}"),
            status: CONNECTION,
        }
    }

    /// Something about this process: no loop, no thread, no output.
    pub(crate) fn system(tried: &str, error: impl Display) -> Self {
        Self {
            message: format!("{tried}: {error}"),
            status: CONNECTION,
        }
    }
}
