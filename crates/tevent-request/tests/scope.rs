//! Scopes: joining, cancelling, the order of the end, bounded concurrency, ordered shutdown, flat stacks.

mod util;

use std::cell::Cell;
use std::future::pending;
use std::pin::Pin;
use std::rc::Rc;
use std::thread;

use tevent_context::{Context, sleep, spawn, yield_now};
use tevent_request::{
    Child, Request, RequestError, RequestExt, RequestScope, RequestTask, State, request,
};
use util::{Rig, Trace, ms};

type Never = std::result::Result<u32, String>;

/// A request that never ends, and says when it is dropped.
fn silent(trace: &Trace, name: &'static str) -> Request<u32, String> {
    let gone = trace.on_drop(format!("{name} dropped"));
    let work = async move {
        let _gone = gone;
        pending::<Never>().await
    };
    work.request(name).boxed()
}

#[test]
fn join_waits_for_all_also_for_those_that_come_meanwhile() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    rig.context.block_on(async {
        let scope = RequestScope::new("s");
        let (handle, said) = (scope.handle(), trace.clone());
        let first = async move {
            sleep(ms(5)).await;
            let second = async move {
                sleep(ms(5)).await;
                said.say("second");
                Ok::<_, String>(())
            };
            handle.spawn(second.request("second")); // its handle is dropped: it runs on
            Ok::<_, String>(1)
        };
        let first = scope.spawn(first.request("first"));
        assert_eq!(scope.len(), 1);
        scope.join().await;
        assert!(scope.is_empty() && first.is_finished());
        trace.say("joined");
        assert_eq!(first.await, Ok(1));
    });
    rig.trace.expect(&["10: second", "10: joined"]);
}

#[test]
fn end_drops_the_last_first_whatever_is_ready_and_waits() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    rig.context.block_on(async {
        let scope = RequestScope::new("s");
        let first = scope.spawn(silent(&trace, "first"));
        scope.spawn(silent(&trace, "second"));
        scope.spawn(silent(&trace, "third"));
        yield_now().await;
        scope.end().await;
        trace.say("ended");
        assert_eq!(first.await, Err(RequestError::Abandoned));
        let again = scope.spawn(async { Ok::<_, String>(1) }.request("again"));
        assert_eq!(again.await, Ok(1));
    });
    rig.trace.expect(&[
        "0: third dropped",
        "0: second dropped",
        "0: first dropped",
        "0: ended",
    ]);
}

#[test]
fn dropping_the_scope_drops_in_the_same_order_but_not_inside() {
    // With a bound, all but the first wait in a line; without, unpolled ones are ready in the order of creation.
    for (bound, polled) in [(10, false), (10, true), (1, false), (1, true)] {
        let rig = Rig::new();
        let trace = rig.trace.clone();
        rig.context.block_on(async {
            let scope = RequestScope::new("s").at_most(bound);
            for name in ["first", "second", "third"] {
                scope.spawn(silent(&trace, name));
            }
            if polled {
                sleep(ms(0)).await;
            }
            let token = scope.token();
            drop(scope);
            trace.say("scope dropped");
            assert!(token.is_cancelled());
            sleep(ms(0)).await;
        });
        rig.trace.expect(&[
            "0: scope dropped",
            "0: third dropped",
            "0: second dropped",
            "0: first dropped",
        ]);
    }
}

#[test]
fn cancel_asks_all_and_those_of_later() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let scope = RequestScope::new("s");
        let willing = |scope: &RequestScope| -> Child<u32, String> {
            scope.spawn(Request::new("willing", |token| async move {
                token.cancelled().await;
                Err(RequestError::Cancelled)
            }))
        };
        let children = [willing(&scope), willing(&scope)];
        let (completer, promised) = request::<u32, String>("promised");
        let token = completer.token();
        let promised = scope.spawn(promised);
        yield_now().await;
        assert!(scope.cancel() && !scope.cancel());
        assert!(token.is_cancelled());
        assert!(completer.done(1));
        for child in children.into_iter().chain([willing(&scope)]) {
            assert_eq!(child.await, Err(RequestError::Cancelled));
        }
        let (completer, late) = request::<u32, String>("late");
        let _late = scope.spawn(late);
        assert!(completer.token().is_cancelled(), "asked before it listened");
        assert_eq!(promised.await, Ok(1), "it had been done all the same");
    });
}

#[test]
fn at_most_so_many_work_at_a_time_first_come_first_served() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    rig.context.block_on(async {
        let scope = RequestScope::new("s").at_most(2);
        let (now, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        for number in 0..5 {
            let (trace, now, most) = (trace.clone(), now.clone(), most.clone());
            let work = async move {
                now.set(now.get() + 1);
                most.set(now.get().max(most.get()));
                trace.say(format!("{number} begins"));
                sleep(ms(10)).await;
                now.set(now.get() - 1);
                Ok::<_, String>(())
            };
            scope.spawn(work.request("work"));
        }
        scope.join().await;
        assert_eq!(most.get(), 2);
    });
    rig.trace.expect(&[
        "0: 0 begins",
        "0: 1 begins",
        "10: 2 begins",
        "10: 3 begins",
        "20: 4 begins",
    ]);
}

#[test]
fn a_dropped_child_s_work_is_gone_before_its_turn_passes_on() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    rig.context.block_on(async {
        let scope = RequestScope::new("s").at_most(1);
        let mut first = scope.spawn(silent(&trace, "first").timeout(ms(5)));
        let next = trace.clone();
        let second = async move {
            next.say("second begins");
            Ok::<_, String>(())
        };
        let second = scope.spawn(second.request("second"));
        assert_eq!((&mut first).await, Err(RequestError::TimedOut));
        assert_eq!(second.await, Ok(()));
    });
    rig.trace.expect(&["5: first dropped", "5: second begins"]);
}

#[test]
fn shutdown_takes_no_more_drains_cancels_joins_and_reports() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    rig.context.block_on(async {
        let scope = Rc::new(RequestScope::new("s"));
        let quick = async {
            sleep(ms(5)).await;
            Ok::<_, String>(1)
        };
        let quick = scope.spawn(quick.request("quick"));
        let willing: Child<u32, String> =
            scope.spawn(Request::new("willing", |token| async move {
                token.cancelled().await;
                sleep(ms(2)).await;
                Err(RequestError::Cancelled)
            }));
        let stubborn = scope.spawn(silent(&trace, "stubborn"));
        scope.spawn(silent(&trace, "last"));
        let shutdown = spawn({
            let scope = scope.clone();
            async move { scope.shutdown(ms(10), ms(5)).await }
        });
        yield_now().await;
        yield_now().await;
        let refused = scope.try_spawn(async { Ok::<u32, String>(1) }.request("late"));
        assert_eq!(refused.expect_err("it takes no more").name(), "late");
        let late = scope.spawn(async { Ok::<u32, String>(1) }.request("late"));
        assert_eq!(late.await, Err(RequestError::Abandoned));

        let report = shutdown.await;
        assert_eq!(rig.clock.now(), rig.at(15));
        assert_eq!((report.drained, report.cancelled), (1, 1));
        let left: Vec<_> = report.left.iter().map(|left| &*left.name).collect();
        assert_eq!(left, ["last", "stubborn"]);
        assert!(
            report
                .to_string()
                .starts_with("1 drained, 1 cancelled, 2 left: request `last`")
        );
        assert_eq!(quick.await, Ok(1));
        assert_eq!(willing.await, Err(RequestError::Cancelled));
        assert_eq!(stubborn.await, Err(RequestError::Abandoned));
    });
    rig.trace
        .expect(&["15: last dropped", "15: stubborn dropped"]);
}

#[test]
fn shutdown_is_over_as_soon_as_nobody_is_left() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let scope = RequestScope::new("s");
        let work = async {
            sleep(ms(5)).await;
            Ok::<_, String>(())
        };
        scope.spawn(work.request("quick"));
        let report = scope.shutdown(ms(1000), ms(5)).await;
        assert_eq!((report.drained, report.left.len()), (1, 0));
        assert_eq!(rig.clock.now(), rig.at(5));
    });
}

#[test]
fn b12_a_panic_of_a_child_goes_on_in_its_awaiter_and_nobody_else_notices() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let scope = RequestScope::new("s").at_most(1);
        let panics = async {
            yield_now().await;
            if true {
                panic!("boom");
            }
            Ok::<u32, String>(1)
        };
        let bad = scope.spawn(panics.request("bad"));
        let good = scope.spawn(async { Ok::<u32, String>(2) }.request("good"));
        let bad = spawn(bad).outcome().await;
        assert_eq!(bad.expect_err("it panicked").panic_message(), Some("boom"));
        assert_eq!(good.await, Ok(2), "the turn has passed on");
        scope.join().await;
    });
}

#[test]
fn b19_dropping_a_child_detaches_it_dropping_a_task_abandons_it() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    let work = |name: &'static str| {
        let trace = trace.clone();
        let work = async move {
            sleep(ms(5)).await;
            trace.say(name);
            Ok::<_, String>(())
        };
        work.request(name)
            .on_cleanup(rig.trace.cleanup(name))
            .boxed()
    };
    rig.context.block_on(async {
        let scope = RequestScope::new("s");
        drop(scope.spawn(work("child")));
        drop(work("task").spawn());
        work("detached").spawn().detach();
        sleep(ms(10)).await;
        assert!(scope.is_empty());
    });
    rig.trace.expect(&[
        "0: task Received",
        "5: child",
        "5: child Done",
        "5: child Received",
        "5: detached",
        "5: detached Done",
        "5: detached Received",
    ]);
}

#[test]
fn b21_children_spawned_by_destructors_while_all_ends() {
    struct Spawner(Option<tevent_request::ScopeHandle>, Rc<Cell<u32>>);
    impl Drop for Spawner {
        fn drop(&mut self) {
            self.1.set(self.1.get() + 1);
            if let Some(scope) = &self.0 {
                let again = Spawner(self.0.clone().filter(|_| self.1.get() < 10), self.1.clone());
                let work = async move {
                    let _again = again;
                    pending::<Never>().await
                };
                scope.spawn(work.request("again"));
            }
        }
    }
    for way in ["scope", "end", "context"] {
        let rig = Rig::new();
        let dropped = Rc::new(Cell::new(0));
        let scope = RequestScope::on(&rig.context.handle(), "s");
        let spawner = Spawner(Some(scope.handle()), dropped.clone());
        let work = async move {
            let _spawner = spawner;
            pending::<Never>().await
        };
        let child = scope.spawn(work.request("child"));
        rig.settle();
        match way {
            "scope" => drop(scope),
            "end" => rig.context.block_on(scope.end()),
            _ => {
                drop(rig.context);
                assert_eq!((dropped.get(), child.is_finished()), (11, true));
                continue;
            }
        }
        rig.settle();
        // An open scope takes each of the ten and drops it, a closed one refuses it.
        assert_eq!(dropped.get(), 11, "{way}");
        assert!(child.is_finished());
    }
}

/// Far less than a recursion of a million levels needs.
const SMALL_STACK: usize = 256 * 1024;

const DEEP: u32 = if cfg!(miri) { 100 } else { 1_000_000 };

fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(SMALL_STACK);
    let thread = thread.spawn(test).expect("a thread can be made");
    thread.join().expect("the stack stays flat");
}

/// Each level counts, spawns the one below and awaits it; the last one waits for `last`.
fn nested(
    level: u32,
    begun: Rc<Cell<u32>>,
    last: Request<u32, String>,
) -> RequestTask<u32, String> {
    let work: Pin<Box<dyn Future<Output = Result<u32, RequestError<String>>>>> =
        Box::pin(async move {
            begun.set(begun.get() + 1);
            match level {
                0 => last.await,
                _ => nested(level - 1, begun, last).await.map(|below| below + 1),
            }
        });
    Request::new("level", |_| work).spawn()
}

#[test]
fn a_million_nested_requests_end_on_a_flat_stack() {
    on_a_small_stack(|| {
        let context = Context::new().expect("a context");
        let (completer, last) = request::<u32, String>("last");
        let sum = context.block_on(async {
            let begun = Rc::new(Cell::new(0));
            let all = nested(DEEP, begun.clone(), last.boxed());
            while begun.get() <= DEEP {
                yield_now().await;
            }
            assert!(completer.done(0));
            all.await
        });
        assert_eq!(sum, Ok(DEEP));
    });
}

#[test]
fn a_million_nested_requests_are_dropped_on_a_flat_stack() {
    on_a_small_stack(|| {
        let context = Context::new().expect("a context");
        let gone = Rc::new(Cell::new(State::InProgress));
        let seen = gone.clone();
        context.block_on(async {
            let (completer, last) = request::<u32, String>("last");
            let last = last.on_cleanup(move |state| seen.set(state)).boxed();
            let begun = Rc::new(Cell::new(0));
            let all = nested(DEEP, begun.clone(), last);
            while begun.get() <= DEEP {
                yield_now().await;
            }
            drop(all);
            while gone.get() != State::Received {
                yield_now().await;
            }
            assert!(completer.is_over());
        });
        drop(context);
    });
}

#[test]
fn nested_scopes_are_dropped_on_a_flat_stack() {
    const LEVELS: u32 = if cfg!(miri) { 50 } else { 100_000 };
    fn level(left: u32, trace: Rc<Cell<u32>>) -> Pin<Box<dyn Future<Output = Never>>> {
        struct Count(Rc<Cell<u32>>);
        impl Drop for Count {
            fn drop(&mut self) {
                self.0.set(self.0.get() - 1);
            }
        }
        Box::pin(async move {
            trace.set(trace.get() + 1);
            let _count = Count(trace.clone());
            if left > 0 {
                let scope = RequestScope::new("level");
                scope.spawn(level(left - 1, trace).request("below"));
                scope.join().await;
            }
            pending().await
        })
    }
    on_a_small_stack(|| {
        let context = Context::new().expect("a context");
        let live = Rc::new(Cell::new(0));
        context.block_on(async {
            let scope = RequestScope::new("top");
            scope.spawn(level(LEVELS, live.clone()).request("first"));
            while live.get() <= LEVELS {
                yield_now().await;
            }
            drop(scope);
            while live.get() > 0 {
                yield_now().await;
            }
        });
    });
}

#[test]
fn long_chains_of_tokens_are_asked_and_dropped_on_a_flat_stack() {
    on_a_small_stack(|| {
        let first = tevent_request::CancelToken::new();
        let mut last = first.clone();
        for _ in 0..DEEP {
            last = last.child();
        }
        assert!(first.cancel());
        assert!(last.is_cancelled());
        drop(last);

        let mut last = tevent_request::CancelToken::new();
        for _ in 0..DEEP {
            last = last.child();
        }
        drop(last);
    });
}
