//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum, value_parser};

use super::frame::{MAX_BODY, MAX_SENDERS};
use super::patience::Patience;
use super::sabotage::Fault;

const ABOUT: &str = "Many tasks write whole records through one socket, one after another";

const LONG_ABOUT: &str = "\
Many tasks write whole records through one socket, one after another

Every regular file below the paths is cut into records, and 64 tasks on one event loop send
them over one TCP connection: each takes the next file and sends it record by record, first a
header and then the body. A receiver (a second loop, on a thread of its own) checks that every
record came whole and in order, and that every file has the digest it had. What it counted is
the last line of the output.";

const MORE: &str = "\
OUTPUT:
  files      sent by all tasks together
  records    sent: parts of files, one more for each file's end and one for each task's end
  bytes      of the files
  speed      from the connection until the receiver has checked everything
  batches    --via queue: turns granted; --via writer: system calls that wrote
  wait       how long records waited for their turn (--via writer: until they were written)
  last line  what the receiver counted:
    torn          records that came damaged, and files whose digest is wrong
    lost          records that did not come
    out of order  records that came later than one that their task sent after them

EXIT STATUS:
  0  nothing torn, nothing lost, nothing out of order, and all that was sent was counted
  1  otherwise, or the connection failed
  2  a path cannot be read, or changed while it was sent; or the command line is wrong, or
     asks for more open files than the system allows

TRY:
  serialized_writes                   the sources of this project, in turns of a queue
  serialized_writes --via writer      the same through the queued writer: fewer system calls
  serialized_writes --via none        the same without turns: see the records tear
  serialized_writes --listen 127.0.0.1:7000
  serialized_writes --to 127.0.0.1:7000 ~/Documents        in a second terminal

  Without turns, each task writes its header, lets the others go on, and writes its body. So
  two tasks are enough to tear records, however small the input: each has at least the record
  of its own end to send. With --senders 1 nothing tears.

MEMORY:
  --senders times --record-bytes, a few records on the receiver's side, and the names of the
  files. At most --senders files are open at a time; if the system's soft limit of open files is
lower than that takes, it is raised.

Nothing is encrypted, and nobody is asked who he is: use --to and --listen on networks that
you trust.";

/// What the command line says.
#[derive(Debug, Parser)]
#[command(name = "serialized_writes", bin_name = "serialized_writes")]
#[command(about = ABOUT, long_about = LONG_ABOUT, after_long_help = MORE)]
pub(crate) struct Options {
    /// Files, and directories to send all files of [default: the sources of this project]
    ///
    /// Links inside a directory are not followed.
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// How the tasks share the connection
    #[arg(long, value_enum, default_value_t = Via::Queue)]
    pub(crate) via: Via,

    /// How many tasks send at the same time
    #[arg(long, value_name = "N", default_value_t = 64,
        value_parser = value_parser!(u32).range(1..=i64::from(MAX_SENDERS)))]
    pub(crate) senders: u32,

    /// Bytes of a file in one record, at most
    #[arg(long, value_name = "N", default_value_t = 16 << 10,
        value_parser = value_parser!(u32).range(1..=MAX_BODY as i64))]
    pub(crate) record_bytes: u32,

    /// Send to a receiver in another process, started with --listen
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) to: Option<String>,

    /// Receive one connection from a process started with --to, and print what was counted
    ///
    /// Port 0 lets the system choose one; it is told on stderr.
    #[arg(long, value_name = "ADDR", value_parser = address,
        conflicts_with_all = ["paths", "via", "senders", "record_bytes", "to", "sabotage"])]
    pub(crate) listen: Option<String>,

    /// With --to or --listen: seconds without a byte after which the other side is given up
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
        value_parser = value_parser!(u32).range(1..=86_400))]
    pub(crate) patience: u32,

    /// Do one thing wrong on purpose, to see it counted
    #[arg(long, value_enum, value_name = "FAULT", hide = true)]
    pub(crate) sabotage: Option<Fault>,
}

impl Options {
    /// How long to wait for the other side: without a limit if it is in this process.
    pub(crate) fn patience(&self) -> Patience {
        match (&self.to, &self.listen) {
            (None, None) => Patience::unlimited(),
            _ => Patience::limited(Duration::from_secs(self.patience.into())),
        }
    }
}

/// How the tasks share the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Via {
    /// Each record in a turn of a TeventQueue: nobody else writes in between
    Queue,
    /// Each record handed whole to a QueuedWriter: all that wait go out at once
    Writer,
    /// Without turns: others write between header and body, and records tear
    None,
}

/// An address in the form HOST:PORT; the host is looked up later.
fn address(text: &str) -> Result<String, String> {
    let (host, port) = text
        .rsplit_once(':')
        .ok_or("the form is HOST:PORT, for example 127.0.0.1:7000")?;
    if host.is_empty() {
        return Err("a host is missing before the colon".to_owned());
    }
    match port.parse::<u16>() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("not a port: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, clap::Error> {
        Options::try_parse_from([&["serialized_writes"], arguments].concat())
    }

    #[test]
    fn the_definition_is_sound() {
        Options::command().debug_assert();
    }

    #[test]
    fn the_defaults_are_those_of_the_main_job() {
        let options = parse(&[]).unwrap();
        assert_eq!(options.via, Via::Queue);
        assert_eq!((options.senders, options.record_bytes), (64, 16384));
        assert!(options.paths.is_empty() && options.to.is_none() && options.listen.is_none());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [
            &["--senders", "0"][..],
            &["--senders", "4097"],
            &["--record-bytes", "0"],
            &["--record-bytes", "16777217"],
            &["--via", "pigeon"],
            &["--patience", "0"],
            &["--to", "7000"],
            &["--to", ":7000"],
            &["--to", "localhost:70000"],
            &["--listen", "[::1]:0", "--to", "[::1]:7"],
            &["--listen", "[::1]:0", "path"],
            &["--listen", "[::1]:0", "--senders", "3"],
        ] {
            assert_eq!(parse(bad).unwrap_err().exit_code(), 2, "{bad:?}");
        }
        for good in [
            &["--senders", "4096", "--record-bytes", "16777216"][..],
            &["--listen", "[::1]:0", "--patience", "1"],
            &["--to", "localhost:7000", "path"],
        ] {
            assert!(parse(good).is_ok(), "{good:?}");
        }
    }
}
