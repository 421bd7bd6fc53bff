//! How long entries wait and how long turns last, for queues that are told the time.

use std::{
    cell::RefCell,
    collections::HashMap,
    fmt, mem,
    panic::Location,
    rc::Rc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tevent_core::{
    gate::{Gate, State},
    line::Place,
};

use crate::{TeventQueue, watch::Moment};

/// Tells the time of a queue.
pub(crate) type Clock = Rc<dyn Fn() -> Instant>;

/// Decimal digits that the summaries keep.
const DIGITS: u8 = 3;

/// Places that an empty table keeps room for.
const KEPT: usize = 64;

/// How long entries of a queue waited and held, from [`TeventQueue::timing`].
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Timing {
    /// From taking the place to taking the turn; without those that left before, or still wait.
    pub wait: Summary,
    /// From taking the turn to leaving, or to giving it back; without those that still hold, and without blocks.
    pub hold: Summary,
    /// Who has the turn: of several, the one that joined first. Of a [block](TeventQueue::block), which takes no turn
    /// but stands in the way, the time counts from its beginning, not from when those before it had left.
    pub holder: Option<Since>,
    /// Who has waited longest.
    pub longest_waiter: Option<Since>,
}

/// Durations in few words, each at most 0.1 % too long, and never longer than the longest.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// How many there were.
    pub count: u64,
    /// Half of them were not longer.
    pub p50: Duration,
    /// 99 of 100 were not longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// An entry, and for how long it has been so.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Since {
    /// Since when, by the queue's clock.
    pub since: Instant,
    /// How long that is.
    pub age: Duration,
    /// The line that asked for the entry.
    pub origin: &'static Location<'static>,
    /// The entry's tag; 0 if it was given none.
    pub tag: u64,
}

impl TeventQueue {
    /// How long entries waited and held, if the queue has a [clock](crate::Builder::timed).
    #[must_use]
    pub fn timing(&self) -> Option<Timing> {
        let stopwatch = self.stopwatch()?;
        let now = (stopwatch.clock)();
        Some(self.look(|gate| stopwatch.read(gate, now)))
    }
}

/// Takes the times of one queue.
pub(crate) struct Stopwatch {
    clock: Clock,
    times: RefCell<Times>,
}

struct Times {
    /// Those in the line.
    entries: HashMap<Place, Entry>,
    wait: Histogram<u64>,
    hold: Histogram<u64>,
}

#[derive(Clone, Copy)]
struct Entry {
    joined: Instant,
    /// Since when it has the turn.
    held: Option<Instant>,
    /// It has had the turn: one that gave it back does not count as a waiter again.
    has_waited: bool,
}

/// A duration that has come to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lap {
    Wait(Duration),
    Hold(Duration),
}

impl Stopwatch {
    pub(crate) fn new(clock: Clock) -> Self {
        let histogram =
            || Histogram::new(DIGITS).expect("never fails: a histogram of three digits is allowed");
        Self {
            clock,
            times: RefCell::new(Times {
                entries: HashMap::new(),
                wait: histogram(),
                hold: histogram(),
            }),
        }
    }

    /// Reads the clock, outside of all borrows, and takes a time. A clock that goes backwards has stood still.
    ///
    /// # Panics
    /// If the clock does.
    pub(crate) fn tell(&self, moment: Moment, place: Place) -> Option<Lap> {
        if matches!(moment, Moment::Waits | Moment::Granted) {
            return None;
        }
        if moment == Moment::Detached {
            // First, so that nothing is left behind if the clock panics.
            let held = self.times.borrow_mut().leave(place)?;
            let now = (self.clock)();
            return Some(self.times.borrow_mut().end_hold(held, now));
        }
        let now = (self.clock)();
        self.times.borrow_mut().take(moment, place, now)
    }

    fn read(&self, gate: &Gate, now: Instant) -> Timing {
        let times = self.times.borrow();
        let since = |place, from: fn(&Entry) -> Option<Instant>| {
            let since = times.entries.get(&place).and_then(from)?;
            let (_, ticket) = gate.entry(place)?;
            Some(Since {
                since,
                age: now.saturating_duration_since(since),
                origin: ticket.origin,
                tag: ticket.tag,
            })
        };
        let first = |is_meant: fn(State) -> bool| gate.line().find(move |entry| is_meant(entry.1));
        let holder = first(|state| state == State::Held);
        let waiter = first(|state| state != State::Held);
        Timing {
            wait: Summary::of(&times.wait),
            hold: Summary::of(&times.hold),
            holder: holder.and_then(|(place, ..)| since(place, |entry| Some(entry.held_since()))),
            longest_waiter: waiter.and_then(|(place, ..)| since(place, |entry| Some(entry.joined))),
        }
    }
}

impl Times {
    fn take(&mut self, moment: Moment, place: Place, now: Instant) -> Option<Lap> {
        match moment {
            Moment::Attached => {
                let entry = Entry {
                    joined: now,
                    held: None,
                    has_waited: false,
                };
                self.entries.insert(place, entry);
                None
            }
            Moment::Triggered => {
                let entry = self.entries.get_mut(&place)?;
                entry.held = Some(now);
                if mem::replace(&mut entry.has_waited, true) {
                    return None;
                }
                let wait = now.saturating_duration_since(entry.joined);
                record(&mut self.wait, wait);
                Some(Lap::Wait(wait))
            }
            Moment::GivenBack => {
                let held = self.entries.get_mut(&place)?.held.take();
                Some(self.end_hold(held?, now))
            }
            Moment::Detached | Moment::Waits | Moment::Granted => None,
        }
    }

    /// Since when it held.
    fn leave(&mut self, place: Place) -> Option<Instant> {
        let entry = self.entries.remove(&place)?;
        if self.entries.is_empty() && self.entries.capacity() > KEPT {
            self.entries = HashMap::new();
        }
        entry.held
    }

    fn end_hold(&mut self, held: Instant, now: Instant) -> Lap {
        let hold = now.saturating_duration_since(held);
        record(&mut self.hold, hold);
        Lap::Hold(hold)
    }
}

impl Entry {
    /// A block is not told of its turn: it counts from its beginning.
    fn held_since(&self) -> Instant {
        self.held.unwrap_or(self.joined)
    }
}

impl Summary {
    fn of(histogram: &Histogram<u64>) -> Self {
        let max = histogram.max();
        let quantile = |quantile| histogram.value_at_quantile(quantile).min(max);
        Self {
            count: histogram.len(),
            p50: Duration::from_nanos(quantile(0.5)),
            p99: Duration::from_nanos(quantile(0.99)),
            max: Duration::from_nanos(max),
        }
    }
}

/// In nanoseconds, up to 292 years. The histogram grows to what it meets.
fn record(histogram: &mut Histogram<u64>, time: Duration) {
    let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let recorded = histogram.record(nanoseconds.min(i64::MAX.unsigned_abs()));
    debug_assert!(recorded.is_ok(), "a histogram that resizes takes all");
}

/// `3 times: p50 1ms, p99 2ms, max 2ms`.
impl fmt::Debug for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            count,
            p50,
            p99,
            max,
        } = self;
        write!(f, "{count} times: p50 {p50:?}, p99 {p99:?}, max {max:?}")
    }
}

/// `for 5ms, src/main.rs:7:21`.
impl fmt::Debug for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "for {:?}, {}", self.age, self.origin)?;
        if self.tag != 0 {
            write!(f, " tag {}", self.tag)?;
        }
        Ok(())
    }
}
