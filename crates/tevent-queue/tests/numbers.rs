//! What a queue tells about itself: times by a clock of one's own, events of `tracing`, numbers for `metrics`.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fmt::Debug,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::FutureExt;
use metrics::{Key, KeyName, Metadata, SharedString, Unit};
use tevent_queue::{QueueEntry, QueueGuard, TeventQueue, Timing, tracing_hook};
use tracing::{field::Field, span, subscriber::with_default};

const MS: Duration = Duration::from_millis(1);

/// A clock that is moved by hand.
#[derive(Clone)]
struct Hand(Rc<Cell<Instant>>);

impl Hand {
    fn new() -> Self {
        Self(Rc::new(Cell::new(Instant::now())))
    }

    fn queue(&self) -> TeventQueue {
        let time = self.0.clone();
        TeventQueue::builder("q").timed(move || time.get()).build()
    }

    fn pass(&self, milliseconds: u32) {
        self.0.set(self.0.get() + MS * milliseconds);
    }
}

fn timing(queue: &TeventQueue) -> Timing {
    queue.timing().expect("the queue has a clock")
}

fn take(entry: QueueEntry) -> QueueGuard {
    let turn = entry.now_or_never().expect("its turn has come");
    turn.expect("the queue is open")
}

/// Equal to the three digits that are kept.
#[track_caller]
fn assert_about(actual: Duration, expected: Duration) {
    let error = actual.abs_diff(expected);
    assert!(error <= expected / 1000, "{actual:?} is not {expected:?}");
}

#[test]
fn waits_and_holds_are_measured_from_place_to_turn_and_from_turn_to_end() {
    let hand = Hand::new();
    let queue = hand.queue();
    for n in 1..=100 {
        let guard = queue.try_entry().expect("free");
        let entry = queue.entry();
        hand.pass(n);
        drop(guard);
        hand.pass(1000); // granted, and not polled: it waits
        drop(take(entry));
    }
    let timing = timing(&queue);
    // Half of the waits are of `try_entry`, and half of the holds end at once.
    assert_eq!((timing.wait.count, timing.hold.count), (200, 200));
    assert_eq!(timing.wait.p50, Duration::ZERO);
    assert_about(timing.wait.p99, 1098 * MS);
    assert_about(timing.wait.max, 1100 * MS);
    assert_eq!(timing.hold.p50, Duration::ZERO);
    assert_about(timing.hold.p99, 98 * MS);
    assert_about(timing.hold.max, 100 * MS);
    assert!(timing.holder.is_none() && timing.longest_waiter.is_none());
}

#[test]
fn the_holder_and_the_longest_waiter_are_known_by_age_and_line() {
    let hand = Hand::new();
    let queue = hand.queue();
    let first = line!() + 1;
    let guard = take(queue.entry().tagged(7));
    hand.pass(5);
    let second = line!() + 1;
    let waiter = queue.entry();
    hand.pass(2);
    let late = queue.entry();
    hand.pass(1);

    let now = timing(&queue);
    let (holder, longest) = (now.holder.unwrap(), now.longest_waiter.unwrap());
    assert_eq!(
        (holder.age, holder.origin.line(), holder.tag),
        (8 * MS, first, 7)
    );
    assert_eq!((longest.age, longest.origin.line()), (3 * MS, second));
    let shown = format!("{now:?}");
    assert!(shown.contains("holder: Some(for 8ms, "), "{shown}");
    assert!(
        shown.contains("wait: 1 times: p50 0ns, p99 0ns, max 0ns"),
        "{shown}"
    );

    drop(waiter);
    drop(guard);
    let guard = take(late);
    hand.pass(4);
    let now = timing(&queue);
    assert_eq!(now.holder.unwrap().age, 4 * MS);
    // Who left before its turn waited for nothing.
    assert_eq!((now.wait.count, now.hold.count), (2, 1));
    assert_about(now.wait.max, MS);
    drop(guard);
}

#[test]
fn q08_an_entry_that_gives_its_turn_back_waits_once() {
    let hand = Hand::new();
    let queue = hand.queue();
    let guard = queue.try_entry().expect("free");
    hand.pass(3);
    queue.stop();
    let entry = guard.untrigger().expect("stopped");
    assert!(timing(&queue).holder.is_none());
    hand.pass(10);
    queue.start();
    let guard = take(entry);
    hand.pass(2);
    drop(guard);
    let now = timing(&queue);
    assert_eq!((now.wait.count, now.hold.count), (1, 2));
    assert_about(now.hold.p50, 2 * MS);
    assert_about(now.hold.max, 3 * MS);
}

#[test]
fn q08_the_wait_after_a_turn_was_given_back_is_not_a_hold() {
    for is_closed in [false, true] {
        let hand = Hand::new();
        let queue = hand.queue();
        let guard = queue.try_entry().expect("free");
        hand.pass(1000);
        queue.stop();
        if is_closed {
            queue.close();
        }
        let entry = guard.untrigger().expect("stopped");
        hand.pass(3_600_000);
        drop(entry);
        let now = timing(&queue);
        assert_eq!((now.wait.count, now.hold.count), (1, 1));
        assert_about(now.hold.max, 1000 * MS);
        assert!(now.holder.is_none() && now.longest_waiter.is_none());
    }
}

#[test]
fn a_block_counts_from_its_beginning_and_is_no_hold() {
    let hand = Hand::new();
    let queue = hand.queue();
    let guard = queue.try_entry().expect("free");
    let block = queue.block();
    hand.pass(3);
    drop(guard);
    hand.pass(4);
    assert!(block.holds());
    assert_eq!(timing(&queue).holder.expect("the block").age, 7 * MS);
    drop(block);
    let now = timing(&queue);
    assert_eq!((now.wait.count, now.hold.count), (1, 1));
    assert_about(now.hold.max, 3 * MS);
}

#[test]
fn a_clock_that_goes_backwards_has_stood_still() {
    let hand = Hand::new();
    hand.pass(1000);
    let queue = hand.queue();
    let back = || hand.0.set(hand.0.get() - MS);
    let guard = queue.try_entry().expect("free");
    let entry = queue.entry();
    back();
    assert_eq!(timing(&queue).holder.expect("it holds").age, Duration::ZERO);
    drop(guard);
    let guard = take(entry);
    back();
    drop(guard);
    let now = timing(&queue);
    assert_eq!((now.wait.count, now.hold.count), (2, 2));
    assert_eq!(
        (now.wait.max, now.hold.max),
        (Duration::ZERO, Duration::ZERO)
    );
}

/// Whether the act, in which the clock panics, panics; the clock is well again afterwards.
fn panics_with<R>(is_broken: &Cell<bool>, act: impl FnOnce() -> R) -> bool {
    is_broken.set(true);
    let done = catch_unwind(AssertUnwindSafe(act));
    is_broken.set(false);
    done.is_err()
}

#[test]
fn a_clock_that_panics_breaks_nothing() {
    let is_broken = Rc::new(Cell::new(false));
    let recorder = Recorder::default();
    let queue = metrics::with_local_recorder(&recorder, || {
        let is_broken = Rc::clone(&is_broken);
        let builder = TeventQueue::builder("disk").timed(move || {
            assert!(!is_broken.get(), "the clock is broken");
            Instant::now()
        });
        builder.metered().build()
    });
    // At each of the moments: a place is taken, the turn is taken, given back, and left.
    assert!(panics_with(&is_broken, || queue.entry()));
    let entry = queue.entry();
    assert!(panics_with(&is_broken, || entry.now_or_never()));
    let guard = queue.try_entry().expect("free again");
    queue.stop();
    assert!(panics_with(&is_broken, || guard.untrigger()));
    queue.start();
    let guard = queue.try_entry().expect("free again");
    let next = queue.entry();
    assert!(panics_with(&is_broken, || drop(guard)));
    drop(take(next));
    assert!(queue.is_empty());
    let length = f64::from_bits(recorder.value("tevent_queue_length"));
    assert_eq!(length, 0.0);
    // Times are kept of what the clock has seen.
    assert!(timing(&queue).holder.is_none());
    assert_eq!(timing(&queue).wait.count, 3);
}

#[test]
fn without_a_clock_there_are_no_times() {
    assert!(TeventQueue::new("q").timing().is_none());
    let queue = TeventQueue::builder("q").timed(Instant::now).build_shared();
    assert!(queue.try_entry().is_ok());
}

/// Keeps the fields of every event.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Events {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "tevent::queue"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = String::new();
        event.record(&mut |field: &Field, value: &dyn Debug| {
            text += &format!("{}={value:?} ", field.name());
        });
        self.0.lock().expect("no panic").push(text);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[test]
fn the_tracing_hook_makes_an_event_of_every_trace_point() {
    let events = Events::default();
    with_default(events.clone(), || {
        let queue = TeventQueue::new("disk");
        queue.on_trace(tracing_hook());
        let entry = queue.entry().tagged(5);
        drop(take(entry));
    });
    let seen = events.0.lock().expect("no panic");
    assert_eq!(seen.len(), 3);
    for (event, moment) in seen.iter().zip(["attach", "trigger", "detach"]) {
        for part in [
            &format!("message={moment} "),
            "queue=\"disk\"",
            "numbers.rs:",
        ] {
            assert!(event.contains(part), "{event}");
        }
    }
    assert!(seen[1].contains("tag=5"));
}

/// Keeps counters and gauges as they are, and of histograms the number of values.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>);

struct Values(Arc<AtomicU64>);

impl metrics::HistogramFn for Values {
    fn record(&self, _: f64) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Recorder {
    fn cell(&self, key: &Key) -> Arc<AtomicU64> {
        let labels: Vec<_> = key.labels().map(|label| label.value()).collect();
        let name = format!("{} {}", key.name(), labels.join(" "));
        let mut cells = self.0.lock().expect("no panic");
        cells.entry(name).or_default().clone()
    }

    fn value(&self, name: &str) -> u64 {
        let cells = self.0.lock().expect("no panic");
        cells[&format!("{name} disk")].load(Ordering::Relaxed)
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> metrics::Counter {
        metrics::Counter::from_arc(self.cell(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::from_arc(self.cell(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> metrics::Histogram {
        metrics::Histogram::from_arc(Arc::new(Values(self.cell(key))))
    }
}

#[test]
fn a_metered_queue_tells_length_grants_cancellations_and_times() {
    let recorder = Recorder::default();
    let queue = metrics::with_local_recorder(&recorder, || {
        let builder = TeventQueue::builder("disk").timed(Instant::now);
        builder.metered().build()
    });
    let guard = queue.try_entry();
    let entries = [queue.entry(), queue.entry()];
    let length = || f64::from_bits(recorder.value("tevent_queue_length"));
    assert_eq!(length(), 3.0);
    drop(entries);
    drop(guard);
    drop(queue.try_entry());
    assert_eq!(length(), 0.0);
    assert_eq!(recorder.value("tevent_queue_grants"), 2);
    assert_eq!(recorder.value("tevent_queue_cancellations"), 2);
    assert_eq!(recorder.value("tevent_queue_wait_seconds"), 2);
    assert_eq!(recorder.value("tevent_queue_hold_seconds"), 2);
}
