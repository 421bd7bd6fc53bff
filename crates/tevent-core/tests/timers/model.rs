//! Histories: short ones that proptest makes shorter, and long ones from a seed.

use std::hash::{BuildHasher, Hasher, RandomState};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::pair::Pair;
use super::random::Random;
use super::{fire, table};

#[derive(Clone, Debug)]
enum Step {
    Insert { deadline: u64 },
    Remove { which: Index },
    Disarm { which: Index },
    Reset { which: Index, deadline: u64 },
    Change { which: Index },
    Pop { now: u64 },
}

/// Few values, so that many deadlines are equal, and the ends of the clock.
fn deadline() -> impl Strategy<Value = u64> {
    prop_oneof![
        1 => Just(0),
        1 => Just(u64::MAX),
        1 => Just(u64::MAX - 1),
        4 => 1..16_u64,
        4 => any::<u64>(),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => deadline().prop_map(|deadline| Step::Insert { deadline }),
        2 => any::<Index>().prop_map(|which| Step::Remove { which }),
        1 => any::<Index>().prop_map(|which| Step::Disarm { which }),
        2 => (any::<Index>(), deadline()).prop_map(|(which, deadline)| Step::Reset { which, deadline }),
        1 => any::<Index>().prop_map(|which| Step::Change { which }),
        3 => deadline().prop_map(|now| Step::Pop { now }),
    ]
}

fn take(pair: &mut Pair, step: Step) {
    let count = pair.known();
    match step {
        Step::Insert { deadline } => pair.insert(deadline),
        Step::Pop { now } => drop(pair.pop(now)),
        _ if count == 0 => {}
        Step::Remove { which } => pair.remove(which.index(count)),
        Step::Disarm { which } => pair.disarm(which.index(count)),
        Step::Reset { which, deadline } => pair.reset(which.index(count), deadline),
        Step::Change { which } => pair.change(which.index(count)),
    }
    pair.compare();
}

/// Miri's world has no files.
fn effort() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 1 } else { 160 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

const DEADLINES: usize = if cfg!(miri) { 10 } else { 200 };
const STEPS: usize = if cfg!(miri) { 40 } else { 400 };

proptest! {
    #![proptest_config(effort())]

    /// Few steps, and proptest makes them fewer if they fail.
    #[test]
    fn b67_short_histories_do_what_the_model_does(steps in vec(step(), 1..STEPS)) {
        let mut pair = Pair::default();
        for step in steps {
            take(&mut pair, step);
        }
        while pair.pop(u64::MAX) {}
        prop_assert!(pair.timers.is_empty());
    }

    #[test]
    fn b73_nothing_comes_early_and_nothing_due_stays(
        deadlines in vec(deadline(), 0..DEADLINES),
        mut clock in vec(any::<u64>(), 0..20),
    ) {
        let (mut timers, _) = table(deadlines.iter().map(|&deadline| (deadline, ())));
        clock.extend(deadlines.iter().flat_map(|&deadline| [deadline.saturating_sub(1), deadline]));
        clock.sort_unstable();
        for now in clock {
            let came = fire(&mut timers, now);
            prop_assert!(came.iter().all(|&(deadline, ())| deadline <= now));
            prop_assert!(timers.next_deadline().is_none_or(|next| next > now));
        }
        prop_assert!(timers.is_empty());
    }
}

/// A million steps; `TEVENT_MODEL_STEPS` and `TEVENT_MODEL_SEED` ask for others.
#[test]
fn b67_long_histories_do_what_the_model_does() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let usual = if cfg!(miri) { 300 } else { 1_000_000 };
    let steps: u64 = number("TEVENT_MODEL_STEPS").unwrap_or(usual);
    let first_seed = number("TEVENT_MODEL_SEED")
        .unwrap_or_else(|| RandomState::new().build_hasher().finish() >> 1);
    const STEPS_PER_TABLE: u64 = 10_000;
    for seed in (first_seed..).take(steps.div_ceil(STEPS_PER_TABLE) as usize) {
        // Shown if the test fails.
        println!("TEVENT_MODEL_SEED={seed} TEVENT_MODEL_STEPS={STEPS_PER_TABLE}");
        let mut history = History::new(seed);
        for _ in 0..steps.min(STEPS_PER_TABLE) {
            history.step();
        }
        while history.pair.pop(u64::MAX) {}
        history.pair.compare();
    }
}

/// A table over hours: it fills and empties in turn, and its clock, which goes on with each step, passes a point where
/// a counter of fewer bits than 64 would wrap.
struct History {
    pair: Pair,
    random: Random,
    now: u64,
    /// How many timers make it empty again.
    many: u64,
    is_filling: bool,
    mood: Mood,
}

/// What the deadlines of some steps have in common.
#[derive(Default)]
struct Mood {
    steps_left: u64,
    /// In sixteenths.
    past: u64,
    /// The distances are below a power of two.
    bits: u64,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let now = wrap_point(&mut random);
        let many = [2, 30, 300, 3_000][random.below(4) as usize];
        Self {
            pair: Pair::default(),
            random,
            now,
            many,
            is_filling: true,
            mood: Mood::default(),
        }
    }

    fn step(&mut self) {
        if self.mood.steps_left == 0 {
            self.mood = Mood {
                steps_left: 1 + self.random.below(self.many),
                past: self.random.below(17),
                bits: 1 + self.random.below(64),
            };
        }
        self.mood.steps_left -= 1;
        self.act();
        self.pair.compare();
        match self.pair.timers.len() as u64 {
            0 => self.is_filling = true,
            len if len > self.many => self.is_filling = false,
            _ => {}
        }
    }

    fn act(&mut self) {
        let known = self.pair.known();
        let (deadline, which) = (self.deadline(), self.which(known));
        match (self.random.below(16), self.is_filling) {
            (0..10, true) | (0..2, false) => self.pair.insert(deadline),
            (10, true) | (2..10, false) => self.pop(),
            _ if known == 0 => {}
            (11, _) => self.pair.disarm(which),
            (12, _) => self.pair.remove(which),
            (13..15, _) => self.pair.reset(which, deadline),
            _ => self.pair.change(which),
        }
    }

    /// Mostly one that came lately; any other, and the oldest, are likely to be stale.
    fn which(&mut self, known: usize) -> usize {
        let back = match self.random.below(8) {
            0 => known as u64,
            1..4 => self.many.min(known as u64),
            _ => 16.min(known as u64),
        };
        known.saturating_sub(1) - self.random.below(back.max(1)) as usize
    }

    fn pop(&mut self) {
        let next = self.pair.timers.next_deadline().unwrap_or(self.now);
        self.now = match self.random.below(16) {
            // As a loop does: it wakes when the next is due, or a nanosecond before.
            0..8 => self.now.max(next),
            8..12 => self.now.max(next.saturating_sub(1)),
            12..15 => self.now.saturating_add(self.distance()),
            _ => wrap_point(&mut self.random),
        };
        self.pair.pop(self.now);
    }

    /// In the future, in the past, at this moment, or wherever a counter wraps.
    fn deadline(&mut self) -> u64 {
        let distance = self.distance();
        match self.random.below(16) {
            0 => wrap_point(&mut self.random),
            1 => self.now,
            _ if self.random.below(16) < self.mood.past => self.now.saturating_sub(distance),
            _ => self.now.saturating_add(distance),
        }
    }

    /// Of any magnitude; often a round one, so that deadlines are equal.
    fn distance(&mut self) -> u64 {
        let distance = self.random.number() >> (64 - self.mood.bits);
        match self.random.below(4) {
            0 => 1 << distance.max(1).ilog2(),
            1 => distance >> self.random.below(self.mood.bits),
            _ => distance,
        }
    }
}

/// 0, the last nanosecond, and one beside every power of two.
fn wrap_point(random: &mut Random) -> u64 {
    let power = 1_u64.checked_shl(random.below(65) as u32).unwrap_or(0);
    power.wrapping_add(random.below(3)).wrapping_sub(1)
}
