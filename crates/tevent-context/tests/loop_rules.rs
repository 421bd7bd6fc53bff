//! The loop: what a turn does and in which order, when `run` ends, nesting.

mod util;

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use tevent_context::{Context, Handle, Immediate, TracePoint, sleep, spawn, yield_now};
use tevent_reactor::{Found, Poller};
use util::{Rig, ms};

fn turn(context: &Context) -> tevent_context::Turn {
    context.turn(Some(Duration::ZERO)).expect("the poll works")
}

#[test]
fn l1_changed_a_turn_runs_immediates_tasks_and_timers_in_this_order_and_each_in_a_batch() {
    let rig = Rig::new();
    let handle = rig.context.handle();
    for number in [1, 2] {
        let [timer, task, immediate] = [(); 3].map(|()| rig.trace.clone());
        let at = rig.at(0);
        handle
            .timer(at, move |_, _| timer.say(format!("timer {number}")))
            .detach();
        handle
            .spawn(async move { task.say(format!("task {number}")) })
            .detach();
        handle.immediate(move |_| immediate.say(format!("immediate {number}")));
    }
    let done = turn(&rig.context);
    assert_eq!((done.immediates, done.polls, done.timers), (2, 2, 2));
    rig.trace.expect(&[
        "0: immediate 1",
        "0: immediate 2",
        "0: task 1",
        "0: task 2",
        "0: timer 1",
        "0: timer 2",
    ]);
}

#[test]
fn l2_changed_a_turn_does_at_most_256_of_each_class() {
    let rig = Rig::new();
    let handle = rig.context.handle();
    for _ in 0..300 {
        handle.immediate(|_| ());
        handle.spawn(async {}).detach();
        handle.timer(rig.at(0), |_, _| ()).detach();
    }
    let done = turn(&rig.context);
    assert_eq!((done.immediates, done.polls, done.timers), (256, 256, 256));
    assert!(done.more);
    let done = turn(&rig.context);
    assert_eq!((done.immediates, done.polls, done.timers), (44, 44, 44));
    assert!(!done.more);
}

#[test]
fn l5_changed_what_a_turn_has_waited_for_is_done_in_the_same_turn_all_due_timers_of_it() {
    let rig = Rig::new();
    for _ in 0..3 {
        rig.context.handle().timer(rig.at(5), |_, _| ()).detach();
    }
    let done = rig.context.turn(None).expect("the poll works");
    let seen = (done.timers, done.more, rig.clock.now());
    assert_eq!(seen, (3, false, rig.at(5)));
}

#[test]
fn l6_changed_a_ring_for_what_has_been_done_does_not_end_a_turn() {
    let context = Context::new().expect("descriptors for one loop");
    let begin = std::time::Instant::now();
    // Made between two turns, it rings.
    let timer = context.handle().timer_after(ms(3), |_, _| ());
    let done = context.turn(None).expect("the poll works");
    assert_eq!(done.timers, 1);
    let cancelled = context.handle().timer_after(ms(1000), |_, _| ());
    drop(cancelled);
    let done = context.turn(Some(ms(4))).expect("the poll works");
    assert_eq!((done.timers, done.more), (0, false));
    assert!(begin.elapsed() >= ms(7), "the whole timeout");
    drop(timer);
}

#[test]
fn l6_a_turn_that_finds_nothing_is_no_error() {
    let rig = Rig::new();
    let done = rig.context.turn(Some(ms(30))).expect("no error");
    assert_eq!(
        (done.polls, done.timers, done.events, done.more),
        (0, 0, 0, false)
    );
    assert_eq!(rig.clock.now(), rig.at(30));
}

#[test]
fn l8_changed_run_goes_on_for_tasks_and_handlers_and_not_for_handles() {
    let rig = Rig::new();
    let handle = rig.context.handle();
    let idle = Immediate::new(&handle, |_| ());
    let mut sleeping = Box::pin(handle.sleep(ms(50)));
    let waker = futures::task::noop_waker();
    let polled = sleeping
        .as_mut()
        .poll(&mut std::task::Context::from_waker(&waker));
    assert!(polled.is_pending());
    rig.context.run().expect("nothing to wait for");
    assert_eq!(
        rig.clock.now(),
        rig.at(0),
        "a sleep that no task awaits does not count"
    );

    handle.spawn(async { sleep(ms(1)).await }).detach();
    handle.timer(rig.at(7), |_, _| ()).detach();
    rig.context.run().expect("the poll works");
    assert_eq!(rig.clock.now(), rig.at(7));

    let background = handle.timer(rig.at(20), |_, _| ());
    background.keep_running(false);
    idle.schedule();
    rig.context.run().expect("the poll works");
    assert_eq!(rig.clock.now(), rig.at(7), "it was told not to count");
    background.keep_running(true);
    rig.context.run().expect("the poll works");
    assert_eq!(rig.clock.now(), rig.at(20));
    drop(sleeping);
}

#[test]
fn stop_ends_run_after_its_turn_and_before_run_at_once() {
    let rig = Rig::new();
    let handle = rig.context.handle();
    handle.spawn(pending::<()>()).detach();
    handle
        .timer(rig.at(3), |this, _| this.handle().stop())
        .detach();
    rig.context.run().expect("the poll works");
    assert_eq!(rig.clock.now(), rig.at(3));

    let trace = rig.trace.clone();
    handle.immediate(move |_| trace.say("later"));
    handle.stop();
    rig.context.run().expect("the poll works");
    rig.trace.expect(&[]);
    handle
        .timer(rig.at(4), |this, _| this.handle().stop())
        .detach();
    rig.context.run().expect("asked once, it is forgotten");
    rig.trace.expect(&["3: later"]);
}

#[test]
fn stop_does_not_concern_turn_and_block_on() {
    let rig = Rig::new();
    rig.context.block_on(async {
        Handle::current().stop();
        sleep(ms(1)).await;
    });
    assert_eq!(rig.clock.now(), rig.at(1));
}

/// A poller that fails.
struct Broken;

impl Poller for Broken {
    fn poll(&mut self, _: &mut Vec<Found>, _: Option<Duration>) -> io::Result<()> {
        Err(io::Error::other("no poll today"))
    }
}

#[test]
fn l9_run_and_turn_return_the_error_of_the_poll_and_leave_the_loop_intact() {
    let context = Context::builder()
        .poller(|_| Box::new(Broken))
        .build()
        .expect("descriptors for one loop");
    let done = Rc::new(Cell::new(0));
    let count = Rc::clone(&done);
    context
        .spawn(async move {
            loop {
                count.set(count.get() + 1);
                yield_now().await;
            }
        })
        .detach();
    for _ in 0..2 {
        let error = context.run().expect_err("the poll is broken");
        assert_eq!(error.to_string(), "no poll today");
    }
    assert!(context.turn(None).is_err());
    assert_eq!(done.get(), 3 * 256);
}

#[test]
fn l10_changed_a_handler_cannot_run_its_own_loop_and_everything_is_intact_after_it_tried() {
    let rig = Rc::new(Rig::new());
    let inner = Rc::downgrade(&rig);
    rig.context.handle().immediate(move |_| {
        let rig = inner.upgrade().expect("alive");
        let _ = rig.context.turn(None);
    });
    let panic = catch_unwind(AssertUnwindSafe(|| turn(&rig.context))).expect_err("it panics");
    let message = panic.downcast_ref::<&str>().expect("a text");
    assert!(message.contains("use a second context"), "{message}");
    rig.context.block_on(async { sleep(ms(1)).await });
}

#[test]
fn l10_a_loop_on_a_private_context_runs_inside_a_task_and_inside_a_handler_of_another() {
    let outer = Rig::new();
    let answer = outer.context.block_on(async {
        let private = Context::new().expect("descriptors for one loop");
        let answer = private.block_on(async {
            sleep(ms(1)).await;
            spawn(async { 42 }).await
        });
        yield_now().await;
        answer
    });
    assert_eq!(answer, 42);
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&seen);
    outer.context.handle().immediate(move |handle| {
        let private = Rig::new();
        private.context.block_on(async { sleep(ms(5)).await });
        log.borrow_mut().push(private.clock.now() - private.at(0));
        assert!(!handle.has_ended());
    });
    outer.context.run().expect("the poll works");
    assert_eq!(*seen.borrow(), [ms(5)]);
}

#[test]
fn l11_a_handler_runs_to_its_end_before_anything_else_does() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    rig.context.handle().immediate(move |handle| {
        trace.say("begins");
        let (task, other) = (trace.clone(), trace.clone());
        handle.spawn(async move { task.say("a task") }).detach();
        handle.immediate(move |_| other.say("another"));
        handle.timer(handle.now(), |_, _| ()).detach();
        trace.say("ends");
    });
    rig.context.run().expect("the poll works");
    rig.trace
        .expect(&["0: begins", "0: ends", "0: a task", "0: another"]);
}

/// Counts the polls of the system's poller.
struct Counted(tevent_reactor::OsPoller, Rc<Cell<u32>>);

impl Poller for Counted {
    fn poll(&mut self, found: &mut Vec<Found>, timeout: Option<Duration>) -> io::Result<()> {
        self.1.set(self.1.get() + 1);
        self.0.poll(found, timeout)
    }
}

#[test]
fn an_idle_loop_sleeps_in_one_poll_until_something_comes() {
    let (polls, asleep) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let count = Rc::clone(&polls);
    let context = Context::builder()
        .poller(move |os| Box::new(Counted(os, count)))
        .build()
        .expect("descriptors for one loop");
    let (sender, receiver) = futures::channel::oneshot::channel();
    let far = context.handle().timer(
        context.handle().now() + Duration::from_secs(3600),
        |_, _| (),
    );
    let other = std::thread::spawn(move || {
        let clock = Context::new().expect("descriptors for one loop");
        clock.block_on(async { sleep(ms(200)).await });
        sender.send(())
    });
    context.block_on(async {
        yield_now().await;
        asleep.set(polls.get());
        receiver.await.expect("sent");
    });
    // The timer was made between two turns, so it rang.
    let polls = polls.get() - asleep.get();
    assert!(
        polls <= 3,
        "a ring, one sleep, and the look after its end, not {polls}"
    );
    other.join().expect("no panic").expect("received");
    drop(far);
}

#[test]
fn several_contexts_of_one_thread_take_turns_without_knowing_each_other() {
    let rigs = [Rig::new(), Rig::new(), Rig::new()];
    for rig in &rigs {
        let trace = rig.trace.clone();
        rig.context
            .spawn(async move {
                for word in ["one", "two"] {
                    trace.say(word);
                    sleep(ms(1)).await;
                }
            })
            .detach();
    }
    while rigs.iter().any(|rig| rig.clock.now() < rig.at(2)) {
        for rig in &rigs {
            rig.context.turn(Some(ms(1))).expect("the poll works");
        }
    }
    for rig in &rigs {
        rig.trace.expect(&["0: one", "1: two"]);
    }
}

#[test]
fn a_hook_that_stops_the_loop_before_it_waits_keeps_it_from_waiting() {
    let rig = Rig::new();
    let handle = rig.context.handle();
    let far = handle.timer(rig.at(3_600_000), |_, _| panic!("it waited"));
    let _hook = rig.context.handle().on_trace(move |point| {
        if matches!(point, TracePoint::BeforeWait) {
            handle.stop();
        }
    });
    rig.context.run().expect("the poll works");
    assert!(far.is_armed());
    assert_eq!(rig.clock.now(), rig.at(0));
}
