//! The peers in C: programs of our own, linked to the system's libraries by the build script.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::row::{Contestant, Load};

/// The contestant that runs this program with these arguments: absent without the feature `c-peers` or the library.
pub(crate) fn peer(
    name: &'static str,
    program: &'static str,
    arguments: impl Fn(Load) -> Vec<String> + 'static,
) -> Contestant {
    match path(program) {
        Some(path) => Contestant::new(name, move |load| figure_of(&path, &arguments(load))),
        None => Contestant::absent(name),
    }
}

/// Where the build script has put this program.
pub(crate) fn path(program: &str) -> Option<PathBuf> {
    let path = Path::new(env!("OUT_DIR")).join(program);
    (cfg!(feature = "c-peers") && path.exists()).then_some(path)
}

/// The program measures itself, so its start costs it nothing.
fn figure_of(program: &Path, arguments: &[String]) -> io::Result<f64> {
    let mut command = Command::new(program);
    let output = command.args(arguments).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        let ended = format!("{} ended with {}", program.display(), output.status);
        return Err(io::Error::other(ended));
    }
    let figure = String::from_utf8_lossy(&output.stdout);
    figure.trim().parse().map_err(io::Error::other)
}
