//! The rules of the queue, by the numbers of `reference/tevent.md` section 2.7.
#![cfg(not(loom))]

mod common;

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use common::{Counter, Trace, enter, expect_closed, join, wait};
use futures::{
    executor::{LocalPool, block_on},
    future::join_all,
    task::LocalSpawnExt,
};
use tevent_core::budget;
use tevent_queue::{QueueError, QueueExt, TeventQueue, TryEntryError};
use tokio_test::task::spawn;

/// Gives way once.
#[derive(Default)]
struct Yield {
    done: bool,
}

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if mem::replace(&mut self.done, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Spawns scripts in order; each says what it does, holding its turn over a yield.
fn scripts(pool: &mut LocalPool, queue: &TeventQueue, trace: &Trace, names: &[&'static str]) {
    for &name in names {
        let (entry, trace) = (queue.entry(), trace.clone());
        let script = async move {
            let guard = entry.await.unwrap();
            trace.say(format!("{name} in"));
            Yield::default().await;
            trace.say(format!("{name} out"));
            drop(guard);
            trace.say(format!("{name} gone"));
        };
        pool.spawner().spawn_local(script).unwrap();
    }
}

#[test]
fn q01_nothing_runs_inside_entry() {
    let (queue, trace) = (TeventQueue::new("q"), Trace::default());
    let section = async { trace.say("section") }.queued(&queue);
    trace.say("joined");
    block_on(section).unwrap();
    trace.expect(&["joined", "section"]);
}

#[test]
fn q02_first_in_first_out_whoever_is_polled_first() {
    let queue = TeventQueue::new("q");
    let mut tasks: Vec<_> = (0..5).map(|_| join(&queue)).collect();
    for later in &mut tasks[1..] {
        assert!(later.poll().is_pending());
    }
    for n in 0..5 {
        let guard = enter(&mut tasks[n]);
        assert!(
            tasks[n + 1..]
                .iter_mut()
                .all(|later| later.poll().is_pending())
        );
        drop(guard);
    }
}

#[test]
fn q03_the_guard_is_the_slot_not_the_end_of_the_work() {
    let queue = TeventQueue::new("q");
    let guard = block_on(async {
        let guard = queue.entry().await.unwrap();
        Yield::default().await;
        guard
    });
    let mut next = wait(&queue);
    assert_eq!(queue.len(), 2);
    assert!(!next.is_woken());
    drop(guard);
    assert!(next.is_woken());
    drop(enter(&mut next));
}

#[test]
fn q04_q05_the_next_one_runs_after_the_releaser_never_inside() {
    let (queue, trace, mut pool) = (TeventQueue::new("q"), Trace::default(), LocalPool::new());
    scripts(&mut pool, &queue, &trace, &["a", "b"]);
    pool.run();
    trace.expect(&["a in", "a out", "a gone", "b in", "b out", "b gone"]);
}

#[test]
fn q06_leaving_from_head_middle_and_tail_keeps_the_order() {
    for gone in 0..5 {
        let queue = TeventQueue::new("q");
        let holder = queue.try_entry().unwrap();
        let mut tasks: Vec<_> = (0..5).map(|_| wait(&queue)).collect();
        drop(tasks.remove(gone));
        assert_eq!(queue.len(), 5);
        assert!(tasks.iter().all(|task| !task.is_woken()));
        drop(holder);
        for task in &mut tasks {
            assert!(task.is_woken());
            drop(enter(task));
        }
    }
}

#[test]
fn q06_a_granted_head_that_leaves_makes_the_next_the_head() {
    let queue = TeventQueue::new("q");
    let head = join(&queue);
    let mut next = wait(&queue);
    drop(head);
    assert!(next.is_woken());
    drop(enter(&mut next));
}

#[test]
fn q07_stop_leaves_the_holder_alone_and_start_grants_the_next() {
    let queue = TeventQueue::new("q");
    let holder = queue.try_entry().unwrap();
    let mut next = wait(&queue);
    queue.stop();
    assert!(!queue.is_running());
    drop(holder);
    assert!(!next.is_woken() && next.poll().is_pending());
    queue.start();
    assert!(next.is_woken());
    drop(enter(&mut next));
}

#[test]
fn q07_stop_takes_back_a_grant_that_nobody_has_seen() {
    let queue = TeventQueue::new("q");
    let mut head = join(&queue);
    queue.stop();
    assert!(head.poll().is_pending());
    queue.start();
    queue.start();
    assert!(head.is_woken());
    let mut next = wait(&queue);
    let guard = enter(&mut head);
    queue.stop();
    queue.start();
    assert!(next.poll().is_pending());
    drop(guard);
    drop(enter(&mut next));
}

#[test]
fn q08_a_stopped_queue_lets_join_and_grants_nothing() {
    let queue = TeventQueue::new("q");
    queue.stop();
    let mut entry = wait(&queue);
    assert_eq!(queue.len(), 1);
    assert_eq!(queue.try_entry().unwrap_err(), TryEntryError::Stopped);
    queue.start();
    assert!(entry.is_woken());
    drop(enter(&mut entry));
}

#[test]
fn q09_try_entry_only_if_running_and_empty() {
    let queue = TeventQueue::new("q");
    let granted = queue.entry();
    assert_eq!(queue.try_entry().unwrap_err(), TryEntryError::Busy);
    drop(granted);
    let guard = queue.try_entry().unwrap();
    assert_eq!(queue.try_entry().unwrap_err(), TryEntryError::Busy);
    drop(guard);
    queue.close();
    assert_eq!(queue.try_entry().unwrap_err(), TryEntryError::Closed);
}

#[test]
fn q10_what_joins_from_inside_a_section_comes_behind() {
    let (queue, trace, mut pool) = (TeventQueue::new("q"), Trace::default(), LocalPool::new());
    let (inner_queue, inner_trace, spawner) = (queue.clone(), trace.clone(), pool.spawner());
    let section = async move {
        inner_trace.say("section");
        let late = async move { inner_trace.say("late") }.queued(&inner_queue);
        spawner.spawn_local(async { late.await.unwrap() }).unwrap();
    };
    let section = section.queued(&queue);
    pool.spawner()
        .spawn_local(async { section.await.unwrap() })
        .unwrap();
    scripts(&mut pool, &queue, &trace, &["b"]);
    pool.run();
    trace.expect(&["section", "b in", "b out", "b gone", "late"]);
}

#[test]
fn q11_after_a_stop_the_same_entry_is_granted_first() {
    let queue = TeventQueue::new("q");
    let mut first = join(&queue);
    let mut second = wait(&queue);
    queue.stop();
    let mut third = wait(&queue);
    queue.start();
    assert!(!second.is_woken() && !third.is_woken());
    drop(enter(&mut first));
    drop(enter(&mut second));
    drop(enter(&mut third));
}

#[test]
fn q13_a_dropped_waiter_leaves_and_is_never_granted() {
    let queue = TeventQueue::new("q");
    let holder = queue.try_entry().unwrap();
    let timed_out = async { unreachable!("it was dropped before its turn") }.queued(&queue);
    let mut timed_out = spawn(timed_out);
    let _: Poll<Result<(), _>> = timed_out.poll();
    let mut next = wait(&queue);
    drop(timed_out);
    assert_eq!(queue.len(), 2);
    drop(holder);
    drop(enter(&mut next));
    assert!(queue.is_empty());
}

#[test]
fn q14_closing_resolves_all_that_wait_in_order_and_the_holder_finishes() {
    let (queue, trace, mut pool) = (TeventQueue::new("q"), Trace::default(), LocalPool::new());
    let holder = queue.try_entry().unwrap();
    for name in ["a", "b", "c"] {
        let (entry, trace) = (queue.entry(), trace.clone());
        let script = async move { trace.say(format!("{name} {:?}", entry.await.unwrap_err())) };
        pool.spawner().spawn_local(script).unwrap();
    }
    pool.run_until_stalled();
    queue.close();
    assert!(queue.is_closed());
    assert_eq!(queue.len(), 1);
    pool.run();
    trace.expect(&["a Closed", "b Closed", "c Closed"]);
    drop(holder);
    assert!(queue.is_empty());
    expect_closed(&mut join(&queue));
    assert_eq!(block_on(async {}.queued(&queue)), Err(QueueError::Closed));
}

#[test]
fn q14_the_last_handle_closes_entries_and_guards_are_no_handles() {
    let queue = TeventQueue::new("q");
    let other = queue.clone();
    let guard = queue.try_entry().unwrap();
    let (mut unpolled, mut waiting) = (join(&queue), wait(&queue));
    drop(queue);
    assert!(!waiting.is_woken() && unpolled.poll().is_pending());
    drop(other);
    assert!(waiting.is_woken() && unpolled.is_woken());
    expect_closed(&mut unpolled);
    expect_closed(&mut waiting);
    drop(guard);
}

#[test]
fn q14_a_grant_that_nobody_has_seen_is_closed_too() {
    let queue = TeventQueue::new("q");
    let mut granted = join(&queue);
    queue.close();
    queue.start();
    expect_closed(&mut granted);
}

#[test]
fn q15_busy_queues_take_turns() {
    let (a, b) = (TeventQueue::new("a"), TeventQueue::new("b"));
    let (trace, mut pool) = (Trace::default(), LocalPool::new());
    for n in 1..=3 {
        for queue in [&a, &b] {
            let (name, said) = (format!("{}{n}", queue.name()), trace.clone());
            let script = async move { said.say(name) }.queued(queue);
            pool.spawner()
                .spawn_local(async { script.await.unwrap() })
                .unwrap();
        }
    }
    pool.run();
    trace.expect(&["a1", "b1", "a2", "b2", "a3", "b3"]);
}

#[test]
fn q16_a_late_add_or_a_removal_never_moves_a_queue_back() {
    let queue = TeventQueue::new("q");
    let holder = queue.try_entry().unwrap();
    let wakes = Counter::default();
    let mut head = Box::pin(queue.entry());
    let waker = wakes.waker();
    let mut cx = Context::from_waker(&waker);
    assert!(head.as_mut().poll(&mut cx).is_pending());
    drop(holder);
    assert_eq!(wakes.count(), 1);
    let late: Vec<_> = (0..3).map(|_| queue.entry()).collect();
    drop(late);
    queue.start();
    assert_eq!(
        wakes.count(),
        1,
        "the head was queued once and keeps its turn"
    );
    assert!(head.as_mut().poll(&mut cx).is_ready());
}

#[test]
fn q17_a_head_dropped_before_its_grant_ran_then_the_fast_path_grants_once() {
    let queue = TeventQueue::new("q");
    let holder = queue.try_entry().unwrap();
    let head = wait(&queue);
    drop(holder);
    assert!(head.is_woken());
    drop(head);
    let fast = queue.try_entry().unwrap();
    let mut next = wait(&queue);
    assert!(!next.is_woken());
    drop(fast);
    drop(enter(&mut next));
    assert!(queue.is_empty());
}

#[test]
fn q18_the_holder_drops_the_next_waiter_inside_its_section() {
    let queue = TeventQueue::new("q");
    let holder = queue.try_entry().unwrap();
    let next = wait(&queue);
    let mut last = wait(&queue);
    drop(next);
    assert!(!last.is_woken());
    drop(holder);
    drop(enter(&mut last));
    assert!(queue.is_empty());
}

#[test]
fn q20_len_counts_the_one_in_service() {
    let queue = TeventQueue::new("q");
    assert_eq!((queue.len(), queue.is_empty()), (0, true));
    let guard = queue.try_entry().unwrap();
    let waiting = queue.entry();
    assert_eq!((queue.len(), queue.is_empty()), (2, false));
    drop(waiting);
    assert_eq!(queue.len(), 1);
    drop(guard);
    assert!(queue.is_empty());
}

#[test]
fn the_place_of_queued_is_taken_at_the_call_and_its_order_kept() {
    let (queue, trace) = (TeventQueue::new("q"), Trace::default());
    let sections: Vec<_> = (0..4)
        .map(|n| {
            let trace = &trace;
            async move {
                Yield::default().await;
                trace.say(n.to_string());
            }
            .queued(&queue)
        })
        .collect();
    block_on(join_all(sections.into_iter().rev()));
    trace.expect(&["0", "1", "2", "3"]);
}

#[test]
fn a_guard_moves_into_another_task_and_keeps_the_turn() {
    let (queue, mut pool) = (TeventQueue::new("q"), LocalPool::new());
    let guard = queue.try_entry().unwrap();
    let mut next = wait(&queue);
    let keeper = async move {
        Yield::default().await;
        drop(guard);
    };
    pool.spawner().spawn_local(keeper).unwrap();
    assert!(next.poll().is_pending());
    pool.run();
    assert!(next.is_woken());
    drop(enter(&mut next));
}

#[test]
fn b04_a_spent_budget_gives_way_without_losing_the_place() {
    let queue = TeventQueue::new("q");
    let granted = budget::grant();
    for _ in 0..budget::PER_POLL {
        drop(enter(&mut join(&queue)));
    }
    let mut entry = wait(&queue);
    assert!(entry.is_woken(), "it comes back by itself");
    let mut behind = wait(&queue);
    assert_eq!(granted.renew(), budget::PER_POLL);
    assert!(behind.poll().is_pending());
    drop(enter(&mut entry));
    drop(enter(&mut behind));
}
