//! The examples of the book's chapters about contexts and events: what they print, and how they end.

mod util;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use util::{program, story, story_of};

fn counted(upto: usize) -> Vec<String> {
    (0..=upto)
        .map(|number| format!("Data value: {number}"))
        .collect()
}

#[test]
fn timer_says_a_number_every_two_seconds_for_a_minute() {
    let lines = story_of(program("timer").arg("--virtual-clock"));
    assert_eq!(lines, counted(30));
}

#[test]
fn timer_can_be_told_for_how_long_and_how_often() {
    let quarters = ["--virtual-clock", "--for", "1", "--every", "0.25"];
    assert_eq!(story_of(program("timer").args(quarters)), counted(4));
    let once = ["--for", "0", "--every", "0.01"];
    assert_eq!(story_of(program("timer").args(once)), counted(0));
}

#[test]
fn timer_runs_on_the_real_clock_too() {
    let lines = story_of(program("timer").args(["--for", "0.05", "--every", "0.01"]));
    // Each time is a little late, and the next is counted from it.
    assert!((1..=6).contains(&lines.len()), "{lines:?}");
    assert_eq!(lines, counted(lines.len() - 1));
}

#[test]
fn timer_refuses_times_that_do_not_pass() {
    for every in ["0", "-1", "nan", "1e300", "soon"] {
        let mut timer = program("timer");
        let refused = timer.arg(format!("--every={every}")).output();
        let refused = refused.expect("it is built");
        assert_eq!(refused.status.code(), Some(2), "{every}: {refused:?}");
        assert!(refused.stdout.is_empty());
    }
}

#[test]
fn immediate_calls_in_the_order_of_scheduling() {
    assert_eq!(
        story("immediate"),
        [
            "INIT",
            "Data value: 1",
            "second",
            "fourth",
            "first",
            "again: 2 left",
            "last",
            "again: 1 left",
            "a timer that was due",
            "FINISH",
        ]
    );
}

#[test]
fn context_s_loops_notice_their_own_events_only() {
    assert_eq!(
        story("context"),
        [
            "one turn for the timers:",
            "  the first timer",
            "run the rest:",
            "  an immediate",
            "  a task",
            "run the timers:",
            "  the second timer",
            "run the timers once more: nothing is left in them",
            "run the descriptors:",
            "  the socket says \"hello\"",
            "FINISH",
        ]
    );
}

/// The example `fd`, with an input.
fn fd(input: impl Into<Stdio>) -> Command {
    let mut program = program("fd");
    program.stdin(input).stdout(Stdio::piped());
    program
}

#[test]
fn fd_reads_a_file_piece_by_piece() {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(b"0123456789").expect("room on the disk");
    file.rewind().expect("a file");
    assert_eq!(
        story_of(fd(file).args(["--piece", "4"])),
        [
            "read 4 bytes",
            "read 4 bytes",
            "read 2 bytes",
            "the end of the input",
            "closing the descriptor",
        ]
    );
}

#[test]
fn fd_reads_a_pipe_as_it_comes() {
    let mut child = fd(Stdio::piped()).spawn().expect("it is built");
    let (mut input, mut output) = child.stdin.take().zip(child.stdout.take()).expect("piped");
    let first = b"read 5 bytes\n";
    for _ in 0..2 {
        input.write_all(b"hello").expect("it reads");
        // Not closed yet: it has not waited for the end.
        let mut said = vec![0; first.len()];
        output.read_exact(&mut said).expect("it says something");
        assert_eq!(said, first);
    }
    drop(input);
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "the end of the input\nclosing the descriptor\n");
    assert!(child.wait().expect("our child").success());
}

#[test]
fn fd_reads_nothing_to_its_end() {
    let lines = story_of(&mut fd(Stdio::null()));
    assert_eq!(lines, ["the end of the input", "closing the descriptor"]);
}

#[test]
fn fd_runs_the_loop_once_if_told_to() {
    let file = File::open(env!("CARGO_MANIFEST_PATH")).expect("our manifest");
    assert_eq!(
        story_of(fd(file).args(["--once", "--piece", "1"])),
        ["read 1 bytes", "closing the descriptor"]
    );
}

#[test]
fn fd_says_what_it_cannot_read() {
    let directory = File::open(env!("CARGO_MANIFEST_DIR")).expect("our folder");
    let output = fd(directory).output().expect("it is built");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!output.stderr.is_empty());
    assert_eq!(output.stdout, b"closing the descriptor\n");
}

/// A child that does not outlive a test that fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn signal_ends_the_program_well_after_its_handler() {
    let mut program = program("signal");
    let child = program.stdout(Stdio::piped()).spawn();
    let mut child = Killed(child.expect("it is built"));
    let mut output = BufReader::new(child.0.stdout.take().expect("piped")).lines();
    let ready = output.next().expect("a line").expect("text");
    assert!(ready.starts_with("ready: "), "{ready}");
    let number = i32::try_from(child.0.id()).expect("a process number");
    let process = Pid::from_raw(number).expect("not zero");
    kill_process(process, Signal::INT).expect("our child");
    let rest: Vec<_> = output.map(|line| line.expect("text")).collect();
    assert_eq!(
        rest,
        ["handling signal...", "SIGINT came, 1 in number", "FINISH"]
    );
    assert!(child.0.wait().expect("our child").success());
}
