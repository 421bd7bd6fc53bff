//! The writer's rules of bounds and ends, by script: limit, flush, close, errors, the end of the context.

mod util;

use std::io::{self, ErrorKind};
use std::iter;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tevent_net::{QueuedWriter, TrySendError, WriteError};
use util::{Act, Call, Log, Rig, Wire, io_error, is_ok, named, poll, poll_with, settle};

#[test]
fn the_limit_bounds_what_is_accepted_and_unsent() {
    for len in [10, 2000] {
        let rig = Rig::with(QueuedWriter::builder().limit(2 * len), Wire::shut());
        let record = Bytes::from(vec![b'x'; len]);
        assert!(is_ok(poll(&mut rig.writer.send(record.clone()))));
        assert!(is_ok(poll(&mut rig.writer.send(record.clone()))));
        let mut third = rig.writer.send(record.clone());
        assert!(poll(&mut third).is_pending());
        let full = rig.writer.try_send(record.clone()).unwrap_err();
        assert!(matches!(&full, TrySendError::Full(_)));
        assert_eq!(full.into_record(), record);
        // One byte short of room, then room.
        rig.wire.resume([Act::Take(len - 1)]);
        rig.settle();
        assert!(poll(&mut third).is_pending());
        rig.wire.resume([Act::Take(1)]);
        rig.settle();
        assert!(is_ok(poll(&mut third)));
    }
}

#[test]
fn nobody_is_accepted_before_one_who_waits() {
    let rig = Rig::with(QueuedWriter::builder().limit(10), Wire::shut());
    rig.writer.try_send("12345").unwrap();
    let mut large = rig.writer.send("1234567890");
    let mut small = rig.writer.send("1");
    assert!(matches!(
        rig.writer.try_send("1"),
        Err(TrySendError::Full(_))
    ));
    assert!(poll(&mut small).is_pending() && poll(&mut large).is_pending());
    // Until he gives up: then there is room at once.
    drop(large);
    assert!(is_ok(poll(&mut small)));
    rig.writer.try_send("2").unwrap();
}

#[test]
fn a_record_larger_than_the_limit_is_accepted_alone() {
    let rig = Rig::with(QueuedWriter::builder().limit(10), Wire::shut());
    assert!(is_ok(poll(&mut rig.writer.send("x".repeat(5000)))));
    let mut second = rig.writer.send("y".repeat(11));
    rig.wire.resume([Act::Take(4999)]);
    rig.settle();
    assert!(poll(&mut second).is_pending());
    rig.wire.resume([Act::Take(1)]);
    rig.settle();
    assert!(is_ok(poll(&mut second)));
}

#[test]
fn those_who_wait_for_acceptance_are_woken_in_order() {
    let log = Log::default();
    let rig = Rig::with(QueuedWriter::builder().limit(5), Wire::shut());
    rig.writer.try_send("12345").unwrap();
    let mut sends: Vec<_> = (0..100).map(|_| rig.writer.send("x")).collect();
    for (name, send) in sends.iter_mut().enumerate().rev() {
        assert!(poll_with(send, &named(name, &log)).is_pending());
    }
    rig.wire.unblock();
    rig.settle();
    assert_eq!(*log.lock().unwrap(), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_flush_waits_for_what_was_before_it_and_for_the_stream() {
    let rig = Rig::new(Wire::new([Act::Take(5)], Act::Pend));
    rig.wire.0.borrow_mut().flush = Act::Pend;
    rig.writer.try_send("before").unwrap();
    let mut flush = rig.writer.flush();
    let mut behind = rig.writer.write("behind");
    rig.settle();
    assert!(poll(&mut flush).is_pending());
    rig.wire.resume([Act::Take(1)]);
    rig.settle();
    assert_eq!(rig.wire.calls().last(), Some(&Call::Flush));
    assert!(poll(&mut flush).is_pending());
    rig.wire.0.borrow_mut().flush = Act::Take(0);
    rig.wire.resume([]);
    rig.settle();
    assert!(is_ok(poll(&mut flush)) && poll(&mut behind).is_pending());
    assert_eq!(rig.wire.text(), "before");
}

#[test]
fn flushes_do_not_cut_a_batch() {
    let rig = Rig::new(Wire::open());
    let mut flushes: Vec<_> = (0..50)
        .map(|_| {
            rig.writer.try_send("x").unwrap();
            rig.writer.flush()
        })
        .collect();
    rig.settle();
    assert!(flushes.iter_mut().all(|flush| is_ok(poll(flush))));
    assert_eq!(rig.wire.calls(), [Call::Write(1, 50), Call::Flush]);
}

#[test]
fn a_flush_of_nothing_is_ready_and_new_records_do_not_wait_for_a_flush_that_nobody_asked_for() {
    let rig = Rig::new(Wire::open());
    let mut flush = rig.writer.flush();
    rig.settle();
    assert!(is_ok(poll(&mut flush)));
    rig.wire.0.borrow_mut().flush = Act::Pend;
    rig.writer.try_send("a").unwrap();
    rig.settle();
    rig.writer.try_send("b").unwrap();
    rig.settle();
    assert_eq!(rig.wire.text(), "ab");
}

#[test]
fn close_lets_everything_out_and_nothing_in() {
    let rig = Rig::new(Wire::shut());
    rig.writer.try_send("sent ").unwrap();
    let mut write = rig.writer.write("written");
    let mut close = rig.writer.close();
    let mut again = rig.writer.clone().close();
    assert!(rig.writer.is_closed());
    for mut refused in [
        rig.writer.write("late").map_late(),
        rig.writer.send("late").map_late(),
    ] {
        match refused() {
            Poll::Ready(Err(WriteError::Closed(record))) => assert_eq!(record, "late"),
            other => panic!("{other:?}"),
        }
    }
    match rig.writer.try_send("late") {
        Err(TrySendError::Closed(record)) => assert_eq!(record, "late"),
        other => panic!("{other:?}"),
    }
    rig.settle();
    assert!(poll(&mut close).is_pending());
    rig.wire.unblock();
    rig.settle();
    assert!(is_ok(poll(&mut write)) && is_ok(poll(&mut close)) && is_ok(poll(&mut again)));
    assert_eq!(rig.wire.text(), "sent written");
    assert!(rig.wire.0.borrow().closed);
    assert!(is_ok(poll(&mut rig.writer.flush())) && is_ok(poll(&mut rig.writer.close())));
}

#[test]
fn the_last_handle_closes_the_writer_and_a_dropped_close_goes_on() {
    for drops_a_close in [false, true] {
        let Rig {
            context,
            wire,
            writer,
        } = Rig::new(Wire::shut());
        let second = writer.clone();
        let mut write = writer.write("written ");
        second.try_send("sent").unwrap();
        if drops_a_close {
            drop(second.close());
        }
        drop((writer, second));
        settle(&context);
        assert!(!wire.0.borrow().closed);
        wire.unblock();
        settle(&context);
        assert!(is_ok(poll(&mut write)));
        assert_eq!(
            (wire.text().as_str(), wire.0.borrow().closed),
            ("written sent", true)
        );
        assert_eq!(context.turn(Some(Duration::ZERO)).unwrap().polls, 0);
    }
}

#[test]
fn an_error_reaches_all_in_order_with_the_exact_count() {
    for at in 0..40 {
        let log = Log::default();
        let first = [Act::Take(at)].into_iter().filter(|_| at > 0);
        let script = first.chain(iter::once(Act::Fail(ErrorKind::ConnectionReset)));
        let rig = Rig::with(
            QueuedWriter::builder().limit(0),
            Wire::new(script, Act::Panic),
        );
        let mut futures: Vec<_> = (0..40)
            .map(|n| {
                if n % 2 == 0 {
                    Handed::Write(rig.writer.write("x"))
                } else {
                    Handed::Send(rig.writer.send("x"))
                }
            })
            .collect();
        let (mut flush, mut close) = (rig.writer.flush(), rig.writer.close());
        // The first send, with nothing unsent before it, is accepted at the call.
        for (name, future) in futures.iter_mut().enumerate().rev() {
            assert_eq!(future.poll(&named(name, &log)).is_pending(), name != 1);
        }
        assert!(poll_with(&mut flush, &named(40, &log)).is_pending());
        assert!(poll_with(&mut close, &named(41, &log)).is_pending());
        rig.settle();

        let expected = (ErrorKind::ConnectionReset, at as u64);
        let mut names: Vec<_> = (0..42).collect();
        names.remove(1);
        let mut woken = log.lock().unwrap().clone();
        // Those whose records went out, and the send that became acceptable with them, then the others.
        woken.sort_unstable();
        assert_eq!(woken, names);
        let failed: Vec<_> = log
            .lock()
            .unwrap()
            .iter()
            .copied()
            .filter(|n| *n > at)
            .collect();
        assert!(failed.is_sorted(), "{failed:?}");
        for (name, future) in futures.iter_mut().enumerate().skip(at + 2) {
            assert_eq!(
                io_error(future.poll(std::task::Waker::noop())),
                expected,
                "{name}"
            );
        }
        assert_eq!(io_error(poll(&mut flush)), expected);
        assert_eq!(io_error(poll(&mut close)), expected);
        assert_eq!(io_error(poll(&mut rig.writer.write("late"))), expected);
        assert_eq!(io_error(poll(&mut rig.writer.flush())), expected);
        match rig.writer.try_send("late") {
            Err(TrySendError::Failed(record, error)) => {
                assert_eq!(
                    (record, error.sent()),
                    (Bytes::from("late"), Some(at as u64))
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_record_that_was_out_before_the_error_has_ended_well() {
    let script = [Act::Take(1), Act::Fail(ErrorKind::BrokenPipe)];
    let rig = Rig::new(Wire::new(script, Act::Panic));
    let (mut out, mut lost) = (rig.writer.write("a"), rig.writer.write("b"));
    let mut accepted = rig.writer.send("c");
    rig.settle();
    assert!(is_ok(poll(&mut out)) && is_ok(poll(&mut accepted)));
    assert_eq!(io_error(poll(&mut lost)), (ErrorKind::BrokenPipe, 1));
    let error = io::Error::from(WriteError::Ended { sent: 1 });
    assert_eq!(error.kind(), ErrorKind::Other);
}

#[test]
fn errors_of_flush_and_close_and_a_write_of_nothing_are_errors_of_the_stream() {
    let rig = Rig::new(Wire::open());
    rig.wire.0.borrow_mut().flush = Act::Fail(ErrorKind::TimedOut);
    rig.writer.try_send("abc").unwrap();
    rig.settle();
    assert_eq!(
        io_error(poll(&mut rig.writer.flush())),
        (ErrorKind::TimedOut, 3)
    );

    let rig = Rig::new(Wire::new([], Act::Fail(ErrorKind::NotConnected)));
    let mut close = rig.writer.close();
    rig.settle();
    assert_eq!(io_error(poll(&mut close)), (ErrorKind::NotConnected, 0));

    let rig = Rig::new(Wire::new([], Act::Take(0)));
    let mut write = rig.writer.write("abc");
    rig.settle();
    assert_eq!(io_error(poll(&mut write)), (ErrorKind::WriteZero, 0));
}

#[test]
fn b21_the_end_of_the_context_fails_those_who_wait_in_order() {
    let log = Log::default();
    let Rig {
        context,
        wire,
        writer,
    } = Rig::new(Wire::new([Act::Take(3)], Act::Pend));
    let mut futures: Vec<_> = (0..100).map(|_| writer.write("xy")).collect();
    for (name, future) in futures.iter_mut().enumerate().rev() {
        assert!(poll_with(future, &named(name, &log)).is_pending());
    }
    settle(&context);
    drop(context);
    assert_eq!(*log.lock().unwrap(), (0..100).collect::<Vec<_>>());
    assert!(is_ok(poll(&mut futures[0])));
    for future in &mut futures[1..] {
        assert!(matches!(
            poll(future),
            Poll::Ready(Err(WriteError::Ended { sent: 3 }))
        ));
    }
    assert!(matches!(
        poll(&mut writer.write("late")),
        Poll::Ready(Err(WriteError::Ended { sent: 3 }))
    ));
    assert_eq!(std::rc::Rc::strong_count(&wire.0), 1, "the stream is gone");
}

enum Handed {
    Write(tevent_net::writer::Write),
    Send(tevent_net::writer::Send),
}

impl Handed {
    fn poll(&mut self, waker: &std::task::Waker) -> Poll<Result<(), WriteError>> {
        match self {
            Self::Write(future) => poll_with(future, waker),
            Self::Send(future) => poll_with(future, waker),
        }
    }
}

/// Two kinds of futures as one kind of closure.
trait MapLate {
    fn map_late(self) -> Box<dyn FnMut() -> Poll<Result<(), WriteError>>>;
}

impl<F: Future<Output = Result<(), WriteError>> + Unpin + 'static> MapLate for F {
    fn map_late(mut self) -> Box<dyn FnMut() -> Poll<Result<(), WriteError>>> {
        Box::new(move || poll(&mut self))
    }
}
