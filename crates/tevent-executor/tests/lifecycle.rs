//! The life of a task: order, handles, cancellation.
#![cfg(not(loom))]

mod util;

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::Poll;

use tevent_executor::{Executor, Task, TaskError};
use util::{Dropped, Gate, Rig, Trace, yields};

#[test]
fn tasks_run_in_the_order_in_which_they_became_ready() {
    let (rig, trace) = (Rig::new(), Trace::default());
    for (name, polls) in [("a", 2), ("b", 0), ("c", 1)] {
        let trace = trace.clone();
        let task = async move {
            for _ in 0..polls {
                trace.say(name);
                yields(1).await;
            }
            trace.say(format!("{name} ends"));
        };
        rig.executor.spawn(task).detach();
    }
    trace.expect(&[]);
    rig.turn();
    trace.expect(&["a", "b ends", "c", "a", "c ends", "a ends"]);
}

#[test]
fn a_seed_decides_the_order_of_ready_tasks_and_each_still_runs() {
    let order = |seed| {
        let trace = Trace::default();
        let executor = Executor::new(Rig::new().doorbell).shuffled(seed);
        for name in 0..8 {
            let trace = trace.clone();
            executor
                .spawn(async move { trace.say(name.to_string()) })
                .detach();
        }
        executor.enter(|| executor.run_ready(u32::MAX));
        trace.take()
    };
    assert_eq!(order(1), order(1));
    let orders: std::collections::BTreeSet<_> = (0..20).map(order).collect();
    assert!(orders.len() > 10, "{orders:?}");
    assert!(orders.iter().all(|order| order.len() == 8));
}

#[test]
fn b01_a_wake_during_its_own_poll_polls_once_more() {
    let rig = Rig::new();
    let mut polls = 0;
    rig.block_on(poll_fn(|cx| {
        polls += 1;
        if polls == 1 {
            // Twice, by two wakers: still one more poll.
            cx.waker().wake_by_ref();
            let second = cx.waker().clone();
            second.wake();
            return Poll::Pending;
        }
        Poll::Ready(())
    }));
    assert_eq!(polls, 2);
}

#[test]
fn b04_a_task_that_wakes_itself_for_ever_leaves_the_allowance_to_others() {
    let (rig, trace) = (Rig::new(), Trace::default());
    rig.executor
        .spawn(async { yields(u32::MAX).await })
        .detach();
    let other = trace.clone();
    rig.executor
        .spawn(async move { other.say("served") })
        .detach();
    let ran = rig.executor.enter(|| rig.executor.run_ready(10));
    trace.expect(&["served"]);
    assert_eq!((ran.polls, ran.spent), (10, 10));
}

#[test]
fn b04_operations_of_a_poll_are_charged_to_the_allowance() {
    let rig = Rig::new();
    let hose = poll_fn(|cx| {
        while !tevent_core::budget::is_spent() {
            tevent_core::budget::spend();
        }
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    });
    rig.executor.spawn(hose).detach();
    let ran = rig.executor.enter(|| rig.executor.run_ready(200));
    let per_poll = 1 + tevent_core::budget::PER_POLL;
    assert_eq!(ran.polls, 200_u32.div_ceil(per_poll));
    assert_eq!(ran.spent, ran.polls * per_poll);
}

#[test]
fn a_finished_task_is_never_polled_again() {
    let (rig, trace) = (Rig::new(), Trace::default());
    let gate = Gate::default();
    let (inner, say) = (gate.clone(), trace.clone());
    let task = rig.executor.spawn(async move {
        inner.pass().await;
        say.say("end");
    });
    rig.turn();
    let waker = gate.waker();
    gate.open();
    waker.wake_by_ref();
    rig.turn();
    trace.expect(&["end"]);
    waker.wake_by_ref();
    assert_eq!(rig.turn(), 0);
    assert!(task.is_finished());
}

/// Tasks get other numbers when the table of a burst is given back.
#[test]
fn b55_tasks_that_outlive_a_burst_can_be_cancelled_and_end_with_the_executor() {
    let (rig, trace) = (Rig::new(), Trace::default());
    let sleeper = |word| {
        let guard = Dropped::new(&trace, word);
        rig.executor.spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        })
    };
    let burst = || -> Vec<_> {
        (0..2_000)
            .map(|_| rig.executor.spawn(pending::<()>()))
            .collect()
    };
    let (early, first, middle, second, late) = (
        sleeper("early"),
        burst(),
        sleeper("middle"),
        burst(),
        sleeper("late"),
    );
    rig.turn();
    drop((first, second));
    (0..20).for_each(|_| {
        rig.turn();
    });
    drop(middle);
    rig.turn();
    trace.expect(&["middle"]);
    assert_eq!(rig.executor.live(), 2, "it was found under its new number");
    let newcomer = sleeper("newcomer");
    rig.executor.close();
    trace.expect(&["early", "newcomer", "late"]);
    assert!([early, late, newcomer].iter().all(Task::is_finished));
}

/// Closing the gaps of the table would move tasks out of the way of the walk that ends them.
#[test]
fn b55_a_destructor_that_lets_the_loop_rest_hides_no_task_from_the_end() {
    struct Rests(Rc<Rig>);
    impl Drop for Rests {
        fn drop(&mut self) {
            (0..20).for_each(|_| assert!(self.0.executor.park()));
        }
    }
    let rig = Rc::new(Rig::new());
    let burst: Vec<_> = (0..2_000)
        .map(|_| rig.executor.spawn(pending::<()>()))
        .collect();
    let rests = Rests(Rc::clone(&rig));
    let first = rig.executor.spawn(async move {
        let _rests = rests;
        pending::<()>().await;
    });
    let second = rig.executor.spawn(pending::<()>());
    drop(burst);
    rig.turn();
    rig.executor.close();
    assert!(first.is_finished() && second.is_finished());
}

/// The table of B19: what happens to the future and the output, per deed and phase.
#[test]
fn b19_drop_detach_cancel_and_await_in_every_phase() {
    for phase in ["queued", "idle", "done", "panicked"] {
        for deed in ["drop", "detach", "cancel", "await"] {
            let expected: &[&str] = match (phase, deed) {
                ("queued", "drop") => &["future dropped"],
                ("queued", "detach") => &["polled"],
                ("queued", "cancel") => &["future dropped", "cancelled"],
                ("queued", "await") => &["polled"],
                ("idle", "drop") => &["polled", "future dropped"],
                ("idle", "detach") => &["polled"],
                ("idle", "cancel") => &["polled", "future dropped", "cancelled"],
                ("idle", "await") => &["polled"],
                ("done", "drop" | "detach") => &["polled", "future dropped", "output dropped"],
                ("done", "cancel" | "await") => {
                    &["polled", "future dropped", "output", "output dropped"]
                }
                ("panicked", "drop" | "detach") => &["polled", "future dropped"],
                ("panicked", "cancel" | "await") => &["polled", "future dropped", "panic: boom"],
                _ => unreachable!(),
            };
            assert_eq!(b19_cell(phase, deed), expected, "{phase}, {deed}");
        }
    }
}

/// The trace up to, and without, the end of the executor.
fn b19_cell(phase: &'static str, deed: &str) -> Vec<String> {
    let (rig, trace) = (Rig::new(), Trace::default());
    let (say, in_future) = (trace.clone(), Dropped::new(&trace, "future dropped"));
    let task = rig.executor.spawn(async move {
        let _in_future = in_future;
        say.say("polled");
        match phase {
            "done" => {}
            "panicked" => panic!("boom"),
            _ => pending().await,
        }
        Dropped::new(&say, "output dropped")
    });
    if phase != "queued" {
        rig.turn();
    }
    let say = trace.clone();
    match deed {
        "drop" => drop(task),
        "detach" => task.detach(),
        "cancel" => {
            let end = task.cancel();
            b19_end(
                &rig,
                &say,
                async move { end.await.ok_or(TaskError::Cancelled) },
            );
        }
        _ => b19_end(&rig, &say, task.outcome()),
    }
    rig.turn();
    trace.take()
}

fn b19_end(
    rig: &Rig,
    say: &Trace,
    end: impl Future<Output = Result<Dropped, TaskError>> + 'static,
) {
    let say = say.clone();
    let watcher = rig.executor.spawn(end);
    let watched = async move {
        match watcher.outcome().await {
            Ok(Ok(_output)) => say.say("output"),
            Ok(Err(TaskError::Cancelled)) => say.say("cancelled"),
            Ok(Err(error)) | Err(error) => {
                say.say(format!("panic: {}", error.panic_message().unwrap_or("?")))
            }
        }
    };
    rig.executor.spawn(watched).detach();
    rig.turn();
}

#[test]
fn a_cancelled_future_is_dropped_at_its_turn_and_not_inside_the_drop_of_its_handle() {
    let (rig, trace) = (Rig::new(), Trace::default());
    let in_future = Dropped::new(&trace, "future dropped");
    let task = rig.executor.spawn(async move {
        let _in_future = in_future;
        pending::<()>().await;
    });
    rig.turn();
    drop(task);
    trace.expect(&[]);
    assert_eq!(
        rig.rings.get(),
        2,
        "one for the spawn, one for the cancellation: both came from outside a turn"
    );
    rig.turn();
    trace.expect(&["future dropped"]);
}

#[test]
fn b17_a_handle_dropped_inside_a_borrow_does_not_run_the_future_s_destructor_there() {
    struct Reenter(Rc<RefCell<Vec<Task<()>>>>, Trace);
    impl Drop for Reenter {
        fn drop(&mut self) {
            let free = self.0.try_borrow_mut().is_ok();
            self.1.say(if free {
                "found it free"
            } else {
                "found it borrowed"
            });
        }
    }
    let (rig, trace) = (Rig::new(), Trace::default());
    let tasks = Rc::new(RefCell::new(Vec::new()));
    let reenter = Reenter(Rc::clone(&tasks), trace.clone());
    let task = rig.executor.spawn(async move {
        let _reenter = reenter;
        pending::<()>().await;
    });
    tasks.borrow_mut().push(task);
    rig.turn();
    tasks.borrow_mut().clear();
    rig.turn();
    trace.expect(&["found it free"]);
    assert_eq!(rig.executor.live(), 0);
}

#[test]
fn a_task_that_drops_its_own_handle_ends_after_this_poll() {
    let (rig, trace) = (Rig::new(), Trace::default());
    let own: Rc<RefCell<Option<Task<()>>>> = Rc::default();
    let (slot, say, in_future) = (
        Rc::clone(&own),
        trace.clone(),
        Dropped::new(&trace, "future dropped"),
    );
    *own.borrow_mut() = Some(rig.executor.spawn(async move {
        let _in_future = in_future;
        drop(slot.borrow_mut().take());
        say.say("still here");
        yields(1).await;
        say.say("never");
    }));
    rig.turn();
    trace.expect(&["still here", "future dropped"]);
    assert_eq!(rig.executor.live(), 0);
}

#[test]
fn an_abandoned_await_can_be_taken_up_again() {
    let rig = Rig::new();
    let gate = Gate::default();
    let inner = gate.clone();
    let mut task = rig.executor.spawn(async move {
        inner.pass().await;
        7
    });
    rig.block_on(async {
        let mut abandoned = Some(&mut task);
        poll_fn(|cx| {
            let task = abandoned.take().expect("polled once");
            assert!(std::pin::Pin::new(task).poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    });
    gate.open();
    gate.waker().wake();
    assert_eq!(rig.block_on(task), 7);
}

#[test]
fn block_on_may_borrow() {
    let rig = Rig::new();
    let words = ["borrowed".to_owned()];
    let length = rig.block_on(async {
        yields(3).await;
        words.iter().map(String::len).sum::<usize>()
    });
    assert_eq!(length, words[0].len());
}

#[test]
fn an_error_of_the_turn_drops_the_borrowing_future_before_drive_returns() {
    let (rig, trace) = (Rig::new(), Trace::default());
    let in_future = Dropped::new(&trace, "future dropped");
    let result = rig.executor.drive(
        async {
            let _in_future = &in_future;
            let _owned = Dropped::new(&trace, "section left");
            pending::<()>().await;
        },
        |_| {
            if rig.turn() > 0 {
                Ok(())
            } else {
                Err("poll failed")
            }
        },
    );
    trace.expect(&["section left"]);
    assert_eq!(result, Err("poll failed"));
    assert_eq!(rig.executor.live(), 0);
}

#[test]
fn b11_each_future_and_output_is_dropped_once() {
    let live = Rc::new(());
    {
        let rig = Rig::new();
        let mut kept = Vec::new();
        for number in 0..100 {
            let (in_future, in_output) = (Rc::clone(&live), Rc::clone(&live));
            let task = rig.executor.spawn(async move {
                let _in_future = in_future;
                if number % 3 == 0 {
                    pending::<()>().await;
                }
                in_output
            });
            match number % 4 {
                0 => drop(task),
                1 => task.detach(),
                _ => kept.push(task),
            }
            if number % 5 == 0 {
                rig.turn();
            }
        }
        kept.truncate(20);
        drop(rig);
        drop(kept);
    }
    assert_eq!(Rc::strong_count(&live), 1);
}

#[test]
fn b84_the_table_of_live_tasks_gives_back_its_slots() {
    const MANY: usize = if cfg!(miri) { 1100 } else { 5000 };
    let rig = Rig::new();
    let tasks: Vec<_> = (0..MANY)
        .map(|_| rig.executor.spawn(pending::<()>()))
        .collect();
    rig.turn();
    assert_eq!(rig.executor.live(), MANY);
    let every_other = tasks.into_iter().enumerate().filter(|(at, _)| at % 2 == 0);
    let kept: Vec<_> = every_other.map(|(_, task)| task).collect();
    rig.turn();
    assert_eq!(rig.executor.live(), MANY / 2);
    let more: Vec<_> = (0..100)
        .map(|_| rig.executor.spawn(pending::<()>()))
        .collect();
    drop((kept, more));
    rig.turn();
    assert_eq!(rig.executor.live(), 0);
    rig.block_on(yields(1));
}

/// For Miri: the memory of the executor that has ended may be that of the one that runs.
#[test]
fn a_handle_outlives_its_executor_and_goes_inside_another_one() {
    for _ in 0..if cfg!(miri) { 10 } else { 100 } {
        let task = Rig::new().executor.spawn(async {});
        let other = Rig::new();
        other.executor.enter(|| drop(task));
    }
}

#[test]
fn futures_of_all_lengths_and_alignments_stand_where_they_may() {
    #[repr(align(16))]
    struct Wide;
    #[repr(align(4096))]
    struct Page;

    /// Spawns a task with so many bytes and this alignment, and looks at them again at its second poll.
    fn check<const LENGTH: usize, A: 'static>(rig: &Rig, align: A) {
        let mut held = ([LENGTH as u8; LENGTH], align, false);
        let future = poll_fn(move |cx| {
            assert!((&raw const held.1).is_aligned());
            assert_eq!(held.0, [LENGTH as u8; LENGTH]);
            if std::mem::replace(&mut held.2, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        rig.executor.spawn(future).detach();
    }

    let rig = Rig::new();
    for _ in 0..3 {
        check::<0, _>(&rig, ());
        check::<1, _>(&rig, Wide);
        check::<8, _>(&rig, 0_u64);
        check::<9, _>(&rig, Page);
        check::<247, _>(&rig, ());
        check::<255, _>(&rig, ());
        check::<256, _>(&rig, ());
        check::<5000, _>(&rig, ());
        assert_eq!(rig.turn(), 16);
    }
}

/// The waker of who awaited first is the awaiter's own business: it is not kept for as long as the task is.
#[test]
fn a_task_detached_after_it_was_awaited_lets_the_joiner_s_waker_go() {
    let rig = Rig::new();
    let awaiter = std::sync::Arc::new(util::Count::default());
    let waker = std::task::Waker::from(std::sync::Arc::clone(&awaiter));
    let mut task = rig.executor.spawn(pending::<()>());
    let mut cx = std::task::Context::from_waker(&waker);
    assert!(std::pin::pin!(&mut task).poll(&mut cx).is_pending());
    assert_eq!(std::sync::Arc::strong_count(&awaiter), 3);
    task.detach();
    assert_eq!(std::sync::Arc::strong_count(&awaiter), 2);
}
