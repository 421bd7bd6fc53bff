//! Timers with a handler: order, cancelling among siblings, bounds.

mod util;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tevent_context::{Handle, Timer, TimerHandle, TracePoint, sleep, yield_now};
use util::{Rig, ms};

/// A timer that says a word.
fn saying(rig: &Rig, millis: u64, word: &'static str) -> Timer {
    let trace = rig.trace.clone();
    rig.context
        .handle()
        .timer(rig.at(millis), move |_, _| trace.say(word))
}

#[test]
fn t1_deadlines_ascend_and_ties_are_served_first_come_first() {
    let rig = Rig::new();
    let timers = [("b", 20), ("a", 10), ("c", 20), ("x", 5)];
    let _timers = timers.map(|(word, millis)| saying(&rig, millis, word));
    rig.context.run().expect("the poll works");
    rig.trace.expect(&["5: x", "10: a", "20: b", "20: c"]);
}

#[test]
fn t1_handlers_and_sleeps_stand_in_one_order() {
    let rig = Rig::new();
    let _before = saying(&rig, 10, "handler before");
    let sleeper = rig.context.handle().sleep_until(rig.at(10));
    let trace = rig.trace.clone();
    let task = rig.context.spawn(async move {
        sleeper.await;
        trace.say("task");
    });
    rig.context
        .turn(Some(Duration::ZERO))
        .expect("the poll works");
    let _after = saying(&rig, 10, "handler after");
    rig.context.block_on(task);
    rig.trace
        .expect(&["10: handler before", "10: handler after", "10: task"]);
}

#[test]
fn t2_changed_a_deadline_long_past_is_one_like_any_other_and_gets_the_time_of_its_turn() {
    let rig = Rig::new();
    let (trace, start) = (rig.trace.clone(), rig.at(0));
    let past = start.checked_sub(ms(1000)).unwrap_or(start);
    rig.clock.advance(ms(7));
    let _timer = rig.context.handle().timer(past, move |this, now| {
        assert_eq!((now, this.handle().now()), (start + ms(7), now));
        trace.say("fired");
    });
    rig.trace.expect(&[]);
    rig.context.run().expect("the poll works");
    rig.trace.expect(&["7: fired"]);
}

#[test]
fn t3_changed_a_timer_reset_to_the_past_goes_behind_those_of_the_same_deadline() {
    let rig = Rig::new();
    let [a, b, c] = ["a", "b", "c"].map(|word| saying(&rig, 0, word));
    a.reset(rig.at(0));
    rig.context.run().expect("the poll works");
    rig.trace.expect(&["0: b", "0: c", "0: a"]);
    drop((a, b, c));
}

#[test]
fn t4_a_timer_is_out_of_the_table_before_it_is_called_and_may_be_reset_by_its_handler() {
    let rig = Rig::new();
    let (trace, mut left) = (rig.trace.clone(), 3);
    let timer = rig.context.handle().timer(rig.at(5), move |this, now| {
        assert!(!this.is_armed() && !this.cancel());
        trace.say("tick");
        left -= 1;
        if left > 0 {
            this.reset(now + ms(5));
        }
    });
    rig.context.run().expect("the poll works");
    rig.trace.expect(&["5: tick", "10: tick", "15: tick"]);
    assert!(!timer.is_armed());
}

#[test]
fn a_delay_counts_from_the_call_and_one_without_end_is_never_over() {
    let rig = Rig::new();
    let (handle, trace) = (rig.context.handle(), rig.trace.clone());
    let after = move |word: &'static str| {
        let trace = trace.clone();
        move |_: &TimerHandle, _: Instant| trace.say(word)
    };
    rig.clock.advance(ms(3));
    let timer = handle.timer_after(ms(4), after("fired"));
    let never = handle.timer_after(Duration::MAX, after("never"));
    assert!(timer.is_armed() && !never.is_armed());
    rig.context.run().expect("the poll works");
    timer.reset_after(ms(1));
    rig.context.run().expect("the poll works");
    rig.trace.expect(&["7: fired", "8: fired"]);
}

#[test]
fn t5_an_earlier_timer_made_by_a_handler_goes_before_later_ones_that_are_overdue() {
    let rig = Rig::new();
    let (trace, earlier) = (rig.trace.clone(), rig.at(15));
    let first = move |this: &TimerHandle, _: Instant| {
        trace.say("first");
        let trace = trace.clone();
        this.handle()
            .timer(earlier, move |_, _| trace.say("made by the first"))
            .detach();
    };
    rig.context.handle().timer(rig.at(10), first).detach();
    let _second = saying(&rig, 20, "second");
    rig.clock.advance(ms(100));
    let turn = rig
        .context
        .turn(Some(Duration::ZERO))
        .expect("the poll works");
    assert_eq!(turn.timers, 3);
    rig.trace
        .expect(&["100: first", "100: made by the first", "100: second"]);
}

#[test]
fn l4_changed_an_immediate_made_by_a_timer_runs_in_the_next_batch() {
    let rig = Rig::new();
    let handler = |word: &'static str| {
        let trace = rig.trace.clone();
        move |this: &TimerHandle, _: Instant| {
            trace.say(word);
            let trace = trace.clone();
            this.handle()
                .immediate(move |_| trace.say(format!("immediate of {word}")));
        }
    };
    let handle = rig.context.handle();
    handle.timer(rig.at(0), handler("one")).detach();
    handle.timer(rig.at(0), handler("two")).detach();
    rig.context.run().expect("the poll works");
    rig.trace.expect(&[
        "0: one",
        "0: two",
        "0: immediate of one",
        "0: immediate of two",
    ]);
}

#[test]
fn b69_a_handler_may_cancel_reset_and_drop_siblings_that_are_due_in_the_same_turn() {
    let rig = Rig::new();
    let [cancelled, postponed, dropped] = ["cancelled", "postponed", "dropped"]
        .map(|word| Rc::new(Cell::new(Some(saying(&rig, 10, word)))));
    let (trace, later) = (rig.trace.clone(), rig.at(30));
    let siblings = [
        Rc::clone(&cancelled),
        Rc::clone(&postponed),
        Rc::clone(&dropped),
    ];
    let mut first = None;
    let killer = rig.context.handle().timer(rig.at(5), move |_, _| {
        trace.say("killer");
        let [cancelled, postponed, dropped] = &siblings;
        let timer = cancelled.take().expect("there");
        assert!(timer.cancel() && !timer.cancel());
        cancelled.set(Some(timer));
        let timer = postponed.take().expect("there");
        timer.reset(later);
        postponed.set(Some(timer));
        drop(dropped.take());
        first.get_or_insert(());
    });
    rig.clock.advance(ms(20));
    rig.context.run().expect("the poll works");
    rig.trace.expect(&["20: killer", "30: postponed"]);
    drop((killer, cancelled, postponed));
}

#[test]
fn b68_b78_a_handler_may_drop_its_own_timer() {
    let rig = Rig::new();
    let slot: Rc<RefCell<Option<Timer>>> = Rc::default();
    let (own, trace) = (Rc::clone(&slot), rig.trace.clone());
    let witness = Rc::new("alive to the end of the handler");
    let timer = rig.context.handle().timer(rig.at(1), move |_, _| {
        drop(own.take());
        trace.say(*witness);
    });
    slot.replace(Some(timer));
    rig.context.run().expect("the poll works");
    rig.trace.expect(&["1: alive to the end of the handler"]);
}

#[test]
fn b68_a_timer_that_its_own_handler_detaches_may_be_reset_by_it_and_ends_with_its_last_call() {
    let rig = Rig::new();
    let slot: Rc<RefCell<Option<Timer>>> = Rc::default();
    let (own, trace, witness) = (Rc::clone(&slot), rig.trace.clone(), Rc::new(()));
    let in_handler = Rc::clone(&witness);
    let timer = rig.context.handle().timer(rig.at(1), move |this, now| {
        let _witness = &in_handler;
        if let Some(timer) = own.take() {
            timer.detach();
            this.reset(now + ms(1));
        }
        trace.say(if this.is_armed() { "again" } else { "last" });
    });
    slot.replace(Some(timer));
    rig.context.run().expect("the poll works");
    rig.trace.expect(&["1: again", "2: last"]);
    assert_eq!(Rc::strong_count(&witness), 1, "the handler is dropped");
}

#[test]
fn a_handler_is_dropped_with_its_timer_armed_or_not_and_also_after_the_end_of_the_context() {
    let rig = Rig::new();
    let (witness, at) = (Rc::new(()), rig.at(1));
    let timer = |handle: &Handle| {
        let in_handler = Rc::clone(&witness);
        handle.timer(at, move |_, _| drop(Rc::clone(&in_handler)))
    };
    let handle = rig.context.handle();
    let [armed, cancelled, detached, outlives] = [(); 4].map(|()| timer(&handle));
    assert!(cancelled.cancel() && detached.cancel());
    drop((armed, cancelled));
    detached.detach();
    assert_eq!(Rc::strong_count(&witness), 2);
    drop(rig.context);
    timer(&handle).detach();
    assert_eq!(Rc::strong_count(&witness), 2);
    drop(outlives);
    assert_eq!(Rc::strong_count(&witness), 1);
}

#[test]
fn t6_changed_a_step_of_the_wall_clock_moves_no_timer() {
    // The only clock that a loop knows is its own: two of them, on clocks ten years apart, fire by theirs.
    let rigs = [Rig::new(), Rig::new()];
    rigs[1]
        .clock
        .advance(Duration::from_secs(10 * 365 * 86_400));
    let fired = rigs.each_ref().map(|rig| {
        let (fired, begin) = (Rc::new(Cell::new(None)), rig.clock.now());
        let (cell, handle) = (Rc::clone(&fired), rig.context.handle());
        let note = move |_: &TimerHandle, now: Instant| cell.set(Some(now - begin));
        handle.timer(begin + ms(5), note).detach();
        rig.context.run().expect("the poll works");
        fired.get()
    });
    assert_eq!(fired, [Some(ms(5)); 2]);
}

#[test]
fn t7_b71_a_timer_that_makes_itself_anew_in_the_past_starves_nobody() {
    let rig = Rig::new();
    fn again(handle: &Handle, at: Instant, count: &Rc<Cell<usize>>) {
        let count = Rc::clone(count);
        handle
            .timer(at, move |this, _| {
                count.set(count.get() + 1);
                again(this.handle(), at, &count);
            })
            .detach();
    }
    let count = Rc::new(Cell::new(0));
    again(&rig.context.handle(), rig.at(0), &count);
    let turn = rig.context.turn(None).expect("the poll works");
    assert_eq!((turn.timers, count.get(), turn.more), (256, 256, true));
    rig.context.block_on(async {
        yield_now().await;
        sleep(Duration::ZERO).await;
    });
}

#[test]
fn l7_changed_b65_a_timer_too_far_away_neither_fires_nor_overflows() {
    let rig = Rig::new();
    let handle = rig.context.handle();
    let day = Duration::from_secs(86_400);
    let _far: Vec<_> = [100, 10_000, 200 * 365, 290 * 365]
        .into_iter()
        .map(|days| handle.timer(rig.at(0) + day * days, |_, _| panic!("it fired")))
        .collect();
    rig.context.block_on(async {
        sleep(99 * day).await;
    });
    let timer = saying(&rig, 0, "now");
    timer.reset(rig.at(0) + day * 300);
    assert!(timer.is_armed());
}

#[test]
fn b73_b38_on_the_system_s_clock_no_timer_is_early_and_none_waits_for_the_next_millisecond() {
    let context = tevent_context::Context::new().expect("descriptors for one loop");
    let handle = context.handle();
    let late = Rc::new(RefCell::new(Vec::new()));
    for micros in [1, 50, 100, 200, 300, 1100, 2300] {
        let (late, deadline) = (
            Rc::clone(&late),
            handle.read_clock() + Duration::from_micros(micros),
        );
        let timer = handle.timer(deadline, move |_, now| {
            let at = Instant::now();
            assert!(now >= deadline && at >= deadline, "early");
            late.borrow_mut().push(at - deadline);
        });
        context.run().expect("the poll works");
        drop(timer);
    }
    // The machine may be busy once or twice; a loop that counts milliseconds is late every time.
    let mut late = late.take();
    late.sort_unstable();
    assert!(late[3] < Duration::from_micros(600), "{late:?}");
}

#[test]
fn a_detached_timer_fires_and_a_dropped_one_does_not() {
    let rig = Rig::new();
    saying(&rig, 1, "detached").detach();
    drop(saying(&rig, 2, "dropped"));
    rig.context.run().expect("the poll works");
    rig.trace.expect(&["1: detached"]);
}

#[test]
fn i4_when_the_context_ends_timers_are_dropped_uncalled_and_inert() {
    let rig = Rig::new();
    let (at, trace) = (rig.at(1), rig.trace.clone());
    let kept = saying(&rig, 1, "kept");
    saying(&rig, 1, "detached").detach();
    let handle = rig.context.handle();
    drop(rig);
    assert!(!kept.is_armed());
    kept.reset(at);
    let late = handle.timer(at, |_, _| ());
    assert!(!kept.is_armed() && !late.is_armed());
    trace.expect(&[]);
}

#[test]
fn b12_a_handler_s_panic_goes_through_the_turn_after_the_others_have_been_called() {
    let rig = Rig::new();
    let handle = rig.context.handle();
    handle
        .timer(rig.at(0), |_, _| panic!("in a handler"))
        .detach();
    let _after = saying(&rig, 0, "after it");
    let panic = catch_unwind(AssertUnwindSafe(|| rig.context.run())).expect_err("it panics");
    assert_eq!(panic.downcast_ref(), Some(&"in a handler"));
    rig.trace.expect(&["0: after it"]);
}

#[test]
fn made_between_two_turns_it_rings_the_host() {
    let rig = Rig::new();
    assert!(!util::is_readable(&rig.context));
    rig.context
        .turn(Some(Duration::ZERO))
        .expect("the poll works");
    let _timer = saying(&rig, 10, "fired");
    util::assert_readable(&rig.context);
}

#[test]
fn b68_a_handler_that_resets_its_timer_and_cancels_it_again_is_counted_off_once() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    let _hook = rig.context.handle().on_trace(move |point| match point {
        TracePoint::Attach(_) => trace.say("attach"),
        TracePoint::Detach(_) => trace.say("detach"),
        _ => {}
    });
    let undecided = |this: &TimerHandle, now: Instant| {
        this.reset(now + ms(1));
        assert!(this.cancel());
    };
    let _undecided = rig.context.handle().timer(rig.at(1), undecided);
    let _later = saying(&rig, 5, "later");
    rig.context.run().expect("the poll works");
    rig.trace.expect(&[
        "0: attach",
        "0: attach",
        "1: detach",
        "5: later",
        "5: detach",
    ]);
}

#[test]
fn b26_a_key_from_before_the_end_of_the_context_finds_no_timer_made_after_it() {
    let rig = Rig::new();
    let (handle, at) = (rig.context.handle(), rig.at(1));
    let mut sleep = Box::pin(handle.sleep_until(at));
    rig.context.block_on(poll_fn(|cx| {
        assert!(sleep.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    }));
    drop(rig);
    let late = handle.timer(at, |_, _| ());
    sleep.reset(at);
    assert!(!late.is_armed() && !late.cancel());
}

#[test]
fn e3_whether_a_timer_keeps_run_going_may_be_said_at_any_moment() {
    let rig = Rig::new();
    let run = || {
        rig.context.run().expect("the poll works");
        rig.trace.say("run is over");
    };
    let (trace, mut answers) = (rig.trace.clone(), [false, true].into_iter());
    let timer = rig.context.handle().timer(rig.at(1), move |this, now| {
        trace.say("called");
        if let Some(answer) = answers.next() {
            for keeps in [!answer, answer] {
                this.keep_running(keeps);
            }
            this.reset(now + ms(1));
            for keeps in [!answer, answer] {
                this.keep_running(keeps);
            }
        }
    });
    for keeps in [false, false, true, true, false] {
        timer.keep_running(keeps);
    }
    run();
    assert!(timer.cancel());
    for keeps in [false, true, false, true] {
        timer.keep_running(keeps);
    }
    run();
    timer.reset(rig.at(1));
    run();
    rig.trace.expect(&[
        "0: run is over",
        "0: run is over",
        "1: called",
        "1: run is over",
    ]);
    timer.keep_running(true);
    run();
    rig.trace
        .expect(&["2: called", "3: called", "3: run is over"]);
}

#[test]
fn b12_a_timer_whose_handler_panics_is_over_like_any_other() {
    let rig = Rig::new();
    let witness = Rc::new(());
    let owned = Rc::clone(&witness);
    let panicking = move |_: &TimerHandle, _: Instant| {
        let _owned = &owned;
        panic!("on purpose")
    };
    rig.context.handle().timer(rig.at(0), panicking).detach();
    let turned = catch_unwind(AssertUnwindSafe(|| rig.context.turn(Some(Duration::ZERO))));
    assert!(turned.is_err());
    assert_eq!(Rc::strong_count(&witness), 1);
    rig.context.run().expect("nothing is left to wait for");
    rig.trace.expect(&[]);
}

#[test]
fn z1_timers_that_are_armed_when_the_context_ends_are_detached() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    let _hook = rig.context.handle().on_trace(move |point| {
        if let TracePoint::Detach(event) = point {
            trace.say(format!("detach {}", event.tag));
        }
    });
    let [armed, cancelled] = [1, 2].map(|tag| {
        let timer = saying(&rig, 5, "never");
        timer.set_tag(tag);
        timer
    });
    assert!(cancelled.cancel());
    rig.trace.expect(&["0: detach 2"]);
    let Rig { context, trace, .. } = rig;
    drop(context);
    trace.expect(&["0: detach 1"]);
    drop((armed, cancelled));
    trace.expect(&[]);
}

#[test]
fn t7_a_timer_that_is_dropped_in_its_own_handler_stays_dropped_whatever_that_says() {
    for resets_before in [false, true] {
        let rig = Rig::new();
        let own: Rc<RefCell<Option<Timer>>> = Rc::default();
        let (this, trace, later) = (Rc::clone(&own), rig.trace.clone(), rig.at(2));
        let timer = rig.context.handle().timer(rig.at(1), move |timer, _| {
            trace.say("called");
            if resets_before {
                timer.reset(later);
            }
            drop(this.borrow_mut().take());
            timer.reset(later);
            assert!(!timer.is_armed());
        });
        *own.borrow_mut() = Some(timer);
        rig.context.run().expect("ends");
        rig.trace.expect(&["1: called"]);
        assert_eq!(rig.clock.now(), rig.at(1));
    }
}
