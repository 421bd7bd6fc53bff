//! A loop inside another one: the context's descriptor tells of everything that is ready.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tevent_context::FdEvent;

use crate::util::{EMPTY, READ, Rig, pair, readable};

/// Whether a host that polls the context's descriptor would run a turn.
fn is_ready(rig: &Rig) -> bool {
    let mut fds = [PollFd::new(&rig.context, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::default())).unwrap() > 0
}

#[test]
fn f1_an_undrained_descriptor_calls_the_host_again_after_every_turn() {
    let rig = Rig::new();
    let event = rig.logging("it", readable(), READ);
    for _ in 0..5 {
        assert!(is_ready(&rig));
        assert!(!rig.turn().more);
        rig.log.expect(&["it {read}"]);
    }
    event.set_flags(EMPTY);
    rig.turn();
    assert!(!is_ready(&rig));
}

#[test]
fn b36_a_file_that_is_always_ready_calls_the_host_again_and_never_claims_that_there_is_more() {
    let rig = Rig::new();
    let file = rig.logging("file", File::open("/proc/self/exe").unwrap(), READ);
    for _ in 0..5 {
        assert!(is_ready(&rig));
        assert!(!rig.turn().more);
        rig.log.expect(&["file {read}"]);
    }
    drop(file);
    rig.turn();
    rig.turn();
    assert!(!is_ready(&rig));
}

#[test]
fn flags_set_between_two_turns_call_the_host() {
    let rig = Rig::new();
    let (near, mut far) = pair();
    far.write_all(b"x").unwrap();
    let event = rig.logging("it", near, EMPTY);
    while is_ready(&rig) {
        rig.turn();
    }
    event.set_flags(READ);
    assert!(is_ready(&rig), "the kernel has to be asked");
    rig.turn();
    rig.log.expect(&["it {read}"]);
}

#[test]
fn a_task_that_waits_for_a_descriptor_leaves_the_host_in_peace_until_it_is_ready() {
    let rig = Rig::new();
    let (near, mut far) = pair();
    let event = FdEvent::new(&rig.context.handle(), near).unwrap();
    let task = rig.context.spawn(async move { event.readable().await });
    rig.turn();
    rig.turn();
    assert!(!is_ready(&rig));
    far.write_all(b"x").unwrap();
    assert!(is_ready(&rig));
    rig.turn();
    rig.turn();
    assert!(task.is_finished());
}

#[test]
fn a_virtual_clock_does_not_jump_over_a_descriptor_that_is_ready() {
    let clock = tevent_context::VirtualClock::new();
    let start = clock.now();
    let rig = Rig::with(tevent_context::Context::builder().virtual_clock(&clock));
    let times = clock.clone();
    let event = rig.context.handle().fd(readable(), READ, move |this, _| {
        assert_eq!(times.now(), start);
        this.set_flags(EMPTY);
    });
    let hour = Duration::from_secs(3600);
    rig.context.handle().timer(start + hour, |_, _| {}).detach();
    rig.context.run().unwrap();
    assert_eq!(clock.now(), start + hour);
    drop(event);
}
