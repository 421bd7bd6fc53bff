//! Classes of bugs: panics wherever foreign code runs, wakers that come back, futures dropped at every await point.

mod util;

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Poll, Wake, Waker};

use futures::{FutureExt, StreamExt};
use tevent_context::{sleep, spawn, yield_now};
use tevent_queue::{QueueExt, TeventQueue};
use tevent_request::{
    CancelToken, Request, RequestError, RequestExt, RequestScope, RequestStream, State, request,
    request_stream, wakeup,
};
use util::{Rig, Trace, ms, poll_once};

type Never = Result<u32, String>;

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().unwrap_or("?")
}

/// Runs what is to panic, and gives the message.
fn panics<R>(run: impl FnOnce() -> R) -> String {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(_) => panic!("it did not panic"),
        Err(panic) => message(&*panic).to_string(),
    }
}

#[test]
fn b12_a_panic_at_any_poll_drops_the_work_and_runs_the_cleanups() {
    for at in 0..4 {
        let rig = Rig::new();
        let trace = rig.trace.clone();
        let queue = TeventQueue::new("q");
        let (gone, queue_in) = (trace.on_drop("work dropped"), queue.clone());
        let work = async move {
            let _gone = gone;
            let _turn = queue_in.entry().await;
            for poll in 0..4 {
                assert!(poll != at, "boom");
                yield_now().await;
            }
            Ok::<u32, String>(1)
        };
        let request = work.request("r").on_cleanup(trace.cleanup("cleanup"));
        let said = panics(|| rig.context.block_on(request));
        assert_eq!(said, "boom");
        assert!(queue.is_empty(), "the turn has passed on");
        rig.trace
            .expect(&["0: work dropped", "0: cleanup Received"]);
        let after = async { Ok::<u32, String>(2) }.request("after");
        assert_eq!(rig.context.block_on(after), Ok(2));
    }
}

struct Bomb(Trace);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.say("bomb");
        if !std::thread::panicking() {
            panic!("bomb");
        }
    }
}

#[test]
fn b13_a_panic_in_the_work_s_destructor_skips_no_cleanup() {
    for way in ["finished", "timed out", "dropped", "ended with its loop"] {
        let rig = Rig::new();
        let trace = rig.trace.clone();
        let bomb = Bomb(trace.clone());
        let ends = way == "finished";
        let work = async move {
            let _bomb = bomb;
            if !ends {
                pending::<()>().await;
            }
            Ok::<u32, String>(1)
        };
        let request = work.request("r").on_cleanup(trace.cleanup("cleanup"));
        let mut request = request.endtime_on(&rig.context.handle(), rig.at(5)).boxed();
        let expected: &[&str] = match way {
            "finished" => {
                assert_eq!(panics(|| rig.context.block_on(request)), "bomb");
                &["0: bomb", "0: cleanup Received"]
            }
            "timed out" => {
                assert_eq!(panics(|| rig.context.block_on(request)), "bomb");
                &["5: bomb", "5: cleanup TimedOut", "5: cleanup Received"]
            }
            "dropped" => {
                assert!(poll_once(&mut request).is_pending());
                assert_eq!(panics(|| drop(request)), "bomb");
                &["0: bomb", "0: cleanup Received"]
            }
            _ => {
                request.spawn_on(&rig.context.handle()).detach();
                rig.settle();
                drop(rig.context);
                &["0: bomb", "0: cleanup Received"]
            }
        };
        rig.trace.expect(expected);
    }
}

#[test]
fn b13_a_panic_of_a_cleanup_skips_no_other_and_poisons_nothing() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    let request = async { Ok::<u32, String>(1) }
        .request("r")
        .on_cleanup(trace.cleanup("first"))
        .on_cleanup(|state| assert!(state != State::Done, "boom"))
        .on_cleanup(trace.cleanup("last"));
    assert_eq!(panics(|| rig.context.block_on(request)), "boom");
    rig.trace.expect(&[
        "0: last Done",
        "0: first Done",
        "0: last Received",
        "0: first Received",
    ]);
    let thousand = async {
        for _ in 0..1000 {
            let task = async { Ok::<u32, String>(1) }.request("r").spawn();
            assert_eq!(task.await, Ok(1));
        }
    };
    rig.context.block_on(thousand);
}

/// A waker that does something.
struct Act<F: Fn() + Send + Sync>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Act<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

#[test]
fn b15_a_waker_that_panics_keeps_no_listener_from_being_woken() {
    const ALL: usize = 64;
    for bad in 0..ALL {
        let token = CancelToken::new();
        let woken = Arc::new(AtomicUsize::new(0));
        let mut waits: Vec<_> = (0..ALL).map(|_| token.cancelled()).collect();
        for (index, wait) in waits.iter_mut().enumerate() {
            let woken = woken.clone();
            let waker = Waker::from(Arc::new(Act(move || {
                assert!(index != bad, "bad waker");
                woken.fetch_add(1, Ordering::Relaxed);
            })));
            let mut cx = TaskContext::from_waker(&waker);
            assert!(Pin::new(wait).poll(&mut cx).is_pending());
        }
        assert_eq!(panics(|| token.cancel()), "bad waker");
        assert_eq!(woken.load(Ordering::Relaxed), ALL - 1);
        assert!(waits.iter_mut().all(|wait| poll_once(wait).is_ready()));
    }
}

#[test]
fn b15_a_waker_that_panics_leaves_the_promise_finished() {
    let (completer, mut request) = request::<u32, String>("r");
    let waker = Waker::from(Arc::new(Act(|| panic!("bad waker"))));
    let mut cx = TaskContext::from_waker(&waker);
    assert!(request.poll_unpin(&mut cx).is_pending());
    assert_eq!(panics(|| completer.done(1)), "bad waker");
    assert_eq!(poll_once(&mut request), Poll::Ready(Ok(1)));
}

#[test]
fn b16_wakers_and_cleanups_may_use_everything() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let token = CancelToken::new();
        let (completer, request) = request::<u32, String>("r");
        let completer = Rc::new(completer);
        let (inner, again) = (token.clone(), completer.clone());
        let scope = Rc::new(RequestScope::new("s"));
        let spawner = scope.handle();
        let request = request.under(&token).on_cleanup(move |_| {
            inner.cancel();
            assert!(!again.done(2) && again.is_over());
            again.token().cancel();
            spawner.spawn(async { Ok::<u32, String>(1) }.request("from a cleanup"));
        });
        let task = scope.spawn(request);
        yield_now().await;
        assert!(completer.done(1));
        assert_eq!(task.await, Ok(1));
        scope.join().await;
        assert!(token.is_cancelled());
    });
}

#[test]
fn b19_what_a_task_s_handle_does_whatever_the_task_has_done() {
    let expected = |state: &str, act: &str| -> &[&str] {
        match (state, act) {
            ("done", "await") => &["Done", "Received", "Ok(1)"],
            ("done", _) => &["Done", "Received"],
            ("pending", "await") => &["Done", "Received", "Ok(1)"],
            ("pending", "detach") => &["Done", "Received"],
            (_, "drop") => &["Received"],
            (_, "await") => &["Done", "Received", "Ok(1)"],
            _ => &["Done", "Received"],
        }
    };
    for state in ["queued", "pending", "done"] {
        for act in ["drop", "detach", "await"] {
            let rig = Rig::new();
            let words = Rc::new(RefCell::new(Vec::new()));
            let cleanup = words.clone();
            rig.context.block_on(async {
                let work = async {
                    sleep(ms(5)).await;
                    Ok::<u32, String>(1)
                };
                let task = work
                    .request("r")
                    .on_cleanup(move |state| cleanup.borrow_mut().push(format!("{state:?}")))
                    .spawn();
                match state {
                    "queued" => {}
                    "pending" => yield_now().await,
                    _ => sleep(ms(6)).await,
                }
                assert_eq!(task.is_finished(), state == "done");
                match act {
                    "drop" => drop(task),
                    "detach" => task.detach(),
                    _ => {
                        let result = task.await;
                        words.borrow_mut().push(format!("{result:?}"));
                    }
                }
                sleep(ms(20)).await;
            });
            assert_eq!(*words.borrow(), expected(state, act), "{state}, {act}");
        }
    }
}

/// Polls what `make` makes so often, with turns in between, then drops it; for ever more polls, until it is ready.
fn dropped_at_each_await_point<F: Future>(
    name: &str,
    make: impl Fn(&Rig) -> F,
    is_clean: impl Fn(&Rig) -> bool,
) {
    for polls in 0.. {
        let rig = Rig::new();
        let left = Rc::new(Cell::new(polls));
        let ready = Rc::new(Cell::new(false));
        let (count, done) = (left.clone(), ready.clone());
        rig.context.block_on(async {
            let mut future = Box::pin(make(&rig));
            let limited = std::future::poll_fn(move |cx| {
                if count.get() == 0 {
                    return Poll::Ready(());
                }
                count.set(count.get() - 1);
                let polled = future.as_mut().poll(cx);
                done.set(polled.is_ready());
                polled.map(drop)
            });
            limited.await; // and drops it
            sleep(ms(50)).await;
        });
        assert!(is_clean(&rig), "{name}, dropped after {polls} polls");
        assert_eq!(rig.context.handle().next_deadline(), None, "{name}");
        rig.context.run().expect("nothing hangs");
        if ready.get() {
            assert!(polls > 0);
            return;
        }
        assert!(polls < 20, "{name} does not end");
    }
}

#[test]
fn every_public_future_is_dropped_at_each_of_its_await_points() {
    let yes = |_: &Rig| true;
    let nap = || async {
        sleep(ms(1)).await;
        sleep(ms(1)).await;
        Ok::<u32, String>(1)
    };
    let queue = TeventQueue::new("q");
    let in_turn = || {
        let queue = queue.clone();
        async move {
            let part = async {
                sleep(ms(1)).await;
            };
            part.queued(&queue).await.map_err(|error| error.to_string())
        }
    };
    let is_empty = |_: &Rig| queue.is_empty();
    dropped_at_each_await_point("Request", |_| in_turn().request("r"), is_empty);
    dropped_at_each_await_point(
        "Request, boxed, with a deadline",
        |_| in_turn().request("r").timeout(ms(20)).boxed(),
        is_empty,
    );
    dropped_at_each_await_point(
        "Request that times out",
        |_| pending::<Never>().request("r").timeout(ms(1)),
        yes,
    );
    dropped_at_each_await_point("RequestTask", |_| in_turn().request("r").spawn(), is_empty);
    dropped_at_each_await_point("wakeup", |rig| wakeup(rig.at(1)), yes);
    let token = || {
        let token = CancelToken::new();
        let later = token.clone();
        spawn(async move {
            sleep(ms(1)).await;
            later.cancel();
        })
        .detach();
        token
    };
    dropped_at_each_await_point("Cancelled", |_| token().cancelled(), yes);
    dropped_at_each_await_point("UnlessCancelled", |_| token().unless(pending::<()>()), yes);
    let promise = || {
        let (completer, request) = request::<u32, String>("r");
        spawn(async move {
            sleep(ms(1)).await;
            completer.done(1);
        })
        .detach();
        request
    };
    dropped_at_each_await_point("Request of a promise", |_| promise(), yes);
    dropped_at_each_await_point(
        "Child",
        |_| async {
            let scope = RequestScope::new("s");
            scope.spawn(in_turn().request("r")).await
        },
        is_empty,
    );
    for name in ["Join", "end", "shutdown"] {
        let ends = |_: &Rig| {
            let (one, two, three) = (in_turn(), nap(), in_turn());
            async move {
                let scope = RequestScope::new("s").at_most(2);
                scope.spawn(one.request("one"));
                scope.spawn(two.request("two"));
                scope.spawn(three.request("three"));
                match name {
                    "Join" => scope.join().await,
                    "end" => scope.end().await,
                    _ => drop(scope.shutdown(ms(1), ms(1)).await),
                }
                assert!(scope.is_empty());
            }
        };
        dropped_at_each_await_point(name, ends, is_empty);
    }
    dropped_at_each_await_point(
        "RequestStream, and notify",
        |_| {
            let values = RequestStream::<u32, String>::new("r", 1, |notifier, _| async move {
                for value in 0..3 {
                    let _taken = notifier.notify(value).await;
                    sleep(ms(1)).await;
                }
                Ok(())
            });
            values.collect::<Vec<_>>()
        },
        yes,
    );
    dropped_at_each_await_point(
        "Notifier::notify",
        |_| {
            let (_completer, notifier, values) = request_stream::<u32, String>("r", 1);
            spawn(async move {
                let mut values = values;
                sleep(ms(1)).await;
                values.next().await;
            })
            .detach();
            async move {
                notifier.notify(1).await?;
                notifier.notify(2).await
            }
        },
        yes,
    );
}

#[test]
fn errors_say_what_to_do() {
    let all: [(RequestError<String>, &str); 4] = [
        (RequestError::User("disk full".into()), "disk full"),
        (RequestError::TimedOut, "later deadline"),
        (RequestError::Cancelled, "somebody had asked"),
        (RequestError::Abandoned, "keep its completer"),
    ];
    for (error, word) in all {
        assert!(error.to_string().contains(word), "{error}");
    }
    let inner: Request<u32, String, _> = Request::new("r", |_| async {
        let inner: Request<u32, String> =
            Request::new("r", |_| async { Err(RequestError::TimedOut) }).boxed();
        let value = inner.await?; // passed on as it is
        Err(format!("{value}"))?
    });
    assert_eq!(inner.now_or_never(), Some(Err(RequestError::TimedOut)));
}
