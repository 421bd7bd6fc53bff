//! How pools end: shutdown with a deadline, drop, and the end of the context.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use tevent_context::spawn;
use tevent_thread::{BlockingError, BlockingPool, spawn_blocking};

use crate::util::{Held, LIMIT, context, pool, within};

#[test]
fn b64_a_shutdown_waits_for_what_was_accepted_and_for_the_threads() {
    let context = context();
    let pool = pool(&context, 2);
    let tasks: Vec<_> = (0..20).map(|number| pool.spawn(move || number)).collect();
    let deadline = context.handle().now() + LIMIT;
    let left = context.block_on(async {
        let left = pool.shutdown(deadline).await;
        for (number, task) in tasks.into_iter().enumerate() {
            assert!(task.is_finished());
            assert_eq!(task.await.ok(), Some(number));
        }
        left
    });
    assert_eq!((left.cancelled, left.abandoned), (0, 0));
    context.run().expect("nothing is left");
}

#[test]
fn b64_at_the_deadline_a_shutdown_says_what_is_left() {
    let context = context();
    let pool = pool(&context, 2);
    let running = [Held::begun(&pool), Held::begun(&pool)];
    let waiting: Vec<_> = (0..3).map(|_| pool.spawn(|| ())).collect();
    let deadline = context.handle().now() + Duration::from_millis(5);
    let left = context.block_on(pool.shutdown(deadline));
    assert_eq!((left.cancelled, left.abandoned), (3, 2));
    context.run().expect("nobody waits for them any more");
    let is_cancelled = |result| matches!(result, Err(BlockingError::Cancelled));
    for task in waiting {
        assert!(is_cancelled(context.block_on(task)));
    }
    for held in running {
        assert!(is_cancelled(context.block_on(held.let_go()).map(drop)));
    }
}

#[test]
fn a_shutdown_refuses_jobs_from_the_call_on_and_wakes_idle_threads() {
    within(|| {
        let context = context();
        let patient = BlockingPool::builder().keep_alive(Duration::MAX);
        let pool = patient.build(&context.handle()).expect("a living loop");
        let held: Vec<Held> = (0..4).map(|_| Held::begun(&pool)).collect();
        let tasks: Vec<_> = held.into_iter().map(Held::let_go).collect();
        context.block_on(async {
            for task in tasks {
                task.await.expect("it is done");
            }
        });
        // All idle, for ever if nobody called them.
        let deadline = context.handle().now() + Duration::from_secs(3600);
        let left = context.block_on(pool.shutdown(deadline));
        assert_eq!((left.cancelled, left.abandoned), (0, 0));
    });
}

#[test]
fn a_shutdown_that_nobody_awaits_is_a_drop() {
    let context = context();
    let pool = pool(&context, 1);
    let task = pool.spawn(|| 1);
    let deadline = context.handle().now() + LIMIT;
    drop(pool.shutdown(deadline));
    assert_eq!(context.block_on(task).ok(), Some(1));
}

#[test]
fn b57_a_pool_that_is_closed_refuses_jobs_and_gives_up_their_values() {
    let context = context();
    let handle = context.handle();
    let pool = pool(&context, 1);
    let value = Arc::new(());
    drop(context);
    let kept = Arc::clone(&value);
    let refused = pool.spawn(move || drop(kept));
    assert_eq!(Arc::strong_count(&value), 1);
    let refused = futures::executor::block_on(refused);
    assert!(matches!(refused, Err(BlockingError::Cancelled)));
    assert!(BlockingPool::new(&handle).is_err());
    let left = futures::executor::block_on(pool.shutdown(handle.now()));
    assert_eq!((left.cancelled, left.abandoned), (0, 0));
}

#[test]
fn b64_the_end_of_the_context_waits_for_nothing_and_tells_who_awaits() {
    let context = context();
    let pool = pool(&context, 1);
    let held = Held::begun(&pool);
    let value = Arc::new(());
    let kept = Arc::clone(&value);
    let waiting = pool.spawn(move || drop(kept));
    let other = crate::util::context();
    let told = other.block_on(async {
        let awaiting = spawn(waiting);
        tevent_context::yield_now().await;
        drop(context);
        awaiting.await
    });
    assert!(matches!(told, Err(BlockingError::Cancelled)));
    assert_eq!(Arc::strong_count(&value), 1, "dropped at the end");
    let told = other.block_on(held.let_go());
    assert!(matches!(told, Err(BlockingError::Cancelled)));
}

#[test]
fn b20_after_the_end_a_running_job_ends_on_its_own_thread() {
    struct Tells(mpsc::Sender<thread::ThreadId>);
    impl Drop for Tells {
        fn drop(&mut self) {
            let _ = self.0.send(thread::current().id());
        }
    }
    let context = context();
    let pool = pool(&context, 1);
    let (drops, dropped) = mpsc::channel();
    let (begin, began) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let task = pool.spawn(move || {
        let _ = begin.send(());
        let _ = gone.recv();
        Tells(drops)
    });
    began.recv_timeout(LIMIT).expect("it begins");
    drop((task, pool, context));
    drop(go);
    let elsewhere = dropped.recv_timeout(LIMIT).expect("it is dropped");
    assert_ne!(elsewhere, thread::current().id());
}

#[test]
fn b21_what_is_given_out_by_a_destructor_at_the_end_is_refused() {
    struct Last(tevent_context::Handle, mpsc::Sender<bool>);
    impl Drop for Last {
        fn drop(&mut self) {
            let refused = BlockingPool::new(&self.0).is_err();
            let task = spawn_blocking(|| ());
            let _ = self.1.send(refused && task.is_finished());
        }
    }
    let context = context();
    let (told, tells) = mpsc::channel();
    let last = Last(context.handle(), told);
    let task = context.spawn(async move {
        let _last = last;
        std::future::pending::<()>().await;
    });
    context.turn(Some(Duration::ZERO)).expect("the poll works");
    drop(context);
    assert_eq!(tells.try_recv(), Ok(true));
    drop(task);
}

#[test]
fn b64_pools_start_and_stop_again_and_again() {
    within(|| {
        let (context, ran) = (context(), Arc::new(AtomicUsize::new(0)));
        let rounds = if cfg!(debug_assertions) {
            2_000
        } else {
            20_000
        };
        let mut jobs = 0;
        for round in 0..rounds {
            let pool = pool(&context, 1 + round % 3);
            let tasks: Vec<_> = (0..round % 5)
                .map(|_| {
                    let ran = Arc::clone(&ran);
                    pool.spawn(move || {
                        ran.fetch_add(1, Ordering::Relaxed);
                    })
                })
                .collect();
            jobs += tasks.len();
            match round % 4 {
                // Awaited, shut down, dropped with its jobs, dropped before its jobs are awaited.
                0 => context.block_on(async {
                    for task in tasks {
                        task.await.expect("it is done");
                    }
                }),
                1 => {
                    let deadline = context.handle().now() + LIMIT;
                    let left = context.block_on(pool.shutdown(deadline));
                    assert_eq!((left.cancelled, left.abandoned), (0, 0));
                    drop(tasks);
                }
                2 => {
                    jobs -= tasks.iter().filter(|task| task.cancel()).count();
                    drop(pool);
                }
                _ => {
                    drop(pool);
                    tasks.into_iter().for_each(|task| task.detach());
                    context.run().expect("ends when all are done");
                }
            }
        }
        context.run().expect("ends when all are done");
        assert_eq!(ran.load(Ordering::Relaxed), jobs);
    });
}

#[test]
fn b64_contexts_end_with_their_pools_at_work() {
    within(|| {
        let rounds = if cfg!(debug_assertions) { 300 } else { 3_000 };
        for round in 0..rounds {
            let context = context();
            let tasks = context.block_on(async {
                (0..round % 4)
                    .map(|_| spawn_blocking(|| ()))
                    .collect::<Vec<_>>()
            });
            drop(context);
            for task in tasks {
                let ended = futures::executor::block_on(task);
                assert!(matches!(ended, Ok(()) | Err(BlockingError::Cancelled)));
            }
        }
    });
}

#[test]
fn b20_after_the_end_a_result_waits_for_no_owner_of_the_pool() {
    /// Says where it is dropped, and panics.
    struct Result(mpsc::Sender<thread::ThreadId>);
    impl Drop for Result {
        fn drop(&mut self) {
            let _ = self.0.send(thread::current().id());
            assert!(thread::panicking(), "on purpose");
        }
    }
    let context = context();
    let pool = pool(&context, 1);
    let (begin, began) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let (told, dropped) = mpsc::channel();
    let task = pool.spawn(move || {
        let _ = begin.send(thread::current().id());
        let _ = gone.recv();
        Result(told)
    });
    let worker = began.recv_timeout(LIMIT).expect("it begins");
    drop(context);
    drop(go);
    assert_eq!(dropped.recv_timeout(LIMIT), Ok(worker));
    drop((task, pool));
}
