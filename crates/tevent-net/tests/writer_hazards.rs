//! Hazards around the writer: what wakers and records of others do while it settles, refuses, withdraws and ends.

mod util;

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as Cx, Poll, Wake, Waker};
use std::thread;

use bytes::Bytes;
use futures::io::AsyncWrite;
use tevent_context::Context;
use tevent_net::writer::Write;
use tevent_net::{QueuedWriter, WriterStats};
use util::{Act, Log, Rig, Wire, io_error, is_ok, named, poll, poll_with, settle};

thread_local! {
    static HOOK: RefCell<Option<Rc<dyn Fn()>>> = const { RefCell::new(None) };
}

/// What hooked wakers and records of this thread do from now on.
fn set_hook(hook: impl Fn() + 'static) {
    HOOK.set(Some(Rc::new(hook)));
}

fn call_hook() {
    let hook = HOOK.with_borrow(Clone::clone);
    hook.into_iter().for_each(|hook| hook());
}

/// A waker that calls the hook when it is woken.
struct HookedWaker;

impl Wake for HookedWaker {
    fn wake(self: Arc<Self>) {
        call_hook();
    }
}

fn hooked_waker() -> Waker {
    Arc::new(HookedWaker).into()
}

/// A record that calls the hook when it is dropped.
struct HookedRecord(&'static [u8]);

impl AsRef<[u8]> for HookedRecord {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

impl Drop for HookedRecord {
    fn drop(&mut self) {
        call_hook();
    }
}

fn hooked_record() -> Bytes {
    Bytes::from_owner(HookedRecord(b"0123456789"))
}

fn panics(act: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(act)).is_err()
}

const RESET: Act = Act::Fail(ErrorKind::ConnectionReset);

#[test]
fn b15_an_empty_record_handed_over_while_the_writer_settles_harms_nobody() {
    for from_a_waker in [true, false] {
        let rig = Rig::new(Wire::open());
        let kept = Rc::new(RefCell::new(Vec::new()));
        let (writer, futures) = (rig.writer.clone(), kept.clone());
        set_hook(move || {
            let empty = writer.write("");
            futures.borrow_mut().push(empty);
            writer.try_send("").unwrap();
        });
        let mut write = if from_a_waker {
            rig.writer.write("0123456789")
        } else {
            rig.writer.write(hooked_record())
        };
        let waker = if from_a_waker {
            hooked_waker()
        } else {
            Waker::noop().clone()
        };
        assert!(poll_with(&mut write, &waker).is_pending());
        rig.settle();
        HOOK.set(None);
        assert!(is_ok(poll(&mut write)));
        assert_eq!(kept.borrow().len(), 1);
        assert!(kept.borrow_mut().iter_mut().all(|empty| is_ok(poll(empty))));
        let mut after = rig.writer.write("after");
        rig.settle();
        assert!(is_ok(poll(&mut after)));
        assert_eq!(rig.wire.text(), "0123456789after");
    }
}

#[test]
fn b30_records_without_end_that_hand_over_an_empty_one_let_others_have_their_turn() {
    fn endless(writer: &QueuedWriter) -> Bytes {
        let _ = writer.stats();
        Bytes::from_owner(HookedRecord(b""))
    }
    let rig = Rig::new(Wire::open());
    let calls = Rc::new(Cell::new(0));
    let (writer, count, kept) = (rig.writer.clone(), calls.clone(), RefCell::new(Vec::new()));
    set_hook(move || {
        count.set(count.get() + 1);
        // An end, so that a writer that does not give way fails the test instead of hanging it.
        if count.get() < 1000 {
            let next = writer.write(endless(&writer));
            kept.borrow_mut().push(next);
        }
    });
    let first = rig.writer.write(endless(&rig.writer));
    let seen = rig.context.block_on(async {
        tevent_context::yield_now().await;
        calls.get()
    });
    assert!(seen < 100, "{seen} in one turn");
    rig.settle();
    assert_eq!(calls.get(), 1000);
    HOOK.set(None);
    drop(first);
}

#[test]
fn b15_a_record_that_panics_when_dropped_does_not_keep_the_others_asleep() {
    for end in [Act::Take(usize::MAX), RESET] {
        for bad in [0, 5, 35, 39] {
            let log = Log::default();
            let rig = Rig::new(Wire::new([], end));
            set_hook(|| panic!("a bad record"));
            let mut futures: Vec<_> = (0..40)
                .map(|n| {
                    rig.writer.write(if n == bad {
                        hooked_record()
                    } else {
                        "x".into()
                    })
                })
                .collect();
            for (name, future) in futures.iter_mut().enumerate() {
                assert!(poll_with(future, &named(name, &log)).is_pending());
            }
            rig.settle();
            HOOK.set(None);
            assert_eq!(*log.lock().unwrap(), (0..40).collect::<Vec<_>>());
            for future in &mut futures {
                match end {
                    RESET => assert_eq!(io_error(poll(future)), (ErrorKind::ConnectionReset, 0)),
                    _ => assert!(is_ok(poll(future))),
                }
            }
            // Only the stream ends the writer, not a record of somebody else.
            assert_eq!(rig.writer.is_closed(), end == RESET);
        }
    }
}

/// Lets the stream of 100 writes fail, with a first waker that does `act` with them.
fn end_with(act: impl Fn(&mut Vec<Option<Write>>) + 'static) -> (Vec<Option<Write>>, WriterStats) {
    let rig = Rig::new(Wire::shut());
    let futures = Rc::new(RefCell::new(Vec::new()));
    let shared = futures.clone();
    set_hook(move || act(&mut shared.borrow_mut()));
    for n in 0..100 {
        let mut future = rig.writer.write("xyz");
        let waker = if n == 0 {
            hooked_waker()
        } else {
            Waker::noop().clone()
        };
        assert!(poll_with(&mut future, &waker).is_pending());
        futures.borrow_mut().push(Some(future));
    }
    rig.wire.0.borrow_mut().then = RESET;
    rig.wire.resume([]);
    rig.settle();
    HOOK.set(None);
    (futures.take(), rig.writer.stats())
}

#[test]
fn b16_a_waker_may_drop_a_later_future_while_the_writer_ends() {
    let dropped = Rc::new(Cell::new(0));
    let count = dropped.clone();
    let (mut futures, stats) = end_with(move |futures| {
        for future in &mut futures[40..] {
            drop(future.take());
            count.set(count.get() + 1);
        }
    });
    assert_eq!(dropped.get(), 60);
    assert_eq!((stats.queued_bytes, stats.queued_records), (0, 0));
    for future in futures.iter_mut().flatten() {
        assert_eq!(io_error(poll(future)), (ErrorKind::ConnectionReset, 0));
    }
}

#[test]
fn b15_a_future_that_is_polled_while_the_writer_ends_learns_of_it_at_once() {
    let learned = Rc::new(RefCell::new(Vec::new()));
    let results = learned.clone();
    let (mut futures, stats) = end_with(move |futures| {
        let later = futures[40..].iter_mut().flatten();
        results.borrow_mut().extend(later.map(poll));
    });
    assert_eq!(learned.borrow().len(), 60);
    for result in learned.take() {
        assert_eq!(io_error(result), (ErrorKind::ConnectionReset, 0));
    }
    for future in futures[..40].iter_mut().flatten() {
        assert_eq!(io_error(poll(future)), (ErrorKind::ConnectionReset, 0));
    }
    assert_eq!((stats.queued_bytes, stats.queued_records), (0, 0));
}

#[test]
fn b15_a_refused_record_may_come_back_to_the_writer() {
    for closes in [false, true] {
        let rig = Rig::new(Wire::new([], RESET));
        if closes {
            drop(rig.writer.close());
        } else {
            drop(rig.writer.write("lost"));
            rig.writer.try_send("lost").unwrap();
            rig.settle();
        }
        assert!(rig.writer.is_closed());
        let (writer, calls) = (rig.writer.clone(), Rc::new(Cell::new(0)));
        let count = calls.clone();
        set_hook(move || {
            let _ = (writer.stats(), writer.try_send("again"));
            count.set(count.get() + 1);
        });
        assert!(poll(&mut rig.writer.write(hooked_record())).is_ready());
        assert!(poll(&mut rig.writer.send(hooked_record())).is_ready());
        drop(rig.writer.try_send(hooked_record()));
        HOOK.set(None);
        assert_eq!(calls.get(), 3);
    }
}

#[test]
fn a_record_behind_a_withdrawn_flush_is_sent() {
    let rig = Rig::new(Wire::open());
    rig.wire.0.borrow_mut().flush = Act::Pend;
    rig.writer.try_send("before ").unwrap();
    let mut flush = rig.writer.flush();
    rig.settle();
    // Not with the batch of what is before the flush, and now the task waits for the flush.
    let mut behind = rig.writer.write("behind");
    rig.settle();
    assert!(poll(&mut flush).is_pending());
    assert_eq!(rig.wire.text(), "before ");
    drop(flush);
    rig.settle();
    assert!(is_ok(poll(&mut behind)));
    assert_eq!(rig.wire.text(), "before behind");
}

#[test]
fn b16_a_withdrawn_record_that_panics_when_dropped_leaves_the_others_no_worse() {
    set_hook(|| panic!("a bad record"));
    let log = Log::default();
    let rig = Rig::with(QueuedWriter::builder().limit(10), Wire::shut());
    rig.writer.try_send("12345").unwrap();
    let queued = rig.writer.send(hooked_record());
    let mut small = rig.writer.send("1");
    assert!(poll_with(&mut small, &named(7, &log)).is_pending());
    assert!(panics(|| drop(queued)));
    assert_eq!(*log.lock().unwrap(), [7], "there is room for the next");
    assert!(is_ok(poll(&mut small)));

    let rig = Rig::new(Wire::shut());
    let stuck = rig.writer.write(hooked_record());
    let mut flush = rig.writer.flush();
    rig.settle();
    assert!(panics(|| drop(stuck)));
    rig.settle();
    assert!(is_ok(poll(&mut flush)), "the task goes on with the next");
    HOOK.set(None);
}

/// A stream that says it took more than it was offered.
struct Liar;

impl AsyncWrite for Liar {
    fn poll_write(self: Pin<&mut Self>, _: &mut Cx<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len() + 1))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Cx<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Cx<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_stream_that_takes_more_than_it_was_offered_has_failed() {
    let context = Context::new().unwrap();
    let builder = QueuedWriter::builder().batch_records(1);
    let writer = context.block_on(async { builder.build(Liar) });
    let mut futures = ["abc", "de"].map(|record| writer.write(record));
    settle(&context);
    for future in &mut futures {
        assert_eq!(io_error(poll(future)), (ErrorKind::InvalidData, 0));
    }
}

#[test]
fn b54_many_who_wait_are_woken_in_order_on_a_small_stack() {
    const MANY: usize = 100_000;
    let many = || {
        let log = Log::default();
        let rig = Rig::new(Wire::shut());
        let mut futures: Vec<_> = (0..MANY).map(|_| rig.writer.write("x")).collect();
        for (name, future) in futures.iter_mut().enumerate() {
            assert!(poll_with(future, &named(name, &log)).is_pending());
        }
        rig.wire.0.borrow_mut().then = RESET;
        rig.wire.resume([]);
        rig.settle();
        assert!((0..MANY).eq(log.lock().unwrap().iter().copied()));
        for future in &mut futures {
            assert_eq!(io_error(poll(future)), (ErrorKind::ConnectionReset, 0));
        }
    };
    let small = thread::Builder::new().stack_size(256 * 1024);
    small.spawn(many).unwrap().join().unwrap();
}
