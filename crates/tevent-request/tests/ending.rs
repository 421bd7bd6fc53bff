//! The end of scopes: who is dropped when, who is not polled any more, and what the report says.

mod util;

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;

use tevent_context::{sleep, spawn, yield_now};
use tevent_queue::TeventQueue;
use tevent_request::{Child, Report, Request, RequestError, RequestExt, RequestScope, request};
use util::{Rig, Trace, ms};

type Never = Result<u32, String>;

/// Works in every turn of the loop, and counts.
fn busy(polls: &Rc<Cell<u32>>) -> Request<u32, String> {
    let polls = polls.clone();
    let work = async move {
        loop {
            polls.set(polls.get() + 1);
            yield_now().await;
        }
    };
    work.request("busy").boxed()
}

async fn settle() {
    for _ in 0..100 {
        yield_now().await;
    }
}

#[test]
fn children_of_a_scope_that_is_gone_are_not_polled_any_more() {
    for way in ["scope", "end", "request"] {
        let rig = Rig::new();
        rig.context.block_on(async {
            let polls = Rc::new(Cell::new(0));
            let scope = RequestScope::new("s");
            for _ in 0..20 {
                scope.spawn(busy(&polls));
            }
            yield_now().await;
            let before = polls.get();
            assert!(before > 0);
            match way {
                "scope" => drop(scope),
                "end" => drop(scope.end()),
                _ => {
                    let owner = async move {
                        scope.join().await;
                        Ok::<_, String>(())
                    };
                    let owner = owner.request("owner").boxed();
                    drop(owner);
                }
            }
            settle().await;
            assert_eq!(polls.get(), before, "{way}");
        });
    }
}

#[test]
fn turns_of_children_are_given_back_unused_after_a_timeout() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let (queue, turns) = (TeventQueue::new("q"), Rc::new(Cell::new(0)));
        let (line, count) = (queue.clone(), turns.clone());
        let outer: Request<(), String, _> = Request::new("outer", |_| async move {
            let scope = RequestScope::new("s");
            for _ in 0..5 {
                let (line, count) = (line.clone(), count.clone());
                let work = async move {
                    loop {
                        let _turn = line.entry().await;
                        count.set(count.get() + 1);
                        sleep(ms(1)).await;
                    }
                };
                scope.spawn(work.request("child").boxed() as Request<u32, String>);
            }
            scope.join().await;
            Ok(())
        });
        assert_eq!(outer.timeout(ms(5)).await, Err(RequestError::TimedOut));
        let before = turns.get();
        drop(queue.entry().await);
        assert!(queue.is_empty());
        assert_eq!(turns.get(), before);
    });
}

#[test]
fn an_end_takes_nobody_until_it_is_over() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let scope = Rc::new(RequestScope::new("s"));
        let child = scope.spawn(pending::<Never>().request("child"));
        yield_now().await;
        // Awaits a child that is dropped, and tries again.
        let retries = Rc::new(Cell::new(0));
        let (handle, count) = (scope.handle(), retries.clone());
        let retrying = spawn(async move {
            let mut child = child;
            while child.await == Err(RequestError::Abandoned) && count.get() < 5 {
                count.set(count.get() + 1);
                child = handle.spawn(pending::<Never>().request("again"));
                assert!(child.is_finished(), "it is refused at once");
            }
        });
        yield_now().await;
        scope.end().await;
        assert_eq!(scope.len(), 0);
        retrying.await;
        assert_eq!(retries.get(), 5);
    });
}

#[test]
fn end_begins_at_the_call_and_goes_on_when_it_is_dropped() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    rig.context.block_on(async {
        let scope = RequestScope::new("s");
        for name in ["first", "second"] {
            let gone = trace.on_drop(name);
            let work = async move {
                let _gone = gone;
                pending::<Never>().await
            };
            scope.spawn(work.request(name));
        }
        let end = scope.end();
        trace.say("asked");
        let refused = scope.try_spawn(pending::<Never>().request("late"));
        assert!(refused.is_err());
        settle().await;
        assert_eq!(scope.len(), 0);
        let refused = scope.try_spawn(pending::<Never>().request("late"));
        assert!(refused.is_err(), "the end is looked at still");
        drop(end);
        let again = scope.try_spawn(async { Ok::<u32, String>(1) }.request("again"));
        assert_eq!(again.expect("it is open again").await, Ok(1));
    });
    rig.trace.expect(&["0: asked", "0: second", "0: first"]);
}

#[test]
fn shutdown_refuses_from_the_call_on() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let scope = RequestScope::new("s");
        let shutdown = scope.shutdown(ms(10), ms(10));
        assert!(scope.try_spawn(pending::<Never>().request("late")).is_err());
        sleep(ms(5)).await;
        assert_eq!(shutdown.await, Report::default());
    });
}

#[test]
fn the_times_of_a_shutdown_count_from_the_call_and_from_the_asking() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let scope = RequestScope::new("s");
        scope.spawn(pending::<Never>().request("silent"));
        let shutdown = scope.shutdown(ms(10), ms(3));
        sleep(ms(4)).await;
        let report = shutdown.await;
        assert_eq!(rig.clock.now(), rig.at(13));
        assert_eq!(report.left.len(), 1);
    });
}

#[test]
fn with_no_time_for_an_answer_who_answers_at_once_is_heard() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let scope = RequestScope::new("s");
        for turns in [0, 1000] {
            let work = Request::<u32, String, _>::new("r", move |token| async move {
                token.cancelled().await;
                for _ in 0..turns {
                    yield_now().await;
                }
                Err(RequestError::Cancelled)
            });
            scope.spawn(work);
        }
        yield_now().await;
        let report = scope.shutdown(ms(0), ms(0)).await;
        assert_eq!((report.cancelled, report.left.len()), (1, 1));
    });
}

/// One child of each kind of end, then `shutdown`.
fn all_kinds(scope: &RequestScope) -> Child<u32, String> {
    scope.spawn(async { Ok::<u32, String>(1) }.request("done"));
    scope.spawn(async { Err::<u32, _>("no") }.request("failed"));
    let late = pending::<Never>().request("late").timeout(ms(1));
    scope.spawn(late);
    let gives_in = Request::<u32, String, _>::new("gives in", |token| async move {
        token.cancelled().await;
        Err(RequestError::Cancelled)
    });
    scope.spawn(gives_in);
    let finishes = Request::<u32, String, _>::new("finishes", |token| async move {
        token.cancelled().await;
        Ok(1)
    });
    scope.spawn(finishes);
    let (completer, promised) = request::<u32, String>("promised");
    scope.spawn(promised);
    spawn(async move { drop(completer) }).detach();
    let panics = async {
        yield_now().await;
        if true {
            panic!("boom");
        }
        Ok::<u32, String>(1)
    };
    scope.spawn(panics.request("panics"));
    scope.spawn(pending::<Never>().request("silent"))
}

#[test]
fn a_report_counts_each_child_once_by_how_it_ended() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let scope = RequestScope::new("s");
        let before = scope.spawn(async { Ok::<u32, String>(1) }.request("before"));
        assert_eq!(before.await, Ok(1));
        let silent = all_kinds(&scope);
        let report = scope.shutdown(ms(10), ms(3)).await;
        assert_eq!((report.drained, report.failed), (2, 1));
        assert_eq!((report.timed_out, report.cancelled), (1, 1));
        assert_eq!((report.abandoned, report.panicked), (1, 1));
        let [left] = &report.left[..] else {
            panic!("one is left: {report}");
        };
        assert_eq!(
            (&*left.name, left.has_begun, left.age),
            ("silent", true, ms(13))
        );
        let text = report.to_string();
        let (counts, who) = text.split_once(": ").expect("one is left");
        assert_eq!(
            counts,
            "2 drained, 1 failed, 1 timed out, 1 cancelled, 1 abandoned, 1 panicked, 1 left"
        );
        assert!(who.starts_with("request `silent` (created at "), "{who}");
        assert_eq!(silent.await, Err(RequestError::Abandoned));
        assert_eq!(Report::default().to_string(), "nobody was there");
    });
}

#[test]
fn a_shutdown_that_is_given_up_goes_no_further() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let scope = RequestScope::new("s");
        let deaf = scope.spawn(pending::<Never>().request("deaf"));
        drop(scope.shutdown(ms(0), ms(0)));
        settle().await;
        assert!(!deaf.is_finished() && !scope.token().is_cancelled());
        let asked = tevent_context::timeout(ms(5), scope.shutdown(ms(0), ms(100)));
        assert!(asked.await.is_err());
        settle().await;
        assert!(!deaf.is_finished() && scope.token().is_cancelled());
    });
}

fn last_words(trace: &Trace, name: &'static str) -> impl Future<Output = Never> + 'static {
    let gone = trace.on_drop(format!("{name} dropped"));
    async move {
        let _gone = gone;
        pending().await
    }
}

#[test]
fn a_child_may_end_the_others() {
    for way in ["join", "end", "shutdown"] {
        let rig = Rig::new();
        let trace = rig.trace.clone();
        rig.context.block_on(async {
            let scope = Rc::new(RequestScope::new("s"));
            let own = scope.clone();
            let brief = way == "join";
            let one = |name| {
                let (words, nap) = (last_words(&trace, name), sleep(ms(5)));
                async move {
                    if !brief {
                        return words.await;
                    }
                    nap.await;
                    Ok(1)
                }
            };
            scope.spawn(one("before").request("before"));
            let admin = async move {
                yield_now().await;
                let left = match way {
                    "join" => {
                        own.join().await;
                        0
                    }
                    "end" => {
                        own.end().await;
                        0
                    }
                    _ => own.shutdown(ms(1), ms(1)).await.left.len(),
                };
                Ok::<_, String>((left, own.len()))
            };
            let admin = scope.spawn(admin.request("admin"));
            scope.spawn(one("after").request("after"));
            let left = if way == "shutdown" { 2 } else { 0 };
            let limit = tevent_context::timeout(ms(100), admin).await;
            assert_eq!(limit.expect("it does not wait for itself"), Ok((left, 1)));
            scope.join().await;
        });
        match way {
            "join" => rig.trace.expect(&["5: before dropped", "5: after dropped"]),
            "end" => rig.trace.expect(&["0: after dropped", "0: before dropped"]),
            _ => rig.trace.expect(&["2: after dropped", "2: before dropped"]),
        }
    }
}

#[test]
fn a_child_that_was_spared_goes_with_the_scope() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    rig.context.block_on(async {
        let scope = Rc::new(RequestScope::new("s"));
        let own = Rc::downgrade(&scope);
        let words = last_words(&trace, "admin");
        let admin = async move {
            let scope = own.upgrade().expect("it is there");
            scope.end().await;
            drop(scope);
            words.await
        };
        let admin = scope.spawn(admin.request("admin"));
        scope.spawn(last_words(&trace, "other").request("other"));
        settle().await;
        trace.say("scope dropped");
        drop(scope);
        assert_eq!(admin.await, Err(RequestError::Abandoned));
    });
    rig.trace
        .expect(&["0: other dropped", "0: scope dropped", "0: admin dropped"]);
}
