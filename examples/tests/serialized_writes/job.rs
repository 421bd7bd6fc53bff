//! One run of the example and what it said, the trees that it sends, and the ends of its connection.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

pub(super) const CLEAN: &str = "0 torn, 0 lost, 0 out of order";

/// More than the system keeps for a receiver that does not read.
pub(super) const MORE_THAN_BUFFERS: u64 = 24 << 20;

/// After which a job that should have ended has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a job said, and how it ended.
pub(super) struct Done {
    pub(super) status: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl Done {
    pub(super) fn last_line(&self) -> &str {
        self.out.lines().last().unwrap_or_default()
    }

    /// The value behind a name in the output.
    pub(super) fn value(&self, name: &str) -> &str {
        let mut lines = self.out.lines();
        let found = lines.find_map(|line| line.strip_prefix(name));
        found
            .unwrap_or_else(|| panic!("no {name} in {}", self.out))
            .trim()
    }

    #[track_caller]
    pub(super) fn expect(&self, status: i32, last_line: &str) {
        assert_eq!(
            (self.status, self.last_line()),
            (Some(status), last_line),
            "{}{}",
            self.out,
            self.err
        );
    }

    /// Nothing on stdout, one line on stderr that holds all these words.
    #[track_caller]
    pub(super) fn expect_error(&self, status: i32, words: &[&str]) {
        assert_eq!(
            (self.status, &*self.out),
            (Some(status), ""),
            "{}",
            self.err
        );
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        for word in words {
            assert!(self.err.contains(word), "no {word} in {}", self.err);
        }
    }
}

/// The example: cargo builds it next to the folder of the tests.
pub(super) fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let binary = profile.join("examples/serialized_writes");
    assert!(
        binary.exists(),
        "{} is missing: run `cargo build --examples` with the same profile first",
        binary.display()
    );
    binary
}

pub(super) fn start(arguments: &[&str]) -> Child {
    spawn(Command::new(binary()).args(arguments))
}

pub(super) fn spawn(command: &mut Command) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

pub(super) fn end(child: Child) -> Done {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(child.wait_with_output()));
    let output: Output = told
        .recv_timeout(PATIENCE)
        .expect("the job ends in time")
        .unwrap();
    Done {
        status: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(super) fn run(arguments: &[&str]) -> Done {
    end(start(arguments))
}

pub(super) fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(super) fn write(tree: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = tree.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

/// The same every time.
pub(super) fn noise(bytes: u32) -> Vec<u8> {
    let mix = |n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8;
    (0..bytes).map(mix).collect()
}

/// 151 files: one of many records, one empty, the others small; 100 of them in directories.
pub(super) fn tree() -> TempDir {
    let tree = tempfile::tempdir().unwrap();
    let long = noise(300_000);
    write(&tree, "long", &long);
    write(&tree, "empty", b"");
    for n in 0..149 {
        let name = match n % 3 {
            0 => format!("file {n}"),
            _ => format!("directory {n}/file"),
        };
        write(&tree, &name, &long[n * 7..n * 50]);
    }
    tree
}

pub(super) fn with_one_file(bytes: u64) -> (TempDir, PathBuf) {
    let tree = tempfile::tempdir().unwrap();
    let path = write(&tree, "one", b"");
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(bytes)
        .unwrap();
    (tree, path)
}

pub(super) fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// A receiver in a process of its own, and its address.
pub(super) fn receiver(more: &[&str]) -> (Child, String) {
    let mut child = start(&[&["--listen", "127.0.0.1:0"], more].concat());
    let mut line = String::new();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    err.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap();
    // What it says later, byte for byte, is of no interest; that it may say it, is.
    thread::spawn(move || std::io::copy(&mut err, &mut std::io::sink()));
    (child, address.to_owned())
}
