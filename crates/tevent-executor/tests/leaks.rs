//! Leaks on purpose: nothing worse than a leak comes of them.
#![cfg(not(loom))]

mod util;

/// The scripts that look for leaks know this name.
mod leaks_on_purpose {
    use std::cell::{Cell, RefCell};
    use std::future::{pending, poll_fn};
    use std::rc::Rc;
    use std::task::Poll;

    use crate::util::{Dropped, Rig, SpawnOnDrop, Trace, yields};
    use tevent_executor::{Task, TaskError};

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
        assert_eq!(
            dropped.get(),
            10_001,
            "the first, and as many as may be spawned at the end"
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

    #[test]
    fn b21_tasks_given_up_at_the_end_may_still_be_awaited_and_dropped() {
        struct SpawnMany(tevent_executor::Spawner, Rc<RefCell<Vec<Task<()>>>>);
        impl Drop for SpawnMany {
            fn drop(&mut self) {
                let tasks = (0..10_050).map(|_| self.0.spawn(pending::<()>()));
                self.1.borrow_mut().extend(tasks);
            }
        }
        let (rig, kept) = (Rig::new(), Rc::default());
        let many = SpawnMany(rig.executor.spawner(), Rc::clone(&kept));
        let task = async move {
            let _many = many;
            pending::<()>().await;
        };
        rig.executor.spawn(task).detach();
        rig.turn();
        drop(rig);
        let mut kept = kept.take();
        assert!(kept.iter().all(Task::is_finished));
        let last = kept.pop().expect("10 050 of them");
        let other = Rig::new();
        let outcome = other.block_on(last.outcome());
        assert!(matches!(outcome, Err(TaskError::Cancelled)));
        drop(kept);
    }
}
