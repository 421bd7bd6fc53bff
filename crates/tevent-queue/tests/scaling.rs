//! What a turn and a leave from the middle cost does not depend on how many wait. `scripts/scaling.sh` counts.
#![cfg(not(loom))]

use std::{
    collections::VecDeque,
    env,
    hint::black_box,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Instant,
};

use tevent_queue::{QueueEntry, QueueGuard, TeventQueue};

struct Line {
    queue: TeventQueue,
    waiting: VecDeque<QueueEntry>,
    guard: Option<QueueGuard>,
}

impl Line {
    fn of(waiting: usize) -> Self {
        let queue = TeventQueue::builder("line").build();
        let guard = queue.try_entry().ok();
        let mut line = Self {
            queue,
            waiting: VecDeque::with_capacity(waiting + 1),
            guard,
        };
        (0..waiting).for_each(|_| line.join());
        line
    }

    fn join(&mut self) {
        let mut entry = self.queue.entry();
        assert!(poll(&mut entry).is_pending());
        self.waiting.push_back(entry);
    }

    /// The holder leaves, the next enters, somebody joins.
    fn turn(&mut self) {
        self.guard = None;
        let mut next = self.waiting.pop_front().expect("somebody waits");
        match poll(&mut next) {
            Poll::Ready(Ok(guard)) => self.guard = Some(guard),
            other => panic!("the turn has not come: {other:?}"),
        }
        self.join();
    }
}

fn poll(entry: &mut QueueEntry) -> Poll<Result<QueueGuard, tevent_queue::QueueError>> {
    Pin::new(entry).poll(&mut Context::from_waker(Waker::noop()))
}

#[inline(never)]
fn counted_turns(line: &mut Line, turns: usize) {
    for _ in 0..turns {
        line.turn();
    }
}

#[inline(never)]
fn counted_leaves(entries: &mut Vec<QueueEntry>, leaves: usize) {
    for _ in 0..leaves {
        drop(black_box(entries.pop()));
    }
}

fn number(name: &str, usual: usize) -> usize {
    let text = env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn turns_among_many_waiters() {
    let (waiting, turns) = (number("WAITING", 1000), number("TURNS", 10_000));
    let mut line = Line::of(waiting);
    counted_turns(&mut line, turns / 10 + 1);
    let start = Instant::now();
    counted_turns(&mut line, turns);
    let nanos = start.elapsed().as_nanos() as f64 / turns as f64;
    println!("{waiting} waiting: {nanos:.1} ns a turn");
    assert_eq!(line.queue.len(), waiting + 1);
}

#[test]
fn leaves_from_the_middle() {
    let (waiting, leaves) = (number("WAITING", 1000), number("TURNS", 10_000) / 100);
    let line = Line::of(waiting);
    // Those to leave joined in the middle, and half of the waiters came after them.
    let mut entries: Vec<_> = (0..leaves).map(|_| line.queue.entry()).collect();
    let behind: Vec<_> = (0..waiting).map(|_| line.queue.entry()).collect();
    counted_leaves(&mut entries, leaves);
    assert_eq!(line.queue.len(), 2 * waiting + 1);
    drop(behind);
}
