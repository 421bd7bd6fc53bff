//! The files to send: found and opened once before anything is sent, then read in parts that fit one record.
//!
//! Files are read with plain blocking calls, on the thread of the loop: the system has no readiness for regular files.
//! While a part comes from a slow disk, the whole loop waits; a program that minds would read on a thread of its own.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use walkdir::{DirEntry, WalkDir};

use super::failure::Failure;

/// What is left out below the default path: what the compiler makes, and the history.
const NOT_SOURCES: [&str; 2] = ["target", ".git"];

/// A regular file that could be opened, and what it looked like then.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) path: PathBuf,
    looks: Looks,
}

/// By what a change is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Looks {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Looks {
    fn of(metadata: &Metadata) -> Self {
        Self {
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
        }
    }
}

/// Every regular file below the paths, each path's in the order of their names. Links below a path are not followed.
///
/// Memory: the list of their names.
///
/// # Errors
/// The first path that is missing, cannot be read, or is neither a file nor a directory.
pub(crate) fn collect(paths: &[PathBuf]) -> Result<Vec<Input>, Failure> {
    let mut inputs = Vec::new();
    for path in paths {
        let kind = path
            .metadata()
            .map_err(|error| Failure::input(path, error))?;
        if !kind.is_file() && !kind.is_dir() {
            return Err(Failure::input(path, "neither a file nor a directory"));
        }
        collect_below(path, |_| true, &mut inputs)?;
    }
    Ok(inputs)
}

/// The sources of this project: what is sent if no path is given.
///
/// # Errors
/// As [`collect`]; for example if the folder has moved since this program was built.
pub(crate) fn collect_sources() -> Result<Vec<Input>, Failure> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut inputs = Vec::new();
    let is_source = |entry: &DirEntry| {
        NOT_SOURCES
            .iter()
            .all(|name| entry.depth() != 1 || entry.file_name() != *name)
    };
    collect_below(here.parent().unwrap_or(here), is_source, &mut inputs)?;
    Ok(inputs)
}

fn collect_below(
    path: &Path,
    is_wanted: impl FnMut(&DirEntry) -> bool,
    inputs: &mut Vec<Input>,
) -> Result<(), Failure> {
    let walk = WalkDir::new(path).sort_by_file_name().into_iter();
    for entry in walk.filter_entry(is_wanted) {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(path).to_owned();
            Failure::input(&path, io::Error::from(error))
        })?;
        // A path that was given may itself be a link, to a file.
        if entry.file_type().is_file() || (entry.depth() == 0 && entry.path().is_file()) {
            inputs.push(Input::examine(entry.into_path())?);
        }
    }
    Ok(())
}

impl Input {
    fn examine(path: PathBuf) -> Result<Self, Failure> {
        match File::open(&path).and_then(|file| file.metadata()) {
            Ok(metadata) => Ok(Self {
                looks: Looks::of(&metadata),
                path,
            }),
            Err(error) => Err(Failure::input(&path, error)),
        }
    }

    /// The file's length, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.looks.bytes
    }

    /// Opens the file to read all of it.
    ///
    /// # Errors
    /// If it has vanished or changed since it was examined.
    pub(crate) fn open(&self) -> Result<Source<'_>, Failure> {
        let file = File::open(&self.path).map_err(|error| Failure::input(&self.path, error))?;
        let source = Source {
            input: self,
            file,
            left: self.bytes(),
        };
        source.check()?;
        Ok(source)
    }
}

/// An open file.
pub(crate) struct Source<'a> {
    input: &'a Input,
    file: File,
    left: u64,
}

impl Source<'_> {
    /// How long the next part is, if it may have `most` bytes; 0 at the end.
    pub(crate) fn next_part(&self, most: usize) -> usize {
        usize::try_from(self.left).map_or(most, |left| left.min(most))
    }

    /// Reads the next part: as many bytes as `part` has, which are not more than are left.
    ///
    /// # Errors
    /// If the file cannot be read, or has become shorter.
    pub(crate) fn read(&mut self, part: &mut [u8]) -> Result<(), Failure> {
        match self.file.read_exact(part) {
            Ok(()) => {
                self.left -= part.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.changed()),
            Err(error) => Err(Failure::input(&self.input.path, error)),
        }
    }

    /// Makes sure, after the last part, that this was the whole file, and still the one that was examined.
    ///
    /// # Errors
    /// If it was not: nothing is left out without a word.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        match self.file.read(&mut [0]) {
            Ok(0) => self.check(),
            Ok(_) => Err(self.changed()),
            Err(error) => Err(Failure::input(&self.input.path, error)),
        }
    }

    fn check(&self) -> Result<(), Failure> {
        match self.file.metadata() {
            Ok(metadata) if Looks::of(&metadata) == self.input.looks => Ok(()),
            Ok(_) => Err(self.changed()),
            Err(error) => Err(Failure::input(&self.input.path, error)),
        }
    }

    fn changed(&self) -> Failure {
        Failure::input(&self.input.path, "changed while it was being sent")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = tree.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        tree
    }

    fn read_all(input: &Input, most: usize) -> Result<Vec<u8>, Failure> {
        let mut source = input.open()?;
        let mut all = Vec::new();
        while source.next_part(most) > 0 {
            let mut part = vec![0; source.next_part(most)];
            source.read(&mut part)?;
            all.extend_from_slice(&part);
        }
        source.finish()?;
        Ok(all)
    }

    #[test]
    fn every_file_below_is_found_in_order_and_links_are_left_alone() {
        let tree = tree(&[("b/c", "3"), ("a", "1"), ("b/.a", "2"), ("target/d", "4")]);
        std::os::unix::fs::symlink("a", tree.path().join("link")).unwrap();
        let link = tree.path().join("link");
        let inputs = collect(&[tree.path().to_owned(), link.clone()]).unwrap();
        let names: Vec<_> = inputs
            .iter()
            .map(|input| input.path.strip_prefix(tree.path()).unwrap().to_owned())
            .collect();
        assert_eq!(
            names,
            ["a", "b/.a", "b/c", "target/d", "link"].map(PathBuf::from)
        );
    }

    #[test]
    fn files_are_read_whole_in_parts_of_any_size() {
        let tree = tree(&[("a", "12345678"), ("empty", "")]);
        let inputs = collect(&[tree.path().to_owned()]).unwrap();
        for part in [1, 3, 4, 8, 9] {
            assert_eq!(read_all(&inputs[0], part).unwrap(), b"12345678");
            assert_eq!(read_all(&inputs[1], part).unwrap(), b"");
        }
    }

    #[test]
    fn a_missing_path_or_a_device_is_refused_by_name() {
        let missing = collect(&["/nonexistent/x".into()]).unwrap_err();
        assert_eq!(missing.status, 2);
        assert!(missing.message.starts_with("/nonexistent/x: "));
        let device = collect(&["/dev/null".into()]).unwrap_err();
        assert!(device.message.starts_with("/dev/null: neither"));
    }

    #[test]
    fn a_file_that_changed_or_vanished_is_an_error_by_name() {
        let tree = tree(&[("a", "1234"), ("b", "1234"), ("c", "1234")]);
        let inputs = collect(&[tree.path().to_owned()]).unwrap();
        let is_change = |failure: Failure, name: &str| {
            assert_eq!(failure.status, 2);
            let end = format!("{name}: changed while it was being sent");
            assert!(failure.message.ends_with(&end), "{}", failure.message);
        };
        fs::write(&inputs[0].path, "12345").unwrap();
        is_change(read_all(&inputs[0], 2).unwrap_err(), "a");

        let mut source = inputs[1].open().unwrap();
        source.read(&mut [0; 2]).unwrap();
        fs::write(&inputs[1].path, "12").unwrap();
        is_change(source.read(&mut [0; 2]).unwrap_err(), "b");

        let mut source = inputs[2].open().unwrap();
        source.read(&mut [0; 4]).unwrap();
        fs::write(&inputs[2].path, "12345").unwrap();
        is_change(source.finish().unwrap_err(), "c");

        // The system says 0 bytes of it, and gives more.
        let proc = collect(&["/proc/self/status".into()]).unwrap();
        is_change(read_all(&proc[0], 2).unwrap_err(), "/proc/self/status");

        fs::remove_file(&inputs[0].path).unwrap();
        assert_eq!(read_all(&inputs[0], 2).unwrap_err().status, 2);
    }

    #[test]
    fn the_sources_are_found_without_target_and_history() {
        let inputs = collect_sources().unwrap();
        let has = |end: &str| inputs.iter().any(|input| input.path.ends_with(end));
        assert!(has("examples/serialized_writes/input.rs") && has("crates/tevent/src/lib.rs"));
        assert!(!has(".git/HEAD") && !has("target/CACHEDIR.TAG"));
    }
}
