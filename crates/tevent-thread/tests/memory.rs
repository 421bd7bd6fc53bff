//! What roads take from the heap: a block now and then; the memory of a burst comes back.
#![cfg(not(loom))]

mod util;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::env;

use tevent_thread::{Mailbox, ThreadProxy};
use util::{context, settle};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches two thread-locals that have neither a
// destructor nor an initialiser, so it does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        BYTES.set(BYTES.get() + layout.size() as isize);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        BYTES.set(BYTES.get() - layout.size() as isize);
        // SAFETY: the caller keeps the contract of `dealloc`, and the block came from `System`.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Messages of a burst: `TEVENT_BURST`, or a million.
fn burst() -> u64 {
    let asked = env::var("TEVENT_BURST").ok();
    asked.map_or(1_000_000, |text| text.parse().expect("a number"))
}

#[test]
fn b58_the_memory_of_a_burst_of_values_comes_back() {
    let context = context();
    let mailbox = Mailbox::new(&context.handle(), |_, _: u64| ()).expect("a living loop");
    let sender = mailbox.sender();
    let before = BYTES.get();
    for _ in 0..2 {
        (0..burst()).for_each(|number| sender.send(number).expect("it is open"));
        assert!(BYTES.get() - before >= 8 * burst() as isize);
        settle(&context);
        let kept = BYTES.get() - before;
        assert!(kept < 256 * 1024, "{kept} bytes are kept");
    }
    assert_eq!(mailbox.stats().received, 2 * burst());
    assert_eq!(mailbox.stats().high_water as u64, burst());
}

#[test]
fn b58_the_memory_of_a_burst_of_closures_comes_back() {
    let context = context();
    let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
    let (sender, load) = (proxy.sender(), [7_u64; 4]);
    let before = BYTES.get();
    for _ in 0..burst() {
        let sent = sender.schedule(move |_| assert_eq!(load[3], 7));
        assert!(sent.is_ok());
    }
    settle(&context);
    let kept = BYTES.get() - before;
    assert!(kept < 256 * 1024, "{kept} bytes are kept");
    assert_eq!(
        (proxy.stats().received, proxy.stats().panicked),
        (burst(), 0)
    );
}

/// What 100 rounds of 500 messages allocate.
fn allocations(mut round: impl FnMut()) -> usize {
    (0..10).for_each(|_| round());
    let before = ALLOCATIONS.get();
    (0..100).for_each(|_| round());
    ALLOCATIONS.get() - before
}

#[test]
fn a_mailbox_allocates_a_block_for_31_messages() {
    let context = context();
    let mailbox = Mailbox::new(&context.handle(), |_, _: u64| ()).expect("a living loop");
    let sender = mailbox.sender();
    let round = || {
        (0..500).for_each(|number| sender.send(number).expect("it is open"));
        settle(&context);
    };
    assert!(allocations(round) <= 100 * 500 / 31 + 1);
}
