//! Every interleaving of the ring of siginfos, with two handlers that write at once and a reader.
//!
//! The reader never sees half an info, nothing out of order, nothing twice, and nothing is unaccounted for.
#![cfg(loom)]

/// The atomics of the model checker, for the ring's source below.
mod atomic {
    pub(super) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
}

#[allow(dead_code, unreachable_pub)]
#[path = "../src/signal/ring.rs"]
mod ring;

use loom::sync::Arc;
use loom::thread;
use ring::{Ring, SignalInfo};

/// An info whose parts belong together.
fn info(number: u32) -> SignalInfo {
    SignalInfo {
        pid: number as i32,
        uid: number,
        code: number as i32,
        value: number as usize,
    }
}

/// Takes what there is, and returns the numbers and how many were lost.
fn take_all(ring: &Ring, cursor: &mut u64) -> (Vec<u32>, u64) {
    let (mut numbers, mut lost) = (Vec::new(), 0);
    while let Some(taken) = ring.take(cursor) {
        lost += taken.lost;
        if let Some(got) = taken.info {
            assert_eq!(got, info(got.uid), "half of one info and half of another");
            numbers.push(got.uid);
        }
    }
    (numbers, lost)
}

/// The writers' infos, each writer's own in ascending order; a reader beside them.
fn model(slots: usize, writers: &'static [&'static [u32]]) {
    loom::model(move || {
        let ring = Arc::new(Ring::new(slots));
        let mut cursor = ring.end();
        let threads: Vec<_> = writers
            .iter()
            .map(|numbers| {
                let ring = Arc::clone(&ring);
                thread::spawn(move || numbers.iter().for_each(|&number| ring.push(info(number))))
            })
            .collect();
        let (mut got, mut lost) = take_all(&ring, &mut cursor);
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        let (rest, lost_at_last) = take_all(&ring, &mut cursor);
        got.extend(rest);
        lost += lost_at_last;
        let sent: usize = writers.iter().map(|numbers| numbers.len()).sum();
        assert_eq!(got.len() as u64 + lost, sent as u64, "{got:?}, {lost} lost");
        for numbers in writers {
            let own: Vec<_> = got.iter().filter(|got| numbers.contains(got)).collect();
            assert!(own.is_sorted() && own.windows(2).all(|pair| pair[0] != pair[1]));
        }
        let overtaken = sent.saturating_sub(slots);
        assert!(overtaken > 0 || lost == 0, "there was room for all of them");
    });
}

#[test]
fn s2_two_writers_and_a_reader_with_room_for_all() {
    model(2, &[&[1], &[2]]);
}

#[test]
fn s6_two_writers_in_one_slot_and_a_reader() {
    model(1, &[&[1], &[2]]);
}

#[test]
fn s6_a_writer_overtakes_itself_and_the_reader() {
    model(1, &[&[1, 2]]);
    model(2, &[&[1, 2], &[3]]);
}
