//! The rules of order and meaning, F1 to F9.

use std::cell::Cell;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;

use tevent_context::{EventKind, FdEvent, TracePoint};

use crate::util::{EMPTY, ERROR, READ, Rig, Slot, WRITE, fill, idle, pair, readable, signal, take};

#[test]
fn f1_undrained_descriptors_are_all_told_in_every_turn() {
    let rig = Rig::new();
    let _a = rig.logging("a", readable(), READ);
    let _b = rig.logging("b", readable(), READ);
    for _ in 0..10 {
        let turn = rig.turn();
        assert_eq!(turn.events, 2);
        let mut told = rig.log.0.take();
        told.sort();
        assert_eq!(told, ["a {read}", "b {read}"]);
    }
}

#[test]
fn f2_watchers_of_one_descriptor_are_all_told_in_the_order_of_their_making() {
    let rig = Rig::new();
    let shared = Rc::new(readable());
    let first = rig.logging("first", Rc::clone(&shared), READ);
    let _second = rig.logging("second", Rc::clone(&shared), READ | WRITE);
    let _third = rig.logging("third", Rc::clone(&shared), WRITE | ERROR);
    assert_eq!(rig.registered(), 1, "one registration for all");
    let told = ["first {read}", "second {read, write}", "third {write}"];
    rig.turn();
    rig.log.expect(&told);
    first.set_flags(EMPTY);
    first.set_flags(READ);
    rig.turn();
    rig.log.expect(&told);
    drop(first);
    rig.turn();
    rig.log.expect(&told[1..]);
}

#[test]
fn f3_a_handler_gets_only_what_it_asked_for() {
    let rig = Rig::new();
    let (near, mut far) = pair();
    let near = Rc::new(near);
    let _read = rig.logging("read", Rc::clone(&near), READ);
    let _error = rig.logging("error", Rc::clone(&near), ERROR);
    far.write_all(b"x").unwrap();
    rig.turn();
    rig.log.expect(&["read {read}"]);
    drop(far);
    rig.turn();
    rig.log.expect(&["read {read}", "error {error}"]);
}

#[test]
fn f4_a_writer_is_told_of_a_hang_up_and_its_write_tells_the_reason() {
    let rig = Rig::new();
    let (near, far) = pair();
    fill(&near);
    let event = rig.logging("write", near, WRITE);
    rig.turn();
    rig.log.expect(&[]);
    drop(far);
    rig.wait();
    rig.log.expect(&["write {write}"]);
    assert!(event.get_ref().write(b"x").is_err());
    assert_eq!(
        event.flags(),
        WRITE,
        "nothing is taken away behind its back"
    );
}

#[test]
fn f4_a_full_pipe_whose_reader_has_gone_is_told_to_its_writer() {
    let rig = Rig::new();
    let (reader, writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    fill(&writer);
    let event = rig.logging("write", writer, WRITE);
    rig.turn();
    rig.log.expect(&[]);
    drop(reader);
    rig.wait();
    rig.log.expect(&["write {write}"]);
    let error = event.get_ref().write(b"x").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}

#[test]
fn f5_without_flags_there_are_no_calls_and_no_wake_ups_and_a_hang_up_is_told_later() {
    let rig = Rig::new();
    let (near, mut far) = pair();
    let event = rig.logging("it", near, READ | WRITE | ERROR);
    event.set_flags(EMPTY);
    far.write_all(b"x").unwrap();
    rig.turn();
    assert_eq!(rig.registered(), 0);
    rig.polls.woken.set(0);
    drop(far);
    for _ in 0..5 {
        rig.turn();
    }
    assert_eq!(rig.polls.woken.get(), 0);
    rig.log.expect(&[]);
    event.set_flags(READ);
    rig.turn();
    rig.log.expect(&["it {read}"]);
}

#[test]
fn f5_what_is_no_longer_asked_for_wakes_nobody() {
    let rig = Rig::new();
    let (near, mut far) = pair();
    fill(&near);
    let event = rig.logging("it", near, READ | WRITE);
    rig.turn();
    event.set_flags(READ);
    while far.read(&mut [0; 4096]).is_ok() {}
    rig.turn();
    rig.turn();
    assert_eq!(rig.polls.woken.get(), 0);
    event.set_flags(READ | WRITE);
    rig.turn();
    rig.log.expect(&["it {write}"]);
}

#[test]
fn f5_data_that_an_error_watcher_does_not_want_wakes_once_and_does_not_spin() {
    let rig = Rig::new();
    let (near, mut far) = pair();
    let _event = rig.logging("error", near, ERROR);
    far.write_all(b"x").unwrap();
    let calls = rig.calls();
    for _ in 0..5 {
        rig.turn();
    }
    assert_eq!((rig.polls.woken.get(), rig.calls()), (1, calls));
    rig.log.expect(&[]);
    far.shutdown(std::net::Shutdown::Write).unwrap();
    rig.turn();
    rig.log.expect(&["error {error}"]);
}

#[test]
fn f5_data_that_a_writer_does_not_want_wakes_once_and_does_not_spin_when_errors_are_watched_for() {
    let rig = Rig::new();
    let (near, mut far) = pair();
    fill(&near);
    let near = Rc::new(near);
    let _writer = rig.logging("writer", Rc::clone(&near), WRITE);
    let _error = rig.logging("error", near, ERROR);
    far.write_all(b"x").unwrap();
    for _ in 0..5 {
        rig.turn();
    }
    assert_eq!(rig.polls.woken.get(), 1);
    rig.log.expect(&[]);
}

#[test]
fn f5_what_a_future_beside_a_handler_was_told_is_not_told_to_nobody() {
    let rig = Rig::new();
    let (near, mut far) = pair();
    fill(&near);
    let near = Rc::new(near);
    let _writer = rig.logging("writer", Rc::clone(&near), WRITE);
    let reader = FdEvent::new(&rig.context.handle(), near).unwrap();
    let mut readable = tokio_test::task::spawn(reader.readable());
    assert!(readable.poll().is_pending());
    far.write_all(b"x").unwrap();
    for _ in 0..5 {
        rig.turn();
    }
    assert!(readable.is_woken());
    assert_eq!(rig.polls.woken.get(), 1);
    assert!(readable.poll().is_ready());
    let mut again = tokio_test::task::spawn(reader.readable());
    assert!(again.poll().is_pending());
    rig.turn();
    assert!(again.is_woken(), "it is readable still");
    rig.log.expect(&[]);
}

#[test]
fn f5_a_future_beside_a_handler_that_is_dropped_wakes_the_loop_once_at_most() {
    let rig = Rig::new();
    let (near, mut far) = pair();
    fill(&near);
    let near = Rc::new(near);
    let _writer = rig.logging("writer", Rc::clone(&near), WRITE);
    let reader = FdEvent::new(&rig.context.handle(), near).unwrap();
    let mut readable = tokio_test::task::spawn(reader.readable());
    assert!(readable.poll().is_pending());
    rig.turn();
    drop(readable);
    far.write_all(b"x").unwrap();
    for _ in 0..5 {
        rig.turn();
    }
    assert_eq!(rig.polls.woken.get(), 1);
}

/// Lends its descriptor once, and then another one.
struct Fickle(OwnedFd, OwnedFd, Cell<bool>);

impl AsFd for Fickle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        if self.2.replace(true) {
            self.1.as_fd()
        } else {
            self.0.as_fd()
        }
    }
}

#[test]
fn a_descriptor_that_is_another_one_the_next_time_is_watched_as_it_was_at_first() {
    let rig = Rig::new();
    let other = rig.logging("other", idle(), READ);
    let lent = other.get_ref().try_clone().unwrap();
    let _fickle = rig.logging("fickle", Fickle(readable(), lent, Cell::new(false)), READ);
    for _ in 0..3 {
        rig.turn();
        rig.log.expect(&["fickle {read}"]);
    }
    signal(other.get_ref());
    rig.turn();
    let mut told = rig.log.0.take();
    told.sort();
    assert_eq!(told, ["fickle {read}", "other {read}"]);
}

/// A descriptor that somebody may close behind the loop's back.
struct Number(RawFd);

impl AsFd for Number {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: a lie, for the loop to cope with: the descriptor may be closed. The number is not -1.
        unsafe { BorrowedFd::borrow_raw(self.0) }
    }
}

#[test]
fn f6_a_descriptor_closed_behind_the_loop_is_told_once_and_disarmed() {
    let rig = Rig::new();
    let fd = readable();
    let number = fd.as_raw_fd();
    let slot = Slot::<OwnedFd>::default();
    *slot.borrow_mut() = Some(fd);
    let (behind, log, handle) = (slot, rig.log.clone(), rig.context.handle());
    let event = handle.fd(Number(number), READ, move |this, ready| {
        log.say(format!("it {ready:?}"));
        drop(take(&behind));
        if ready == READ {
            this.set_flags(READ | WRITE); // which the system has to be asked for
        }
    });
    let (event, future) = (event.unwrap(), FdEvent::new(&handle, Number(number)));
    let task = rig.context.spawn(async move {
        let future = future.unwrap();
        future.readable().await?;
        future.readable().await
    });
    for _ in 0..5 {
        rig.turn();
    }
    rig.log.expect(&["it {read}", "it {error}"]);
    assert_eq!((event.flags(), rig.registered()), (EMPTY, 0));
    let error = rig.context.block_on(task).unwrap_err();
    let not_open = rustix::io::Errno::BADF.raw_os_error();
    assert_eq!(error.raw_os_error(), Some(not_open));
    event.set_flags(WRITE);
    rig.context.run().unwrap();
    rig.log.expect(&["it {error}"]);
    let again = readable();
    assert_eq!(again.as_raw_fd(), number);
    event.set_flags(READ);
    rig.turn();
    rig.log.expect(&["it {read}"]);
}

#[test]
fn f6_a_number_that_was_closed_and_used_again_behind_the_loop_is_found_anew() {
    let rig = Rig::new();
    let fd = readable();
    let number = fd.as_raw_fd();
    let _old = rig.logging("old", Number(number), READ);
    drop(fd);
    let fd = readable();
    assert_eq!(fd.as_raw_fd(), number);
    let _new = rig.logging("new", fd, READ);
    rig.turn();
    rig.log.expect(&["old {read}", "new {read}"]);
}

#[test]
fn f7_dropped_inside_its_own_handler_it_is_detached_at_once_and_closed_after_the_call() {
    let rig = Rig::new();
    let log = rig.log.clone();
    let _hook = rig.context.handle().on_trace(move |point| match point {
        TracePoint::Detach(event) if event.kind == EventKind::Fd => log.say("detach"),
        _ => {}
    });
    let slot = Slot::<FdEvent<OwnedFd>>::default();
    let (own, log) = (Rc::clone(&slot), rig.log.clone());
    let event = rig.context.handle().fd(readable(), READ, move |this, _| {
        drop(take(&own));
        log.say("dropped");
        this.set_flags(READ);
        assert!(rustix::io::fcntl_getfd(this).is_ok(), "still open");
    });
    let event = event.unwrap();
    let (number, log) = (event.as_fd().as_raw_fd(), rig.log.clone());
    event.set_close(move |fd| {
        assert_eq!(fd.as_raw_fd(), number);
        log.say("close");
    });
    *slot.borrow_mut() = Some(event);
    rig.context.run().unwrap();
    rig.log.expect(&["detach", "dropped", "close"]);
    assert_eq!(rig.registered(), 0);
}

#[test]
fn f8_changes_made_in_a_handler_count_from_the_next_wait_on() {
    let rig = Rig::new();
    let shared = Rc::new(readable());
    let wide = Slot::<FdEvent<Rc<OwnedFd>>>::default();
    let widened = Rc::clone(&wide);
    let other = Rc::new(rig.logging("other", Rc::clone(&shared), EMPTY));
    let born = Slot::<FdEvent<Rc<OwnedFd>>>::default();
    let (target, place, log, fd) = (
        Rc::clone(&other),
        Rc::clone(&born),
        rig.log.clone(),
        Rc::clone(&shared),
    );
    let _first = rig.context.handle().fd(fd, READ, move |this, ready| {
        log.say(format!("first {ready:?}"));
        target.set_flags(READ);
        let widened = widened.borrow();
        widened.iter().for_each(|wide| wide.set_flags(READ | WRITE));
        this.set_flags(READ | WRITE);
        let log = log.clone();
        place.borrow_mut().get_or_insert_with(|| {
            let fd = Rc::clone(this.get_ref());
            let born = this.handle().fd(fd, READ, move |_, _| log.say("born"));
            born.unwrap()
        });
    });
    *wide.borrow_mut() = Some(rig.logging("wide", Rc::clone(&shared), READ));
    let _writer = rig.logging("writer", shared, WRITE);
    rig.turn();
    rig.log
        .expect(&["first {read}", "wide {read}", "writer {write}"]);
    rig.turn();
    rig.log.expect(&[
        "other {read}",
        "first {read, write}",
        "wide {read, write}",
        "writer {write}",
        "born",
    ]);
}

#[test]
fn f8_flags_toggled_in_a_handler_cost_one_system_call_if_they_change_and_none_if_not() {
    for (last, cost) in [(READ, 0), (READ | WRITE, 1)] {
        let rig = Rig::new();
        let _event = rig.context.handle().fd(readable(), READ, move |this, _| {
            let next = if this.flags() == READ { last } else { READ };
            for _ in 0..50 {
                this.set_flags(EMPTY);
                this.set_flags(WRITE);
                this.set_flags(next);
            }
        });
        for _ in 0..10 {
            let calls = rig.calls();
            assert_eq!(rig.turn().events, 1);
            assert_eq!(rig.calls(), calls + cost);
        }
    }
}

#[test]
fn run_ends_with_the_flags_of_the_last_handler_or_its_drop() {
    let rig = Rig::new();
    let calls = Rc::new(Cell::new(0));
    let count = Rc::clone(&calls);
    let emptied = rig.context.handle().fd(readable(), READ, move |this, _| {
        count.set(count.get() + 1);
        if count.get() == 3 {
            this.set_flags(EMPTY);
        }
    });
    rig.context.run().unwrap();
    assert_eq!(calls.get(), 3);
    let slot = Slot::<FdEvent<OwnedFd>>::default();
    let own = Rc::clone(&slot);
    let dropped = rig.context.handle().fd(readable(), READ, move |_, _| {
        drop(take(&own));
    });
    *slot.borrow_mut() = Some(dropped.unwrap());
    rig.context.run().unwrap();
    assert!(slot.borrow().is_none());
    let uncounted = rig.logging("uncounted", idle(), READ);
    uncounted.keep_running(false);
    rig.context.run().unwrap();
    signal(uncounted.get_ref());
    rig.turn();
    rig.log.expect(&["uncounted {read}"]);
    drop(emptied);
}

#[test]
fn a_tag_and_a_place_are_told_to_those_who_trace_and_to_the_watchdog() {
    let clock = tevent_context::VirtualClock::new();
    let log = crate::util::Log::default();
    let report = log.clone();
    let builder = tevent_context::Context::builder()
        .virtual_clock(&clock)
        .slow_after(std::time::Duration::from_millis(1), move |slow| {
            report.say(slow.to_string());
        });
    let rig = Rig::with(builder);
    let line = line!() + 1;
    let event = rig.context.handle().fd(readable(), READ, move |_, _| {
        clock.advance(std::time::Duration::from_secs(1));
    });
    let event = event.unwrap();
    event.set_tag(7);
    rig.turn();
    let place = format!("made at {}:{line}:", file!());
    let said = log.0.take().remove(0);
    assert!(said.contains("the Fd handler") && said.contains(&place) && said.contains("tag 7"));
    assert_eq!(event.tag(), 7);
}

#[test]
fn what_a_handler_reads_is_what_was_sent() {
    let rig = Rig::new();
    let (near, mut far) = pair();
    let log = rig.log.clone();
    let event = rig.context.handle().fd(near, READ, move |this, _| {
        let mut text = String::new();
        let mut stream = this.get_ref();
        let _ = stream.read_to_string(&mut text);
        log.say(&*text);
        if text.is_empty() {
            this.set_flags(EMPTY);
        }
    });
    far.write_all(b"hello").unwrap();
    rig.turn();
    drop(far);
    rig.context.run().unwrap();
    rig.log.expect(&["hello", ""]);
    drop(event);
}
