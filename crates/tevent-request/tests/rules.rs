//! The rules of C's requests, R1 to R11: each kept, or changed for a reason.

mod util;

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Poll, Wake, Waker};

use futures::{FutureExt, StreamExt};
use tevent_context::{Context, VirtualClock, sleep, spawn, yield_now};
use tevent_request::{
    CancelToken, Request, RequestError, RequestExt, RequestStream, State, request, request_stream,
    wakeup,
};
use util::{Rig, ms, poll_once};

type Result = std::result::Result<u32, RequestError<String>>;

#[test]
fn r1_kept_timer_state_cleanup_then_the_awaiter() {
    let rig = Rig::new();
    let (trace, handle) = (rig.trace.clone(), rig.context.handle());
    rig.context.block_on(async {
        let work = {
            let gone = trace.on_drop("work dropped");
            async move {
                sleep(ms(5)).await;
                drop(gone);
                Ok::<_, String>(1)
            }
        };
        let seen = trace.clone();
        let armed = handle.clone();
        let request = work
            .request("r")
            .timeout(ms(50))
            .on_cleanup(move |state| seen.say(format!("{state:?}, {:?}", armed.next_deadline())));
        let result: Result = request.await;
        trace.say(format!("awaiter {result:?}"));
    });
    rig.trace.expect(&[
        "5: work dropped",
        "5: Done, None", // the timer has been taken out
        "5: Received, None",
        "5: awaiter Ok(1)",
    ]);
}

#[test]
fn r2_changed_nothing_of_the_awaiter_runs_inside_the_completer() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    rig.context.block_on(async {
        let (completer, request) = request::<u32, String>("r");
        let awaiter = spawn({
            let trace = trace.clone();
            async move {
                let request = request.on_cleanup(trace.cleanup("cleanup"));
                trace.say(format!("{:?}", request.await));
            }
        });
        yield_now().await;
        trace.say("completing");
        assert!(completer.done(1));
        trace.say("completed");
        drop(completer); // may be used and dropped after: nothing has been freed
        awaiter.await;
    });
    rig.trace.expect(&[
        "0: completing",
        "0: completed",
        "0: cleanup Done",
        "0: cleanup Received",
        "0: Ok(1)",
    ]);
}

#[test]
fn r3_changed_all_are_deferred_and_come_in_the_order_of_completion() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    rig.context.block_on(async {
        let (completers, tasks): (Vec<_>, Vec<_>) = (0..3)
            .map(|number| {
                let (completer, request) = request::<u32, String>("r");
                let trace = trace.clone();
                let task = spawn(async move { trace.say(format!("{number} {:?}", request.await)) });
                (completer, task)
            })
            .unzip();
        yield_now().await;
        for number in [2, 0, 1] {
            assert!(completers[number].done(7));
        }
        for task in tasks {
            task.await;
        }
    });
    rig.trace
        .expect(&["0: 2 Ok(7)", "0: 0 Ok(7)", "0: 1 Ok(7)"]);
}

struct Counting(AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn r4_changed_the_second_finish_is_refused_and_notifies_nobody() {
    let wakes = Arc::new(Counting(AtomicUsize::new(0)));
    let waker = Waker::from(wakes.clone());
    let cleanups = Rc::new(Cell::new(0));
    let count = cleanups.clone();
    let (completer, request) = request::<u32, String>("r");
    let mut request = request.on_cleanup(move |_| count.set(count.get() + 1));
    let mut cx = TaskContext::from_waker(&waker);
    assert!(futures::FutureExt::poll_unpin(&mut request, &mut cx).is_pending());

    assert!(completer.done(1));
    assert!(!completer.done(2));
    assert!(!completer.error("late".to_string()));
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
    assert_eq!(poll_once(&mut request), Poll::Ready(Ok(1)));
    assert!(!completer.done(3));
    assert!(completer.is_over());
    drop(completer);
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
    assert_eq!(cleanups.get(), 2, "Done and Received");
}

#[test]
fn r5_changed_every_error_ends_the_request() {
    let (completer, mut request) = request::<u32, u32>("r");
    assert!(completer.error(0)); // C: no effect
    assert_eq!(
        poll_once(&mut request),
        Poll::Ready(Err(RequestError::User(0)))
    );
}

#[test]
fn r6_kept_a_deadline_in_the_past_fires_in_the_next_turn_not_inside_a_call() {
    let rig = Rig::new();
    let request = pending::<std::result::Result<u32, String>>()
        .request("r")
        .boxed();
    let mut request = request.endtime_on(&rig.context.handle(), rig.at(0));
    assert_eq!(request.state(), State::InProgress);
    assert!(poll_once(&mut request).is_pending());
    assert_eq!(request.state(), State::InProgress);
    rig.settle();
    assert_eq!(
        poll_once(&mut request),
        Poll::Ready(Err(RequestError::TimedOut))
    );
}

#[test]
fn r6_changed_a_deadline_after_the_end_is_refused() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let (completer, mut request) = request::<u32, String>("r");
        assert!(request.set_endtime(rig.at(5)));
        assert_eq!(request.deadline(), Some(rig.at(5)));
        assert!(completer.done(1));
        assert_eq!((&mut request).await, Ok(1));
        assert!(!request.set_endtime(rig.at(6)));
        assert!(!request.reset_endtime());
        assert_eq!(request.deadline(), None);
        sleep(ms(10)).await;
        assert_eq!(request.state(), State::Received); // C: DONE turns into TIMED_OUT
    });
}

#[test]
fn r6_a_deadline_can_be_moved_and_taken_away() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let (_completer, mut request) = request::<u32, String>("r");
        assert!(request.set_endtime(rig.at(5)));
        assert!(poll_once(&mut request).is_pending());
        assert!(request.set_endtime(rig.at(20)));
        sleep(ms(10)).await;
        assert!(poll_once(&mut request).is_pending());
        assert!(request.reset_endtime());
        sleep(ms(100)).await;
        assert!(poll_once(&mut request).is_pending());
        assert!(request.set_endtime(rig.at(200)));
        assert_eq!(request.await, Err(RequestError::TimedOut));
        assert_eq!(rig.clock.now(), rig.at(200));
    });
}

#[test]
fn r6_a_result_at_the_very_deadline_wins() {
    let rig = Rig::new();
    let result = rig.context.block_on(async {
        let work = async {
            sleep(ms(5)).await;
            Ok::<_, String>(1)
        };
        work.request("r").timeout(ms(5)).await
    });
    assert_eq!(result, Ok(1));
}

#[test]
fn r7_kept_nobody_listens_so_cancel_is_false() {
    let plain = async { Ok::<u32, String>(1) }.request("r");
    assert!(!plain.cancel());
    let (completer, promised) = request::<u32, String>("r");
    assert!(!promised.cancel());
    let token = completer.token();
    assert!(promised.cancel());
    assert!(token.is_cancelled());
}

#[test]
fn r7_kept_cancel_only_asks_and_the_result_tells_the_truth() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let stubborn: Request<u32, String, _> = Request::new("r", |token| async move {
            token.cancelled().await;
            sleep(ms(5)).await; // it decides to finish
            Ok(1)
        });
        let canceller = stubborn.canceller();
        let task = stubborn.spawn();
        yield_now().await;
        assert!(canceller.cancel() && task.cancel()); // asking twice is the same as once
        assert_eq!(task.await, Ok(1));
        assert!(!canceller.cancel());

        let willing: Request<u32, String, _> = Request::new("r", |token| async move {
            token.cancelled().await;
            Err(RequestError::Cancelled)
        });
        assert!(willing.cancel()); // before it has begun
        assert_eq!(willing.await, Err(RequestError::Cancelled));
    });
}

#[test]
fn r7_changed_after_the_end_cancel_is_false() {
    let token = Rc::new(RefCell::new(None));
    let given = token.clone();
    let mut request: Request<u32, String> = Request::new("r", |token| {
        *given.borrow_mut() = Some(token);
        async { Ok(1) }
    })
    .boxed();
    let canceller = request.canceller();
    assert_eq!(poll_once(&mut request), Poll::Ready(Ok(1)));
    assert!(!request.cancel() && !canceller.cancel()); // C: calls the function again until it is received
    let token = token.take().expect("the work was given its token");
    assert!(
        token.is_cancelled(),
        "the end of the request is told to helpers"
    );
    assert!(!token.cancel());
}

#[test]
fn r7_the_token_tells_every_end_to_those_who_still_work_for_it() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let (completer, late) = request::<u32, String>("late");
        let token = completer.token();
        let helper = spawn({
            let token = token.clone();
            async move { token.cancelled().await }
        });
        assert_eq!(late.timeout(ms(5)).await, Err(RequestError::TimedOut));
        helper.await;
        assert_eq!(rig.clock.now(), rig.at(5));

        let (completer, dropped) = request::<u32, String>("dropped");
        let token = completer.token();
        drop(dropped);
        assert!(token.is_cancelled());

        let (completer, done) = request::<u32, String>("done");
        let token = completer.token();
        assert!(completer.done(1) && !token.is_cancelled());
        assert_eq!(done.await, Ok(1));
        assert!(token.is_cancelled());
    });
}

#[test]
fn r7_a_cancel_reaches_children_parents_first() {
    let all = CancelToken::new();
    let child = all.child();
    let (grandchild, other) = (child.child(), all.child());
    let under: Request<u32, String, _> = Request::new("r", |token| async move {
        token.cancelled().await;
        Err(RequestError::Cancelled)
    });
    let mut under = under.under(&grandchild).boxed();
    assert!(poll_once(&mut under).is_pending());
    assert!(child.cancel());
    assert!(grandchild.is_cancelled() && !all.is_cancelled() && !other.is_cancelled());
    assert_eq!(
        poll_once(&mut under),
        Poll::Ready(Err(RequestError::Cancelled))
    );
    assert!(all.cancel() && other.is_cancelled());
    assert!(!all.cancel(), "once");
    assert!(all.child().is_cancelled(), "born cancelled");
}

#[test]
fn r7_kept_who_listens_below_is_heard_above_also_by_who_asks_again() {
    let (all, middle) = (CancelToken::new(), Cell::new(None));
    let request: Request<u32, String, _> = Request::new("r", |token| {
        middle.set(Some(token.child())); // listens below; nobody holds the token itself
        async { Ok(1) }
    });
    let request = request.under(&all);
    let canceller = request.canceller();
    assert!(all.cancel());
    assert!(canceller.cancel() && request.cancel());
    assert!(middle.take().is_some_and(|below| below.is_cancelled()));
    // A parent that was asked already tells who comes later.
    let late: Request<u32, String, _> = Request::new("r", |_| async { Ok(1) });
    let canceller = late.canceller();
    let below = Request::<u32, String, _>::new("below", |token| async move {
        token.cancelled().await;
        Err(RequestError::Cancelled)
    });
    let late = late.under(&all);
    assert!(!late.cancel() && !canceller.cancel(), "nobody listens");
    let below = below.under(&all);
    assert!(below.cancel());
}

#[test]
fn r7_work_is_not_begun_for_a_token_that_is_cancelled_already() {
    let token = CancelToken::new();
    let begun = Cell::new(0);
    let work = || async {
        begun.set(begun.get() + 1);
        1
    };
    assert_eq!(token.unless(work()).now_or_never(), Some(Some(1)));
    let mut late = Box::pin(token.unless(pending::<u32>()));
    let (completer, promised) = request::<u32, String>("r");
    let mut both = Box::pin(token.unless(promised));
    assert!(poll_once(&mut late).is_pending() && poll_once(&mut both).is_pending());
    assert!(completer.done(1) && token.cancel());
    assert_eq!(poll_once(&mut late), Poll::Ready(None));
    assert_eq!(
        poll_once(&mut both),
        Poll::Ready(Some(Ok(1))),
        "the output wins"
    );
    assert_eq!(token.unless(work()).now_or_never(), Some(None));
    assert_eq!(begun.get(), 1);
}

#[test]
fn r8_kept_dropping_abandons_children_first_and_notifies_nobody() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    let inner = pending::<std::result::Result<u32, String>>()
        .request("inner")
        .on_cleanup(trace.cleanup("inner"));
    let gone = trace.on_drop("work dropped");
    let outer = async move {
        let result = inner.await;
        drop(gone);
        result
    };
    let mut outer = outer
        .request("outer")
        .on_cleanup(trace.cleanup("first"))
        .on_cleanup(trace.cleanup("second"))
        .boxed();
    assert!(poll_once(&mut outer).is_pending());
    drop(outer);
    rig.trace.expect(&[
        "0: inner Received",
        "0: work dropped",
        "0: second Received",
        "0: first Received",
    ]);
    let (completer, request) = request::<u32, String>("r");
    drop(request);
    assert!(!completer.done(1), "there is nobody to finish it for");
}

#[test]
fn r9_kept_a_cleanup_sees_each_higher_state_once() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    rig.context.block_on(async {
        let timed_out = pending::<std::result::Result<u32, String>>().request("r");
        let timed_out = timed_out.timeout(ms(1));
        let failed = async { Err::<u32, _>("no".to_string()) }.request("r");
        let cancelled: Request<u32, String, _> =
            Request::new("r", |_| async { Err(RequestError::Cancelled) });
        let abandoned = request::<u32, String>("r").1;
        let results: [Result; 4] = [
            timed_out.on_cleanup(trace.cleanup("timeout")).await,
            failed.on_cleanup(trace.cleanup("error")).await,
            cancelled.on_cleanup(trace.cleanup("cancel")).await,
            abandoned.on_cleanup(trace.cleanup("abandon")).await,
        ];
        assert_eq!(
            results,
            [
                Err(RequestError::TimedOut),
                Err(RequestError::User("no".into())),
                Err(RequestError::Cancelled),
                Err(RequestError::Abandoned),
            ]
        );
    });
    rig.trace.expect(&[
        "1: timeout TimedOut",
        "1: timeout Received",
        "1: error UserError",
        "1: error Received",
        "1: cancel Cancelled",
        "1: cancel Received",
        "1: abandon Abandoned",
        "1: abandon Received",
    ]);
}

#[test]
fn r10_changed_when_its_context_ends_the_request_is_abandoned() {
    let rig = Rig::new();
    let handle = rig.context.handle();
    let here = pending::<std::result::Result<u32, String>>()
        .request("here")
        .endtime_on(&handle, rig.at(10));
    let mut here = here.boxed();
    assert!(poll_once(&mut here).is_pending());
    let mut there = pending::<std::result::Result<u32, String>>()
        .request("there")
        .on_cleanup(rig.trace.cleanup("there"))
        .spawn_on(&handle);
    assert!(poll_once(&mut there).is_pending());
    drop(rig.context);
    assert_eq!(
        poll_once(&mut here),
        Poll::Ready(Err(RequestError::Abandoned))
    );
    assert_eq!(
        poll_once(&mut there),
        Poll::Ready(Err(RequestError::Abandoned))
    );
    rig.trace.expect(&["0: there Received"]);
}

#[test]
fn r11_changed_many_values_are_a_bounded_stream() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    rig.context.block_on(async {
        let said = trace.clone();
        let values = RequestStream::<u32, String>::new("r", 2, |notifier, _| async move {
            for value in 1..=4 {
                assert_eq!(notifier.notify(value).await, Ok(()));
                said.say(format!("gave {value}"));
            }
            Err("that is all".to_string().into())
        });
        let mut values = values.with(|request| request.timeout(ms(100)));
        while let Some(value) = values.next().await {
            trace.say(format!("{value:?}"));
        }
        assert_eq!(values.next().await, None);
    });
    rig.trace.expect(&[
        "0: gave 1",
        "0: gave 2",
        "0: Ok(1)",
        "0: Ok(2)",
        "0: gave 3",
        "0: gave 4",
        "0: Ok(3)",
        "0: Ok(4)",
        "0: Err(User(\"that is all\"))",
    ]);
}

#[test]
fn r11_values_given_before_the_end_come_before_it() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let (completer, notifier, values) = request_stream::<u32, String>("r", 2);
        let mut values = values.with(|request| request.timeout(ms(5)));
        assert_eq!(notifier.try_notify(1), Ok(()));
        assert_eq!(notifier.try_notify(2), Ok(()));
        assert_eq!(notifier.try_notify(3), Err(3), "it is full");
        assert_eq!(values.next().await, Some(Ok(1)));
        assert_eq!(values.next().await, Some(Ok(2)));
        assert_eq!(values.next().await, Some(Err(RequestError::TimedOut)));
        assert_eq!(values.next().await, None);
        assert!(notifier.is_over() && !completer.done(()));
        assert_eq!(notifier.notify(4).await, Err(4));
    });
}

#[test]
fn a_wakeup_is_done_at_its_deadline() {
    let rig = Rig::new();
    let at = rig.at(7);
    assert_eq!(rig.context.block_on(async { wakeup(at).await }), Ok(()));
    assert_eq!(rig.clock.now(), at);
}

#[test]
fn debug_says_name_state_place_and_deadline() {
    let rig = Rig::new();
    let request = pending::<std::result::Result<u32, String>>().request("disk read");
    let request = request.endtime_on(&rig.context.handle(), rig.at(5));
    let debug = format!("{request:?}");
    for word in ["disk read", "InProgress", "rules.rs", "deadline: Some"] {
        assert!(debug.contains(word), "{word} in {debug}");
    }
}

#[test]
fn a_stuck_loop_is_told_which_request_waits_and_for_what() {
    let context = Context::builder()
        .virtual_clock(&VirtualClock::new())
        .stuck_after(ms(1), |_| ())
        .build()
        .expect("descriptors for one loop");
    let (completer, request) = request::<u32, String>("disk read");
    request.spawn_on(&context.handle()).detach();
    let stuck = context.run().expect_err("nothing can come").to_string();
    drop(completer);
    for word in [
        "its completer",
        "request `disk read` (created at",
        "rules.rs",
    ] {
        assert!(stuck.contains(word), "{word} in {stuck}");
    }
}
