//! Why the job ended early: one line for people, and the exit status that belongs to it.

use std::fmt::Display;
use std::io;
use std::path::Path;

/// Exit status of a connection that failed, as of one that damaged records.
const CONNECTION: u8 = 1;

/// Exit status of input that cannot be read, and of a command line that cannot be obeyed.
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
        Self::new(INPUT, format!("{}: {error}", path.display()))
    }

    /// Something about the command line that only the input or the system could tell.
    pub(crate) fn refused(message: impl Display) -> Self {
        Self::new(INPUT, message)
    }

    /// Something about the connection: names the address and what was tried.
    pub(crate) fn connection(address: impl Display, tried: &str, error: impl Display) -> Self {
        Self::new(CONNECTION, format!("{address}: {tried}: {error}"))
    }

    /// The other side of a connection ended it, or did nothing any more.
    pub(crate) fn peer(address: impl Display, who: &str, error: &io::Error) -> Self {
        let did = match error.kind() {
            io::ErrorKind::TimedOut => "does not answer",
            _ => "went away",
        };
        Self::connection(address, &format!("{who} {did}"), error)
    }

    /// Something about this process: no loop, no thread, no output.
    pub(crate) fn system(tried: &str, error: impl Display) -> Self {
        Self::new(CONNECTION, format!("{tried}: {error}"))
    }

    fn new(status: u8, message: impl Display) -> Self {
        Self {
            message: on_one_line(&message.to_string()),
            status,
        }
    }
}

/// Line ends and control characters escaped: a file may have any name, and a terminal obeys what it is sent.
fn on_one_line(text: &str) -> String {
    let mut line = String::new();
    for character in text.chars() {
        match character {
            '"' | '\'' | '\\' => line.push(character),
            _ => line.extend(character.escape_debug()),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_end_the_line_or_command_the_terminal() {
        let name = Path::new("it's\n\x1b[2J\u{9b}\u{202e}ü");
        let failure = Failure::input(name, "gone");
        assert_eq!(failure.message, r"it's\n\u{1b}[2J\u{9b}\u{202e}ü: gone");
    }
}
