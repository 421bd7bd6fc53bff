//! The sleep: its bell, its length, and how another loop can do it for us.

mod support;

use std::future::poll_fn;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use mio::unix::pipe;
use support::{NOW, SOON};
use tevent_reactor::{Direction, Initially, Reactor, Source};
use tokio_test::task;

#[test]
fn b45_a_million_rings_while_nobody_waits_still_wake() {
    let reactor = Reactor::new().unwrap();
    let ringer = reactor.ringer();
    for _ in 0..1_000_000 {
        ringer.wake_by_ref();
    }
    assert!(reactor.wait(SOON).unwrap().rung);
    assert!(
        !reactor.wait(NOW).unwrap().rung,
        "all rings so far were one wake-up"
    );
    ringer.wake_by_ref();
    assert!(
        reactor.wait(SOON).unwrap().rung,
        "an unread descriptor makes a new edge each time"
    );
}

#[test]
fn b45_a_ring_from_another_thread_ends_a_long_sleep() {
    let reactor = Reactor::new().unwrap();
    let ringer = reactor.ringer();
    let other = std::thread::spawn(move || ringer.wake());
    let begin = Instant::now();
    let long = Duration::from_secs(60);
    assert!(reactor.wait(Some(long)).unwrap().rung);
    assert!(begin.elapsed() < long);
    other.join().unwrap();
}

#[test]
fn b08_a_ring_after_the_end_reaches_nothing() {
    let reactor = Reactor::new().unwrap();
    let ringer = reactor.ringer();
    drop(reactor);
    // Would take the descriptor's number, had the ringer not kept it.
    let successor = Reactor::new().unwrap();
    ringer.wake();
    assert!(!successor.wait(NOW).unwrap().rung);
}

#[test]
fn b38_a_sleep_is_never_too_short() {
    let reactor = Reactor::new().unwrap();
    for nanos in [1, 999_999, 1_000_000, 1_000_001] {
        let timeout = Duration::from_nanos(nanos);
        let begin = Instant::now();
        assert_eq!(reactor.wait(Some(timeout)).unwrap().events, 0);
        assert!(begin.elapsed() >= timeout);
    }
}

#[test]
fn the_poll_descriptor_can_be_slept_on_in_another_loop() {
    let reactor = Reactor::new().unwrap();
    let host = Reactor::new().unwrap();
    let embedded = reactor.as_fd().try_clone_to_owned().unwrap();
    let source = Source::new(
        &host.handle(),
        pipe::Receiver::from(embedded),
        Initially::NotReady,
    )
    .unwrap();
    let mut task = task::spawn(poll_fn(|cx| source.poll_ready(Direction::Read, cx)));
    assert!(task.poll().is_pending());
    reactor.ringer().wake();
    host.wait(SOON).unwrap();
    assert!(task.is_woken());
    assert!(reactor.wait(NOW).unwrap().rung);
}
