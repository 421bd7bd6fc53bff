//! Trace points: what hooks are told, in which order, with which tags.

mod util;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tevent_context::{Context, Immediate, TracePoint};
use util::Rig;

/// What a hook writes down.
type Words = Rc<RefCell<Vec<String>>>;

fn word(point: &TracePoint) -> Option<String> {
    Some(match point {
        TracePoint::Attach(event) => format!("attach {:?} {}", event.kind, event.tag),
        TracePoint::BeforeHandler(event) => format!("before {:?} {}", event.kind, event.tag),
        TracePoint::AfterHandler(event) => format!("after {:?} {}", event.kind, event.tag),
        TracePoint::Detach(event) => format!("detach {:?} {}", event.kind, event.tag),
        _ => return None,
    })
}

fn events(context: &Context) -> (Words, tevent_context::TraceHook) {
    let words = Words::default();
    let log = Rc::clone(&words);
    let hook = context
        .handle()
        .on_trace(move |point| log.borrow_mut().extend(word(point)));
    (words, hook)
}

#[track_caller]
fn expect(words: &Words, expected: &[&str]) {
    assert_eq!(*words.borrow(), expected);
    words.borrow_mut().clear();
}

#[test]
fn z1_a_timer_is_attached_called_and_detached_after_its_handler() {
    let rig = Rig::new();
    let (words, _hook) = events(&rig.context);
    let timer = rig.context.handle().timer(rig.at(1), |_, _| ());
    timer.set_tag(7);
    expect(&words, &["attach Timer 0"]);
    rig.context.run().expect("the poll works");
    expect(
        &words,
        &["before Timer 7", "after Timer 7", "detach Timer 7"],
    );
    timer.reset(rig.at(2));
    timer.reset(rig.at(3));
    drop(timer);
    expect(&words, &["attach Timer 7", "detach Timer 7"]);
}

#[test]
fn z1_an_immediate_that_is_scheduled_again_is_detached_and_attached() {
    let rig = Rig::new();
    let (words, _hook) = events(&rig.context);
    let immediate = Immediate::new(&rig.context.handle(), |_| ());
    expect(&words, &[]);
    immediate.schedule();
    immediate.schedule();
    expect(
        &words,
        &[
            "attach Immediate 0",
            "detach Immediate 0",
            "attach Immediate 0",
        ],
    );
    rig.context.run().expect("the poll works");
    expect(
        &words,
        &[
            "before Immediate 0",
            "after Immediate 0",
            "detach Immediate 0",
        ],
    );
}

#[test]
fn z1_what_a_handler_reschedules_is_not_detached_after_it() {
    let rig = Rig::new();
    let mut left = 2;
    let immediate = Immediate::new(&rig.context.handle(), move |this| {
        left -= 1;
        if left > 0 {
            this.schedule();
        }
    });
    immediate.schedule();
    let (words, _hook) = events(&rig.context);
    rig.context.run().expect("the poll works");
    let call = ["before Immediate 0", "after Immediate 0"];
    expect(
        &words,
        &[&call[..], &call[..], &["detach Immediate 0"]].concat(),
    );
}

#[test]
fn z2_tags_survive_rescheduling() {
    let rig = Rig::new();
    let immediate = Immediate::new(&rig.context.handle(), |this| {
        assert_eq!(this.tag(), u64::MAX)
    });
    immediate.set_tag(u64::MAX);
    for _ in 0..2 {
        immediate.schedule();
        rig.context.run().expect("the poll works");
    }
    assert_eq!(immediate.tag(), u64::MAX);
}

#[test]
fn z3_every_turn_and_every_wait_has_its_brackets() {
    let rig = Rig::new();
    let points = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&points);
    let hook = rig
        .context
        .handle()
        .on_trace(move |point| log.borrow_mut().push(*point));
    rig.context
        .turn(Some(Duration::ZERO))
        .expect("the poll works");
    drop(hook);
    rig.context
        .turn(Some(Duration::ZERO))
        .expect("the poll works");
    let expected = [
        TracePoint::BeforeTurn,
        TracePoint::BeforeWait,
        TracePoint::AfterWait,
        TracePoint::AfterTurn,
    ];
    assert_eq!(*points.borrow(), expected);
}

#[test]
fn hooks_are_chained_in_order_and_each_goes_by_itself() {
    let rig = Rig::new();
    let hook = |word: &'static str| {
        let trace = rig.trace.clone();
        rig.context.handle().on_trace(move |point| {
            if let TracePoint::Attach(event) = point {
                assert!(event.place.file().ends_with("tracing.rs"));
                trace.say(word);
            }
        })
    };
    let [first, second, third] = ["first", "second", "third"].map(hook);
    rig.context.handle().immediate(|_| ());
    rig.trace.expect(&["0: first", "0: second", "0: third"]);
    drop(second);
    rig.context.handle().immediate(|_| ());
    rig.trace.expect(&["0: first", "0: third"]);
    drop((first, third));
    rig.context.handle().immediate(|_| ());
    rig.trace.expect(&[]);
}

#[test]
fn a_hook_may_register_events_and_other_hooks() {
    let rig = Rig::new();
    let (handle, added) = (rig.context.handle(), Rc::new(RefCell::new(Vec::new())));
    let (inner, keep) = (handle.clone(), Rc::clone(&added));
    let _hook = handle.on_trace(move |point| {
        if matches!(point, TracePoint::BeforeHandler(_)) && keep.borrow().is_empty() {
            let hook = inner.on_trace(|_| ());
            keep.borrow_mut().push(hook);
            inner.immediate(|_| ());
        }
    });
    handle.immediate(|_| ());
    rig.context.run().expect("the poll works");
    assert_eq!(added.borrow().len(), 1);
    added.take();
}
