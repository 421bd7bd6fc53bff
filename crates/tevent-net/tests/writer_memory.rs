//! The writer allocates nothing once it is warm, and does not keep what a burst has used.

mod util;

use bytes::Bytes;
use tevent_net::QueuedWriter;
use tevent_testing::{Counting, allocations_so_far, bytes_held};
use util::{Act, Rig, Wire, is_ok, poll};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static LARGE: [u8; 5000] = [b'x'; 5000];

/// A wire that keeps nothing of what it takes.
fn drain() -> Wire {
    let wire = Wire::open();
    wire.0.borrow_mut().keeps = false;
    wire
}

#[test]
fn b87_a_warm_writer_allocates_nothing() {
    for len in [64, 5000] {
        let rig = Rig::with(QueuedWriter::builder().limit(20_000), drain());
        let record = || Bytes::from_static(&LARGE[..len]);
        let round = || {
            let mut writes = [(); 32].map(|()| rig.writer.write(record()));
            let mut sends = [(); 32].map(|()| rig.writer.send(record()));
            assert!(writes.iter_mut().all(|write| poll(write).is_pending()));
            sends.iter_mut().for_each(|send| drop(poll(send)));
            rig.settle();
            assert!(writes.iter_mut().all(|write| is_ok(poll(write))));
        };
        (0..3).for_each(|_| round());
        let before = allocations_so_far();
        (0..10).for_each(|_| round());
        assert_eq!(allocations_so_far() - before, 0, "{len}");
    }
}

#[test]
fn b55_after_a_burst_the_memory_comes_back() {
    let rig = Rig::with(QueuedWriter::builder().limit(64 << 20), drain());
    rig.wire.0.borrow_mut().then = Act::Pend;
    let before = bytes_held();
    let mut kept = Vec::new();
    for len in [64, 5000] {
        for _ in 0..10_000 {
            kept.push(rig.writer.write(Bytes::from_static(&LARGE[..len])));
            rig.writer
                .try_send(Bytes::from_static(&LARGE[..len]))
                .unwrap();
        }
    }
    assert!(bytes_held() - before > 1 << 20);
    rig.settle();
    rig.wire.unblock();
    rig.settle();
    drop(kept);
    rig.settle();
    // The chunks that are kept, and the buffer of a batch.
    assert!(
        bytes_held() - before < 1 << 20,
        "{} bytes",
        bytes_held() - before
    );
}
