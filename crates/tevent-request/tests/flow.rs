//! What hooks are told of the call flow of requests; with the feature `profile`.
#![cfg(feature = "profile")]

mod util;

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use futures::executor::block_on;
use tevent_context::sleep;
use tevent_queue::TeventQueue;
use tevent_request::{
    FlowHook, FlowKind, FlowPoint, Request, RequestError, RequestExt, RequestScope, State, carry,
    on_flow, profile_waits, request, request_id,
};
use util::{Rig, ms, poll_once};

/// What was told, as `depth name kind`.
#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    fn hook(&self) -> FlowHook {
        let log = self.clone();
        on_flow(move |point| log.say(point))
    }

    fn say(&self, point: &FlowPoint<'_>) {
        let FlowPoint {
            depth, name, kind, ..
        } = point;
        self.0.borrow_mut().push(format!("{depth} {name} {kind:?}"));
    }

    #[track_caller]
    fn expect(&self, told: &[&str]) {
        assert_eq!(*self.0.borrow(), told);
        self.0.borrow_mut().clear();
    }
}

async fn one() -> Result<u32, String> {
    Ok(1)
}

fn told_of_one(depth: u32, name: &str) -> [String; 3] {
    ["Create", "Cleanup(Done)", "Notify"].map(|kind| format!("{depth} {name} {kind}"))
}

#[test]
fn a_request_is_told_of_from_its_making_to_its_awaiter() {
    let log = Log::default();
    let _hook = log.hook();
    let states = log.clone();
    let work = async {
        one().request("inner").await.expect("it is sure");
        one().request("next").await
    };
    let outer = work
        .request("outer")
        .on_cleanup(move |state| states.0.borrow_mut().push(format!("sees {state:?}")));
    assert_eq!(block_on(outer), Ok(1));
    let inner = told_of_one(2, "inner");
    let next = told_of_one(2, "next");
    let mut told = vec!["1 outer Create"];
    told.extend(inner.iter().chain(&next).map(String::as_str));
    told.extend(["1 outer Cleanup(Done)", "sees Done", "sees Received"]);
    told.push("1 outer Notify");
    log.expect(&told);
}

#[test]
fn the_number_and_the_line_are_the_request_s() {
    let seen = Rc::new(Cell::new(0));
    let place = Rc::new(Cell::new(None));
    let (id, line) = (Rc::clone(&seen), Rc::clone(&place));
    let hook = on_flow(move |point| {
        id.set(point.id);
        line.set(Some(point.place));
    });
    let read = one().request("read");
    assert_eq!((seen.get(), place.get()), (read.id(), Some(read.created())));
    drop(hook);
    let other = one().request("other");
    assert_ne!(seen.get(), other.id(), "nobody is told");
}

#[test]
fn r8_changed_who_is_dropped_or_panics_is_cleaned_up_and_notifies_nobody() {
    let log = Log::default();
    let _hook = log.hook();
    let mut dropped = pending::<Result<u32, String>>().request("dropped").boxed();
    assert!(poll_once(&mut dropped).is_pending());
    drop(dropped);
    log.expect(&["1 dropped Create", "1 dropped Cleanup(Received)"]);
    let panics = async {
        if true {
            panic!("boom");
        }
        Ok::<u32, String>(1)
    };
    let panics = panics.request("panics");
    assert!(catch_unwind(AssertUnwindSafe(|| block_on(panics))).is_err());
    log.expect(&["1 panics Create", "1 panics Cleanup(Received)"]);
}

#[test]
fn a_timeout_is_told_as_any_end() {
    let rig = Rig::new();
    let log = Log::default();
    let _hook = log.hook();
    let late = rig.context.block_on(async {
        let late = pending::<Result<u32, String>>().request("late");
        late.timeout(ms(1)).spawn().await
    });
    assert_eq!(late, Err(RequestError::TimedOut));
    log.expect(&["1 late Create", "1 late Cleanup(TimedOut)", "1 late Notify"]);
}

fn listens(name: &'static str) -> Request<u32, String> {
    let request = Request::new(name, |token| async move {
        token.cancelled().await;
        Err(RequestError::Cancelled)
    });
    request.boxed()
}

#[test]
fn r7_changed_a_cancel_is_told_once_and_only_if_it_can_be_heard() {
    let log = Log::default();
    let _hook = log.hook();
    let request = listens("r");
    let canceller = request.canceller();
    assert!(request.cancel() && request.cancel() && canceller.cancel());
    assert_eq!(block_on(request), Err(RequestError::Cancelled));
    assert!(!canceller.cancel());
    log.expect(&[
        "1 r Create",
        "1 r Cancel",
        "1 r Cleanup(Cancelled)",
        "1 r Notify",
    ]);
    let deaf = one().request("deaf");
    assert!(!deaf.cancel());
    assert_eq!(block_on(deaf), Ok(1));
    let deaf = told_of_one(1, "deaf");
    log.expect(&deaf.each_ref().map(String::as_str));
}

/// Tokens learn of the end of their request, too; nobody has asked for it.
#[test]
fn an_end_is_not_told_as_a_cancel() {
    let log = Log::default();
    let _hook = log.hook();
    let kept = Rc::new(RefCell::new(None));
    let keep = Rc::clone(&kept);
    let request = Request::new("r", |token| async move {
        keep.replace(Some(token));
        Ok::<u32, RequestError<String>>(1)
    });
    assert_eq!(block_on(request), Ok(1));
    assert!(kept.take().is_some_and(|token| token.is_cancelled()));
    let told = told_of_one(1, "r");
    log.expect(&told.each_ref().map(String::as_str));
}

#[test]
fn a_cancel_is_told_of_promises_and_children_too() {
    let rig = Rig::new();
    let log = Log::default();
    let hook = log.hook();
    let (completer, answer) = request::<u32, String>("answer");
    let token = completer.token();
    assert!(answer.cancel() && token.is_cancelled());
    log.expect(&["1 answer Create", "1 answer Cancel"]);
    drop((answer, completer, token));
    log.expect(&["1 answer Cleanup(Received)"]);
    let (a, b) = rig.context.block_on(async {
        let scope = RequestScope::new("s");
        let (a, b) = (scope.spawn(listens("a")), scope.spawn(listens("b")));
        scope.cancel();
        (a.await, b.await)
    });
    assert_eq!(
        (a, b),
        (Err(RequestError::Cancelled), Err(RequestError::Cancelled))
    );
    let told = log.0.take();
    drop(hook);
    for name in ["a", "b"] {
        let of_it = told
            .iter()
            .filter(|told| told.starts_with(&format!("1 {name} ")));
        let kinds: Vec<_> = of_it.map(|told| &told[4..]).collect();
        assert_eq!(kinds, ["Create", "Cancel", "Cleanup(Cancelled)", "Notify"]);
    }
}

#[test]
fn a_hook_that_came_late_is_told_by_who_holds_the_request() {
    let request = listens("r");
    let log = Log::default();
    let _hook = log.hook();
    assert!(request.cancel());
    drop(request);
    log.expect(&["1 r Cancel", "1 r Cleanup(Received)"]);
}

#[test]
fn queues_that_are_watched_are_told_of_inside_requests() {
    let rig = Rig::new();
    let log = Log::default();
    let _hook = log.hook();
    let queue = TeventQueue::new("disk");
    profile_waits(&queue);
    rig.context.block_on(async {
        let holder = queue.try_entry().expect("it is free"); // by nobody that is a request
        let line = queue.clone();
        let read = async move {
            let turn = line.entry().await.map_err(|error| error.to_string())?;
            drop(turn);
            let waits = async { line.entry().await.map_err(|error| error.to_string()) };
            waits
                .request("inner")
                .await
                .map_err(|error| error.to_string())
        };
        let read = read.request("read").spawn();
        sleep(ms(1)).await;
        log.expect(&["1 read Create", "1 disk QueueEnter"]);
        drop(holder);
        drop(read.await);
    });
    log.expect(&[
        "1 disk QueueTrigger",
        "1 disk QueueLeave",
        "2 inner Create",
        "2 disk QueueEnter",
        "2 disk QueueTrigger",
        "2 inner Cleanup(Done)",
        "2 inner Notify",
        "1 read Cleanup(Done)",
        "1 read Notify",
    ]);
}

#[test]
fn the_depth_is_carried_along() {
    let log = Log::default();
    let outer = async { Ok::<_, String>(carry(async { one().request("inner").await })) };
    let carried = block_on(outer.request("outer")).expect("it is sure");
    let _hook = log.hook();
    assert_eq!(block_on(carried), Ok(1));
    let inner = told_of_one(2, "inner");
    log.expect(&inner.each_ref().map(String::as_str));
    assert_eq!(request_id(), None);
}

#[test]
fn hooks_are_told_in_order_until_they_are_dropped() {
    let (first, second) = (Log::default(), Log::default());
    let both = Log::default();
    let (a, b) = (first.clone(), second.clone());
    let (both_a, both_b) = (both.clone(), both.clone());
    let hook_a = on_flow(move |point| {
        a.say(point);
        both_a.0.borrow_mut().push("a".into());
    });
    let hook_b = on_flow(move |point| {
        b.say(point);
        both_b.0.borrow_mut().push("b".into());
    });
    let request = one().request("r");
    both.expect(&["a", "b"]);
    drop(hook_a);
    drop(request);
    both.expect(&["b"]);
    first.expect(&["1 r Create"]);
    second.expect(&["1 r Create", "1 r Cleanup(Received)"]);
    drop(hook_b);
    drop(one().request("r"));
    second.expect(&[]);
}

#[test]
fn a_hook_may_add_and_drop_hooks() {
    let log = Log::default();
    let slot = Rc::new(RefCell::new(None));
    let (inside, hooks) = (log.clone(), Rc::clone(&slot));
    let _hook = on_flow(move |point| match point.kind {
        FlowKind::Create => drop(hooks.replace(Some(inside.hook()))),
        _ => drop(hooks.take()),
    });
    let request = one().request("r");
    log.expect(&[]); // from the next moment on
    assert!(slot.borrow().is_some());
    drop(request);
    log.expect(&[]); // it was taken away before its turn came
    assert!(slot.borrow().is_none());
}

#[test]
fn b13_a_panic_of_a_hook_skips_no_cleanup() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let states = Rc::clone(&seen);
    let request = one()
        .request("r")
        .on_cleanup(move |state| states.borrow_mut().push(state));
    let hook = on_flow(|point| assert_eq!(point.kind, FlowKind::Notify, "boom"));
    let ended = catch_unwind(AssertUnwindSafe(|| block_on(request)));
    assert!(ended.is_err());
    assert_eq!(*seen.borrow(), [State::Done, State::Received]);
    drop(hook);
    assert_eq!(request_id(), None);
}

#[test]
fn b15_a_hook_that_panics_keeps_no_other_from_being_told() {
    let log = Log::default();
    let _hooks = [
        on_flow(|point| assert_eq!(point.kind, FlowKind::Create, "boom")),
        log.hook(),
    ];
    let request = one().request("r");
    let ended = catch_unwind(AssertUnwindSafe(|| block_on(request)));
    assert!(ended.is_err());
    log.expect(&["1 r Create", "1 r Cleanup(Done)"]);
}

#[test]
fn debug_shows_what_a_profiled_request_has_not_ended() {
    let queue = TeventQueue::new("disk");
    profile_waits(&queue);
    let holder = queue.try_entry().expect("it is free");
    let line = queue.clone();
    let serve = async move {
        one().request("over").await.expect("it is sure");
        let waits = async move { line.entry().await.map_err(|error| error.to_string()) };
        let inner = waits.request("read");
        inner.await.map(drop)
    };
    let mut serve = serve.request("serve").boxed();
    assert!(!format!("{serve:?}").contains("open"));
    let profile = serve.profile();
    assert!(poll_once(&mut serve).is_pending());
    assert!(
        format!("{serve:?}").contains(r#"open: ["read"]"#),
        "{serve:?}"
    );
    assert_eq!(profile.parts().len(), 2);
    drop(holder);
    assert!(poll_once(&mut serve).is_ready());
    assert!(format!("{serve:?}").contains("open: []"), "{serve:?}");
}
