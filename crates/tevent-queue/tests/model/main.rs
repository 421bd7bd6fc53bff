//! The queue against a plain model: random histories, all small states, and one long history in order.
#![cfg(not(loom))]

mod pair;
mod rules;

use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasher, Hasher, RandomState},
};

use pair::Pair;
use proptest::{collection::vec, prelude::*};
use rules::{Entry, Op};
use tevent_queue::{Face, Policy, TeventQueue};

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        30 => Just(Op::Join),
        2 => (1..5_usize).prop_map(Op::JoinIfFewerThan),
        5 => Just(Op::TryEntry),
        3 => Just(Op::Block),
        40 => (0..12_usize).prop_map(Op::Poll),
        25 => (0..12_usize).prop_map(Op::Drop),
        3 => (0..12_usize).prop_map(Op::Untrigger),
        4 => Just(Op::Stop),
        8 => Just(Op::Start),
        1 => Just(Op::Close),
    ]
}

fn capacity() -> impl Strategy<Value = usize> {
    prop_oneof![Just(usize::MAX), 1..8_usize]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 4 } else { 500 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Few steps, and proptest makes them fewer if they fail.
    #[test]
    fn b50_short_histories_do_what_the_model_does(
        permits in 1..4_usize,
        capacity in capacity(),
        ops in vec(op(), 0..if cfg!(miri) { 40 } else { 200 }),
    ) {
        let mut pair = Pair::new(permits, capacity);
        ops.into_iter().for_each(|op| pair.step(op));
    }
}

/// A million steps, a quarter of them on the face for threads; `TEVENT_MODEL_STEPS` and `TEVENT_MODEL_SEED` ask for
/// others.
#[test]
fn b50_long_histories_do_what_the_model_does() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let usual = if cfg!(miri) { 300 } else { 1_000_000 };
    let steps: u64 = number("TEVENT_MODEL_STEPS").unwrap_or(usual);
    let first_seed = number("TEVENT_MODEL_SEED")
        .unwrap_or_else(|| RandomState::new().build_hasher().finish() >> 1);
    const STEPS_PER_QUEUE: u64 = 1000;
    for seed in (first_seed..).take(steps.div_ceil(STEPS_PER_QUEUE) as usize) {
        // Shown if the test fails.
        println!("TEVENT_MODEL_SEED={seed} TEVENT_MODEL_STEPS={STEPS_PER_QUEUE}");
        let mut random = fastrand::Rng::with_seed(seed);
        let capacity = if random.bool() {
            usize::MAX
        } else {
            random.usize(1..30)
        };
        let permits = random.usize(1..5);
        let steps = steps.min(STEPS_PER_QUEUE);
        // Every other one is watched, as in a debug build, and takes the long way.
        let policy = if random.bool() {
            Policy::Off
        } else {
            Policy::Log
        };
        let queue = TeventQueue::builder("model")
            .permits(permits)
            .capacity(capacity)
            .detector(policy);
        if random.u32(..4) > 0 {
            run(
                Pair::over(queue.build(), permits, capacity),
                steps,
                &mut random,
            );
        } else {
            run(
                Pair::over(queue.build_shared(), permits, capacity),
                steps,
                &mut random,
            );
        }
    }
}

fn run<F: Face>(mut pair: Pair<F>, steps: u64, random: &mut fastrand::Rng) {
    // A look shuts the lane of who comes alone: so mostly nobody looks.
    for _ in 0..steps {
        pair.apply(random_op(random));
        if random.u32(..4) == 0 {
            pair.compare();
        }
    }
    pair.compare();
}

fn random_op(random: &mut fastrand::Rng) -> Op {
    let n = random.usize(..24);
    match random.u32(..1000) {
        0..260 => Op::Join,
        260..280 => Op::JoinIfFewerThan(1 + n),
        280..330 => Op::TryEntry,
        330..360 => Op::Block,
        360..660 => Op::Poll(n),
        660..880 => Op::Drop(n),
        880..910 => Op::Untrigger(n),
        910..940 => Op::Stop,
        940..999 => Op::Start,
        _ => Op::Close,
    }
}

/// What distinguishes two states: who came when does not, only in which order.
#[derive(PartialEq, Eq, Hash)]
struct Snapshot {
    entries: Vec<Entry>,
    running: bool,
    closed: bool,
}

impl Snapshot {
    fn of(pair: &Pair) -> Self {
        let entries = pair.model.entries.iter().enumerate();
        Self {
            entries: entries.map(|(id, entry)| Entry { id, ..*entry }).collect(),
            running: pair.model.running,
            closed: pair.model.closed,
        }
    }
}

/// Every state that up to four entries can reach in so many steps, each reached in the shortest way, and every step
/// from it.
fn explore(permits: usize, depth: usize) -> usize {
    const SYMMETRIC: usize = 4;
    let choices = (0..SYMMETRIC).flat_map(|n| [Op::Poll(n), Op::Drop(n), Op::Untrigger(n)]);
    let others = [
        Op::Join,
        Op::Block,
        Op::TryEntry,
        Op::Stop,
        Op::Start,
        Op::Close,
    ];
    let ops: Vec<Op> = choices.chain(others).collect();
    let mut seen = HashSet::from([Snapshot::of(&Pair::new(permits, SYMMETRIC))]);
    let mut frontier = VecDeque::from([Vec::<Op>::new()]);
    while let Some(history) = frontier.pop_front() {
        for &op in &ops {
            let mut pair = Pair::new(permits, SYMMETRIC);
            history.iter().for_each(|&op| pair.apply(op));
            if matches!(op, Op::Block) && pair.model.entries.len() == SYMMETRIC {
                continue;
            }
            pair.step(op);
            if seen.insert(Snapshot::of(&pair)) && history.len() + 1 < depth {
                let mut longer = history.clone();
                longer.push(op);
                frontier.push_back(longer);
            }
        }
    }
    seen.len()
}

#[test]
fn b46_every_state_of_four_entries_and_every_step_from_it() {
    if cfg!(miri) {
        assert_eq!(explore(1, 2), 22);
        return;
    }
    for (permits, states) in [(1, 1451), (2, 2503)] {
        let found = explore(permits, 8);
        println!("{permits} permits: {found} states");
        assert_eq!(found, states);
    }
}

#[test]
fn b49_grant_order_is_join_order_over_a_long_history() {
    let mut pair = Pair::new(1, usize::MAX);
    let mut random = fastrand::Rng::with_seed(49);
    let total = if cfg!(miri) { 300 } else { 1_000_000 };
    for _ in 0..total {
        let alive = pair.model.entries.len();
        pair.apply(match random.u32(..16) {
            0..5 if alive < 20 => Op::Join,
            0..9 => Op::Poll(0),
            9 => Op::Poll(random.usize(..64)),
            10 => Op::Drop(random.usize(..64)),
            11 => Op::TryEntry,
            12 => Op::Stop,
            13 => Op::Start,
            _ => Op::Drop(0),
        });
    }
    assert!(
        pair.granted.len() > total / 40,
        "{} turns",
        pair.granted.len()
    );
    assert!(pair.granted.is_sorted());
    pair.compare();
}
