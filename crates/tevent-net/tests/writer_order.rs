//! The writer's rules of order and wholeness, by script: short writes, refusals, drops.

mod util;

use std::any::Any;
use std::cell::RefCell;

use bytes::Bytes;
use tevent_net::QueuedWriter;
use util::{Act, Call, Rig, Wire, is_ok, poll};

/// Records around the size up to which they are copied.
fn records() -> Vec<Bytes> {
    [3, 0, 1024, 1025, 1, 2000, 5]
        .iter()
        .zip(b'a'..)
        .map(|(len, letter)| Bytes::from(vec![letter; *len]))
        .collect()
}

#[test]
fn a_record_has_its_place_at_the_call_whoever_is_polled_first() {
    let rig = Rig::new(Wire::open());
    let mut first = rig.writer.write("first ");
    let mut second = rig.writer.send("second ");
    let mut third = rig.writer.write("third");
    assert!(poll(&mut third).is_pending());
    assert!(is_ok(poll(&mut second)));
    assert!(poll(&mut first).is_pending());
    rig.settle();
    assert!(is_ok(poll(&mut third)) && is_ok(poll(&mut first)));
    assert_eq!(rig.wire.text(), "first second third");
}

#[test]
fn all_that_waits_goes_out_with_one_call() {
    let rig = Rig::new(Wire::open());
    let futures: Vec<_> = records().into_iter().map(|r| rig.writer.write(r)).collect();
    rig.settle();
    // Copied together: 3 + 0 + 1024; as it is: 1025; copied: 1; as it is: 2000; copied: 5.
    assert_eq!(rig.wire.calls(), [Call::Write(5, 4058), Call::Flush]);
    assert_eq!(rig.wire.bytes(), records().concat());
    assert!(
        futures
            .into_iter()
            .all(|mut future| is_ok(poll(&mut future)))
    );
    let stats = rig.writer.stats();
    assert_eq!((stats.records, stats.bytes, stats.batches), (7, 4058, 1));
    assert_eq!((stats.queued_records, stats.queued_bytes), (0, 0));
}

#[test]
fn small_records_that_were_accepted_are_one_slice() {
    let rig = Rig::new(Wire::shut());
    for _ in 0..100 {
        rig.writer.try_send("0123456789").unwrap();
    }
    assert_eq!(rig.writer.stats().queued_records, 100);
    rig.wire.unblock();
    rig.settle();
    assert_eq!(rig.wire.writes(), [(1, 1000)]);
    assert_eq!(rig.wire.text(), "0123456789".repeat(100));
    let stats = rig.writer.stats();
    assert_eq!(
        (stats.records, stats.queued_records, stats.queued_bytes),
        (100, 0, 0)
    );
}

#[test]
fn short_writes_of_every_size_tear_nothing() {
    for size in (1..60).chain([1023, 1024, 1025, 1026, 1027, 2048, 4057]) {
        for way in [
            QueuedWriter::write_all_records,
            QueuedWriter::send_all_records,
        ] {
            let rig = Rig::new(Wire::new([], Act::Take(size)));
            way(&rig.writer, &records());
            rig.settle();
            assert_eq!(rig.wire.bytes(), records().concat(), "{size}");
            assert_eq!(rig.writer.stats().records, 7);
        }
    }
}

#[test]
fn a_refusal_at_every_byte_tears_nothing_and_each_future_ends_with_its_record() {
    let all = records().concat();
    for at in 0..all.len() {
        let rig = Rig::new(Wire::new(
            [Act::Take(at), Act::Pend, Act::Pend],
            Act::Take(usize::MAX),
        ));
        if at == 0 {
            rig.wire.0.borrow_mut().script.pop_front();
        }
        let mut futures: Vec<_> = records().into_iter().map(|r| rig.writer.write(r)).collect();
        rig.settle();
        assert_eq!(rig.wire.bytes(), all[..at]);
        let mut end = 0;
        for (future, record) in futures.iter_mut().zip(records()) {
            end += record.len();
            assert_eq!(is_ok(poll(future)), end <= at, "{at} {end}");
        }
        rig.wire.resume([]);
        rig.settle();
        assert_eq!(rig.wire.bytes(), all[..at], "the second refusal");
        rig.wire.resume([]);
        rig.settle();
        assert_eq!(rig.wire.bytes(), all);
    }
}

#[test]
fn a_stream_without_vectored_writes_is_served_too() {
    let wire = Wire::open();
    wire.0.borrow_mut().is_vectored = false;
    let rig = Rig::new(wire);
    rig.writer.write_all_records(&records());
    rig.settle();
    assert_eq!(rig.wire.bytes(), records().concat());
}

#[test]
fn dropping_a_future_withdraws_a_record_that_has_not_begun() {
    let rig = Rig::with(QueuedWriter::builder().limit(1), Wire::shut());
    let first = rig.writer.write("first ");
    let write = rig.writer.write("never ");
    rig.writer.try_send("second ").unwrap();
    let queued = rig.writer.send("not either ");
    let mut last = rig.writer.send("third");
    rig.settle();
    drop(write);
    drop(queued);
    assert!(poll(&mut last).is_pending());
    let stats = rig.writer.stats();
    assert_eq!((stats.queued_records, stats.queued_bytes), (3, 18));
    rig.wire.unblock();
    rig.settle();
    drop(first);
    assert!(is_ok(poll(&mut last)));
    assert_eq!(rig.wire.text(), "first second third");
}

#[test]
fn withdrawing_what_a_stuck_stream_is_to_take_lets_a_flush_and_a_close_go_on() {
    let rig = Rig::new(Wire::shut());
    let stuck = rig.writer.write("stuck");
    let (mut flush, mut empty) = (rig.writer.flush(), rig.writer.write(""));
    rig.settle();
    drop(stuck);
    rig.settle();
    assert!(is_ok(poll(&mut flush)) && is_ok(poll(&mut empty)));

    let stuck = rig.writer.write("stuck");
    let mut close = rig.writer.close();
    rig.settle();
    rig.wire.0.borrow_mut().then = Act::Take(0);
    drop(stuck);
    rig.settle();
    assert!(is_ok(poll(&mut close)));
    assert_eq!(rig.wire.text(), "");
}

#[test]
fn dropping_a_future_half_way_lets_its_record_be_finished() {
    for len in [10, 5000] {
        for taken in [1, len - 1] {
            let rig = Rig::new(Wire::new([Act::Take(taken)], Act::Pend));
            let half = rig.writer.write(vec![b'a'; len]);
            let behind = rig.writer.write("b");
            rig.settle();
            drop(half);
            drop(behind);
            rig.writer.try_send("c").unwrap();
            rig.wire.unblock();
            rig.settle();
            assert_eq!(rig.wire.text(), "a".repeat(len) + "c");
        }
    }
}

#[test]
fn dropping_a_send_after_its_acceptance_has_no_effect() {
    let rig = Rig::new(Wire::shut());
    drop(rig.writer.send("small "));
    drop(rig.writer.send(vec![b'x'; 5000]));
    rig.wire.unblock();
    rig.settle();
    assert_eq!(rig.wire.text(), "small ".to_owned() + &"x".repeat(5000));
}

#[test]
fn the_bounds_of_a_batch_hold() {
    let builder = QueuedWriter::builder().batch_bytes(3000).batch_records(2);
    let rig = Rig::with(builder, Wire::open());
    rig.writer
        .write_all_records(&vec![Bytes::from(vec![b'x'; 2000]); 3]);
    rig.settle();
    assert_eq!(rig.wire.writes(), [(2, 3000), (2, 3000)]);

    let rig = Rig::with(QueuedWriter::builder().batch_records(2), Wire::open());
    rig.writer.write_all_records(&vec![Bytes::from("x"); 5]);
    rig.settle();
    assert_eq!(rig.wire.writes(), [(1, 2), (1, 2), (1, 1)]);

    // As many slices as are made at a time.
    let rig = Rig::new(Wire::open());
    rig.writer
        .write_all_records(&vec![Bytes::from(vec![b'x'; 1100]); 65]);
    rig.settle();
    assert_eq!(rig.wire.writes(), [(64, 64 * 1100), (1, 1100)]);
}

#[test]
fn what_the_limit_lets_in_and_those_who_wait_behind_it_go_with_one_call() {
    let rig = Rig::new(Wire::open());
    let accepted = 256;
    rig.writer
        .send_all_records(&vec![Bytes::from(vec![b'x'; 1024]); accepted + 64]);
    rig.settle();
    let bytes: Vec<_> = rig.wire.writes().iter().map(|(_, bytes)| *bytes).collect();
    assert_eq!(bytes, [(accepted + 64) * 1024]);
}

#[test]
fn bounds_of_zero_are_taken_for_one() {
    let builder = QueuedWriter::builder()
        .batch_bytes(0)
        .batch_records(0)
        .limit(0);
    let rig = Rig::with(builder, Wire::open());
    rig.writer.write_all_records(&[Bytes::from("ab")]);
    rig.settle();
    assert_eq!(rig.wire.writes(), [(1, 1), (1, 1)]);
}

/// Keeps a future to the end of the test's thread: one that nobody drops keeps its place.
fn keep(future: impl Future + 'static) {
    thread_local! {
        static KEPT: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
    }
    KEPT.with_borrow_mut(|kept| kept.push(Box::new(future)));
}

/// Hand over all, and keep the futures.
trait HandOver {
    fn write_all_records(&self, records: &[Bytes]);
    fn send_all_records(&self, records: &[Bytes]);
}

impl HandOver for QueuedWriter {
    fn write_all_records(&self, records: &[Bytes]) {
        for record in records {
            keep(self.write(record.clone()));
        }
    }

    fn send_all_records(&self, records: &[Bytes]) {
        for record in records {
            keep(self.send(record.clone()));
        }
    }
}
