//! The queue against a plain reference model (B46, B49, B50).
//!
//! Random operations, and all short sequences for four waiters.

use std::{collections::BTreeMap, task::Poll};

use proptest::{collection::vec, prelude::*};
use tevent_queue::{QueueEntry, QueueError, QueueGuard, TeventQueue, TryEntryError};
use tokio_test::task::{Spawn, spawn};

#[derive(Clone, Copy, Debug)]
enum Op {
    Join,
    TryEntry,
    Poll(usize),
    Drop(usize),
    Stop,
    Start,
    Close,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    Waiting,
    Granted,
    Held,
    Closed,
}

/// The rules, as plainly as they can be said.
struct Model {
    /// Everybody who has not left, in order of joining.
    entries: Vec<Entry>,
    running: bool,
    closed: bool,
}

#[derive(Clone, Copy)]
struct Entry {
    id: usize,
    state: State,
    polled: bool,
    woken: bool,
}

impl Model {
    fn join(&mut self, id: usize, state: State) {
        let state = if self.closed { State::Closed } else { state };
        self.entries.push(Entry {
            id,
            state,
            polled: false,
            woken: false,
        });
        self.grant();
    }

    fn try_entry(&mut self, id: usize) -> Result<(), TryEntryError> {
        match (self.closed, self.running, self.len()) {
            (true, ..) => Err(TryEntryError::Closed),
            (_, false, _) => Err(TryEntryError::Stopped),
            (.., 0) => {
                self.join(id, State::Held);
                Ok(())
            }
            _ => Err(TryEntryError::Busy),
        }
    }

    /// The state found by a poll; the woken flag is taken.
    fn poll(&mut self, n: usize) -> State {
        let entry = &mut self.entries[n];
        (entry.polled, entry.woken) = (true, false);
        if entry.state == State::Granted {
            entry.state = State::Held;
        }
        let state = entry.state;
        if state == State::Closed {
            self.entries.remove(n);
        }
        state
    }

    fn leave(&mut self, n: usize) {
        self.entries.remove(n);
        self.grant();
    }

    fn stop(&mut self) {
        self.running = false;
        self.each(State::Granted, |entry| entry.state = State::Waiting);
    }

    fn close(&mut self) {
        self.closed = true;
        for state in [State::Waiting, State::Granted] {
            self.each(state, |entry| {
                (entry.state, entry.woken) = (State::Closed, entry.woken | entry.polled)
            });
        }
    }

    fn grant(&mut self) {
        let taken = self
            .entries
            .iter()
            .any(|entry| matches!(entry.state, State::Granted | State::Held));
        let head = self
            .entries
            .iter_mut()
            .find(|entry| entry.state == State::Waiting);
        if let (true, false, false, Some(head)) = (self.running, self.closed, taken, head) {
            (head.state, head.woken) = (State::Granted, head.woken | head.polled);
        }
    }

    fn len(&self) -> usize {
        self.entries
            .iter()
            .filter(|entry| entry.state != State::Closed)
            .count()
    }

    fn each(&mut self, state: State, change: impl Fn(&mut Entry)) {
        self.entries
            .iter_mut()
            .filter(|entry| entry.state == state)
            .for_each(change);
    }
}

/// The real queue beside the model.
struct Pair {
    model: Model,
    queue: TeventQueue,
    waiting: BTreeMap<usize, Spawn<QueueEntry>>,
    holding: BTreeMap<usize, QueueGuard>,
    granted: Vec<usize>,
    next: usize,
}

impl Pair {
    fn new() -> Self {
        Self {
            model: Model {
                entries: Vec::new(),
                running: true,
                closed: false,
            },
            queue: TeventQueue::new("model"),
            waiting: BTreeMap::new(),
            holding: BTreeMap::new(),
            granted: Vec::new(),
            next: 0,
        }
    }

    fn run(ops: &[Op]) {
        let mut pair = Self::new();
        for &op in ops {
            pair.apply(op);
            pair.compare();
        }
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Join => {
                self.waiting.insert(self.next, spawn(self.queue.entry()));
                self.model.join(self.next, State::Waiting);
                self.next += 1;
            }
            Op::TryEntry => self.try_entry(),
            Op::Poll(n) if !self.model.entries.is_empty() => {
                self.poll(n % self.model.entries.len())
            }
            Op::Drop(n) if !self.model.entries.is_empty() => {
                self.drop(n % self.model.entries.len())
            }
            Op::Poll(_) | Op::Drop(_) => {}
            Op::Stop => {
                self.queue.stop();
                self.model.stop();
            }
            Op::Start => {
                self.queue.start();
                self.model.running = true;
                self.model.grant();
            }
            Op::Close => {
                self.queue.close();
                self.model.close();
            }
        }
    }

    fn try_entry(&mut self) {
        let found = self.queue.try_entry();
        assert_eq!(
            found.as_ref().map(|_| ()).map_err(|error| *error),
            self.model.try_entry(self.next)
        );
        if let Ok(guard) = found {
            self.holding.insert(self.next, guard);
            self.granted.push(self.next);
            self.next += 1;
        }
    }

    fn poll(&mut self, n: usize) {
        let id = self.model.entries[n].id;
        let Some(task) = self.waiting.get_mut(&id) else {
            return;
        };
        match (self.model.poll(n), task.poll()) {
            (State::Held, Poll::Ready(Ok(guard))) => {
                self.waiting.remove(&id);
                self.holding.insert(id, guard);
                self.granted.push(id);
            }
            (State::Closed, Poll::Ready(Err(QueueError::Closed))) => drop(self.waiting.remove(&id)),
            (State::Waiting, Poll::Pending) => {}
            (state, found) => panic!("entry {id} is {state:?}, polled: {found:?}"),
        }
    }

    fn drop(&mut self, n: usize) {
        let id = self.model.entries[n].id;
        self.model.leave(n);
        drop((self.waiting.remove(&id), self.holding.remove(&id)));
    }

    fn compare(&self) {
        let Self { model, queue, .. } = self;
        assert_eq!(
            (queue.len(), queue.is_empty()),
            (model.len(), model.len() == 0)
        );
        assert_eq!(
            (queue.is_running(), queue.is_closed()),
            (model.running, model.closed)
        );
        assert!(self.holding.len() <= 1, "one holder at most");
        assert!(self.granted.is_sorted(), "granted in the order of joining");
        for entry in &model.entries {
            let woken = self
                .waiting
                .get(&entry.id)
                .is_some_and(|task| task.is_woken());
            assert_eq!(
                woken, entry.woken,
                "entry {} is {:?}",
                entry.id, entry.state
            );
        }
        let head = model
            .entries
            .iter()
            .find(|entry| entry.state != State::Closed);
        let stranded = head.is_some_and(|head| head.state == State::Waiting);
        assert!(
            !(stranded && model.running && !model.closed),
            "nobody is stranded"
        );
    }
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        30 => Just(Op::Join),
        5 => Just(Op::TryEntry),
        40 => (0..12_usize).prop_map(Op::Poll),
        25 => (0..12_usize).prop_map(Op::Drop),
        4 => Just(Op::Stop),
        8 => Just(Op::Start),
        1 => Just(Op::Close),
    ]
}

fn config() -> ProptestConfig {
    let cases = if cfg!(miri) { 4 } else { 2000 };
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn b50_random_operations_do_what_the_model_does(ops in vec(op(), 0..if cfg!(miri) { 60 } else { 300 })) {
        Pair::run(&ops);
    }
}

#[test]
fn b46_four_waiters_and_every_short_sequence() {
    let steps: Vec<Op> = (0..4)
        .flat_map(|n| [Op::Poll(n), Op::Drop(n)])
        .chain([Op::Stop, Op::Start])
        .collect();
    let depth = if cfg!(miri) { 2 } else { 5 };
    let mut sequences = 0;
    for mut number in 0..steps.len().pow(depth) {
        let mut ops = vec![Op::Join; 4];
        for _ in 0..depth {
            ops.push(steps[number % steps.len()]);
            number /= steps.len();
        }
        Pair::run(&ops);
        sequences += 1;
    }
    assert_eq!(sequences, steps.len().pow(depth));
}

#[test]
fn b49_grant_order_is_join_order_over_a_long_history() {
    let mut pair = Pair::new();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let total = if cfg!(miri) { 300 } else { 300_000 };
    for _ in 0..total {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let n = (random >> 32) as usize;
        let alive = pair.model.entries.len();
        pair.apply(match random % 16 {
            0..5 if alive < 20 => Op::Join,
            0..9 => Op::Poll(0),
            9 => Op::Poll(n),
            10 => Op::Drop(n),
            11 => Op::TryEntry,
            12 => Op::Stop,
            13 => Op::Start,
            _ => Op::Drop(0),
        });
        assert!(pair.holding.len() <= 1);
    }
    assert!(
        pair.granted.len() > total / 40,
        "{} turns",
        pair.granted.len()
    );
    assert!(pair.granted.is_sorted());
    pair.compare();
}
