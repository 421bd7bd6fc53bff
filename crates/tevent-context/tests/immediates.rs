//! Immediates: order, rescheduling, and what becomes of them at the end.

mod util;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use tevent_context::{Immediate, spawn, yield_now};
use util::Rig;

/// An immediate that says a word.
fn saying(rig: &Rig, word: &'static str) -> Immediate {
    let trace = rig.trace.clone();
    Immediate::new(&rig.context.handle(), move |_| trace.say(word))
}

#[test]
fn i1_first_scheduled_first_called_and_what_they_schedule_comes_last() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    let first = Immediate::new(&rig.context.handle(), move |this| {
        trace.say("a");
        let trace = trace.clone();
        this.handle().immediate(move |_| trace.say("child of a"));
    });
    let second = saying(&rig, "b");
    first.schedule();
    second.schedule();
    rig.trace.expect(&[]);
    rig.context.run().expect("the poll works");
    rig.trace.expect(&["0: a", "0: b", "0: child of a"]);
}

#[test]
fn i2_scheduling_again_loses_the_place_and_calls_once() {
    let rig = Rig::new();
    let [a, b, c] = ["a", "b", "c"].map(|word| saying(&rig, word));
    a.schedule();
    b.schedule();
    a.schedule();
    c.schedule();
    rig.context.run().expect("the poll works");
    rig.trace.expect(&["0: b", "0: a", "0: c"]);
}

#[test]
fn i2_a_cancelled_immediate_is_not_called_and_can_be_scheduled_again() {
    let rig = Rig::new();
    let [a, b] = ["a", "b"].map(|word| saying(&rig, word));
    a.schedule();
    b.schedule();
    assert!(a.is_scheduled());
    assert!(a.cancel());
    assert!(!a.cancel() && !a.is_scheduled());
    rig.context.run().expect("the poll works");
    a.schedule();
    rig.context.run().expect("the poll works");
    rig.trace.expect(&["0: b", "0: a"]);
}

#[test]
fn i3_a_handler_may_schedule_cancel_and_drop_its_own_immediate() {
    let rig = Rig::new();
    let slot: Rc<RefCell<Option<Immediate>>> = Rc::default();
    let (own, trace, mut left) = (Rc::clone(&slot), rig.trace.clone(), 3);
    let immediate = Immediate::new(&rig.context.handle(), move |this| {
        assert!(!this.is_scheduled(), "out of the line before it is called");
        trace.say(format!("{left}"));
        left -= 1;
        this.schedule();
        if left == 0 {
            this.cancel();
            this.schedule();
            drop(own.take());
            assert!(!this.is_scheduled(), "the drop cancels");
        }
    });
    immediate.schedule();
    slot.replace(Some(immediate));
    rig.context.run().expect("the poll works");
    rig.trace.expect(&["0: 3", "0: 2", "0: 1"]);
}

#[test]
fn i3_an_immediate_that_drops_a_later_one_keeps_it_from_being_called() {
    let rig = Rig::new();
    let victim = Rc::new(Cell::new(Some(saying(&rig, "victim"))));
    let (other, trace) = (Rc::clone(&victim), rig.trace.clone());
    let killer = Immediate::new(&rig.context.handle(), move |_| {
        trace.say("killer");
        drop(other.take());
    });
    killer.schedule();
    let later = victim.take().expect("alive");
    later.schedule();
    victim.set(Some(later));
    rig.context.run().expect("the poll works");
    rig.trace.expect(&["0: killer"]);
}

/// Says a word when it is dropped.
struct Witness(util::Trace);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.say("dropped");
    }
}

#[test]
fn i4_when_the_context_ends_immediates_are_dropped_uncalled_and_inert() {
    let rig = Rig::new();
    let (trace, handle) = (rig.trace.clone(), rig.context.handle());
    let witness = Witness(trace.clone());
    handle.immediate(move |_| witness.0.say("called"));
    let kept = saying(&rig, "kept");
    kept.schedule();
    drop(rig);
    trace.expect(&["0: dropped"]);
    assert!(!kept.is_scheduled());
    kept.schedule();
    assert!(!kept.is_scheduled() && !kept.cancel());
    let witness = Witness(trace.clone());
    handle.immediate(move |_| witness.0.say("called"));
    trace.expect(&["0: dropped"]);
}

#[test]
fn i4_a_destructor_that_schedules_at_the_end_does_not_keep_it_from_ending() {
    let rig = Rig::new();
    let handle = rig.context.handle();
    struct Again(tevent_context::Handle);
    impl Drop for Again {
        fn drop(&mut self) {
            // Refused at the end, so that it would be dropped at once, and again, and again.
            if !self.0.has_ended() {
                let next = Again(self.0.clone());
                self.0.immediate(move |_| drop(next));
            }
        }
    }
    let again = Again(handle.clone());
    handle.immediate(move |_| drop(again));
    drop(rig);
    assert!(handle.has_ended());
}

#[test]
fn l3_an_immediate_that_reschedules_itself_starves_neither_tasks_nor_timers_nor_descriptors() {
    let rig = Rig::new();
    let calls = Rc::new(Cell::new(0));
    let count = Rc::clone(&calls);
    let endless = Immediate::new(&rig.context.handle(), move |this| {
        count.set(count.get() + 1);
        this.schedule();
    });
    endless.schedule();
    let turn = rig.context.turn(None).expect("the poll works");
    assert_eq!((calls.get(), turn.immediates, turn.more), (256, 256, true));
    rig.context.block_on(async {
        let before = calls.get();
        let timer = tevent_context::sleep(Duration::ZERO);
        for _ in 0..256 {
            yield_now().await;
        }
        assert!(
            calls.get() - before <= 512,
            "immediates and tasks take turns"
        );
        timer.await;
        spawn(async {}).await;
    });
}

#[test]
fn l2_a_task_waits_for_the_immediates_that_were_scheduled_before_and_no_others() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    let endless = Immediate::new(&rig.context.handle(), move |this| {
        trace.say("immediate");
        this.schedule();
    });
    endless.schedule();
    let trace = rig.trace.clone();
    rig.context.block_on(async move {
        for _ in 0..2 {
            trace.say("task");
            yield_now().await;
        }
        endless.cancel();
    });
    rig.trace.expect(&[
        "0: immediate",
        "0: task",
        "0: immediate",
        "0: task",
        "0: immediate",
    ]);
}

#[test]
fn l8_one_that_was_told_not_to_keep_the_loop_running_does_not() {
    let rig = Rig::new();
    let calls = Rc::new(Cell::new(0));
    let count = Rc::clone(&calls);
    let endless = Immediate::new(&rig.context.handle(), move |this| {
        count.set(count.get() + 1);
        this.schedule();
    });
    endless.keep_running(false);
    endless.schedule();
    rig.context.run().expect("nothing to wait for");
    assert_eq!(calls.get(), 0);
    rig.context.block_on(yield_now());
    assert!(calls.get() > 0, "it is called while others keep it going");
    let (before, work) = (calls.get(), saying(&rig, "work"));
    work.schedule();
    rig.context.run().expect("the poll works");
    rig.trace.expect(&["0: work"]);
    assert!(calls.get() > before && endless.is_scheduled());
    endless.cancel();

    work.keep_running(false);
    work.schedule();
    rig.context.run().expect("nothing to wait for");
    rig.trace.expect(&[]);
    work.keep_running(true);
    rig.context.run().expect("the poll works");
    rig.trace.expect(&["0: work"]);
}

#[test]
fn b14_a_handler_s_panic_goes_through_the_turn_and_the_others_are_called_after_it() {
    let rig = Rig::new();
    let handle = rig.context.handle();
    handle.immediate(|_| panic!("in a handler"));
    let trace = rig.trace.clone();
    handle.immediate(move |_| trace.say("after it"));
    let panic = catch_unwind(AssertUnwindSafe(|| rig.context.run())).expect_err("it panics");
    assert_eq!(panic.downcast_ref(), Some(&"in a handler"));
    rig.context.run().expect("the poll works");
    rig.trace.expect(&["0: after it"]);
}

#[test]
fn scheduled_between_two_turns_it_rings_the_host() {
    let rig = Rig::new();
    let quiet = || {
        rig.context
            .turn(Some(Duration::ZERO))
            .expect("the poll works")
    };
    assert!(!quiet().more);
    let immediate = saying(&rig, "called");
    immediate.schedule();
    util::assert_readable(&rig.context);
    assert_eq!(quiet().immediates, 1);
}
