//! Foreign code around the writer: streams, wakers and records that panic, come back, or are always ready.

mod util;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};

use bytes::Bytes;
use tevent_context::yield_now;
use tevent_net::{QueuedWriter, WriteError};
use util::{Act, Rig, Wire, is_ok, poll, poll_with};

thread_local! {
    static WRITER: RefCell<Option<QueuedWriter>> = const { RefCell::new(None) };
}

/// Comes back to the writer of this thread.
fn come_back() {
    let writer = WRITER.with_borrow(Clone::clone);
    let Some(writer) = writer else { return };
    let _ = writer.try_send("!");
    drop(writer.write("withdrawn"));
    let _ = (writer.stats(), format!("{writer:?}"));
}

/// A record, or a waker, that comes back when it is dropped or woken.
struct ComesBack(&'static [u8]);

impl AsRef<[u8]> for ComesBack {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

impl Drop for ComesBack {
    fn drop(&mut self) {
        come_back();
    }
}

impl Wake for ComesBack {
    fn wake(self: Arc<Self>) {
        come_back();
    }
}

static LARGE: [u8; 3000] = [b'x'; 3000];

#[test]
fn b15_records_and_wakers_may_come_back_to_the_writer() {
    for len in [3, 3000] {
        for end in [Act::Take(usize::MAX), Act::Fail(std::io::ErrorKind::Other)] {
            let rig = Rig::with(QueuedWriter::builder().limit(3), Wire::shut());
            WRITER.set(Some(rig.writer.clone()));
            let record = || Bytes::from_owner(ComesBack(&LARGE[..len]));
            let waker = || Waker::from(Arc::new(ComesBack(b"")));
            let mut write = rig.writer.write(record());
            let mut sends = [(); 3].map(|()| rig.writer.send(record()));
            assert!(poll_with(&mut write, &waker()).is_pending());
            for send in &mut sends[1..] {
                assert!(poll_with(send, &waker()).is_pending());
                assert!(
                    poll_with(send, &waker()).is_pending(),
                    "the first waker is dropped"
                );
            }
            drop(rig.writer.write(record()));
            rig.wire.0.borrow_mut().then = end;
            rig.wire.resume([]);
            rig.settle();
            let goes_well = end == Act::Take(usize::MAX);
            assert_eq!(is_ok(poll(&mut write)), goes_well);
            // A panic on the way would have ended the writer.
            assert_eq!(rig.writer.is_closed(), !goes_well);
            assert_eq!(rig.wire.bytes().ends_with(b"!"), goes_well);
            WRITER.set(None);
        }
    }
}

#[test]
fn a_stream_may_come_back_to_its_writer() {
    let rig = Rig::new(Wire::new([Act::Take(1)], Act::Take(usize::MAX)));
    let lost = Rc::new(RefCell::new(None));
    let (writer, pocket) = (rig.writer.clone(), lost.clone());
    let mut calls = 0;
    rig.wire.0.borrow_mut().inside_write = Some(Box::new(move || {
        calls += 1;
        if calls <= 2 {
            writer.try_send("!").unwrap();
            drop(pocket.take());
        }
    }));
    *lost.borrow_mut() = Some(rig.writer.write("y".repeat(2000)));
    let mut behind = rig.writer.write("z");
    rig.settle();
    assert!(is_ok(poll(&mut behind)));
    // Dropped while the stream was taking it: it goes out whole.
    assert_eq!(rig.wire.text(), "y".repeat(2000) + "z!!");
    rig.wire.0.borrow_mut().inside_write = None;
}

#[test]
fn b13_a_stream_that_panics_ends_the_writer_and_nothing_else() {
    let rig = Rig::new(Wire::new([Act::Take(1), Act::Panic], Act::Pend));
    let mut futures = ["a", "bcd", "e"].map(|record| rig.writer.write(record));
    assert!(futures.iter_mut().all(|future| poll(future).is_pending()));
    let _ = catch_unwind(AssertUnwindSafe(|| rig.settle()));
    rig.settle();
    assert!(is_ok(poll(&mut futures[0])));
    for future in &mut futures[1..] {
        assert!(matches!(
            poll(future),
            Poll::Ready(Err(WriteError::Ended { sent: 1 }))
        ));
    }
    assert_eq!(rig.context.block_on(async { 7 }), 7);
}

#[test]
fn b30_a_stream_that_is_always_ready_lets_others_have_their_turn() {
    let rig = Rig::with(QueuedWriter::builder().batch_bytes(1), Wire::open());
    let write = rig.writer.write("x".repeat(1000));
    let turns = Rc::new(Cell::new(0));
    let others = turns.clone();
    rig.context.block_on(async {
        let other = tevent_context::spawn(async move {
            loop {
                yield_now().await;
                others.set(others.get() + 1);
            }
        });
        write.await.unwrap();
        drop(other);
    });
    assert!(
        turns.get() >= 200,
        "{} turns in 1000 calls of the stream",
        turns.get()
    );
}

#[test]
fn b04_a_task_that_sends_without_end_gives_way() {
    let rig = Rig::with(QueuedWriter::builder().limit(usize::MAX), Wire::open());
    let (writer, sent) = (rig.writer.clone(), Rc::new(Cell::new(0)));
    let count = sent.clone();
    let task = rig.context.spawn(async move {
        loop {
            writer.send("x").await.unwrap();
            count.set(count.get() + 1);
        }
    });
    rig.context.block_on(yield_now());
    assert!((1..=256).contains(&sent.get()), "{}", sent.get());
    drop(task);
}

#[test]
fn a_waker_that_panics_does_not_keep_the_others_asleep() {
    struct Bad;
    impl Wake for Bad {
        fn wake(self: Arc<Self>) {
            panic!("a bad waker");
        }
    }
    let log = util::Log::default();
    let rig = Rig::new(Wire::open());
    let mut futures = [(); 5].map(|()| rig.writer.write("x"));
    for (name, future) in futures.iter_mut().enumerate() {
        let waker = if name == 2 {
            Arc::new(Bad).into()
        } else {
            util::named(name, &log)
        };
        assert!(poll_with(future, &waker).is_pending());
    }
    rig.settle();
    assert_eq!(*log.lock().unwrap(), [0, 1, 3, 4]);
    assert!(futures.iter_mut().all(|future| is_ok(poll(future))));
    // The panic is its owner's, and the writer goes on for the others.
    let mut after = rig.writer.write("y");
    rig.settle();
    assert!(is_ok(poll(&mut after)));
    assert_eq!(rig.wire.text(), "xxxxxy");
}
