//! Random scripts against a model: what is on the wire, and which future is ready, follows from the rules alone.

mod util;

use std::task::Poll;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use tevent_net::QueuedWriter;
use tevent_net::writer::{Flush, Send, Write};
use util::{Act, Rig, Wire, is_ok, poll};

#[derive(Clone, Copy, Debug)]
enum Op {
    Write(usize),
    Send(usize),
    TrySend(usize),
    Flush,
    /// Drops the future of the n-th entry, modulo.
    Drop(usize),
    /// The stream takes so many bytes at its next call.
    Take(usize),
}

fn len() -> impl Strategy<Value = usize> {
    prop::sample::select(vec![0, 1, 5, 64, 700, 1023, 1024, 1025, 3000])
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => len().prop_map(Op::Write),
        3 => len().prop_map(Op::Send),
        2 => len().prop_map(Op::TrySend),
        1 => Just(Op::Flush),
        3 => any::<usize>().prop_map(Op::Drop),
        4 => prop_oneof![1..20_usize, 500..5000_usize].prop_map(Op::Take),
    ]
}

enum Future {
    Write(Write),
    Send(Send),
    Flush(Flush),
    None,
}

/// One thing handed over, as the rules see it.
struct Entry {
    record: Vec<u8>,
    future: Future,
    accepted: bool,
}

/// Entries in the order of the calls, without those that were withdrawn, and bytes that the wire has taken.
struct Model {
    entries: Vec<Entry>,
    taken: usize,
    limit: usize,
}

impl Model {
    fn start(&self, index: usize) -> usize {
        let before = self.entries[..index].iter();
        before.map(|entry| entry.record.len()).sum()
    }

    fn end(&self, index: usize) -> usize {
        self.start(index) + self.entries[index].record.len()
    }

    fn rest(&self, index: usize) -> usize {
        self.end(index) - self.taken.clamp(self.start(index), self.end(index))
    }

    fn unsent(&self) -> usize {
        (0..self.entries.len())
            .filter(|index| self.entries[*index].accepted)
            .map(|index| self.rest(index))
            .sum()
    }

    fn fits(&self, len: usize) -> bool {
        self.unsent() == 0 || self.unsent() + len <= self.limit
    }

    /// The place of the first send that waits to be accepted.
    fn first_queued(&self) -> Option<usize> {
        (0..self.entries.len()).find(|index| {
            let entry = &self.entries[*index];
            matches!(entry.future, Future::Send(_)) && !entry.accepted && !self.is_over(*index)
        })
    }

    fn accept(&mut self) {
        while let Some(index) = self.first_queued()
            && self.fits(self.rest(index))
        {
            self.entries[index].accepted = true;
        }
    }

    fn accepts_at_once(&self, len: usize) -> bool {
        self.first_queued().is_none() && self.fits(len)
    }

    fn is_over(&self, index: usize) -> bool {
        self.taken >= self.end(index)
    }

    fn drop_future(&mut self, index: usize) {
        let is_out = self.is_over(index) || self.taken > self.start(index);
        let entry = &mut self.entries[index];
        let future = std::mem::replace(&mut entry.future, Future::None);
        match future {
            Future::None | Future::Flush(_) => {}
            Future::Send(_) if entry.accepted => {}
            _ if is_out => entry.accepted = true,
            _ => drop(self.entries.remove(index)),
        }
    }

    fn check(&mut self, rig: &Rig) {
        let expected: Vec<u8> = self.entries.iter().flat_map(|e| e.record.clone()).collect();
        let wire = rig.wire.bytes();
        assert!(expected.starts_with(&wire), "torn, lost or out of order");
        self.taken = wire.len();
        self.accept();
        // A record that was abandoned half-way counts too, and is not asked whether it fits.
        assert!(self.unsent() <= self.limit.max(3000) + 3000, "the limit");
        for index in 0..self.entries.len() {
            let ready = self.is_over(index);
            let accepted = self.entries[index].accepted;
            let entry = &mut self.entries[index];
            let (found, expected) = match &mut entry.future {
                Future::None => continue,
                Future::Write(write) => (poll(write), ready),
                Future::Flush(flush) => (poll(flush), ready),
                Future::Send(send) => (poll(send), ready || accepted),
            };
            assert_eq!(
                found.is_ready(),
                expected,
                "entry {index} of {} bytes",
                entry.record.len()
            );
            if let Poll::Ready(result) = found {
                assert!(result.is_ok());
                entry.accepted |= matches!(entry.future, Future::Send(_));
                entry.future = Future::None;
            }
        }
    }
}

/// Bytes that no other record has at that place.
fn record(number: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| (number * 31 + at * 7) as u8).collect()
}

fn run(ops: &[Op], limit: usize, batch_bytes: usize, batch_records: usize) {
    let builder = QueuedWriter::builder()
        .limit(limit)
        .batch_bytes(batch_bytes)
        .batch_records(batch_records);
    let rig = Rig::with(builder, Wire::shut());
    let mut model = Model {
        entries: Vec::new(),
        taken: 0,
        limit,
    };
    for (number, op) in ops.iter().enumerate() {
        let hand_over = |len| record(number, len);
        match *op {
            Op::Write(len) => model.entries.push(Entry {
                record: hand_over(len),
                future: Future::Write(rig.writer.write(hand_over(len))),
                accepted: false,
            }),
            Op::Send(len) => {
                let accepted = model.accepts_at_once(len);
                model.entries.push(Entry {
                    record: hand_over(len),
                    future: Future::Send(rig.writer.send(hand_over(len))),
                    accepted,
                });
            }
            Op::TrySend(len) => {
                let accepted = model.accepts_at_once(len);
                assert_eq!(
                    rig.writer.try_send(Bytes::from(hand_over(len))).is_ok(),
                    accepted
                );
                if accepted {
                    model.entries.push(Entry {
                        record: hand_over(len),
                        future: Future::None,
                        accepted,
                    });
                }
            }
            Op::Flush => model.entries.push(Entry {
                record: Vec::new(),
                future: Future::Flush(rig.writer.flush()),
                accepted: false,
            }),
            Op::Drop(_) if model.entries.is_empty() => {}
            Op::Drop(index) => model.drop_future(index % model.entries.len()),
            Op::Take(count) => rig.wire.resume([Act::Take(count)]),
        }
        rig.settle();
        model.check(&rig);
    }
    finish(&rig, &mut model);
}

/// Everything goes out, every future is ready, and the writer counts right.
fn finish(rig: &Rig, model: &mut Model) {
    let mut close = rig.writer.close();
    rig.wire.unblock();
    rig.settle();
    model.check(rig);
    assert!(is_ok(poll(&mut close)));
    let expected: usize = model.entries.iter().map(|entry| entry.record.len()).sum();
    let stats = rig.writer.stats();
    assert_eq!(
        (rig.wire.bytes().len(), stats.bytes),
        (expected, expected as u64)
    );
    assert_eq!((stats.queued_bytes, stats.queued_records), (0, 0));
    assert!(
        model
            .entries
            .iter()
            .all(|entry| matches!(entry.future, Future::None))
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn whole_records_in_the_order_of_the_calls_without_those_withdrawn(
        ops in vec(op(), 1..60),
        limit in prop::sample::select(vec![0, 10, 2000, 100_000]),
        batch_bytes in prop::sample::select(vec![7, 700, 4096, 262_144]),
        batch_records in prop::sample::select(vec![1, 3, 1024]),
    ) {
        run(&ops, limit, batch_bytes, batch_records);
    }
}
