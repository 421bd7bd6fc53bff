//! The main job as its user meets it: the built example is run on small trees, and its output and exit status are read.
//!
//! `cargo test` builds the example before it runs these tests; `cargo test --test ...` does not, and takes the one that
//! is there.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

const CLEAN: &str = "0 torn, 0 lost, 0 out of order";

/// More than the system keeps for a receiver that does not read.
const MORE_THAN_BUFFERS: u64 = 24 << 20;

/// After which a job that should have ended has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a job said, and how it ended.
struct Done {
    status: Option<i32>,
    out: String,
    err: String,
}

impl Done {
    fn last_line(&self) -> &str {
        self.out.lines().last().unwrap_or_default()
    }

    /// The value behind a name in the output.
    fn value(&self, name: &str) -> &str {
        let mut lines = self.out.lines();
        let found = lines.find_map(|line| line.strip_prefix(name));
        found
            .unwrap_or_else(|| panic!("no {name} in {}", self.out))
            .trim()
    }

    #[track_caller]
    fn expect(&self, status: i32, last_line: &str) {
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
    fn expect_error(&self, status: i32, words: &[&str]) {
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
fn binary() -> PathBuf {
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

fn start(arguments: &[&str]) -> Child {
    Command::new(binary())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn end(child: Child) -> Done {
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

fn run(arguments: &[&str]) -> Done {
    end(start(arguments))
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn write(tree: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = tree.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

/// The same every time.
fn noise(bytes: u32) -> Vec<u8> {
    let mix = |n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8;
    (0..bytes).map(mix).collect()
}

/// 151 files: one of many records, one empty, the others small; 100 of them in directories.
fn tree() -> TempDir {
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

fn with_one_file(bytes: u64) -> (TempDir, PathBuf) {
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

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[test]
fn both_ways_end_with_zeros() {
    let tree = tree();
    for via in ["queue", "writer"] {
        for more in [
            &[][..],
            &["--senders", "1"],
            &["--senders", "200"],
            &["--record-bytes", "100"],
            &["--record-bytes", "16777216"],
        ] {
            let done = run(&[&["--via", via, path(tree.path())], more].concat());
            done.expect(0, CLEAN);
            assert_eq!(done.value("files"), "151");
            assert_eq!(done.err, "", "no progress bar, for this is no terminal");
        }
    }
}

#[test]
fn the_report_counts_what_was_sent() {
    let (_tree, file) = with_one_file(100_000);
    let done = run(&[path(&file), "--senders", "3"]);
    done.expect(0, CLEAN);
    assert_eq!(done.value("bytes"), "100000");
    // Seven parts of 16 KiB, the end of the file, and the ends of three senders.
    assert_eq!(done.value("records"), "11");
    assert_eq!(done.value("batches"), "11 (turns of the queue)");
    assert!(done.value("speed").contains("records/s"));
    assert!(done.value("speed").contains("MB/s"));
    for word in ["p50 ", "p99 ", "max "] {
        assert!(done.value("wait").contains(word));
    }
}

#[test]
fn an_empty_directory_is_no_error() {
    let tree = tempfile::tempdir().unwrap();
    run(&[path(tree.path())]).expect(0, CLEAN);
}

#[test]
fn without_turns_records_tear_in_20_of_20_runs() {
    let tree = tree();
    let (_tiny, file) = with_one_file(1);
    for arguments in [&[path(tree.path())][..], &[path(&file), "--senders", "2"]] {
        for _ in 0..20 {
            let done = run(&[&["--via", "none"], arguments].concat());
            let (torn, _) = done.last_line().split_once(" torn, ").unwrap();
            assert!(torn.parse::<u64>().unwrap() > 0, "{}", done.out);
            assert_eq!(done.status, Some(1));
        }
    }
}

#[test]
fn without_turns_one_sender_alone_tears_nothing() {
    run(&["--via", "none", "--senders", "1", path(tree().path())]).expect(0, CLEAN);
}

#[test]
fn sabotage_is_counted_exactly() {
    let (tree, (_tiny, file)) = (tree(), with_one_file(0));
    for (fault, last_line) in [
        ("tear", "1 torn, 0 lost, 0 out of order"),
        ("drop", "0 torn, 1 lost, 0 out of order"),
        ("swap", "0 torn, 0 lost, 1 out of order"),
    ] {
        for via in ["queue", "writer"] {
            for input in [tree.path(), &file] {
                run(&["--via", via, "--sabotage", fault, path(input)]).expect(1, last_line);
            }
        }
    }
}

#[test]
fn a_path_that_cannot_be_read_is_named_and_nothing_is_sent() {
    let tree = tree();
    let (listener, address) = listener();
    listener.set_nonblocking(true).unwrap();
    let missing = tree.path().join("missing");
    let link = tree.path().join("link");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    let inside_a_file = tree.path().join("long/x");
    for bad in [&missing, &link, &inside_a_file, Path::new("/dev/null")] {
        let done = run(&["--to", &address, path(tree.path()), path(bad)]);
        done.expect_error(2, &[path(bad)]);
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn a_file_below_that_cannot_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let tree = tree();
    let secret = write(&tree, "z/secret", b"x");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser may read that one, but not this one.
    let write_only = Path::new("/proc/sys/vm/drop_caches");
    for path in [tree.path(), write_only] {
        let unreadable = if path.is_dir() { &secret } else { path };
        let done = run(&[self::path(path)]);
        match File::open(unreadable) {
            Err(_) => done.expect_error(2, &[self::path(unreadable)]),
            Ok(_) => done.expect(0, CLEAN),
        }
    }
}

#[test]
fn a_file_that_changes_or_vanishes_while_it_is_sent_is_named() {
    // The receiver reads nothing before the change, so the job cannot have come to the end of the first file.
    let during = |change: fn(&Path)| {
        let (tree, file) = with_one_file(MORE_THAN_BUFFERS);
        write(&tree, "two", b"2");
        let (listener, address) = listener();
        let job = start(&["--senders", "1", "--to", &address, path(tree.path())]);
        let (mut stream, _) = listener.accept().unwrap();
        change(&file);
        std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
        end(job)
    };
    let grown = during(|one| {
        let mut one = File::options().append(true).open(one).unwrap();
        one.write_all(b"more").unwrap();
    });
    grown.expect_error(2, &["/one: ", "changed"]);
    let shorter = during(|one| {
        File::options()
            .write(true)
            .open(one)
            .unwrap()
            .set_len(9)
            .unwrap()
    });
    shorter.expect_error(2, &["/one: ", "changed"]);
    let vanished = during(|one| fs::remove_file(one.with_file_name("two")).unwrap());
    vanished.expect_error(2, &["/two: "]);
}

#[test]
fn a_receiver_that_goes_away_is_an_error_with_its_address() {
    let (_tree, file) = with_one_file(MORE_THAN_BUFFERS);
    for via in ["queue", "writer", "none"] {
        let (listener, address) = listener();
        let job = start(&["--via", via, "--to", &address, path(&file)]);
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 100_000]).unwrap();
        drop(stream);
        end(job).expect_error(1, &[&address, "went away"]);
    }
}

#[test]
fn a_receiver_that_does_not_answer_as_it_should_is_an_error_with_its_address() {
    let (_tree, file) = with_one_file(1);
    for answer in [&b""[..], b"HTTP/1.1 200 OK", &[0xf5; 1000]] {
        let (listener, address) = listener();
        let job = start(&["--to", &address, path(&file)]);
        let (mut stream, _) = listener.accept().unwrap();
        std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
        stream.write_all(answer).unwrap();
        drop(stream);
        end(job).expect_error(1, &[&address, "went away"]);
    }
}

#[test]
fn nobody_who_listens_is_an_error_with_the_address() {
    let (_tree, file) = with_one_file(1);
    let (listener, address) = listener();
    drop(listener);
    run(&["--to", &address, path(&file)]).expect_error(1, &[&address, "cannot connect"]);
}

/// A receiver in a process of its own, and its address.
fn receiver() -> (Child, String) {
    let mut child = start(&["--listen", "127.0.0.1:0"]);
    let mut line = String::new();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    err.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap();
    // What it says later, byte for byte, is of no interest; that it may say it, is.
    thread::spawn(move || std::io::copy(&mut err, &mut std::io::sink()));
    (child, address.to_owned())
}

#[test]
fn two_processes_agree() {
    let tree = tree();
    for (via, fault, status, last_line) in [
        ("queue", None, 0, CLEAN),
        ("writer", None, 0, CLEAN),
        ("queue", Some("tear"), 1, "1 torn, 0 lost, 0 out of order"),
    ] {
        let (receiver, address) = receiver();
        let mut arguments = vec!["--via", via, "--to", &address, path(tree.path())];
        arguments.extend(fault.iter().flat_map(|fault| ["--sabotage", fault]));
        let sent = run(&arguments);
        let received = end(receiver);
        sent.expect(status, last_line);
        received.expect(status, last_line);
        if fault.is_none() {
            for name in ["files", "records", "bytes"] {
                assert_eq!(sent.value(name), received.value(name));
            }
        }
    }
}

/// What a receiver says of a connection that somebody else made.
fn receives(what: impl FnOnce(&mut TcpStream)) -> Done {
    let (receiver, address) = receiver();
    let mut stream = TcpStream::connect(address.parse::<SocketAddr>().unwrap()).unwrap();
    what(&mut stream);
    drop(stream);
    end(receiver)
}

#[test]
fn a_receiver_survives_whatever_comes() {
    receives(|_| {}).expect(1, "0 torn, 1 lost, 0 out of order");
    let noise = noise(1_000_000);
    receives(|stream| stream.write_all(&noise).unwrap())
        .expect(1, "1 torn, 0 lost, 0 out of order");
    let magic = [0xf5, b't', b'v', 1].repeat(100_000);
    receives(|stream| stream.write_all(&magic).unwrap())
        .expect(1, "1 torn, 0 lost, 0 out of order");
}

#[test]
fn a_sender_that_breaks_off_is_counted() {
    let tree = tree();
    let (receiver, address) = receiver();
    // In the middle stands somebody who passes on the first 100 000 bytes.
    let (listener, middle) = listener();
    let job = start(&["--to", &middle, path(tree.path())]);
    let (mut from, _) = listener.accept().unwrap();
    let mut to = TcpStream::connect(address).unwrap();
    std::io::copy(&mut (&mut from).take(100_000), &mut to).unwrap();
    drop((from, to));
    end(job).expect_error(1, &[&middle]);
    let received = end(receiver);
    assert_eq!(received.status, Some(1));
    assert!(received.last_line().ends_with(", 0 out of order"));
    assert_ne!(received.last_line(), CLEAN);
}

#[test]
fn no_more_files_are_open_than_there_are_senders() {
    let tree = tree();
    let limited = "ulimit -n 24 && exec \"$0\" --senders 4 \"$1\"";
    let output = Command::new("sh")
        .args(["-c", limited, path(&binary()), path(tree.path())])
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(
        out.ends_with(&format!("{CLEAN}\n")),
        "{output:?}",
        output = output.stderr
    );
}

#[test]
fn help_tells_a_newcomer_what_to_do_and_bad_flags_are_refused() {
    let help = run(&["--help"]);
    assert_eq!(help.status, Some(0));
    for word in [
        "OUTPUT",
        "EXIT STATUS",
        "TRY",
        "--via",
        "--senders",
        "--listen",
        "torn",
    ] {
        assert!(help.out.contains(word), "no {word}");
    }
    assert!(!help.out.contains("sabotage"));
    assert!(help.out.lines().all(|line| line.chars().count() <= 100));
    for bad in [
        &["--senders", "0"][..],
        &["--record-bytes", "0"],
        &["--record-bytes", "16777217"],
    ] {
        let done = run(bad);
        assert_eq!((done.status, &*done.out), (Some(2), ""));
        assert!(done.err.contains(bad[0]) && done.err.contains(bad[1]));
    }
}
