//! Leaks on purpose: nothing worse than a leak comes of them. Run under Miri with leaks ignored.
#![cfg(not(loom))]

mod util;

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::Poll;

use util::{Dropped, Rig, SpawnOnDrop, Trace, yields};

#[test]
fn b21_a_destructor_that_always_spawns_itself_again_does_not_keep_the_executor_from_ending() {
    let (rig, dropped) = (Rig::new(), Rc::new(Cell::new(0)));
    let endless = SpawnOnDrop {
        spawner: rig.executor.spawner(),
        depth: usize::MAX,
        dropped: Rc::clone(&dropped),
    };
    let task = async move {
        let _endless = endless;
        pending::<()>().await;
    };
    rig.executor.spawn(task).detach();
    rig.turn();
    drop(rig);
    assert!(
        dropped.get() > 1_000,
        "bounded, and not by recursion: {}",
        dropped.get()
    );
}

#[test]
fn b88_forgotten_tasks_and_wakers_are_leaks_and_no_more() {
    let rig = Rig::new();
    std::mem::forget(rig.executor.spawn(yields(2)));
    std::mem::forget(
        rig.executor
            .spawn(async { Dropped::new(&Trace::default(), "never") }),
    );
    let forgetful = poll_fn(|cx| {
        std::mem::forget(cx.waker().clone());
        Poll::<()>::Pending
    });
    rig.executor.spawn(forgetful).detach();
    rig.turn();
    drop(rig);
}
