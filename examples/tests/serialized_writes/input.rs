//! What the job does about files that it cannot read, and about how many it may open.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::Command;

use super::job::{
    CLEAN, Done, MORE_THAN_BUFFERS, binary, end, listener, path, run, spawn, start, tree,
    with_one_file, write,
};

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
fn a_path_with_control_characters_is_named_on_one_line() {
    let (tree, _file) = with_one_file(1);
    let missing = tree.path().join("two\nlines\u{1b}[2J");
    let done = run(&[path(&missing)]);
    done.expect_error(2, &[r"/two\nlines\u{1b}[2J: "]);
}

/// What the job keeps open, or may, besides the files that it sends.
const BESIDES: u32 = 32;

/// Runs the job after an `ulimit` with this argument.
fn run_limited(limit: &str, arguments: &[&str]) -> Done {
    let limited = format!("ulimit {limit} && exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &limited, path(&binary())]);
    end(spawn(shell.args(arguments)))
}

#[test]
fn no_more_files_are_open_than_there_are_senders() {
    let tree = tree();
    let limit = format!("-n {}", 100 + BESIDES);
    for via in ["queue", "writer"] {
        let arguments = ["--via", via, "--senders", "100", path(tree.path())];
        run_limited(&limit, &arguments).expect(0, CLEAN);
    }
}

#[test]
fn the_soft_limit_of_open_files_is_raised() {
    let tree = tree();
    let arguments = ["--senders", "100", path(tree.path())];
    run_limited("-S -n 40", &arguments).expect(0, CLEAN);
}

#[test]
fn more_open_files_than_the_system_allows_are_refused_and_nothing_is_sent() {
    let tree = tree();
    let (listener, address) = listener();
    listener.set_nonblocking(true).unwrap();
    let limit = format!("-n {}", 100 + BESIDES - 1);
    let arguments = |senders| ["--senders", senders, "--to", &address, path(tree.path())];
    for (senders, open) in [("100", "100"), ("4096", "151")] {
        let done = run_limited(&limit, &arguments(senders));
        done.expect_error(2, &[open, "131", "ulimit -n", "--senders"]);
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    let (_few, file) = with_one_file(1);
    run_limited("-n 40", &["--senders", "4096", path(&file)]).expect(0, CLEAN);
}
