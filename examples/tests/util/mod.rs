//! Runs the examples as programs: `cargo test` builds them first; `cargo test --test ...` takes those that are there.
#![allow(
    dead_code,
    reason = "each binary of tests has its own copy and uses some of it"
)]

use std::env;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// An example's program.
pub(crate) fn program(example: &str) -> Command {
    let me = env::current_exe().expect("a test knows its own program");
    let target = me.ancestors().nth(2);
    let target = target.expect("programs lie in target/PROFILE/deps");
    Command::new(Path::new(target).join("examples").join(example))
}

/// What an example prints; it has to end well.
#[track_caller]
pub(crate) fn story(example: &str) -> Vec<String> {
    story_of(program(example).stdin(Stdio::null()))
}

/// What a program prints; it has to end well.
#[track_caller]
pub(crate) fn story_of(program: &mut Command) -> Vec<String> {
    lines(program.output().expect("it is built"))
}

/// What a program has printed; it has to have ended well.
#[track_caller]
pub(crate) fn lines(output: Output) -> Vec<String> {
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(str::to_owned).collect()
}
