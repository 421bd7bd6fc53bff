//! Who is done when: order, bounds, growth, and that nothing is left while workers sleep.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tevent_context::{Context, spawn};
use tevent_thread::BlockingPool;

use crate::util::{Held, context, pool, within};

#[test]
fn b62_one_thread_does_jobs_first_come_first_served() {
    let context = context();
    let pool = pool(&context, 1);
    let held = Held::begun(&pool);
    let order = Arc::new(Mutex::new(Vec::new()));
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let order = Arc::clone(&order);
            pool.spawn(move || order.lock().expect("no panic").push(number))
        })
        .collect();
    for cancelled in tasks.iter().step_by(7) {
        assert!(cancelled.cancel());
    }
    drop(held.let_go());
    context.run().expect("ends when all are done");
    let expected: Vec<_> = (0..100).filter(|number| number % 7 != 0).collect();
    assert_eq!(*order.lock().expect("no panic"), expected);
}

#[test]
fn b58_threads_come_as_jobs_find_none_idle_up_to_the_bound() {
    let context = context();
    let pool = pool(&context, 3);
    assert_eq!(pool.threads(), 0, "none before there is work");
    for _ in 0..5 {
        context.block_on(pool.spawn(|| ())).expect("it is done");
        // The one thread rests before the next job comes.
        while !format!("{pool:?}").contains("idle: 1") {
            thread::yield_now();
        }
    }
    assert_eq!(pool.threads(), 1, "it was idle each time");
    let held: Vec<Held> = (0..5).map(|_| Held::new(&pool)).collect();
    held[..3].iter().for_each(Held::wait_for_begin);
    assert_eq!((pool.threads(), pool.waiting()), (3, 2));
    assert!(!held[3].has_begun() && !held[4].has_begun());
    let tasks: Vec<_> = held.into_iter().map(Held::let_go).collect();
    context.block_on(async {
        for task in tasks {
            task.await.expect("it is done");
        }
    });
    assert_eq!((pool.threads(), pool.waiting()), (3, 0));
}

#[test]
#[should_panic(expected = "at least one thread")]
fn a_pool_without_threads_is_a_mistake() {
    let _ = BlockingPool::builder().max_threads(0);
}

#[test]
#[should_panic(expected = "no zero byte")]
fn a_name_that_the_system_cannot_have_is_a_mistake() {
    let _ = BlockingPool::builder().name("a\0b");
}

/// The bug of 2012: a saturated pool could be left with jobs while all workers slept.
#[test]
fn b64_a_saturated_pool_leaves_nothing_undone() {
    within(|| {
        let context = context();
        let done = Arc::new(AtomicUsize::new(0));
        let pool = std::rc::Rc::new(pool(&context, 1));
        let submit = |pool: &BlockingPool| {
            let done = Arc::clone(&done);
            pool.spawn(move || done.fetch_add(1, Ordering::Relaxed))
        };
        context.block_on(async {
            // From a completion, and while busy, in bursts of all sizes.
            for burst in 1..60 {
                let tasks: Vec<_> = (0..burst).map(|_| submit(&pool)).collect();
                for task in tasks {
                    task.await.expect("it is done");
                    submit(&pool).detach();
                }
            }
        });
        context.run().expect("ends when all are done");
        assert_eq!(done.load(Ordering::Relaxed), 2 * (59 * 60 / 2));
    });
}

#[test]
fn b64_jobs_that_meet_a_worker_at_the_end_of_its_patience_are_done() {
    within(|| {
        let context = context();
        let impatient = BlockingPool::builder()
            .max_threads(2)
            .keep_alive(Duration::from_micros(50));
        let pool = impatient.build(&context.handle()).expect("a living loop");
        let jobs = if cfg!(debug_assertions) {
            3_000
        } else {
            30_000
        };
        context.block_on(async {
            for number in 0..jobs {
                assert_eq!(pool.spawn(move || number).await.ok(), Some(number));
                if number % 3 == 0 {
                    tevent_context::sleep(Duration::from_micros(50)).await;
                }
            }
        });
    });
}

#[test]
fn b55_idle_threads_end_after_their_keep_alive_time() {
    within(|| {
        let context = context();
        let short = BlockingPool::builder().keep_alive(Duration::from_millis(1));
        let pool = short.build(&context.handle()).expect("a living loop");
        let held: Vec<Held> = (0..8).map(|_| Held::begun(&pool)).collect();
        assert_eq!(pool.threads(), 8);
        drop(held);
        while pool.threads() > 0 {
            thread::yield_now();
        }
        assert_eq!(
            context.block_on(pool.spawn(|| 1)).ok(),
            Some(1),
            "it grows anew"
        );
    });
}

#[test]
fn b61_a_flood_of_results_is_delivered_in_batches_between_which_timers_fire() {
    let context = context();
    let pool = pool(&context, 1);
    for _ in 0..600 {
        pool.spawn(|| ()).detach();
    }
    // The thread has done all of them, and the loop has not run.
    while !format!("{pool:?}").contains("idle: 1, waiting: 0") {
        thread::yield_now();
    }
    let handle = context.handle();
    let _timer = handle.timer(handle.now(), |_, _| ());
    let turned = [(); 3].map(|()| context.turn(None).expect("the poll works"));
    assert_eq!(turned.map(|turned| turned.messages), [256, 256, 88]);
    assert_eq!(turned.map(|turned| turned.timers), [1, 0, 0]);
    context.run().expect("nothing is left");
}

/// `test.mt/iv_work_test`: the pool goes after the first completion; the others still complete, on the owner.
#[test]
fn b64_a_pool_that_is_dropped_early_completes_what_it_accepted() {
    within(|| {
        let context = Context::new().expect("descriptors for one loop");
        let pool = pool(&context, 8);
        let tasks: Vec<_> = (0..4).map(|number| pool.spawn(move || number)).collect();
        let sum = context.block_on(async move {
            let mut pool = Some(pool);
            let mut sum = 0;
            for task in tasks {
                sum += spawn(task).await.expect("it is done");
                pool.take();
            }
            sum
        });
        assert_eq!(sum, 6);
        context.run().expect("nothing is left");
    });
}
