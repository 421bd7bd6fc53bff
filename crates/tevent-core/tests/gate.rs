//! The gate alone, without futures: what it returns to be done after the borrow.

use std::{
    cell::RefCell,
    collections::VecDeque,
    panic::Location,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Wake, Waker},
};

use tevent_core::{
    gate::{After, Gate, Refusal, State, Turn},
    line::Place,
    wake::WakeBatch,
};

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bell {
    /// A bell and its waker: a clone, because what comes from a clone is sure to be known by `will_wake`, also in Miri.
    fn new() -> (Arc<Self>, Waker) {
        let bell = Arc::new(Self::default());
        (bell.clone(), Waker::from(bell).clone())
    }

    fn rings(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

fn join(gate: &mut Gate) -> Place {
    gate.join(Location::caller()).unwrap()
}

/// Joins behind others and registers a waker.
fn wait(gate: &mut Gate, waker: &Waker) -> Place {
    let place = join(gate);
    assert_eq!(gate.poll(place, waker), Turn::WakerNeeded);
    assert_eq!(gate.register(place, waker.clone()).0, Turn::Waiting);
    place
}

fn carry_out(gate: &mut Gate, after: After) {
    after.carry_out(|after| gate.settle(after));
}

#[test]
fn q17_a_grant_is_given_once_however_often_the_gate_decides() {
    let (bell, waker) = Bell::new();
    let mut gate = Gate::new();
    let holder = gate.try_hold(Location::caller()).unwrap();
    let first = wait(&mut gate, &waker);
    let second = wait(&mut gate, &waker);
    let after = gate.leave(holder);
    carry_out(&mut gate, after);
    for _ in 0..3 {
        let after = gate.start();
        carry_out(&mut gate, after);
        let after = gate.leave(holder);
        carry_out(&mut gate, after);
    }
    assert_eq!(bell.rings(), 1);
    assert_eq!(
        (gate.state(first), gate.state(second)),
        (Some(State::Granted), Some(State::Waiting))
    );
}

#[test]
fn a_task_that_leaves_and_joins_again_finds_its_waker() {
    let (bell, waker) = Bell::new();
    let mut gate = Gate::new();
    let holder = join(&mut gate);
    let place = wait(&mut gate, &waker);
    let after = gate.leave(holder);
    carry_out(&mut gate, after);
    assert_eq!(gate.poll(place, &waker), Turn::Come);
    let other = join(&mut gate);
    let after = gate.leave(place);
    carry_out(&mut gate, after);
    let again = join(&mut gate);
    let clones = Arc::strong_count(&bell);
    assert_eq!(gate.poll(again, &waker), Turn::Waiting);
    assert_eq!(Arc::strong_count(&bell), clones);
    let after = gate.leave(other);
    carry_out(&mut gate, after);
    assert_eq!(bell.rings(), 2);
}

#[test]
fn a_woken_waker_goes_back_to_its_place_only_if_that_is_empty() {
    let ((old_bell, old), (new_bell, new)) = (Bell::new(), Bell::new());
    let mut gate = Gate::new();
    let holder = join(&mut gate);
    let place = wait(&mut gate, &old);
    let after = gate.leave(holder);
    // While the old waker is being woken: the queue is stopped and the entry polled by another task.
    after.carry_out(|after| {
        gate.stop();
        assert_eq!(gate.register(place, new.clone()).0, Turn::Waiting);
        gate.settle(after);
    });
    assert_eq!((old_bell.rings(), new_bell.rings()), (1, 0));
    let after = gate.start();
    carry_out(&mut gate, after);
    assert_eq!((old_bell.rings(), new_bell.rings()), (0, 1));
}

#[test]
fn b16_the_turn_that_came_while_the_waker_was_cloned_is_found() {
    let (bell, waker) = Bell::new();
    let mut gate = Gate::new();
    let holder = join(&mut gate);
    let place = join(&mut gate);
    assert_eq!(gate.poll(place, &waker), Turn::WakerNeeded);
    let after = gate.leave(holder);
    carry_out(&mut gate, after);
    assert_eq!(gate.register(place, waker).0, Turn::Come);
    assert_eq!(bell.rings(), 0);
}

#[test]
fn q14_a_closed_gate_dismisses_in_bounded_batches_and_refuses() {
    let (bell, waker) = Bell::new();
    let mut gate = Gate::new();
    let holder = gate.try_hold(Location::caller()).unwrap();
    let count = WakeBatch::CAPACITY + 1;
    let waiting: Vec<_> = (0..count).map(|_| wait(&mut gate, &waker)).collect();
    assert!(gate.close());
    assert!(!gate.close());
    for (rings, left) in [(WakeBatch::CAPACITY, 2), (1, 1), (0, 1)] {
        let mut batch = WakeBatch::new();
        gate.dismiss(&mut batch);
        batch.wake_all();
        assert_eq!((bell.rings(), gate.len()), (rings, left));
    }
    assert!(
        waiting
            .iter()
            .all(|&place| gate.poll(place, &waker) == Turn::Closed)
    );
    assert_eq!(gate.poll(holder, &waker), Turn::Come);
    let late = join(&mut gate);
    assert_eq!((gate.len(), gate.poll(late, &waker)), (1, Turn::Closed));
    assert_eq!(gate.try_hold(Location::caller()), Err(Refusal::Closed));
}

/// Wakers that let go at once: each wake gives the turn to the next.
#[test]
fn b56_a_chain_of_wakers_that_let_go_at_once_needs_no_stack() {
    const LONG: usize = if cfg!(miri) { 100 } else { 100_000 };
    thread_local! {
        static GATE: RefCell<Gate> = RefCell::new(Gate::new());
        static LINE: RefCell<VecDeque<Place>> = const { RefCell::new(VecDeque::new()) };
    }
    struct LetGo;
    impl Wake for LetGo {
        fn wake(self: Arc<Self>) {
            let first = LINE.with_borrow_mut(VecDeque::pop_front);
            let_go(first.expect("one wake per place"));
        }
    }
    fn let_go(place: Place) {
        let after = GATE.with_borrow_mut(|gate| gate.leave(place));
        after.carry_out(|after| GATE.with_borrow_mut(|gate| gate.settle(after)));
    }
    let chain = || {
        let holder = GATE
            .with_borrow_mut(|gate| gate.try_hold(Location::caller()))
            .expect("empty");
        for _ in 0..LONG {
            let place = GATE.with_borrow_mut(|gate| {
                let place = gate.join(Location::caller()).unwrap();
                let waker = Waker::from(Arc::new(LetGo));
                assert_eq!(gate.register(place, waker).0, Turn::Waiting);
                place
            });
            LINE.with_borrow_mut(|line| line.push_back(place));
        }
        let_go(holder);
        assert!(GATE.with_borrow(Gate::is_empty));
        assert!(LINE.with_borrow(VecDeque::is_empty));
    };
    let small = std::thread::Builder::new()
        .stack_size(128 * 1024)
        .spawn(chain);
    small.expect("a thread").join().expect("no panic");
}
