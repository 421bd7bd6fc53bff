//! What an observer is told about tasks: who spawns, when one has ended, when nothing is left to do.
#![cfg(not(loom))]

mod util;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::{pending, poll_fn};
use std::task::Poll;
use std::thread;

use tevent_core::observe::{self, Observer, TaskId};
use tevent_executor::Executor;
use util::{Rig, yields};

thread_local! {
    /// Tasks in whose name something was done, and that have not ended.
    static ACTIVE: RefCell<HashSet<TaskId>> = RefCell::default();
    static SPAWNERS: RefCell<Vec<TaskId>> = RefCell::default();
    static ENDS: Cell<u32> = const { Cell::new(0) };
    static RESTS: Cell<u32> = const { Cell::new(0) };
}

static OBSERVER: Observer = Observer {
    polled: |_| (),
    spawns: |task| SPAWNERS.with_borrow_mut(|spawners| spawners.push(task)),
    ended: |task| {
        ACTIVE.with_borrow_mut(|active| active.remove(&task));
        ENDS.set(ENDS.get() + 1);
    },
    out_of_work: || RESTS.set(RESTS.get() + 1),
};

/// Does something when it is dropped, as a destructor that uses a queue.
struct Acts;

impl Drop for Acts {
    fn drop(&mut self) {
        act();
    }
}

fn act() {
    if let Some(task) = observe::current_task() {
        ACTIVE.with_borrow_mut(|active| active.insert(task));
    }
}

fn current() -> TaskId {
    observe::current_task().expect("inside of a task")
}

#[test]
fn b55_nothing_runs_in_the_name_of_a_task_that_has_ended() {
    observe::start(&OBSERVER);
    let rig = Rig::new();
    for n in 0..1000 {
        let acts = Acts;
        let task = rig.executor.spawn(async move {
            act();
            if n % 4 == 0 {
                pending::<()>().await;
            }
            acts
        });
        match n % 4 {
            0 => {
                rig.turn();
                drop(task); // cancelled: the future drops what the output would have been
            }
            1 => task.detach(),
            2 => drop(rig.block_on(task)),
            _ => {
                rig.turn();
                drop(task);
            }
        }
        rig.turn();
    }
    assert_eq!(ENDS.get(), 1250); // with those that `block_on` is
    ACTIVE.with_borrow(|active| assert_eq!(active.len(), 0));
    observe::stop();
}

#[test]
fn the_spawner_is_told_of_if_it_is_a_task() {
    observe::start(&OBSERVER);
    let rig = Rig::new();
    let spawner = rig.executor.spawner();
    rig.executor.spawn(pending::<()>()).detach();
    assert!(SPAWNERS.with_borrow(Vec::is_empty));
    let task = rig.executor.spawn(async move {
        spawner.spawn(pending::<()>()).detach();
        current()
    });
    let task = rig.block_on(task);
    SPAWNERS.with_borrow(|spawners| assert_eq!(spawners[..], [task]));
    observe::stop();
}

#[test]
fn a_wake_from_elsewhere_that_is_not_yet_accepted_is_work() {
    observe::start(&OBSERVER);
    let rig = Rig::new();
    let rests = || RESTS.replace(0);
    let task = rig.executor.spawn(poll_fn(|cx| {
        let waker = cx.waker().clone();
        thread::spawn(move || waker.wake()).join().expect("woken");
        Poll::<()>::Pending
    }));
    rig.turn();
    assert_eq!(rests(), 0);
    drop(task);
    rig.turn();
    assert_eq!(rests(), 1);
    observe::stop();
}

#[test]
fn the_executors_of_a_thread_are_counted() {
    let before = observe::executors();
    let rig = Rig::new();
    {
        let _second = Executor::new(Rig::new().doorbell);
        assert_eq!(observe::executors(), before + 2);
    }
    rig.block_on(yields(1));
    assert_eq!(observe::executors(), before + 1);
    drop(rig);
    assert_eq!(observe::executors(), before);
}
