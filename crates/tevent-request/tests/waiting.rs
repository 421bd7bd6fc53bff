//! Children that wait for their place: what they hear, and what ends them before they begin.

mod util;

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;

use tevent_context::{Context, VirtualClock, sleep, yield_now};
use tevent_request::{Child, Request, RequestError, RequestExt, RequestScope, request};
use util::{Rig, Trace, ms};

type Never = Result<u32, String>;

/// Says when it begins, and takes so many milliseconds.
fn work(trace: &Trace, name: &'static str, millis: u64) -> Request<u32, String> {
    let trace = trace.clone();
    let work = async move {
        trace.say(format!("{name} begins"));
        sleep(ms(millis)).await;
        Ok::<_, String>(1)
    };
    work.request(name).boxed()
}

#[test]
fn a_new_bound_leaves_those_that_wait_in_their_line() {
    let rig = Rig::new();
    let trace = &rig.trace;
    rig.context.block_on(async {
        let scope = RequestScope::new("s").at_most(1);
        let old = ["a", "b", "c"].map(|name| scope.spawn(work(trace, name, 10)));
        sleep(ms(1)).await;
        let scope = scope.at_most(2);
        let new = ["d", "e", "f"].map(|name| scope.spawn(work(trace, name, 10)));
        for child in old.into_iter().chain(new) {
            assert_eq!(child.await, Ok(1));
        }
    });
    rig.trace.expect(&[
        "0: a begins",
        "1: d begins",
        "1: e begins",
        "10: b begins",
        "11: f begins",
        "20: c begins",
    ]);
}

#[test]
fn the_deadline_ends_a_child_that_waits() {
    let rig = Rig::new();
    let trace = &rig.trace;
    rig.context.block_on(async {
        let scope = RequestScope::new("s").at_most(1);
        let first = scope.spawn(work(trace, "first", 10));
        let hasty = work(trace, "hasty", 1).timeout(ms(5));
        let hasty = scope.spawn(hasty.on_cleanup(trace.cleanup("hasty")));
        let last = scope.spawn(work(trace, "last", 1));
        assert_eq!(hasty.await, Err(RequestError::TimedOut));
        assert_eq!(rig.clock.now(), rig.at(5));
        assert_eq!((first.await, last.await), (Ok(1), Ok(1)));
    });
    rig.trace.expect(&[
        "0: first begins",
        "5: hasty TimedOut",
        "5: hasty Received",
        "10: last begins",
    ]);
}

#[test]
fn who_is_asked_while_he_waits_ends_without_a_beginning() {
    for by_scope in [false, true] {
        let rig = Rig::new();
        let trace = &rig.trace;
        rig.context.block_on(async {
            let scope = RequestScope::new("s").at_most(1);
            let first = scope.spawn(work(trace, "first", 10));
            let plain = scope.spawn(work(trace, "plain", 1));
            let said = trace.clone();
            let listens: Child<u32, String> =
                scope.spawn(Request::new("listens", |token| async move {
                    said.say("listens begins");
                    token.cancelled().await;
                    Ok(1)
                }));
            sleep(ms(1)).await;
            assert!(!first.cancel(), "it has begun, and has no token");
            match by_scope {
                true => assert!(scope.cancel()),
                false => assert!(plain.cancel() && listens.cancel() && plain.cancel()),
            }
            assert_eq!(plain.await, Err(RequestError::Cancelled));
            assert_eq!(listens.await, Err(RequestError::Cancelled));
            assert_eq!(rig.clock.now(), rig.at(1));
            assert_eq!(first.await, Ok(1));
        });
        rig.trace.expect(&["0: first begins"]);
    }
}

#[test]
fn work_does_not_begin_for_who_has_been_asked_already() {
    for bound in [None, Some(1)] {
        let rig = Rig::new();
        let trace = &rig.trace;
        rig.context.block_on(async {
            let mut scope = RequestScope::new("s");
            if let Some(bound) = bound {
                scope = scope.at_most(bound);
            }
            let own = scope.spawn(Request::<u32, String, _>::new("own", |_| async { Ok(1) }));
            scope.cancel();
            let late = scope.spawn(work(trace, "late", 1));
            assert_eq!(late.await, Err(RequestError::Cancelled));
            assert_eq!(own.await, Err(RequestError::Cancelled));
        });
        rig.trace.expect(&[]);
    }
}

#[test]
fn a_promise_ends_by_its_completer_whether_it_has_a_place_or_not() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let scope = RequestScope::new("s").at_most(1);
        let _first = scope.spawn(pending::<Never>().request("first"));
        let (completer, promised) = request::<u32, String>("promised");
        let (boxed_completer, boxed) = request::<u32, String>("boxed");
        let token = completer.token();
        let children = [scope.spawn(promised), scope.spawn(boxed.boxed())];
        yield_now().await;
        assert!(scope.cancel() && token.is_cancelled());
        yield_now().await; // it is asked, and its completer decides
        assert!(completer.done(1) && boxed_completer.done(1));
        for child in children {
            assert_eq!(child.await, Ok(1));
        }
        assert_eq!(scope.len(), 1);
    });
}

#[test]
fn a_shutdown_begins_nobody_after_it_has_asked() {
    let rig = Rig::new();
    let trace = &rig.trace;
    rig.context.block_on(async {
        let scope = RequestScope::new("s").at_most(1);
        for name in ["first", "second", "third", "fourth"] {
            scope.spawn(work(trace, name, 10));
        }
        let report = scope.shutdown(ms(15), ms(20)).await;
        assert_eq!((report.drained, report.cancelled), (2, 2));
        assert_eq!(rig.clock.now(), rig.at(20));
    });
    rig.trace.expect(&["0: first begins", "10: second begins"]);
}

#[test]
fn a_turn_passes_on_before_the_awaiter_learns() {
    let rig = Rig::new();
    let trace = &rig.trace;
    rig.context.block_on(async {
        let scope = RequestScope::new("s").at_most(1);
        let first = scope.spawn(work(trace, "first", 10));
        scope.spawn(work(trace, "second", 10));
        first.await.expect("it is done");
        trace.say("first is awaited");
    });
    rig.trace.expect(&[
        "0: first begins",
        "10: second begins",
        "10: first is awaited",
    ]);
}

#[test]
fn a_scope_tells_who_works_and_who_waits() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let scope = RequestScope::new("clients").at_most(1);
        let _works = scope.spawn(pending::<Never>().request("works"));
        sleep(ms(3)).await;
        let waits = scope.spawn(pending::<Never>().request("waits"));
        sleep(ms(4)).await;
        let known: Vec<_> = scope
            .children()
            .into_iter()
            .map(|child| (child.name, child.has_begun, child.age))
            .collect();
        assert_eq!(
            known,
            [
                ("works".into(), true, ms(7)),
                ("waits".into(), false, ms(4))
            ]
        );
        assert!(scope.children()[1].created.file().ends_with("waiting.rs"));
        let debug = format!("{waits:?}");
        assert!(
            debug.contains("waits for its place in: scope `clients`"),
            "{debug}"
        );
    });
}

#[test]
fn who_has_not_begun_waits_for_a_place_only_where_places_are_bounded() {
    let rig = Rig::new();
    for bounded in [false, true] {
        let mut scope = RequestScope::on(&rig.context.handle(), "s");
        if bounded {
            scope = scope.at_most(1);
        }
        let child = scope.spawn(async { Ok::<u32, String>(1) }.request("child"));
        let debug = format!("{child:?}");
        assert_eq!(debug.contains("waits for its place"), bounded, "{debug}");
        // Work that has no token cannot be asked, but where it waits.
        assert_eq!(child.cancel(), bounded);
        let result = rig.context.block_on(child);
        assert_eq!(result.is_err(), bounded, "{result:?}");
    }
}

#[test]
fn a_child_that_awaits_another_one_for_its_own_place_is_told_by_a_stuck_loop() {
    let context = Context::builder()
        .virtual_clock(&VirtualClock::new())
        .stuck_after(ms(1), |_| ())
        .build()
        .expect("descriptors for one loop");
    let scope = RequestScope::on(&context.handle(), "parts").at_most(1);
    let handle = scope.handle();
    let seen = Rc::new(RefCell::new(String::new()));
    let debug = seen.clone();
    let outer = async move {
        let inner = handle.spawn(async { Ok::<u32, String>(1) }.request("inner"));
        *debug.borrow_mut() = format!("{inner:?}");
        inner.await
    };
    scope.spawn(Request::new("outer", |_| outer));
    let stuck = context.run().expect_err("nothing can come").to_string();
    assert!(
        seen.borrow()
            .contains("waits for its place in: scope `parts`")
    );
    for word in [
        "request `inner`",
        "which waits for its place in scope `parts`",
    ] {
        assert!(stuck.contains(word), "{word} in {stuck}");
    }
}
