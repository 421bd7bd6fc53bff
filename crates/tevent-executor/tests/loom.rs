//! Every interleaving of the remote paths: the parked flag, the remote stack, a wake racing the end, the last drop.
#![cfg(loom)]

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc as StdArc;
use std::task::{Poll, Wake, Waker};

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Notify};
use loom::thread;
use tevent_core::doorbell::Doorbell;
use tevent_executor::{Executor, Task};

/// The descriptor that a sleeping loop waits on. A lost wake-up is a deadlock, which loom reports.
struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: StdArc<Self>) {
        self.0.notify();
    }
}

struct Rig {
    executor: Executor,
    bell: StdArc<Bell>,
}

impl Rig {
    fn new() -> Self {
        let bell = StdArc::new(Bell(Notify::new()));
        let doorbell = Arc::new(Doorbell::new(Waker::from(StdArc::clone(&bell))));
        let executor = Executor::new(doorbell);
        executor.unpark();
        Self { executor, bell }
    }

    fn run_ready(&self) {
        self.executor.enter(|| {
            self.executor.accept_remote();
            self.executor.run_ready(u32::MAX)
        });
    }

    /// Runs the loop, asleep whenever there is nothing to do, until the task has ended.
    fn run_until(&self, task: &Task<()>) {
        loop {
            self.run_ready();
            if task.is_finished() {
                return;
            }
            if self.executor.park() {
                self.bell.0.wait();
            }
            self.executor.unpark();
        }
    }

    /// Spawns a task that ends when `count` has reached `goal`; polls it once and returns its waker.
    fn wait_for(&self, count: &Arc<AtomicUsize>, goal: usize) -> (Task<()>, Waker) {
        let slot = Rc::new(RefCell::new(None));
        let (count, waker) = (Arc::clone(count), Rc::clone(&slot));
        let task = self.executor.spawn(poll_fn(move |cx| {
            waker.borrow_mut().get_or_insert_with(|| cx.waker().clone());
            // Relaxed: what makes the value visible is the wake alone.
            if count.load(Ordering::Relaxed) == goal {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }));
        self.run_ready();
        let waker = slot.borrow().clone().expect("polled");
        (task, waker)
    }
}

#[test]
fn b01_b02_a_wake_is_never_lost_between_the_last_look_and_the_sleep() {
    loom::model(|| {
        let rig = Rig::new();
        let count = Arc::new(AtomicUsize::new(0));
        let (task, waker) = rig.wait_for(&count, 1);
        let producer = thread::spawn(move || {
            count.store(1, Ordering::Relaxed);
            waker.wake();
        });
        rig.run_until(&task);
        producer.join().unwrap();
    });
}

#[test]
fn b03_two_producers_of_one_task_both_publish() {
    loom::model(|| {
        let rig = Rig::new();
        let count = Arc::new(AtomicUsize::new(0));
        let (task, waker) = rig.wait_for(&count, 2);
        let producers = [waker.clone(), waker].map(|waker| {
            let count = Arc::clone(&count);
            thread::spawn(move || {
                count.fetch_add(1, Ordering::Relaxed);
                waker.wake_by_ref();
            })
        });
        rig.run_until(&task);
        producers
            .into_iter()
            .for_each(|producer| producer.join().unwrap());
    });
}

#[test]
fn b63_two_producers_of_two_tasks_share_the_stack() {
    loom::model(|| {
        let rig = Rig::new();
        let counts = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let waiting = [0, 1].map(|at| rig.wait_for(&counts[at], 1));
        let producers = [0, 1].map(|at| {
            let (count, waker) = (Arc::clone(&counts[at]), waiting[at].1.clone());
            thread::spawn(move || {
                count.store(1, Ordering::Relaxed);
                waker.wake();
            })
        });
        waiting.iter().for_each(|(task, _)| rig.run_until(task));
        producers
            .into_iter()
            .for_each(|producer| producer.join().unwrap());
    });
}

#[test]
fn b59_a_wake_while_the_owner_takes_note_of_the_one_before_is_not_lost() {
    loom::model(|| {
        let rig = Rig::new();
        let count = Arc::new(AtomicUsize::new(0));
        let (task, waker) = rig.wait_for(&count, 2);
        let producer = thread::spawn(move || {
            for _ in 0..2 {
                count.fetch_add(1, Ordering::Relaxed);
                waker.wake_by_ref();
            }
        });
        rig.run_until(&task);
        producer.join().unwrap();
    });
}

#[test]
fn b08_a_wake_races_with_the_end() {
    loom::model(|| {
        let rig = Rig::new();
        let count = Arc::new(AtomicUsize::new(0));
        let (task, waker) = rig.wait_for(&count, 1);
        let producers = [waker.clone(), waker].map(|waker| thread::spawn(move || waker.wake()));
        drop(rig);
        drop(task);
        producers
            .into_iter()
            .for_each(|producer| producer.join().unwrap());
    });
}

#[test]
fn b18_the_last_reference_may_go_on_another_thread_while_the_task_ends() {
    loom::model(|| {
        let rig = Rig::new();
        let count = Arc::new(AtomicUsize::new(1));
        let (task, waker) = rig.wait_for(&count, 0);
        let dropper = thread::spawn(move || drop(waker));
        drop(task);
        rig.run_ready();
        drop(rig);
        dropper.join().unwrap();
    });
}
