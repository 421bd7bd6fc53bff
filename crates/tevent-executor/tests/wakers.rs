//! Wakers: from this thread, from others, after the end.
#![cfg(not(loom))]

mod util;

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Poll, Waker};
use std::thread;

use util::{Dropped, Gate, Rig, SpawnOnDrop, Trace};

/// Spawns a task that leaves its waker and waits; returns the waker.
fn parked_task(rig: &Rig) -> (Gate, Waker) {
    let gate = Gate::default();
    let inner = gate.clone();
    rig.executor
        .spawn(async move { inner.pass().await })
        .detach();
    rig.turn();
    let waker = gate.waker();
    (gate, waker)
}

#[test]
fn b63_wakes_from_elsewhere_ring_once_per_sleep() {
    let rig = Rig::new();
    let (_first, one) = parked_task(&rig);
    let (_second, two) = parked_task(&rig);
    let before = rig.rings.get();
    thread::scope(|scope| {
        scope.spawn(|| {
            one.wake_by_ref();
            two.wake_by_ref();
            one.wake_by_ref();
        });
    });
    assert_eq!(rig.rings.get() - before, 1);
    assert_eq!(rig.turn(), 2);
}

#[test]
fn b02_no_ring_while_the_loop_runs_and_one_from_the_owner_between_two_turns() {
    let rig = Rig::new();
    let (_gate, waker) = parked_task(&rig);
    rig.executor.unpark();
    let before = rig.rings.get();
    thread::scope(|scope| {
        scope.spawn(|| waker.wake_by_ref());
    });
    assert_eq!(rig.rings.get(), before);
    assert!(rig.executor.has_remote());
    rig.turn();
    waker.wake_by_ref();
    assert_eq!(
        rig.rings.get(),
        before + 1,
        "a host that watches the descriptor must learn of it"
    );
}

#[test]
fn wakes_from_elsewhere_are_served_in_order_of_arrival() {
    let (rig, trace) = (Rig::new(), Trace::default());
    let gates: Vec<Gate> = (0..5).map(|_| Gate::default()).collect();
    for (number, gate) in gates.iter().enumerate() {
        let (gate, say) = (gate.clone(), trace.clone());
        let task = async move {
            gate.pass().await;
            say.say(number.to_string());
        };
        rig.executor.spawn(task).detach();
    }
    rig.turn();
    let wakers: Vec<Waker> = gates.iter().map(Gate::waker).collect();
    gates.iter().for_each(Gate::open);
    thread::scope(|scope| {
        scope.spawn(|| [3, 0, 4, 1, 2].map(|number| wakers[number].wake_by_ref()));
    });
    rig.turn();
    trace.expect(&["3", "0", "4", "1", "2"]);
}

#[test]
fn b03_what_a_waker_wrote_before_its_wake_is_seen_by_the_poll() {
    const ROUNDS: usize = if cfg!(miri) { 20 } else { 2_000 };
    let rig = Rig::new();
    let seen = Rc::new(Cell::new(0));
    let (written, waker) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(Mutex::new(None::<Waker>)),
    );
    let (value, slot, sum) = (Arc::clone(&written), Arc::clone(&waker), Rc::clone(&seen));
    let task = poll_fn(move |cx| {
        slot.lock()
            .expect("not poisoned")
            .get_or_insert_with(|| cx.waker().clone());
        sum.set(value.load(Ordering::Relaxed));
        Poll::<()>::Pending
    });
    rig.executor.spawn(task).detach();
    rig.turn();
    let waker = waker.lock().expect("not poisoned").clone().expect("polled");
    for round in 1..=ROUNDS {
        thread::scope(|scope| {
            // Two wakers at once: the one that finds the flag set must publish what it wrote, too.
            let waker = &waker;
            let written = &written;
            scope.spawn(move || {
                written.fetch_add(1, Ordering::Relaxed);
                waker.wake_by_ref();
            });
            scope.spawn(move || {
                written.fetch_add(1, Ordering::Relaxed);
                waker.wake_by_ref();
            });
        });
        rig.turn();
        assert_eq!(seen.get(), 2 * round);
    }
}

#[test]
fn b06_wakers_outlive_their_executor() {
    let (rig, trace) = (Rig::new(), Trace::default());
    let gate = Gate::default();
    let (inner, in_future) = (gate.clone(), Dropped::new(&trace, "future dropped"));
    let task = async move {
        let _in_future = in_future;
        inner.pass().await;
    };
    rig.executor.spawn(task).detach();
    rig.turn();
    let wakers: Vec<Waker> = (0..if cfg!(miri) { 30 } else { 1000 })
        .map(|_| gate.waker())
        .collect();
    drop(rig);
    trace.expect(&["future dropped"]);
    thread::scope(|scope| {
        for share in wakers.chunks(wakers.len().div_ceil(3)) {
            scope.spawn(move || {
                for waker in share {
                    waker.wake_by_ref();
                    let second = waker.clone();
                    second.wake();
                }
            });
        }
    });
}

#[test]
fn b07_a_wake_while_the_executor_ends_requeues_nothing() {
    struct WakeOnDrop(Gate);
    impl Drop for WakeOnDrop {
        fn drop(&mut self) {
            self.0.waker().wake();
        }
    }
    let rig = Rig::new();
    let gates: Vec<Gate> = (0..3).map(|_| Gate::default()).collect();
    for (gate, next) in gates.iter().zip(gates.iter().cycle().skip(1)) {
        let (gate, wakes) = (gate.clone(), WakeOnDrop(next.clone()));
        rig.executor
            .spawn(async move {
                let _wakes = wakes;
                gate.pass().await;
            })
            .detach();
    }
    rig.turn();
    rig.executor.close();
    assert_eq!(rig.executor.live(), 0);
    assert_eq!(rig.turn(), 0);
}

#[test]
fn b09_tasks_that_keep_their_own_waker_are_freed_with_the_executor() {
    let live = Rc::new(());
    let rig = Rig::new();
    for _ in 0..if cfg!(miri) { 50 } else { 10_000 } {
        let (count, mut own) = (Rc::clone(&live), None::<Waker>);
        let task = poll_fn(move |cx| {
            let _count = &count;
            own.get_or_insert_with(|| cx.waker().clone());
            Poll::<()>::Pending
        });
        rig.executor.spawn(task).detach();
    }
    rig.turn();
    drop(rig);
    assert_eq!(Rc::strong_count(&live), 1);
}

#[test]
fn b18_b20_the_last_waker_on_another_thread_drops_neither_future_nor_output() {
    let (rig, trace) = (Rig::new(), Trace::default());
    let gate = Gate::default();
    let (inner, say) = (gate.clone(), trace.clone());
    let task = rig.executor.spawn(async move {
        let _in_future = Dropped::new(&say, "future dropped");
        inner.pass().await;
        Dropped::new(&say, "output dropped")
    });
    rig.turn();
    let waker = gate.waker();
    gate.open();
    gate.forget_waker();
    thread::scope(|scope| {
        scope.spawn(move || waker.wake());
    });
    rig.turn();
    trace.expect(&["future dropped"]);
    drop(task);
    trace.expect(&["output dropped"]);
}

#[test]
fn b18_a_foreign_last_drop_frees_the_memory_after_the_end() {
    let rig = Rig::new();
    let (gate, waker) = parked_task(&rig);
    drop(rig);
    drop(gate);
    thread::spawn(move || {
        waker.wake_by_ref();
        drop(waker);
    })
    .join()
    .expect("no panic");
}

#[test]
fn b08_wakes_race_with_the_end() {
    for _ in 0..if cfg!(miri) { 5 } else { 500 } {
        let rig = Rig::new();
        let wakers: Vec<Waker> = (0..4).map(|_| parked_task(&rig).1).collect();
        let start = Arc::new(Barrier::new(3));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (wakers, start) = (wakers.clone(), Arc::clone(&start));
                thread::spawn(move || {
                    start.wait();
                    wakers.into_iter().for_each(Waker::wake);
                })
            })
            .collect();
        drop(wakers);
        start.wait();
        rig.turn();
        drop(rig);
        threads
            .into_iter()
            .for_each(|thread| thread.join().expect("no panic"));
    }
}

#[test]
fn b22_executor_task_and_waker_may_live_in_thread_locals() {
    thread_local! {
        static KEPT: std::cell::RefCell<Vec<Box<dyn std::any::Any>>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    thread::spawn(|| {
        let rig = Rig::new();
        let (gate, waker) = parked_task(&rig);
        let task = rig.executor.spawn(pending::<()>());
        struct WakeAtExit(Waker);
        impl Drop for WakeAtExit {
            fn drop(&mut self) {
                self.0.wake_by_ref();
            }
        }
        KEPT.with_borrow_mut(|kept| {
            kept.push(Box::new(WakeAtExit(waker.clone())));
            kept.push(Box::new(task));
            kept.push(Box::new(rig));
            kept.push(Box::new(WakeAtExit(waker)));
            kept.push(Box::new(gate));
        });
    })
    .join()
    .expect("the thread ends in peace");
}

#[test]
fn b24_will_wake_means_the_same_task() {
    let rig = Rig::new();
    let (gate, one) = parked_task(&rig);
    let (_other, two) = parked_task(&rig);
    assert!(one.will_wake(&gate.waker()));
    assert!(!one.will_wake(&two));
    rig.turn();
    assert!(one.will_wake(&gate.waker()));
}

#[test]
fn b21_destructors_that_spawn_at_the_end_come_to_an_end() {
    for (depth, expected) in [(0, 1), (1, 2), (10, 11)] {
        let (rig, dropped) = (Rig::new(), Rc::new(Cell::new(0)));
        let spawner = rig.executor.spawner();
        let chain = SpawnOnDrop {
            spawner: spawner.clone(),
            depth,
            dropped: Rc::clone(&dropped),
        };
        rig.executor
            .spawn(async move {
                let _chain = chain;
                pending::<()>().await
            })
            .detach();
        rig.turn();
        drop(rig);
        assert_eq!(dropped.get(), expected);
        // And on the dead executor: dropped before `spawn` returns, chain and all.
        dropped.set(0);
        drop(SpawnOnDrop {
            spawner,
            depth,
            dropped: Rc::clone(&dropped),
        });
        assert_eq!(dropped.get(), expected);
    }
}

#[test]
fn a_task_spawned_on_an_executor_that_has_ended_is_cancelled() {
    let rig = Rig::new();
    let spawner = rig.executor.spawner();
    drop(rig);
    let task = spawner.spawn(async { unreachable!("never polled") });
    assert!(task.is_finished());
    let other = Rig::new();
    let outcome: Result<(), _> = other.block_on(task.outcome());
    assert!(matches!(
        outcome,
        Err(tevent_executor::TaskError::Cancelled)
    ));
    use futures::task::LocalSpawn;
    assert!(spawner.status_local().is_err());
}

/// For Miri, which looks at every access: the end of `drop` on one thread while the other frees the memory.
#[test]
fn b08_the_last_two_wakers_go_on_two_threads_at_once() {
    let rig = Rig::new();
    for _ in 0..if cfg!(miri) { 10 } else { 200 } {
        let (gate, one) = parked_task(&rig);
        let two = one.clone();
        gate.open();
        gate.forget_waker();
        one.wake_by_ref();
        rig.turn();
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                drop(one);
            });
            start.wait();
            drop(two);
        });
    }
}
