//! Foreign code that panics or comes back, and pools of threads that end.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::thread;

use tevent_context::spawn;
use tevent_thread::{BlockingPool, BlockingTask};

use crate::util::{Held, context, pool};

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("on purpose");
    }
}

#[test]
fn b13_a_result_whose_drop_panics_costs_the_others_nothing() {
    let context = context();
    let pool = pool(&context, 1);
    let held = Held::begun(&pool);
    pool.spawn(|| PanicsWhenDropped).detach();
    let task = pool.spawn(|| 1);
    drop(held.let_go());
    let ran = catch_unwind(AssertUnwindSafe(|| context.run()));
    assert!(ran.is_err(), "it comes out of the turn");
    assert_eq!(context.block_on(task).ok(), Some(1));
}

#[test]
fn b13_a_panic_whose_payload_panics_when_dropped_ends_there() {
    let context = context();
    let pool = pool(&context, 1);
    pool.spawn(|| panic_any(PanicsWhenDropped)).detach();
    let ran = catch_unwind(AssertUnwindSafe(|| context.run()));
    assert!(ran.is_err());
    assert_eq!(context.block_on(pool.spawn(|| 1)).ok(), Some(1));
}

#[test]
fn b15_a_waker_that_panics_costs_the_other_results_nothing() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("on purpose");
        }
    }
    let context = context();
    let pool = pool(&context, 1);
    let held = Held::begun(&pool);
    let (mut first, second) = (pool.spawn(|| 1), pool.spawn(|| 2));
    let waker = Waker::from(Arc::new(Panics));
    let polled = std::pin::Pin::new(&mut first).poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    drop(held.let_go());
    let ran = catch_unwind(AssertUnwindSafe(|| context.run()));
    assert!(ran.is_err());
    context.run().expect("ends when all are delivered");
    assert_eq!(context.block_on(first).ok(), Some(1));
    assert_eq!(context.block_on(second).ok(), Some(2));
}

#[test]
fn b13_jobs_whose_drop_panics_are_all_dropped_at_the_end() {
    struct Job {
        _value: Arc<()>,
    }
    impl Drop for Job {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    let context = context();
    let pool = pool(&context, 1);
    let held = Held::begun(&pool);
    let value = Arc::new(());
    for _ in 0..5 {
        let job = Job {
            _value: Arc::clone(&value),
        };
        pool.spawn(move || drop(job)).detach();
    }
    assert!(catch_unwind(AssertUnwindSafe(|| drop(context))).is_err());
    assert_eq!(Arc::strong_count(&value), 1);
    drop(held);
}

#[test]
fn b16_a_job_s_destructor_may_give_out_and_cancel_jobs() {
    let context = context();
    let pool = Rc::new(pool(&context, 1));
    let held = Held::begun(&pool);
    let others: Rc<RefCell<Vec<BlockingTask<i32>>>> = Rc::default();
    others
        .borrow_mut()
        .extend([pool.spawn(|| 1), pool.spawn(|| 2)]);
    let (all, more) = (Rc::clone(&others), Rc::clone(&pool));
    let got = context.block_on(async move {
        let first = all.borrow_mut().remove(0);
        let awaiting = spawn(async move {
            let ended = first.await;
            // It is told inside the cancel of another task's handle, and at its own turn.
            all.borrow_mut().push(more.spawn(|| 3));
            ended.is_err()
        });
        tevent_context::yield_now().await;
        drop(held.let_go());
        awaiting.await
    });
    context.run().expect("ends when all are done");
    assert!(!got, "it was done");
    let results: Vec<_> = others
        .take()
        .into_iter()
        .map(|task| context.block_on(task).ok())
        .collect();
    assert_eq!(results, [Some(2), Some(3)]);
}

#[test]
fn b22_a_pool_and_its_tasks_in_thread_locals_go_quietly() {
    thread_local! {
        static KEPT: RefCell<Option<(BlockingTask<()>, BlockingPool, tevent_context::Context)>> =
            const { RefCell::new(None) };
    }
    let ended = thread::spawn(|| {
        let context = context();
        let pool = pool(&context, 1);
        let held = Held::begun(&pool);
        let waiting = pool.spawn(|| ());
        KEPT.set(Some((waiting, pool, context)));
        held.let_go().detach();
    });
    ended.join().expect("its thread-locals went quietly");
}
