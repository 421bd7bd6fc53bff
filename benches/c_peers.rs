//! The peers in C: programs of our own, linked to the system's libraries by the build script.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::row::{Contestant, Load};

/// The contestant that runs this program with these arguments; nobody without the feature `c-peers`.
pub(crate) fn peer(
    name: &'static str,
    program: &'static str,
    arguments: impl Fn(Load) -> Vec<String> + 'static,
) -> Option<Contestant> {
    let run = move |load| figure_of(program, &arguments(load));
    cfg!(feature = "c-peers").then(|| Contestant::new(name, run))
}

/// The program measures itself, so its start costs it nothing.
fn figure_of(program: &str, arguments: &[String]) -> io::Result<f64> {
    let mut command = Command::new(Path::new(env!("OUT_DIR")).join(program));
    let output = command.args(arguments).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        let ended = output.status;
        return Err(io::Error::other(format!("{program} ended with {ended}")));
    }
    let figure = String::from_utf8_lossy(&output.stdout);
    figure.trim().parse().map_err(io::Error::other)
}
