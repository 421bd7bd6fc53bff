//! Queues on a loop: driven work, limited waits, a callback when empty.

mod util;

use std::cell::Cell;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt;
use futures::channel::oneshot;
use tevent_context::{
    Context, Handle, QueueEntryExt, TeventQueueExt, VirtualClock, WaitError, sleep, spawn,
    yield_now,
};
use tevent_queue::{AddError, QueueError, TeventQueue};
use util::{Rig, ms};

fn queue() -> TeventQueue {
    TeventQueue::new("q")
}

/// The work of one entry, which takes so long.
fn work(rig: &Rig, name: &'static str, millis: u64) -> impl Future<Output = ()> + 'static {
    let trace = rig.trace.clone();
    async move {
        trace.say(format!("{name} starts"));
        sleep(ms(millis)).await;
        trace.say(format!("{name} ends"));
    }
}

#[test]
fn q1_added_work_runs_one_after_another_in_order() {
    let rig = Rig::new();
    let queue = queue();
    let works = ["a", "b", "c"].map(|name| work(&rig, name, 10));
    rig.context.block_on(async {
        let [a, b, c] = works.map(|work| queue.add(work));
        assert_eq!(queue.len(), 3);
        assert_eq!(c.await, Ok(()));
        assert!(queue.is_empty());
        drop((a, b));
    });
    rig.trace.expect(&[
        "0: a starts",
        "10: a ends",
        "10: b starts",
        "20: b ends",
        "20: c starts",
        "30: c ends",
    ]);
}

#[test]
fn b51_futurelock_is_none_with_driven_work() {
    let rig = Rig::new();
    let queue = queue();
    let (first, second) = (work(&rig, "first", 5), work(&rig, "second", 5));
    rig.context.block_on(async {
        // The first has its place, and is not polled while the second is awaited: RFD 609.
        let mut first = queue.add(first);
        assert!((&mut first).now_or_never().is_none());
        assert_eq!(queue.add(second).await, Ok(()));
        assert_eq!(first.await, Ok(()));
    });
    rig.trace.expect(&[
        "0: first starts",
        "5: first ends",
        "5: second starts",
        "10: second ends",
    ]);
}

#[test]
fn add_with_hands_the_guard_over_and_the_turn_lasts_as_long_as_it() {
    let rig = Rig::new();
    let queue = queue();
    let (trace, next) = (rig.trace.clone(), work(&rig, "next", 0));
    rig.context.block_on(async {
        let (give, given) = oneshot::channel();
        let opened = queue.add_with(|guard| async move { give.send(guard).is_ok() });
        let holder = spawn(async move {
            let guard = given.await;
            sleep(ms(10)).await;
            drop(guard);
        });
        let next = queue.add(next);
        assert_eq!(opened.await, Ok(true));
        trace.say("the work is done");
        assert_eq!(next.await, Ok(()));
        holder.await;
    });
    rig.trace
        .expect(&["0: the work is done", "10: next starts", "10: next ends"]);
}

#[test]
fn try_add_gives_the_work_back() {
    let rig = Rig::new();
    let queue = TeventQueue::builder("q").capacity(1).build();
    rig.context.block_on(async {
        let first = queue.try_add(async { 1 }).expect("there is room");
        let second = queue.try_add(async { 2 }).expect_err("it is full");
        assert!(matches!(second, AddError::Full(_)));
        assert_eq!(first.await, Ok(1));
        assert_eq!(queue.add(second.into_work()).await, Ok(2));
        queue.close();
        let late = queue.try_add(async { 3 });
        assert!(matches!(late, Err(AddError::Closed(_))));
    });
}

#[test]
fn without_a_context_the_panic_names_the_cure() {
    let queue = queue();
    let panics: [Box<dyn FnOnce() + '_>; 3] = [
        Box::new(|| drop(queue.add(async {}))),
        Box::new(|| drop(queue.on_empty(|| {}))),
        Box::new(|| drop(queue.entry().timeout(ms(1)))),
    ];
    for panics in panics {
        let panic = catch_unwind(AssertUnwindSafe(panics)).unwrap_err();
        let words = panic.downcast_ref::<String>().expect("words");
        assert!(words.contains("use the method of a `Handle`"), "{words}");
    }
    assert!(queue.is_empty());
}

#[test]
fn q13_a_timed_out_waiter_leaves_the_line_and_is_never_granted() {
    let rig = Rig::new();
    let queue = queue();
    let (slow, late, trace) = (
        work(&rig, "slow", 30),
        work(&rig, "late", 0),
        rig.trace.clone(),
    );
    rig.context.block_on(async {
        let _slow = queue.add(slow);
        let waiter = queue.entry().timeout(ms(20));
        let late = queue.add(late);
        assert_eq!(waiter.await.unwrap_err(), WaitError::Elapsed);
        trace.say(format!("timed out, {} in line", queue.len()));
        assert_eq!(late.await, Ok(()));
    });
    // Slow and late were granted, and nobody else.
    assert_eq!((queue.stats().grants, queue.stats().cancellations), (2, 1));
    rig.trace.expect(&[
        "0: slow starts",
        "20: timed out, 2 in line",
        "30: slow ends",
        "30: late starts",
        "30: late ends",
    ]);
}

#[test]
fn a_turn_and_a_timeout_at_the_same_moment_the_turn_wins() {
    let rig = Rig::new();
    let queue = queue();
    let holder = queue.try_entry();
    rig.context.block_on(async {
        let releaser = spawn(async move {
            sleep(ms(10)).await;
            drop(holder);
        });
        yield_now().await; // the releaser's timer is the first of the two
        let guard = queue.entry().timeout(ms(10)).await;
        assert!(guard.is_ok());
        releaser.await;
    });
    assert_eq!(rig.clock.now(), rig.at(10));
}

#[test]
fn the_timeout_limits_the_wait_alone() {
    let rig = Rig::new();
    let queue = queue();
    rig.context.block_on(async {
        let guard = queue.entry().timeout(ms(10)).await.expect("nobody else");
        sleep(ms(50)).await;
        assert_eq!(queue.holder().map(|holder| holder.tag), Some(guard.tag()));
        queue.close();
        let late = queue.entry().timeout(ms(10)).await.unwrap_err();
        assert_eq!(late, WaitError::Queue(QueueError::Closed));
        let forever = queue.entry().timeout(Duration::MAX).await;
        assert!(forever.is_err());
    });
    assert_eq!(rig.clock.now(), rig.at(50));
}

#[test]
fn entries_of_one_queue_on_two_contexts_of_one_thread_run_in_strict_order() {
    let (rig, queue) = (Rig::new(), queue());
    let other = Context::builder().virtual_clock(&rig.clock);
    let other = other.build().expect("descriptors for a second loop");
    let say = |name: &'static str| {
        let trace = rig.trace.clone();
        async move { trace.say(name) }
    };
    let queued = [
        queue.add_on(&rig.context.handle(), say("a on one")),
        queue.add_on(&other.handle(), say("b on other")),
        queue.add_on(&other.handle(), say("c on other")),
        queue.add_on(&rig.context.handle(), say("d on one")),
    ];
    let turn = |context: &Context| context.turn(Some(Duration::ZERO)).map(drop);
    turn(&other).expect("the poll works");
    rig.trace.expect(&[]); // a is first
    turn(&rig.context).expect("the poll works");
    rig.trace.expect(&["0: a on one"]);
    for _ in 0..3 {
        turn(&other).expect("the poll works");
    }
    rig.trace.expect(&["0: b on other", "0: c on other"]);
    turn(&rig.context).expect("the poll works");
    rig.trace.expect(&["0: d on one"]);
    assert!(
        queued
            .into_iter()
            .all(|queued| queued.now_or_never() == Some(Ok(())))
    );
}

#[test]
fn the_end_of_a_context_abandons_its_work_and_the_line_goes_on_elsewhere() {
    let (rig, queue) = (Rig::new(), queue());
    let doomed = Context::builder()
        .virtual_clock(&VirtualClock::new())
        .build();
    let doomed = doomed.expect("descriptors for a second loop");
    let running = queue.add_on(&doomed.handle(), pending::<()>());
    let waiting = queue.add_on(&doomed.handle(), pending::<()>());
    let next = queue.add_on(&rig.context.handle(), work(&rig, "next", 0));
    doomed.turn(Some(Duration::ZERO)).expect("the poll works");
    assert!(running.is_started() && !waiting.is_started());
    let handle = doomed.handle();
    drop(doomed);
    rig.context.block_on(async {
        assert_eq!(running.await, Err(QueueError::Abandoned));
        assert_eq!(waiting.await, Err(QueueError::Abandoned));
        assert_eq!(next.await, Ok(()));
        let late = queue.add_on(&handle, async {});
        assert_eq!(late.await, Err(QueueError::Abandoned));
        let refused = queue.try_add_on(&handle, async {});
        assert!(matches!(refused, Err(AddError::LoopEnded(_))));
    });
    rig.trace.expect(&["0: next starts", "0: next ends"]);
}

#[test]
fn b12_a_panic_of_the_work_comes_out_of_its_queued_and_the_line_goes_on() {
    let rig = Rig::new();
    let queue = queue();
    let next = work(&rig, "next", 0);
    let awaited = catch_unwind(AssertUnwindSafe(|| {
        rig.context.block_on(async {
            let bad = queue.add(async { panic!("the work's own panic") });
            queue.add(next).detach();
            bad.await
        })
    }));
    assert!(awaited.is_err());
    rig.context.run().expect("the poll works");
    rig.trace.expect(&["0: next starts", "0: next ends"]);
}

#[test]
fn a_work_may_call_the_loop_and_the_queue_from_its_destructor() {
    struct Last(TeventQueue, util::Trace);
    impl Drop for Last {
        fn drop(&mut self) {
            let trace = self.1.clone();
            self.0
                .add(async move { trace.say("added by a destructor") })
                .detach();
            self.1.say(format!(
                "destructor on a loop: {}",
                Handle::try_current().is_ok()
            ));
        }
    }
    let rig = Rig::new();
    let queue = queue();
    let last = Last(queue.clone(), rig.trace.clone());
    rig.context.block_on(async {
        let stuck = queue.add(async move {
            let _last = last;
            pending::<()>().await
        });
        sleep(ms(1)).await;
        stuck.cancel();
        assert_eq!(stuck.await, Err(QueueError::Cancelled));
        queue.drain().await;
    });
    rig.trace
        .expect(&["1: destructor on a loop: true", "1: added by a destructor"]);
}

#[test]
fn on_empty_is_called_by_the_loop_each_time_and_finds_the_queue_empty() {
    let rig = Rig::new();
    let queue = queue();
    let (trace, seen) = (rig.trace.clone(), queue.clone());
    let said = rig.trace.clone();
    rig.context.block_on(async {
        let watch = queue.on_empty(move || said.say(format!("empty: {}", seen.is_empty())));
        sleep(ms(5)).await; // empty all the time: no call
        for _ in 0..2 {
            let (first, second) = (queue.add(sleep(ms(10))), queue.add(sleep(ms(10))));
            let _ = (first.await, second.await);
            trace.say("work done");
            yield_now().await;
        }
        drop(queue.try_entry());
        trace.say("inside the releaser nothing happens");
        yield_now().await;
        drop(watch);
        drop(queue.try_entry());
        yield_now().await;
    });
    rig.trace.expect(&[
        "15: empty: true",
        "15: work done",
        "25: empty: true",
        "25: work done",
        "25: inside the releaser nothing happens",
        "25: empty: true",
    ]);
}

#[test]
fn on_empty_does_not_spin_and_does_not_keep_the_queue_open() {
    let rig = Rig::new();
    let queue = queue();
    let calls = Rc::new(Cell::new(0));
    let counter = calls.clone();
    let watch = rig.context.block_on(async {
        let watch = queue.on_empty(move || counter.set(counter.get() + 1));
        let _ = queue.add(sleep(ms(1))).await;
        yield_now().await;
        Some(watch)
    });
    let turn = || {
        rig.context
            .turn(Some(Duration::ZERO))
            .expect("the poll works")
    };
    turn();
    assert_eq!(turn().polls, 0);
    assert_eq!(calls.get(), 1);
    drop(queue);
    rig.context.block_on(watch.expect("just made")); // ends after the last call
    assert_eq!(calls.get(), 2);
}

#[test]
fn b04_a_callback_that_empties_the_queue_again_leaves_the_others_their_turn() {
    let rig = Rig::new();
    let (queue, calls) = (TeventQueue::new("q"), Rc::new(Cell::new(0_u32)));
    let (again, counter) = (queue.clone(), Rc::clone(&calls));
    let watched = queue.clone();
    let callback = move || {
        counter.set(counter.get() + 1);
        drop(again.try_entry());
    };
    rig.context
        .block_on(async move { watched.on_empty(callback).detach() });
    drop(queue.try_entry());
    let turn = rig.context.turn(Some(Duration::ZERO)).expect("polls");
    assert!(turn.more, "it goes on in the next turn");
    assert!(
        (1..1000).contains(&calls.get()),
        "{} calls in a turn",
        calls.get()
    );
}
