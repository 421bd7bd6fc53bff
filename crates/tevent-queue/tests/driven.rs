//! Driven entries: work that a foreign executor runs at its turn.
#![cfg(not(loom))]

mod common;

use std::{
    cell::{Cell, RefCell},
    future::{pending, poll_fn, ready},
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use common::{Trace, enter, join, wait};
use futures::{
    FutureExt,
    channel::oneshot,
    executor::{LocalPool, LocalSpawner},
    future::{LocalFutureObj, select},
    task::{LocalSpawn, SpawnError},
};
use tevent_queue::{AddError, QueueError, Queued, TeventQueue, TraceKind, TryEntryError};
use tokio_test::task::spawn;

struct Rig {
    queue: TeventQueue,
    pool: LocalPool,
    loop_: LocalSpawner,
    trace: Trace,
}

impl Rig {
    fn new() -> Self {
        let pool = LocalPool::new();
        Self {
            queue: TeventQueue::new("q"),
            loop_: pool.spawner(),
            pool,
            trace: Trace::default(),
        }
    }

    /// Work that says when it starts, ends and is dropped, and goes on when told.
    #[track_caller]
    fn add(&self, name: &'static str) -> (Queued<Loud>, oneshot::Sender<()>) {
        let (go, gone) = oneshot::channel();
        (self.queue.add_on(&self.loop_, self.work(name, gone)), go)
    }

    fn work(&self, name: &str, go: impl Future + 'static) -> impl Future<Output = Loud> + 'static {
        let (section, output) = (self.loud(name), self.loud(&format!("output of {name}")));
        async move {
            section.say("starts");
            go.await;
            section.say("ends");
            output
        }
    }

    fn loud(&self, name: &str) -> Loud {
        Loud(name.to_owned(), self.trace.clone())
    }

    fn turn(&mut self) {
        self.pool.run_until_stalled();
    }

    #[track_caller]
    fn expect(&self, words: &[&str]) {
        self.trace.expect(words);
    }
}

/// Says when it is dropped.
struct Loud(String, Trace);

impl Loud {
    fn say(&self, word: &str) {
        self.1.say(format!("{} {word}", self.0));
    }
}

impl std::fmt::Debug for Loud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Drop for Loud {
    fn drop(&mut self) {
        self.say("dropped");
    }
}

/// The result, which has to be there.
#[track_caller]
fn result<T>(queued: &mut Queued<T>) -> Result<T, QueueError> {
    queued.now_or_never().expect("the work is over")
}

#[track_caller]
fn expect_error<T>(queued: &mut Queued<T>, error: &QueueError) {
    match result(queued) {
        Err(found) => assert_eq!(found, *error),
        Ok(_) => panic!("the work has finished, {error:?} was expected"),
    }
}

fn panic_of(queued: &mut Queued<impl Sized>) -> Option<&'static str> {
    let awaited = catch_unwind(AssertUnwindSafe(|| queued.now_or_never().is_some()));
    awaited.err()?.downcast_ref().copied()
}

#[test]
fn q1_the_place_is_taken_at_the_call_and_the_order_is_that_of_the_calls() {
    let (mut one, mut other) = (LocalPool::new(), LocalPool::new());
    let (queue, trace) = (TeventQueue::new("q"), Trace::default());
    let say = |name: &'static str| {
        let trace = trace.clone();
        async move { trace.say(name) }
    };
    let a = queue.add_on(&one.spawner(), say("a"));
    let mut plain = join(&queue);
    let b = queue.add_on(&other.spawner(), say("b"));
    let c = queue.add_on(&one.spawner(), say("c"));
    assert_eq!(queue.len(), 4);
    assert_eq!((a.position(), b.position()), (Some(0), Some(2)));
    assert!(!a.is_started());

    // Polled in the wrong order, on two loops.
    other.run_until_stalled();
    trace.expect(&[]);
    one.run_until_stalled();
    trace.expect(&["a"]);
    drop(enter(&mut plain));
    one.run_until_stalled();
    trace.expect(&[]);
    other.run_until_stalled();
    trace.expect(&["b"]);
    one.run_until_stalled();
    trace.expect(&["c"]);
    assert!(queue.is_empty() && a.is_started());
    drop((a, b, c));
}

#[test]
fn b51_a_caller_who_stops_polling_does_not_hold_the_line_up() {
    // Oxide's RFD 609: a task selects over work that needs the queue and something else, and then awaits the queue in
    // the other branch, while the first future still has its place and is not polled any more.
    async fn caller(queue: TeventQueue, driven_by: Option<LocalSpawner>, trace: Trace) {
        let (say, place) = (trace.clone(), queue.clone());
        let mut first: Pin<Box<dyn Future<Output = ()>>> = match &driven_by {
            Some(spawner) => {
                let work = async move { say.say("first work") };
                Box::pin(queue.add_on(spawner, work).map(drop))
            }
            None => Box::pin(async move {
                let _turn = place.entry().await;
                say.say("first work");
            }),
        };
        select(&mut first, ready(())).await;
        trace.say("other branch");
        let _turn = queue.entry().await;
        trace.say("second work");
    }

    for (is_driven, expected) in [
        (false, vec!["other branch"]),
        (true, vec!["other branch", "first work", "second work"]),
    ] {
        let mut rig = Rig::new();
        let holder = rig.queue.try_entry().unwrap();
        let spawner = is_driven.then(|| rig.loop_.clone());
        let task = caller(rig.queue.clone(), spawner, rig.trace.clone());
        rig.loop_.spawn_local_obj(Box::pin(task).into()).unwrap();
        rig.turn();
        drop(holder);
        rig.turn();
        rig.expect(&expected);
    }
}

#[test]
fn b12_the_work_is_dropped_before_the_turn_passes_on_and_the_result_comes_after_it() {
    struct Inside(TeventQueue, Trace);
    impl Drop for Inside {
        fn drop(&mut self) {
            assert_eq!(self.0.try_entry().unwrap_err(), TryEntryError::Busy);
            self.1.say("work dropped");
        }
    }
    let mut rig = Rig::new();
    let inside = Inside(rig.queue.clone(), rig.trace.clone());
    let work = poll_fn(move |_| {
        let _in_here = &inside;
        Poll::Ready(7)
    });
    let mut queued = rig.queue.add_on(&rig.loop_, work);
    let (queue, trace) = (rig.queue.clone(), rig.trace.clone());
    let reader = async move {
        let output = (&mut queued).await;
        assert!(queue.is_empty());
        trace.say(format!("{output:?}"));
    };
    rig.loop_.spawn_local_obj(Box::pin(reader).into()).unwrap();
    rig.turn();
    rig.expect(&["work dropped", "Ok(7)"]);
}

#[test]
fn b46_dropped_while_it_waits_it_leaves_at_once_and_the_work_goes_at_the_tasks_turn() {
    for is_polled in [false, true] {
        let mut rig = Rig::new();
        let holder = rig.queue.try_entry().unwrap();
        let (queued, _go) = rig.add("work");
        let mut next = wait(&rig.queue);
        if is_polled {
            rig.turn();
        }
        drop(queued);
        assert_eq!(rig.queue.len(), 2);
        rig.expect(&[]); // never inside the drop
        rig.turn();
        rig.expect(&["work dropped", "output of work dropped"]);
        drop(holder);
        assert!(next.is_woken());
        drop(enter(&mut next));
    }
}

#[test]
fn b46_dropped_with_the_turn_granted_and_not_begun_it_passes_the_turn_on() {
    let mut rig = Rig::new();
    let (queued, _go) = rig.add("work");
    let mut next = wait(&rig.queue);
    drop(queued);
    assert!(next.is_woken());
    let guard = enter(&mut next);
    rig.turn();
    rig.expect(&["work dropped", "output of work dropped"]);
    drop(guard);
    assert!(rig.queue.is_empty());
}

#[test]
fn dropped_or_detached_after_the_start_the_work_runs_to_its_end() {
    for detached in [false, true] {
        let mut rig = Rig::new();
        let (queued, go) = rig.add("work");
        rig.turn();
        rig.expect(&["work starts"]);
        if detached {
            queued.detach();
        } else {
            drop(queued);
        }
        rig.turn();
        assert_eq!(rig.queue.len(), 1);
        go.send(()).unwrap();
        rig.expect(&[]);
        rig.turn();
        // The section is gone, then the output, both on the loop.
        rig.expect(&["work ends", "work dropped", "output of work dropped"]);
        assert!(rig.queue.is_empty());
    }
}

#[test]
fn detached_while_it_waits_it_stays_in_the_line() {
    let mut rig = Rig::new();
    let holder = rig.queue.try_entry().unwrap();
    let (queued, go) = rig.add("work");
    queued.detach();
    assert_eq!(rig.queue.len(), 2);
    go.send(()).unwrap();
    drop(holder);
    rig.turn();
    rig.expect(&[
        "work starts",
        "work ends",
        "work dropped",
        "output of work dropped",
    ]);
}

#[test]
fn an_output_that_is_not_fetched_is_dropped_with_its_queued() {
    let mut rig = Rig::new();
    let (queued, go) = rig.add("work");
    go.send(()).unwrap();
    rig.turn();
    rig.expect(&["work starts", "work ends", "work dropped"]);
    assert!(!queued.cancel_if_waiting());
    queued.cancel();
    rig.turn();
    drop(queued);
    rig.expect(&["output of work dropped"]);
}

#[test]
fn cancel_if_waiting_takes_out_who_waits_and_nobody_else() {
    let mut rig = Rig::new();
    let (mut first, go) = rig.add("first");
    let (mut second, _go) = rig.add("second");
    let mut next = wait(&rig.queue);
    rig.turn();
    rig.expect(&["first starts"]);
    assert!(!first.cancel_if_waiting());
    assert!(second.cancel_if_waiting());
    assert!(!second.cancel_if_waiting());
    assert_eq!((rig.queue.len(), second.position()), (2, None));
    assert!((&mut second).now_or_never().is_none()); // its work is still there
    rig.turn();
    rig.expect(&["second dropped", "output of second dropped"]);
    expect_error(&mut second, &QueueError::Cancelled);
    assert!(!second.is_started());
    go.send(()).unwrap();
    rig.turn();
    drop(result(&mut first).unwrap());
    rig.expect(&["first ends", "first dropped", "output of first dropped"]);
    drop(enter(&mut next));
}

#[test]
fn cancel_drops_started_work_at_its_tasks_turn_and_passes_the_turn_on() {
    for by_holder in [false, true] {
        let mut rig = Rig::new();
        let (mut queued, go) = rig.add("work");
        let mut next = wait(&rig.queue);
        rig.turn();
        rig.expect(&["work starts"]);
        if by_holder {
            assert!(rig.queue.cancel_holder());
        } else {
            queued.cancel();
            queued.cancel();
        }
        rig.expect(&[]); // never inside the call
        assert!(!next.is_woken());
        // What would let it go on comes too late: it is not polled again.
        go.send(()).unwrap();
        rig.turn();
        rig.expect(&["work dropped", "output of work dropped"]);
        expect_error(&mut queued, &QueueError::Cancelled);
        assert!(next.is_woken());
        drop(enter(&mut next));
    }
}

#[test]
fn cancelled_while_it_waits_it_leaves_at_once() {
    let mut rig = Rig::new();
    let holder = rig.queue.try_entry();
    let (mut queued, _go) = rig.add("work");
    rig.turn();
    queued.cancel();
    assert_eq!(rig.queue.len(), 1);
    rig.expect(&[]);
    rig.turn();
    rig.expect(&["work dropped", "output of work dropped"]);
    expect_error(&mut queued, &QueueError::Cancelled);
    drop(holder);
}

#[test]
fn work_that_cancels_itself_is_dropped_when_it_has_returned_unless_it_has_finished() {
    for finishes in [false, true] {
        let mut rig = Rig::new();
        let slot: Rc<RefCell<Option<Queued<()>>>> = Rc::default();
        let (mine, loud, trace) = (slot.clone(), rig.loud("work"), rig.trace.clone());
        let queued = rig.queue.add_on(&rig.loop_, async move {
            let _loud = loud;
            if let Some(queued) = &*mine.borrow() {
                queued.cancel();
            }
            trace.say("goes on");
            if !finishes {
                pending().await
            }
        });
        *slot.borrow_mut() = Some(queued);
        rig.turn();
        rig.expect(&["goes on", "work dropped"]);
        assert!(rig.queue.is_empty());
        let mut queued = slot.take().unwrap();
        let expected = if finishes {
            Ok(())
        } else {
            Err(QueueError::Cancelled)
        };
        assert_eq!(result(&mut queued), expected);
    }
}

#[test]
fn b12_a_panic_releases_the_turn_and_goes_on_in_who_awaits() {
    type Add = fn(&Rig) -> Queued<()>;
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic_any("the work's");
        }
    }
    let adds: [Add; 5] = [
        |rig| {
            rig.queue
                .add_on(&rig.loop_, async { panic_any("the work's") })
        },
        |rig| {
            let work = poll_fn(|_| panic_any("the work's"));
            rig.queue.add_with_on(&rig.loop_, |guard| async move {
                let _guard = guard;
                work.await
            })
        },
        |rig| {
            let make = |_guard| -> std::future::Ready<()> { panic_any("the work's") };
            rig.queue.add_with_on(&rig.loop_, make)
        },
        |rig| {
            let bomb = Bomb;
            let work = poll_fn(move |_| {
                let _in_here = &bomb;
                Poll::Ready(())
            });
            rig.queue.add_on(&rig.loop_, work)
        },
        |rig| {
            rig.queue.on_trace(|point| {
                if point.kind == TraceKind::BeforeTrigger && point.tag == 5 {
                    panic_any("the work's")
                }
            });
            rig.queue.add_on(&rig.loop_, async {}).tagged(5)
        },
    ];
    for add in adds {
        for is_wanted in [true, false] {
            let mut rig = Rig::new();
            let mut queued = Some(add(&rig));
            let mut next = wait(&rig.queue);
            if !is_wanted && let Some(queued) = queued.take() {
                queued.detach();
            }
            rig.turn(); // the executor lives on
            if let Some(queued) = &mut queued {
                assert_eq!(panic_of(queued), Some("the work's"));
            }
            drop(enter(&mut next));
            let (mut after, go) = rig.add("after");
            go.send(()).unwrap();
            rig.turn();
            assert!(result(&mut after).is_ok());
        }
    }
}

#[test]
fn b12_an_unwanted_output_that_panics_when_dropped_is_not_the_executors_business() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("the output's own panic");
        }
    }
    let mut rig = Rig::new();
    rig.queue.add_on(&rig.loop_, async { Bomb }).detach();
    let (mut after, go) = rig.add("after");
    go.send(()).unwrap();
    rig.turn();
    assert!(result(&mut after).is_ok());
}

#[test]
fn b15_a_waker_that_panics_is_not_the_executors_business() {
    struct Bad;
    impl Wake for Bad {
        fn wake(self: Arc<Self>) {
            panic!("the waker's own panic");
        }
    }
    let mut rig = Rig::new();
    let (mut queued, go) = rig.add("work");
    let waker: Waker = Arc::new(Bad).into();
    assert!(
        Pin::new(&mut queued)
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    go.send(()).unwrap();
    rig.turn();
    assert!(result(&mut queued).is_ok() && rig.queue.is_empty());
}

/// Takes no task: says so, or keeps it for a while, and drops it.
struct Refuses {
    says_so: bool,
    kept: RefCell<Vec<LocalFutureObj<'static, ()>>>,
}

impl LocalSpawn for Refuses {
    fn spawn_local_obj(&self, task: LocalFutureObj<'static, ()>) -> Result<(), SpawnError> {
        if self.says_so {
            return Err(SpawnError::shutdown());
        }
        self.kept.borrow_mut().push(task);
        Ok(())
    }
}

#[test]
fn a_spawner_that_refuses_or_drops_the_task_leaves_nothing_hanging() {
    for says_so in [true, false] {
        let rig = Rig::new();
        let kept = RefCell::default();
        let refuses = Refuses { says_so, kept };
        let mut queued = rig.queue.add_on(&refuses, rig.work("work", ready(())));
        let mut next = join(&rig.queue);
        assert_eq!(next.poll().is_pending(), !says_so);
        if !says_so {
            let mut reader = spawn(&mut queued);
            assert!(reader.poll().is_pending());
            refuses.kept.borrow_mut().clear();
            assert!(reader.is_woken() && next.is_woken());
        }
        rig.expect(&["work dropped", "output of work dropped"]);
        expect_error(&mut queued, &QueueError::Abandoned);
        drop(next);
        assert!(rig.queue.is_empty());
    }
}

#[test]
fn the_end_of_the_loop_resolves_who_waits_and_who_runs() {
    let mut rig = Rig::new();
    let (mut running, _go) = rig.add("running");
    let (mut waiting, _go) = rig.add("waiting");
    let (mut left, _go) = rig.add("left");
    rig.turn();
    assert!(left.cancel_if_waiting());
    let mut next = wait(&rig.queue);
    let mut unpolled = rig.queue.add_on(&rig.loop_, ready(1));
    rig.pool = LocalPool::new(); // drops the tasks
    expect_error(&mut running, &QueueError::Abandoned);
    expect_error(&mut waiting, &QueueError::Abandoned);
    expect_error(&mut left, &QueueError::Cancelled);
    expect_error(&mut unpolled, &QueueError::Abandoned);
    drop(enter(&mut next));
    assert!(rig.queue.is_empty());

    let mut late = rig.queue.add_on(&rig.loop_, ready(1));
    expect_error(&mut late, &QueueError::Abandoned);
    let refused = rig.queue.try_add_on(&rig.loop_, ready(1)).unwrap_err();
    assert!(matches!(refused, AddError::LoopEnded(_)));
    assert_eq!(refused.into_work().now_or_never(), Some(1));
}

#[test]
fn q14_closing_resolves_who_waits_in_order_and_leaves_the_holder_alone() {
    let mut rig = Rig::new();
    let (mut running, go) = rig.add("running");
    let (mut second, _go) = rig.add("second");
    let (mut third, _go) = rig.add("third");
    rig.turn();
    rig.queue.close_with("spring");
    let mut late = rig.queue.add_on(&rig.loop_, ready(1));
    rig.turn();
    rig.expect(&[
        "running starts",
        "second dropped",
        "output of second dropped",
        "third dropped",
        "output of third dropped",
    ]);
    let closed = QueueError::ClosedWith("spring".into());
    expect_error(&mut second, &closed);
    expect_error(&mut third, &closed);
    expect_error(&mut late, &closed);
    let refused = rig.queue.try_add_on(&rig.loop_, ready(1)).unwrap_err();
    assert!(matches!(refused, AddError::Closed(_)));
    go.send(()).unwrap();
    rig.turn();
    assert!(result(&mut running).is_ok());
}

#[test]
fn a_full_queue_gives_the_work_back_or_resolves_with_full() {
    let mut rig = Rig::new();
    rig.queue = TeventQueue::builder("q").capacity(1).build();
    let (mut first, go) = rig.add("first");
    let (mut second, _go) = rig.add("second");
    assert_eq!((rig.queue.len(), second.position()), (1, None));
    let refused = rig.queue.try_add_on(&rig.loop_, ready(3)).unwrap_err();
    assert_eq!(format!("{refused:?}"), "Full(..)");
    assert_eq!(refused.into_work().now_or_never(), Some(3));
    go.send(()).unwrap();
    rig.turn();
    assert!(result(&mut first).is_ok());
    expect_error(&mut second, &QueueError::Full);
    let third = rig.queue.try_add_on(&rig.loop_, ready(3)).unwrap();
    assert_eq!(rig.pool.run_until(third), Ok(3));
}

#[test]
fn q12_work_may_untrigger_its_turn_and_gets_it_back_first() {
    let mut rig = Rig::new();
    let (queue, trace) = (rig.queue.clone(), rig.trace.clone());
    let mut queued = rig.queue.add_with_on(&rig.loop_, |guard| async move {
        queue.stop();
        let entry = guard.untrigger().expect("the queue is stopped");
        trace.say("not yet");
        let guard = entry.await;
        trace.say("now");
        guard.map(drop)
    });
    let (mut after, go) = rig.add("after");
    go.send(()).unwrap();
    rig.turn();
    rig.expect(&["not yet"]);
    assert_eq!(rig.queue.len(), 2);
    rig.queue.start();
    rig.turn();
    rig.expect(&["now", "after starts", "after ends", "after dropped"]);
    assert_eq!(result(&mut queued), Ok(Ok(())));
    assert!(result(&mut after).is_ok());
}

#[test]
fn a_guard_may_outlive_the_work_that_received_it() {
    let mut rig = Rig::new();
    let mut queued = rig
        .queue
        .add_with_on(&rig.loop_, |guard| async move { guard });
    let mut next = wait(&rig.queue);
    rig.turn();
    let guard = result(&mut queued).unwrap();
    assert!(next.poll().is_pending());
    assert!(!rig.queue.cancel_holder());
    drop(guard);
    drop(enter(&mut next));

    // Cancelling ends the work, not a turn that it has handed on.
    let hand: Rc<RefCell<Option<_>>> = Rc::default();
    let given = hand.clone();
    let mut queued = rig.queue.add_with_on(&rig.loop_, move |guard| {
        *given.borrow_mut() = Some(guard);
        pending::<()>()
    });
    rig.turn();
    queued.cancel();
    rig.turn();
    expect_error(&mut queued, &QueueError::Cancelled);
    assert_eq!(rig.queue.len(), 1);
    drop(hand.take());
    assert!(rig.queue.is_empty());
}

#[test]
fn cancelling_work_that_has_its_guard_releases_the_turn() {
    let mut rig = Rig::new();
    let mut queued = rig.queue.add_with_on(&rig.loop_, |guard| async move {
        let _guard = guard;
        pending::<()>().await
    });
    rig.turn();
    assert!(queued.is_started() && queued.position().is_none());
    queued.cancel();
    rig.turn();
    expect_error(&mut queued, &QueueError::Cancelled);
    assert!(rig.queue.is_empty());
}

#[test]
fn q18_a_destructor_of_the_work_may_use_the_queue_and_its_own_queued() {
    struct Busy {
        queue: TeventQueue,
        loop_: LocalSpawner,
        trace: Trace,
        others: Rc<RefCell<Vec<Queued<()>>>>,
    }
    impl Drop for Busy {
        fn drop(&mut self) {
            let others = self.others.take();
            for queued in &others {
                queued.cancel();
                let _ = (queued.position(), queued.tag(), queued.cancel_if_waiting());
            }
            drop(others);
            self.queue.cancel_holder();
            let trace = self.trace.clone();
            let late = async move { trace.say("late work") };
            self.queue.add_on(&self.loop_, late).detach();
            self.trace
                .say(format!("destructor, {} in line", self.queue.len()));
        }
    }
    for end in ["finish", "cancel", "drop while waiting"] {
        let mut rig = Rig::new();
        let holder = (end == "drop while waiting").then(|| rig.queue.try_entry());
        let others: Rc<RefCell<Vec<Queued<()>>>> = Rc::default();
        let (go, gone) = oneshot::channel::<()>();
        let busy = Busy {
            queue: rig.queue.clone(),
            loop_: rig.loop_.clone(),
            trace: rig.trace.clone(),
            others: others.clone(),
        };
        let queued = rig.queue.add_on(&rig.loop_, async move {
            let _busy = busy;
            let _ = gone.await;
        });
        let next = rig.queue.add_on(&rig.loop_, ready(()));
        others.borrow_mut().push(next);
        rig.turn();
        match end {
            "finish" => go.send(()).unwrap(),
            "cancel" => queued.cancel(),
            _ => {}
        }
        if holder.is_some() {
            drop(queued);
        } else {
            others.borrow_mut().push(queued);
        }
        rig.turn();
        rig.expect(&["destructor, 2 in line", "late work"][..1 + usize::from(holder.is_none())]);
        drop(holder);
        rig.turn();
        if end == "drop while waiting" {
            rig.expect(&["late work"]);
        }
        assert!(rig.queue.is_empty());
    }
}

#[test]
fn cancel_holder_reaches_driven_work_only() {
    let mut rig = Rig::new();
    assert!(!rig.queue.cancel_holder()); // nobody
    let guard = rig.queue.try_entry();
    assert!(!rig.queue.cancel_holder()); // a guard of somebody
    drop(guard);
    let (mut work, _go) = rig.add("work");
    assert!(!rig.queue.cancel_holder()); // granted, and does not know it
    rig.turn();
    assert!(rig.queue.cancel_holder());
    rig.turn();
    expect_error(&mut work, &QueueError::Cancelled);
    let with = rig.queue.add_with_on(&rig.loop_, |guard| async move {
        let _guard = guard;
        pending::<()>().await
    });
    rig.turn();
    assert!(!rig.queue.cancel_holder()); // the guard is the work's
    with.cancel();
    rig.turn();
    rig.trace
        .expect(&["work starts", "work dropped", "output of work dropped"]);
}

#[test]
fn cancel_holder_takes_the_first_of_several() {
    let mut rig = Rig::new();
    rig.queue = TeventQueue::builder("q").permits(2).build();
    let (mut first, _go) = rig.add("first");
    let (mut second, go) = rig.add("second");
    rig.turn();
    assert!(rig.queue.cancel_holder());
    rig.turn();
    expect_error(&mut first, &QueueError::Cancelled);
    go.send(()).unwrap();
    rig.turn();
    assert!(result(&mut second).is_ok());
}

#[test]
fn a_hook_that_cancels_at_the_very_turn_is_heard() {
    let mut rig = Rig::new();
    let slot: Rc<RefCell<Option<Queued<Loud>>>> = Rc::default();
    let (mine, answer) = (slot.clone(), Rc::new(Cell::new(None)));
    let answered = answer.clone();
    rig.queue.on_trace(move |point| {
        if point.kind == TraceKind::BeforeTrigger
            && let Some(queued) = &*mine.borrow()
        {
            answered.set(Some(queued.cancel_if_waiting()));
        }
    });
    *slot.borrow_mut() = Some(rig.add("work").0);
    rig.turn();
    assert_eq!(answer.get(), Some(true));
    rig.expect(&["work dropped", "output of work dropped"]);
    assert!(rig.queue.is_empty());
    expect_error(slot.borrow_mut().as_mut().unwrap(), &QueueError::Cancelled);
}

#[test]
fn a_tag_goes_with_the_work() {
    let mut rig = Rig::new();
    let (work, _go) = rig.add("work");
    let work = work.tagged(5);
    assert_eq!((work.tag(), rig.queue.entries(1)[0].tag), (5, 5));
    rig.turn();
    assert_eq!(rig.queue.holder().unwrap().tag, 5);
    let work = work.tagged(6);
    assert_eq!((work.tag(), rig.queue.holder().unwrap().tag), (6, 6));
    assert_eq!(work.position(), Some(0));
    assert_eq!(format!("{work:?}"), "Queued(Running)");
    work.cancel();
    rig.turn();
    assert_eq!(work.tag(), 6);
}

#[test]
fn b54_what_is_over_keeps_neither_work_nor_queue_alive() {
    let mut rig = Rig::new();
    let token = Rc::new(());
    let mut kept = Vec::new();
    for end in 0..4 {
        let held = token.clone();
        let queued = rig.queue.add_on(&rig.loop_, async move {
            let _held = held;
            if end > 0 {
                pending::<()>().await;
            }
        });
        if end != 1 {
            rig.turn();
        }
        match end {
            2 => queued.cancel(),
            3 => rig.pool = LocalPool::new(),
            1 => assert!(queued.cancel_if_waiting()),
            _ => {}
        }
        rig.turn();
        kept.push(queued);
        assert_eq!((Rc::strong_count(&token), rig.queue.len()), (1, 0), "{end}");
    }
    let entry = rig.queue.entry();
    drop(rig.queue); // the last handle: driven work is none
    assert!(matches!(
        entry.now_or_never(),
        Some(Err(QueueError::Closed))
    ));
}

#[test]
#[should_panic(expected = "polled after it was ready")]
fn a_queued_that_was_ready_is_not_polled_again() {
    let mut rig = Rig::new();
    let mut queued = rig.queue.add_on(&rig.loop_, ready(1));
    rig.turn();
    assert_eq!(result(&mut queued), Ok(1));
    let _ = queued.now_or_never();
}
