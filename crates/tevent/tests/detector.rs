//! The detector of hung queues, on the loop that it observes: what it finds, and what it must not.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    mem,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    pin::pin,
    rc::Rc,
    task::Poll,
    time::Duration,
};

use futures::{
    StreamExt,
    channel::{mpsc, oneshot},
    executor::LocalPool,
    future::{Either, FutureExt, join, pending, select},
    stream::FuturesUnordered,
    task::LocalSpawnExt,
};
use tevent::{
    Context, QueueEntry, QueueError, QueueGuard, Task, TeventQueue, Timeout, VirtualClock,
    queue::{Finding, Policy},
    sleep, spawn, timeout, yield_now,
};
use tevent_core::{budget, observe};

#[path = "detector/silent.rs"]
mod silent;

type Findings = Rc<RefCell<Vec<Finding>>>;

const TICK: Duration = Duration::from_secs(1);

/// A queue whose findings are kept.
fn queue_to(findings: &Findings, name: &'static str) -> TeventQueue {
    queue_with_permits(findings, name, 1)
}

fn queue_with_permits(findings: &Findings, name: &'static str, permits: usize) -> TeventQueue {
    let findings = Rc::clone(findings);
    let policy = Policy::call(move |finding| findings.borrow_mut().push(finding.clone()));
    let builder = TeventQueue::builder(name).permits(permits);
    builder.detector(policy).build()
}

/// Runs the scene on a virtual clock, for at most a minute of its time, and gives what was found, and whether the scene
/// came to its end.
fn run<S: AsyncFnOnce(Findings)>(scene: S) -> (Vec<Finding>, bool) {
    let found = Findings::default();
    let context = context();
    let ended = context.block_on(timeout_in(&context, scene(Rc::clone(&found))));
    drop(context);
    let found = Rc::try_unwrap(found).expect("all queues are gone");
    (found.into_inner(), ended.is_ok())
}

/// What is found in a scene that hangs, or ends.
fn findings<S: AsyncFnOnce(Findings)>(scene: S) -> Vec<Finding> {
    run(scene).0
}

/// The scene comes to its end, and nothing is found.
#[track_caller]
fn assert_silent<S: AsyncFnOnce(Findings)>(scene: S) {
    let (found, has_ended) = run(scene);
    assert_eq!(found, []);
    assert!(has_ended, "the scene hangs, and nothing was found");
}

fn timeout_in<F: Future>(context: &Context, scene: F) -> Timeout<F> {
    context.handle().timeout(60 * TICK, scene)
}

fn context() -> Context {
    let clock = VirtualClock::new();
    Context::builder()
        .virtual_clock(&clock)
        .build()
        .expect("descriptors for a loop")
}

#[track_caller]
fn next_line() -> u32 {
    Location::caller().line() + 1
}

/// Polls the entry once, with the waker of the task.
async fn must_wait(entry: &mut QueueEntry) -> bool {
    poll_fn(|cx| Poll::Ready(entry.poll_unpin(cx).is_pending())).await
}

#[test]
fn b51_the_futurelock_of_rfd_609_is_found_and_both_lines_are_named() {
    let mut lines = (0, 0);
    let found = findings(async |found| {
        let queue = queue_to(&found, "mutex");
        let holder = spawn(hold(queue.clone(), 5 * TICK));
        yield_now().await;
        lines.0 = next_line();
        let first = async { queue.entry().await }.boxed_local();
        let give_up = pin!(sleep(TICK));
        if let Either::Right(((), _first_is_not_dropped)) = select(first, give_up).await {
            lines.1 = next_line();
            let _ = queue.entry().await;
            unreachable!("the first entry has the turn");
        }
        holder.await;
    });
    let [
        Finding::NotPolled {
            queue,
            entry,
            awaits: Some((other, awaited)),
            ..
        },
    ] = &found[..]
    else {
        panic!("{found:?}");
    };
    assert_eq!((queue.as_str(), other.as_str()), ("mutex", "mutex"));
    assert_eq!((entry.line(), awaited.line()), lines);
    let text = found[0].to_string();
    for line in [lines.0, lines.1] {
        assert!(text.contains(&format!("detector.rs:{line}:")), "{text}");
    }
    assert!(!text.contains('\n'));
}

async fn hold(queue: TeventQueue, time: Duration) {
    let _turn = queue.entry().await.expect("open");
    sleep(time).await;
}

#[test]
fn b51_a_granted_entry_that_is_left_behind_is_found_once() {
    let (found, has_ended) = run(async |found| {
        let queue = queue_to(&found, "q");
        let holder = spawn(hold(queue.clone(), TICK));
        yield_now().await;
        let mut entry = queue.entry();
        assert!(must_wait(&mut entry).await);
        // Whatever else the task does: it does not poll the entry.
        for _ in 0..5 {
            sleep(TICK).await;
        }
        assert!(entry.await.is_ok());
        holder.await;
    });
    assert!(has_ended);
    assert!(matches!(
        found[..],
        [Finding::NotPolled { awaits: None, .. }]
    ));
    let text = found[0].to_string();
    assert!(text.contains("queue \"q\" is held up"), "{text}");
    assert!(text.contains("which is idle, does not poll it"), "{text}");
}

#[test]
fn b51_it_is_found_also_while_other_tasks_never_rest() {
    let found = findings(async |found| {
        let queue = queue_to(&found, "q");
        let holder = queue.try_entry().unwrap();
        let _busy: Vec<Task<()>> = (0..3).map(|_| spawn(busy(1000))).collect();
        let mut entry = queue.entry();
        let _stopped: Task<()> = spawn(async move {
            assert!(must_wait(&mut entry).await);
            yield_now().await;
            pending::<()>().await;
            drop(entry);
        });
        yield_now().await;
        drop(holder);
        for _ in 0..60 {
            yield_now().await;
        }
        assert_eq!(found.borrow().len(), 0, "that was too early");
        for _ in 0..20 {
            yield_now().await;
        }
        assert_eq!(found.borrow().len(), 1);
    });
    assert_eq!(found.len(), 1, "{found:?}");
}

async fn busy(times: usize) {
    for _ in 0..times {
        yield_now().await;
    }
}

#[test]
fn a_task_that_blocks_itself_is_found() {
    let found = findings(async |found| {
        let queue = queue_to(&found, "q");
        let task = spawn(async move {
            let _turn = queue.entry().await;

            let _never = queue.entry().await;
        });
        task.named("self-made").await;
    });
    let [
        Finding::SelfBlocked {
            entry, guard, task, ..
        },
    ] = &found[..]
    else {
        panic!("{found:?}");
    };
    assert_eq!(task.name.as_deref(), Some("self-made"));
    assert!(task.spawned.is_some());
    assert_eq!(entry.line(), guard.line() + 2);
    assert!(found[0].to_string().contains("task \"self-made\""));
}

#[test]
fn a_task_that_blocks_itself_in_its_first_poll_is_found_though_it_made_the_queue() {
    let found = Findings::default();
    let context = context();
    let task = context.spawn({
        let found = Rc::clone(&found);
        async move {
            let queue = queue_to(&found, "q");
            let _turn = queue.try_entry();
            let _never = queue.entry().await;
        }
    });
    context.turn(Some(Duration::ZERO)).expect("polls");
    assert!(matches!(found.borrow()[..], [Finding::SelfBlocked { .. }]));
    drop(task);
}

/// Takes the turns of a ring of queues, each task two neighbours.
fn ring(found: &Findings, size: usize) -> Vec<Task<()>> {
    const NAMES: [&str; 3] = ["q0", "q1", "q2"];
    let queues: Vec<_> = (0..size).map(|n| queue_to(found, NAMES[n])).collect();
    let task = |n: usize| {
        let (one, two) = (queues[n].clone(), queues[(n + 1) % size].clone());
        let name = format!("task {n}");
        spawn(async move {
            let _first = one.entry().await.expect("open");
            yield_now().await;
            let _second = two.entry().await;
        })
        .named(name)
    };
    (0..size).map(task).collect()
}

#[test]
fn a_ring_of_tasks_over_several_queues_is_found() {
    for size in [2, 3] {
        let found = findings(async |found| {
            let tasks = ring(&found, size);
            sleep(TICK).await;
            drop(tasks);
        });
        let [Finding::Cycle { links, .. }] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!(links.len(), size);
        for pair in links.windows(2) {
            assert_ne!(pair[0].task, pair[1].task);
            assert_ne!(pair[0].queue, pair[1].queue);
            assert_ne!(pair[0].entry.line(), pair[0].guard.line());
        }
        let text = found[0].to_string();
        for n in 0..size {
            assert!(text.contains(&format!("\"task {n}\"")), "{text}");
            assert!(text.contains(&format!("queue \"q{n}\"")), "{text}");
        }
    }
}

#[test]
fn a_second_round_of_the_same_hang_is_found_again() {
    let found = findings(async |found| {
        for _ in 0..3 {
            let tasks = ring(&found, 2);
            sleep(TICK).await;
            drop(tasks);
        }
    });
    assert_eq!(found.len(), 3);
}

#[test]
fn a_guard_that_is_taken_after_a_spawn_is_the_takers() {
    let found = findings(async |found| {
        let queue = queue_to(&found, "q");
        let task = spawn(async move {
            spawn(sleep(TICK)).await;
            let _turn = queue.entry().await;
            let _never = queue.entry().await;
        });
        task.await;
    });
    assert!(matches!(found[..], [Finding::SelfBlocked { .. }]));
}

#[test]
fn a_waker_that_was_left_behind_in_another_queue_wakes_nobody() {
    let found = findings(async |found| {
        let (before, queue) = (queue_to(&found, "before"), queue_to(&found, "q"));
        let holder = spawn(hold(before.clone(), TICK));
        yield_now().await;
        let task = spawn(async move {
            assert!(before.entry().await.is_ok());
            let _turn = queue.entry().await;
            let _never = queue.entry().await;
        });
        task.await;
        holder.await;
    });
    assert!(matches!(found[..], [Finding::SelfBlocked { .. }]));
}

#[test]
fn the_task_that_polled_an_entry_last_is_named() {
    let found = findings(async |found| {
        let queue = queue_to(&found, "q");
        let holder = queue.try_entry().unwrap();
        let mut entry = queue.entry();
        let (send, take) = oneshot::channel();
        let first = spawn(async move {
            assert!(must_wait(&mut entry).await);
            assert!(send.send(entry).is_ok());
            pending::<()>().await;
        });
        let second = spawn(async move {
            let mut entry = take.await.expect("sent");
            assert!(must_wait(&mut entry).await);
            pending::<()>().await;
            drop(entry);
        });
        let second = second.named("second");
        sleep(TICK).await;
        drop(holder);
        sleep(TICK).await;
        drop((first, second));
    });
    let [Finding::NotPolled { task, .. }] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(task.name.as_deref(), Some("second"));
}

#[test]
fn the_policy_panic_goes_through_the_loop() {
    let context = context();
    let ran = catch_unwind(AssertUnwindSafe(|| {
        context.block_on(async {
            let queue = TeventQueue::builder("q").detector(Policy::Panic).build();
            let _turn = queue.entry().await;
            let _never = queue.entry().await;
        });
    }));
    let payload = ran.expect_err("the loop panicked");
    let text = payload.downcast_ref::<String>().expect("a message");
    assert!(text.contains("queue \"q\" hangs"), "{text}");
    // The loop is intact.
    assert_eq!(context.block_on(async { 1 }), 1);
}

#[test]
fn a_callback_may_use_the_queue_and_end_the_hang() {
    let context = context();
    let closed = context.block_on(async {
        let handle: Rc<RefCell<Option<TeventQueue>>> = Rc::default();
        let policy = {
            let handle = Rc::clone(&handle);
            Policy::call(move |_| {
                let queue = handle.borrow().clone().expect("set before");
                assert!(queue.holder().is_some());
                queue.close();
            })
        };
        let queue = TeventQueue::builder("q").detector(policy).build();
        *handle.borrow_mut() = Some(queue.clone());
        let _turn = queue.entry().await;
        let closed = queue.entry().await;
        handle.take();
        closed.map(drop)
    });
    assert_eq!(closed, Err(QueueError::Closed));
}

#[test]
fn b04_who_is_told_between_two_polls_has_no_budget_and_uses_nobody_s() {
    let turns = Rc::new(Cell::new(0));
    let counted = Rc::clone(&turns);
    let other = TeventQueue::new("other");
    let many = 2 * budget::PER_POLL;
    let policy = Policy::call(move |_| {
        let enter = |_: &u32| other.entry().now_or_never().is_some();
        counted.set((0..many).filter(enter).count());
    });
    context().block_on(async {
        let queue = TeventQueue::builder("q").detector(policy).build();
        let _stuck = spawn(async move {
            let _turn = queue.entry().await;
            let _never = queue.entry().await;
        });
        for _ in 0..10 {
            assert!(!budget::is_spent());
            yield_now().await;
        }
    });
    assert_eq!(turns.get(), many as usize);
}

#[test]
fn without_a_detector_nothing_is_observed() {
    let context = context();
    context.block_on(async {
        let queue = TeventQueue::builder("q").detector(Policy::Off).build();
        let stuck = async move {
            let _turn = queue.entry().await;
            let _never = queue.entry().await;
        };
        let task = spawn(stuck).named("stuck");
        let current = poll_fn(|_| Poll::Ready(observe::current_task())).await;
        assert!(timeout(TICK, pending::<()>()).await.is_err());
        assert!(observe::observer().is_none());
        // Nobody keeps what would tell this task from others, or by what it is known.
        let current = current.expect("a task of ours");
        assert_eq!(observe::known(current), observe::Known::default());
        assert!(!task.is_finished());
    });
    // With a detector somebody does, for as long as the queue lives.
    let queue = TeventQueue::builder("q").detector(Policy::Log).build();
    assert!(observe::observer().is_some());
    let known = context.block_on(async {
        let task = spawn(async { observe::known(observe::current_task().expect("a task")) });
        task.named("seen").await
    });
    assert_eq!(known.name.as_deref(), Some("seen"));
    assert!(known.spawned.is_some());
    drop(queue);
    assert!(observe::observer().is_none());
}

#[test]
fn on_another_executor_nothing_is_observed() {
    let found = Findings::default();
    let queue = queue_to(&found, "q");
    let mut pool = futures::executor::LocalPool::new();
    let spawner = pool.spawner();
    futures::task::LocalSpawnExt::spawn_local(&spawner, async move {
        let _turn = queue.entry().await;
        let _never = queue.entry().await;
    })
    .expect("the pool runs");
    pool.run_until_stalled();
    drop(pool);
    assert_eq!(*found.borrow(), []);
}
