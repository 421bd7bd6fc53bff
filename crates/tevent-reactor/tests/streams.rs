//! Streams on the kernel's poll: every edge reaches those who wait for it, once.

mod support;

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::task::{Context, Poll, Waker};

use support::{NOW, SOON, fill, idle_pair, pair, reader, writer};
use tevent_core::budget;
use tevent_reactor::{Direction, Reactor};
use tokio_test::task;

#[test]
fn b26_a_duplicate_that_outlives_its_source_brings_no_events() {
    let reactor = Reactor::new().unwrap();
    let (source, mut far) = idle_pair(&reactor.handle());
    let duplicate = source.get_ref().as_fd().try_clone_to_owned().unwrap();
    drop(source);
    far.write_all(b"for nobody").unwrap();
    let waited = reactor.wait(NOW).unwrap();
    assert_eq!(
        (waited.events, waited.stale),
        (0, 0),
        "the interest was taken away before the close"
    );
    drop(duplicate);
}

#[test]
fn b29_one_event_is_enough_for_a_reader_that_takes_one_byte_at_a_time() {
    const BYTES: usize = 64 * 1024;
    let reactor = Reactor::new().unwrap();
    let (source, mut far) = idle_pair(&reactor.handle());
    far.write_all(&[7; BYTES]).unwrap();
    reactor.wait(SOON).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..BYTES {
        let read = source.poll_transfer(Direction::Read, &mut cx, 1, |mut io| io.read(&mut [0]));
        assert!(matches!(read, Poll::Ready(Ok(1))));
    }
    assert!(reader(&source).poll().is_pending());
}

#[test]
fn b29_a_short_count_saves_the_probe_and_loses_nothing() {
    let reactor = Reactor::new().unwrap();
    let (source, mut far) = idle_pair(&reactor.handle());
    far.write_all(b"abc").unwrap();
    reactor.wait(SOON).unwrap();
    let mut calls = 0;
    let mut task = task::spawn(poll_fn(|cx| {
        source.poll_transfer(Direction::Read, cx, 64, |mut io| {
            calls += 1;
            io.read(&mut [0; 64])
        })
    }));
    assert!(matches!(task.poll(), Poll::Ready(Ok(3))));
    assert!(task.poll().is_pending());
    far.write_all(b"de").unwrap();
    reactor.wait(SOON).unwrap();
    assert!(task.is_woken());
    assert!(matches!(task.poll(), Poll::Ready(Ok(2))));
    drop(task);
    assert_eq!(calls, 2, "no call was made only to be refused");
}

#[test]
fn b29_a_writer_waits_for_room_and_gets_it() {
    let reactor = Reactor::new().unwrap();
    let (source, mut far) = pair(&reactor.handle());
    fill(source.get_ref());
    reactor.wait(NOW).unwrap();
    let mut task = writer(&source);
    assert!(task.poll().is_pending());
    while far.read(&mut [0; 4096]).is_ok() {}
    reactor.wait(SOON).unwrap();
    assert!(task.is_woken());
    assert!(matches!(task.poll(), Poll::Ready(Ok(1))));
}

#[test]
fn b32_two_tasks_on_one_direction_are_both_woken() {
    let reactor = Reactor::new().unwrap();
    let (source, mut far) = idle_pair(&reactor.handle());
    reactor.wait(NOW).unwrap();
    let mut tasks: Vec<_> = (0..5).map(|_| reader(&source)).collect();
    tasks
        .iter_mut()
        .for_each(|task| assert!(task.poll().is_pending()));
    far.write_all(b"x").unwrap();
    assert_eq!(reactor.wait(SOON).unwrap().woken, 5);
    assert!(tasks.iter().all(|task| task.is_woken()));
}

#[test]
fn b32_a_task_that_polls_again_waits_once() {
    let reactor = Reactor::new().unwrap();
    let (source, mut far) = pair(&reactor.handle());
    reactor.wait(NOW).unwrap();
    let (mut one, mut two) = (reader(&source), reader(&source));
    for _ in 0..10 {
        assert!(one.poll().is_pending() && two.poll().is_pending());
    }
    far.write_all(b"x").unwrap();
    assert_eq!(reactor.wait(SOON).unwrap().woken, 2);
}

#[test]
fn b32_readers_and_writers_are_woken_for_their_own_direction() {
    let reactor = Reactor::new().unwrap();
    let (source, mut far) = pair(&reactor.handle());
    fill(source.get_ref());
    reactor.wait(NOW).unwrap();
    let (mut read, mut write) = (reader(&source), writer(&source));
    assert!(read.poll().is_pending() && write.poll().is_pending());
    far.write_all(b"x").unwrap();
    reactor.wait(SOON).unwrap();
    assert!(read.is_woken() && !write.is_woken());
}

#[test]
fn b04_an_operation_that_is_always_ready_gives_way_when_the_budget_is_spent() {
    let reactor = Reactor::new().unwrap();
    let (source, _far) = pair(&reactor.handle());
    let granted = budget::grant();
    let mut task = writer(&source);
    for _ in 0..budget::PER_POLL {
        assert!(task.poll().is_ready());
    }
    assert!(task.poll().is_pending() && task.is_woken());
    assert_eq!(granted.renew(), budget::PER_POLL);
    assert!(task.poll().is_ready());
}

#[test]
fn b04_a_reader_without_data_waits_even_if_the_budget_is_spent() {
    let reactor = Reactor::new().unwrap();
    let (source, mut far) = idle_pair(&reactor.handle());
    reactor.wait(NOW).unwrap();
    let granted = budget::grant();
    (0..budget::PER_POLL).for_each(|_| budget::spend());
    let mut task = reader(&source);
    assert!(task.poll().is_pending() && !task.is_woken());
    drop(granted);
    far.write_all(b"x").unwrap();
    reactor.wait(SOON).unwrap();
    assert!(task.is_woken());
}

#[test]
fn an_interrupted_operation_is_tried_again() {
    let reactor = Reactor::new().unwrap();
    let (source, _far) = pair(&reactor.handle());
    let mut answers = vec![
        Ok(1),
        Err(io::ErrorKind::Interrupted.into()),
        Err(io::ErrorKind::Interrupted.into()),
    ];
    let mut cx = Context::from_waker(Waker::noop());
    let done = source.poll_io(Direction::Read, &mut cx, |_| answers.pop().unwrap());
    assert!(matches!(done, Poll::Ready(Ok(1))));
}
