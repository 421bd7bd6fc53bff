//! What roads take from the heap: a block now and then; the memory of a burst comes back.
#![cfg(not(loom))]

mod util;

use std::env;

use tevent_testing::{Counting, allocations_so_far, bytes_held};
use tevent_thread::{Mailbox, ThreadProxy};
use util::{context, settle};

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
    let before = bytes_held();
    for _ in 0..2 {
        (0..burst()).for_each(|number| sender.send(number).expect("it is open"));
        assert!(bytes_held() - before >= 8 * burst() as isize);
        settle(&context);
        let kept = bytes_held() - before;
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
    let before = bytes_held();
    for _ in 0..burst() {
        let sent = sender.schedule(move |_| assert_eq!(load[3], 7));
        assert!(sent.is_ok());
    }
    settle(&context);
    let kept = bytes_held() - before;
    assert!(kept < 256 * 1024, "{kept} bytes are kept");
    assert_eq!(
        (proxy.stats().received, proxy.stats().panicked),
        (burst(), 0)
    );
}

/// What 100 rounds of 500 messages allocate.
fn allocations(mut round: impl FnMut()) -> usize {
    (0..10).for_each(|_| round());
    let before = allocations_so_far();
    (0..100).for_each(|_| round());
    allocations_so_far() - before
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
