//! The writer allocates nothing once it is warm, and does not keep what a burst has used.

mod util;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::Bytes;
use tevent_net::QueuedWriter;
use util::{Act, Rig, Wire, is_ok, poll};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

fn count(allocations: usize, bytes: isize) {
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + allocations));
    let _ = LIVE.try_with(|live| live.set(live.get() + bytes));
}

// SAFETY: hands every call on to the system's allocator, unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as isize);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, -(layout.size() as isize));
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as isize - layout.size() as isize);
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

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
        let before = ALLOCATIONS.get();
        (0..10).for_each(|_| round());
        assert_eq!(ALLOCATIONS.get() - before, 0, "{len}");
    }
}

#[test]
fn b55_after_a_burst_the_memory_comes_back() {
    let rig = Rig::with(QueuedWriter::builder().limit(64 << 20), drain());
    rig.wire.0.borrow_mut().then = Act::Pend;
    let before = LIVE.get();
    let mut kept = Vec::new();
    for len in [64, 5000] {
        for _ in 0..10_000 {
            kept.push(rig.writer.write(Bytes::from_static(&LARGE[..len])));
            rig.writer
                .try_send(Bytes::from_static(&LARGE[..len]))
                .unwrap();
        }
    }
    assert!(LIVE.get() - before > 1 << 20);
    rig.settle();
    rig.wire.unblock();
    rig.settle();
    drop(kept);
    rig.settle();
    // The chunks that are kept, and the buffer of a batch.
    assert!(
        LIVE.get() - before < 1 << 20,
        "{} bytes",
        LIVE.get() - before
    );
}
