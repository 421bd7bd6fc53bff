//! Foreign code that panics or comes back: wakers, destructors, cleanups. None aborts the process or costs a result.

mod util;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn, ready};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, RawWaker, RawWakerVTable, Wake, Waker};

use futures::{FutureExt, StreamExt};
use tevent_context::{sleep, yield_now};
use tevent_queue::TeventQueue;
use tevent_request::{
    CancelToken, Request, RequestError, RequestExt, RequestScope, RequestStream, State, request,
    request_stream,
};
use util::{Rig, Trace, ms, poll_once};

type Never = Result<u32, String>;

/// A waker that does something.
struct Act<F: Fn() + Send + Sync>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Act<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

fn bad_waker() -> Waker {
    Waker::from(Arc::new(Act(|| panic!("bad waker"))))
}

/// A destructor that panics whatever else goes on.
#[derive(Debug)]
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

/// A local waker whose clones call a function: no thread but this one gets hold of it.
struct OnClone {
    count: Cell<u32>,
    act: Box<dyn Fn()>,
    woken: Cell<u32>,
}

impl OnClone {
    fn new(act: impl Fn() + 'static) -> Rc<Self> {
        Rc::new(Self {
            count: Cell::new(0),
            act: Box::new(act),
            woken: Cell::new(0),
        })
    }

    fn waker(self: &Rc<Self>) -> Waker {
        // SAFETY: the table's functions keep the reference count as those of `Rc` do; tests keep it on one thread.
        unsafe { Waker::from_raw(Self::raw(Rc::clone(self))) }
    }

    fn raw(this: Rc<Self>) -> RawWaker {
        static TABLE: RawWakerVTable = RawWakerVTable::new(
            |data| {
                // SAFETY: `data` came from `Rc::into_raw`, and the reference stays with the original.
                let this = ManuallyDrop::new(unsafe { Rc::from_raw(data.cast::<OnClone>()) });
                this.count.set(this.count.get() + 1);
                (this.act)();
                OnClone::raw(Rc::clone(&this))
            },
            |data| {
                // SAFETY: as above, and the reference is given up.
                let this = unsafe { Rc::from_raw(data.cast::<OnClone>()) };
                this.woken.set(this.woken.get() + 1);
            },
            |data| {
                // SAFETY: as with the clone.
                let this = ManuallyDrop::new(unsafe { Rc::from_raw(data.cast::<OnClone>()) });
                this.woken.set(this.woken.get() + 1);
            },
            // SAFETY: as with the wake.
            |data| drop(unsafe { Rc::from_raw(data.cast::<OnClone>()) }),
        );
        RawWaker::new(Rc::into_raw(this).cast(), &TABLE)
    }
}

/// Runs what is to panic, and gives the message.
#[track_caller]
fn panics<R>(run: impl FnOnce() -> R) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(run)) else {
        panic!("it did not panic");
    };
    match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => panic.downcast_ref::<&str>().copied().unwrap_or("?").into(),
    }
}

/// Drops what it holds while a panic goes by: whatever panics then, too, aborts the process.
fn dropped_in_a_panic<T>(value: T) {
    let said = panics(|| {
        let _value = value;
        panic!("first");
    });
    assert_eq!(said, "first");
}

/// Polls it once, and drops it: nobody keeps the waker.
#[track_caller]
fn leaves_no_waker<F: Future>(future: F) {
    let woken = Arc::new(Act(|| ()));
    let waker = Waker::from(woken.clone());
    let mut future = Box::pin(future);
    assert!(
        future
            .poll_unpin(&mut TaskContext::from_waker(&waker))
            .is_pending()
    );
    assert!(Arc::strong_count(&woken) > 2, "it waits");
    drop((future, waker));
    assert_eq!(Arc::strong_count(&woken), 1);
}

#[test]
fn b11_a_future_that_is_dropped_leaves_no_waker_behind() {
    let rig = Rig::new();
    let token = CancelToken::new();
    leaves_no_waker(token.cancelled());
    leaves_no_waker(token.unless(pending::<()>()));
    let (completer, promised) = request::<u32, String>("r");
    leaves_no_waker(promised);
    let (_other, promised) = request::<u32, String>("r");
    leaves_no_waker(promised.boxed());
    leaves_no_waker(pending::<Never>().request("r").boxed());
    let late = pending::<Never>().request("r");
    leaves_no_waker(late.endtime_on(&rig.context.handle(), rig.at(5)));
    let scope = RequestScope::on(&rig.context.handle(), "s");
    leaves_no_waker(scope.spawn(pending::<Never>().request("child")));
    leaves_no_waker(scope.join());
    let (_completer, notifier, values) = request_stream::<u32, String>("r", 1);
    assert_eq!(notifier.try_notify(1), Ok(()));
    leaves_no_waker(notifier.notify(2));
    let (_completer, notifier, empty) = request_stream::<u32, String>("r", 1);
    leaves_no_waker(empty.into_future());
    assert!(notifier.is_over() && completer.is_over());
    drop(values);
}

#[test]
fn b13_a_completer_dropped_in_a_panic_wakes_a_bad_waker() {
    let (completer, mut request) = request::<u32, String>("r");
    let waker = bad_waker();
    assert!(
        request
            .poll_unpin(&mut TaskContext::from_waker(&waker))
            .is_pending()
    );
    dropped_in_a_panic(completer);
    assert_eq!(
        poll_once(&mut request),
        Poll::Ready(Err(RequestError::Abandoned))
    );
}

#[test]
fn b13_a_result_that_nobody_takes_is_dropped_in_a_panic() {
    let (completer, promised) = request::<Bomb, String>("r");
    assert!(completer.done(Bomb("result")));
    dropped_in_a_panic(promised);
    let (completer, promised) = request::<Bomb, String>("r");
    assert!(completer.done(Bomb("result")));
    assert_eq!(panics(|| drop(promised)), "result");
    assert_eq!(panics(|| completer.done(Bomb("late"))), "late");
}

#[test]
fn b13_the_work_s_destructor_and_its_result_s_both_panic() {
    let bomb = Bomb("work");
    // The future is dropped whole after it was ready: what it holds goes then.
    let work = poll_fn(move |_| {
        let _held = &bomb;
        Poll::Ready(Ok::<_, String>(Bomb("result")))
    });
    assert_eq!(panics(|| work.request("r").now_or_never()), "work");
}

#[test]
fn b13_a_cleanup_and_the_result_s_destructor_both_panic() {
    let request = ready(Ok::<_, String>(Bomb("result"))).request("r");
    let request = request.on_cleanup(|state| assert!(state != State::Done, "cleanup"));
    assert_eq!(panics(|| request.now_or_never()), "cleanup");
    let (completer, promised) = request_of_bomb();
    let promised = promised.on_cleanup(|state| assert!(state != State::Done, "cleanup"));
    assert!(completer.done(Bomb("result")));
    assert_eq!(panics(|| promised.now_or_never()), "cleanup");
}

#[test]
fn b13_work_that_may_be_given_up_and_its_output_both_panic() {
    let bomb = Bomb("work");
    let work = poll_fn(move |_| {
        let _held = &bomb;
        Poll::Ready(Bomb("output"))
    });
    assert_eq!(
        panics(|| CancelToken::new().unless(work).now_or_never()),
        "work"
    );
}

fn request_of_bomb() -> (
    tevent_request::Completer<Bomb, String>,
    tevent_request::Promised<Bomb, String>,
) {
    request("r")
}

#[test]
fn b13_a_child_s_work_and_its_awaiter_s_waker_both_panic() {
    for finishes in [false, true] {
        let rig = Rig::new();
        let scope = RequestScope::on(&rig.context.handle(), "s").at_most(1);
        let bomb = Bomb("work");
        let (completer, gate) = request::<(), String>("gate");
        let work = async move {
            let _bomb = bomb;
            gate.await.map_err(|error| error.to_string())?;
            Ok::<u32, String>(1)
        };
        let mut child = scope.spawn(work.request("child"));
        let next = scope.spawn(ready(Ok::<u32, String>(2)).request("next"));
        rig.settle();
        let waker = bad_waker();
        assert!(
            child
                .poll_unpin(&mut TaskContext::from_waker(&waker))
                .is_pending()
        );
        if finishes {
            assert!(completer.done(()));
            rig.settle();
            assert_eq!(panics(|| rig.context.block_on(child)), "work");
            assert_eq!(rig.context.block_on(next), Ok(2), "the turn has passed on");
        } else {
            drop(scope.end());
            rig.settle();
            assert_eq!(rig.context.block_on(child), Err(RequestError::Abandoned));
        }
        assert!(scope.is_empty());
    }
}

#[test]
fn b15_a_listener_s_waker_costs_nobody_the_result() {
    for kind in ["work", "promise", "boxed promise", "timeout"] {
        let rig = Rig::new();
        let trace = rig.trace.clone();
        let (completer, promised) = request::<u32, String>("r");
        let given = Rc::new(RefCell::new(Some(completer.token())));
        let late = kind == "timeout";
        let worker = given.clone();
        let request: Request<u32, String> = match kind {
            "work" => Request::new("r", |token| {
                *worker.borrow_mut() = Some(token);
                ready(Ok(1))
            })
            .boxed(),
            "promise" => {
                let forward = async move { promised.on_cleanup(trace.cleanup("inner")).await };
                Request::new("outer", |_| forward).boxed()
            }
            _ => promised.boxed(),
        };
        let request = request.on_cleanup(rig.trace.cleanup("cleanup"));
        let request = request.endtime_on(&rig.context.handle(), rig.at(5));
        let token = given.take().expect("a token");
        let mut listens = token.cancelled();
        let waker = bad_waker();
        assert!(
            listens
                .poll_unpin(&mut TaskContext::from_waker(&waker))
                .is_pending()
        );
        if !late {
            completer.done(1);
        }
        let result = rig.context.block_on(request);
        let expected = if late {
            Err(RequestError::TimedOut)
        } else {
            Ok(1)
        };
        assert_eq!(result, expected, "{kind}");
        assert!(token.is_cancelled());
    }
}

#[test]
fn b15_what_work_drops_wakes_strangers_and_costs_nobody_the_result() {
    let rig = Rig::new();
    let waker = bad_waker();
    let mut cx = TaskContext::from_waker(&waker);
    let (completer, mut promised) = request::<u32, String>("promised");
    assert!(promised.poll_unpin(&mut cx).is_pending());
    let scope = RequestScope::on(&rig.context.handle(), "s");
    let mut listens = scope.token().cancelled();
    assert!(listens.poll_unpin(&mut cx).is_pending());
    let mut join = scope.join();
    let child = scope.spawn(pending::<Never>().request("child"));
    assert!(join.poll_unpin(&mut cx).is_pending());
    let (_done, notifier, values) = request_stream::<u32, String>("r", 1);
    assert_eq!(notifier.try_notify(1), Ok(()));
    let (mut first, mut next) = (Box::pin(notifier.notify(2)), Box::pin(notifier.notify(3)));
    assert!(first.poll_unpin(&mut cx).is_pending() && next.poll_unpin(&mut cx).is_pending());
    let work = async move {
        drop((completer, scope, values));
        Ok::<u32, String>(1)
    };
    assert_eq!(rig.context.block_on(work.request("work")), Ok(1));
    assert_eq!(rig.context.block_on(child), Err(RequestError::Abandoned));
    assert!(join.now_or_never().is_some() && listens.now_or_never().is_some());
    assert_eq!(promised.now_or_never(), Some(Err(RequestError::Abandoned)));
    assert_eq!(
        (first.now_or_never(), next.now_or_never()),
        (Some(Err(2)), Some(Err(3)))
    );
}

#[test]
fn a_promise_tells_its_listeners_after_its_cleanups() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    for boxed in [false, true] {
        for way in ["done", "dropped", "late"] {
            let (completer, promised) = request::<u32, String>("r");
            let token = completer.token();
            let (seen, said) = (token.clone(), trace.clone());
            let promised = promised.endtime_on(&rig.context.handle(), rig.at(0));
            let promised = promised
                .on_cleanup(move |state| said.say(format!("{state:?} {}", seen.is_cancelled())));
            if way == "done" {
                completer.done(1);
            }
            match (way, boxed) {
                ("dropped", true) => drop(promised.boxed()),
                ("dropped", false) => drop(promised),
                (_, true) => drop(rig.context.block_on(promised.boxed())),
                (_, false) => drop(rig.context.block_on(promised)),
            }
            assert!(token.is_cancelled());
            match way {
                "done" => trace.expect(&["0: Done false", "0: Received false"]),
                "late" => trace.expect(&["0: TimedOut false", "0: Received false"]),
                _ => trace.expect(&["0: Received false"]),
            }
        }
    }
}

#[test]
fn a_token_that_is_first_asked_for_after_the_end_is_cancelled() {
    let rig = Rig::new();
    for boxed in [false, true] {
        let (completer, promised) = request::<u32, String>("r");
        match boxed {
            true => drop(promised.boxed()),
            false => drop(promised),
        }
        assert!(completer.token().is_cancelled());
        let (completer, promised) = request::<u32, String>("r");
        let late = promised.endtime_on(&rig.context.handle(), rig.at(0));
        assert_eq!(rig.context.block_on(late), Err(RequestError::TimedOut));
        let token = completer.token();
        assert!(token.is_cancelled() && token.child().is_cancelled());
        assert_eq!(token.cancelled().now_or_never(), Some(()));
    }
}

#[test]
fn b18_a_waker_s_clone_that_finishes_the_request_is_not_overheard() {
    let (completer, mut request) = request::<u32, String>("r");
    let on_clone = OnClone::new(move || assert!(completer.done(1)));
    let waker = on_clone.waker();
    let polled = request.poll_unpin(&mut TaskContext::from_waker(&waker));
    assert!(
        polled == Poll::Ready(Ok(1)) || on_clone.woken.get() > 0,
        "{polled:?}"
    );
    assert_eq!(on_clone.count.get(), 1);
}

#[test]
fn b18_a_waker_s_clone_that_ends_the_last_child_is_not_overheard() {
    let rig = Rig::new();
    let rig = Rc::new(rig);
    let scope = RequestScope::on(&rig.context.handle(), "s");
    scope.spawn(ready(Ok::<u32, String>(1)).request("child"));
    let inner = rig.clone();
    let on_clone = OnClone::new(move || inner.settle());
    let waker = on_clone.waker();
    let mut join = scope.join();
    assert!(
        join.poll_unpin(&mut TaskContext::from_waker(&waker))
            .is_ready()
    );
}

#[test]
fn b18_a_waker_s_clone_that_takes_a_value_makes_room() {
    let (_completer, notifier, values) = request_stream::<u32, String>("r", 1);
    assert_eq!(notifier.try_notify(1), Ok(()));
    let values = RefCell::new(values);
    let on_clone = OnClone::new(move || {
        let taken = values.borrow_mut().next().now_or_never();
        assert_eq!(taken, Some(Some(Ok(1))));
    });
    let waker = on_clone.waker();
    let mut give = Box::pin(notifier.notify(2));
    assert_eq!(
        give.poll_unpin(&mut TaskContext::from_waker(&waker)),
        Poll::Ready(Ok(()))
    );
}

#[test]
fn b15_a_giver_s_waker_costs_nobody_the_value() {
    let (_completer, notifier, mut values) = request_stream::<u32, String>("r", 1);
    assert_eq!(notifier.try_notify(1), Ok(()));
    let mut give = Box::pin(notifier.notify(2));
    let waker = bad_waker();
    assert!(
        give.poll_unpin(&mut TaskContext::from_waker(&waker))
            .is_pending()
    );
    assert_eq!(values.next().now_or_never(), Some(Some(Ok(1))));
    assert_eq!(give.now_or_never(), Some(Ok(())));
    assert_eq!(values.next().now_or_never(), Some(Some(Ok(2))));
}

#[test]
fn b12_a_stream_whose_work_panics_is_over() {
    let mut notify = None;
    let mut values = RequestStream::<u32, String>::new("r", 1, |notifier, _| {
        notify = Some(notifier.clone());
        async move {
            assert_eq!(notifier.notify(1).await, Ok(()));
            panic!("boom")
        }
    });
    let notifier = notify.expect("the work has been made");
    let said = panics(|| values.next().now_or_never());
    assert_eq!(said, "boom");
    let mut give = Box::pin(notifier.notify(2));
    assert_eq!(give.as_mut().now_or_never(), Some(Err(2)));
    assert!(notifier.is_over());
    assert_eq!(
        values.next().now_or_never(),
        Some(Some(Ok(1))),
        "given before"
    );
    assert_eq!(values.next().now_or_never(), Some(None));
}

/// A waker that does nothing, but each time one of its clones is dropped, it panics.
fn waker_of_bombs() -> ManuallyDrop<Waker> {
    static TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| RawWaker::new(data, &TABLE),
        |_| (),
        |_| (),
        |_| panic!("waker's own"),
    );
    // SAFETY: there is no data, so nothing is shared and nothing is freed.
    ManuallyDrop::new(unsafe { Waker::new(std::ptr::null(), &TABLE) })
}

/// Polls it once, and drops it in a panic.
#[track_caller]
fn dropped_with_its_waker<F: Future>(future: F) {
    let mut future = Box::pin(future);
    let waker = waker_of_bombs();
    let polled = future.poll_unpin(&mut TaskContext::from_waker(&waker));
    assert!(polled.is_pending());
    dropped_in_a_panic(future);
}

#[test]
fn b13_every_future_is_dropped_in_a_panic_though_its_waker_panics() {
    let rig = Rig::new();
    let handle = rig.context.handle();
    let token = CancelToken::new();
    dropped_with_its_waker(token.cancelled());
    dropped_with_its_waker(token.unless(pending::<()>()));
    let (_completer, promised) = request::<u32, String>("r");
    dropped_with_its_waker(promised);
    let late = pending::<Never>().request("r");
    dropped_with_its_waker(late.endtime_on(&handle, rig.at(5)).boxed());
    let (_completer, notifier, _values) = request_stream::<u32, String>("r", 1);
    assert_eq!(notifier.try_notify(1), Ok(()));
    dropped_with_its_waker(notifier.notify(2));
    let (_completer, _notifier, values) = request_stream::<u32, String>("r", 1);
    dropped_with_its_waker(values.into_future());
    let scope = RequestScope::on(&handle, "s");
    dropped_with_its_waker(scope.spawn(pending::<Never>().request("child")));
    dropped_with_its_waker(scope.join());
    let _child = scope.spawn(pending::<Never>().request("another"));
    dropped_with_its_waker(scope.shutdown(ms(5), ms(5)));
    dropped_with_its_waker(pending::<Never>().request("task").spawn_on(&handle));
}

#[test]
fn b13_a_stream_is_dropped_with_bombs_in_it() {
    for in_a_panic in [false, true] {
        let (completer, notifier, mut values) = request_stream::<Bomb, String>("r", 2);
        let waker = bad_waker();
        let mut cx = TaskContext::from_waker(&waker);
        assert!(values.poll_next_unpin(&mut cx).is_pending());
        for name in ["one", "two"] {
            let _said = catch_unwind(AssertUnwindSafe(|| notifier.try_notify(Bomb(name))));
        }
        let mut give = Box::pin(notifier.notify(Bomb("three")));
        assert!(give.poll_unpin(&mut cx).is_pending());
        match in_a_panic {
            true => dropped_in_a_panic(values),
            false => drop(panics(|| drop(values))),
        }
        assert!(notifier.is_over() && completer.is_over());
        dropped_in_a_panic(give);
    }
}

#[test]
fn b13_all_of_it_is_dropped_in_a_panic() {
    let rig = Rig::new();
    let token = CancelToken::new();
    let mut request = Request::<u32, String, _>::new("r", |own| {
        let (bomb, other) = (Bomb("work"), own.child());
        async move {
            let (_bomb, _other) = (bomb, other);
            own.cancelled().await;
            Ok(1)
        }
    })
    .under(&token)
    .on_cleanup(|_| panic!("cleanup"))
    .on_cleanup({
        let bomb = Bomb("cleanup's own");
        move |_| {
            let _bomb = &bomb;
        }
    })
    .endtime_on(&rig.context.handle(), rig.at(5))
    .boxed();
    assert!(poll_once(&mut request).is_pending());
    dropped_in_a_panic(request);
    assert_eq!(rig.context.handle().next_deadline(), None);

    let scope = RequestScope::on(&rig.context.handle(), "s");
    let bomb = Bomb("child");
    let work = async move {
        let _bomb = bomb;
        pending::<Never>().await
    };
    let child = scope.spawn(work.request("child"));
    rig.settle();
    let mut listens = scope.token().cancelled();
    let waker = bad_waker();
    assert!(
        Pin::new(&mut listens)
            .poll(&mut TaskContext::from_waker(&waker))
            .is_pending()
    );
    dropped_in_a_panic(scope);
    rig.settle();
    assert!(child.is_finished());
    dropped_in_a_panic(child);
}

/// Spawns, cancels, completes and drops whatever it can reach.
fn meddle(scope: &Rc<RequestScope>, token: &CancelToken, trace: &Trace) {
    trace.say("meddles");
    token.cancel();
    scope.cancel();
    drop(scope.end());
    drop(scope.spawn(ready(Ok::<u32, String>(1)).request("meddler's")));
    drop(scope.children());
}

struct Meddler(Rc<RequestScope>, CancelToken, Trace);

impl Drop for Meddler {
    fn drop(&mut self) {
        meddle(&self.0, &self.1, &self.2);
    }
}

#[test]
fn b16_destructors_and_cleanups_may_end_the_scope_they_are_in() {
    for way in ["end", "cleanup", "work", "shutdown"] {
        let rig = Rig::new();
        let trace = rig.trace.clone();
        rig.context.block_on(async {
            let queue = TeventQueue::new("q");
            let scope = Rc::new(RequestScope::new("s").at_most(2));
            let token = CancelToken::new();
            for _ in 0..4 {
                let meddler = Meddler(scope.clone(), token.clone(), trace.clone());
                let (own, asked, said) = (scope.clone(), token.clone(), trace.clone());
                let line = queue.clone();
                let work = async move {
                    let _turn = line.entry().await;
                    let _meddler = meddler;
                    if way == "work" {
                        sleep(ms(1)).await;
                        return Ok(1);
                    }
                    pending::<Never>().await
                };
                let request = work.request("child").timeout(ms(20)).under(&token);
                let request = request.on_cleanup(move |_| {
                    if way == "cleanup" {
                        meddle(&own, &asked, &said);
                    }
                });
                scope.spawn(request);
            }
            yield_now().await;
            match way {
                "end" => scope.end().await,
                "shutdown" => drop(scope.shutdown(ms(5), ms(5)).await),
                _ => scope.join().await,
            }
            assert!(scope.is_empty() && queue.is_empty(), "{way}");
        });
    }
}

#[test]
fn b16_a_waker_may_poll_the_request_it_is_of() {
    thread_local! {
        static REQUEST: RefCell<Option<Request<u32, String>>> = const { RefCell::new(None) };
        static SEEN: Cell<Option<u32>> = const { Cell::new(None) };
    }
    let polls = Waker::from(Arc::new(Act(|| {
        let request = REQUEST.take();
        let mut request = request.expect("it is there");
        if let Poll::Ready(result) = poll_once(&mut request) {
            SEEN.set(result.ok());
        }
    })));
    let (completer, promised) = request::<u32, String>("r");
    let mut promised = promised.boxed();
    assert!(
        promised
            .poll_unpin(&mut TaskContext::from_waker(&polls))
            .is_pending()
    );
    REQUEST.set(Some(promised));
    assert!(completer.done(7));
    assert_eq!(SEEN.get(), Some(7));
    assert!(completer.is_over());
}

#[test]
fn b16_a_listener_may_drop_the_scope_that_a_child_is_spawned_into() {
    thread_local! {
        static SCOPE: RefCell<Option<RequestScope>> = const { RefCell::new(None) };
    }
    let rig = Rig::new();
    let scope = RequestScope::on(&rig.context.handle(), "s");
    let handle = scope.handle();
    scope.cancel(); // the children of later are asked by their spawn
    SCOPE.set(Some(scope));
    let (completer, promised) = request::<u32, String>("r");
    let mut listens = completer.token().cancelled();
    let drops = Waker::from(Arc::new(Act(|| drop(SCOPE.take()))));
    let mut cx = TaskContext::from_waker(&drops);
    assert!(listens.poll_unpin(&mut cx).is_pending());
    let mut child = handle.spawn(promised);
    assert!(SCOPE.take().is_none());
    rig.settle();
    let abandoned = Poll::Ready(Err(RequestError::Abandoned));
    assert_eq!(poll_once(&mut child), abandoned);
    assert!(completer.is_over());
}

#[test]
fn b16_a_scope_of_one_context_serves_the_tasks_of_another() {
    let (one, two) = (Rig::new(), Rig::new());
    let scope = Rc::new(RequestScope::on(&one.context.handle(), "s"));
    let (completer, promised) = request::<u32, String>("r");
    let child = scope.spawn(promised);
    let own = scope.clone();
    let waits = two.context.handle().spawn(async move {
        let result = child.await;
        own.join().await;
        result
    });
    two.settle();
    one.settle();
    assert!(completer.done(1));
    one.settle();
    assert_eq!(two.context.block_on(waits), Ok(1));
    // The scope's own loop ends: who waits elsewhere learns.
    let child = scope.spawn(pending::<Never>().request("child"));
    let (shutdown, end) = (scope.shutdown(ms(5), ms(5)), scope.join());
    drop(one);
    assert_eq!(two.context.block_on(child), Err(RequestError::Abandoned));
    two.context.block_on(end);
    assert!(two.context.block_on(shutdown).left.is_empty());
    let refused = scope.spawn(pending::<Never>().request("late"));
    assert_eq!(two.context.block_on(refused), Err(RequestError::Abandoned));
    two.context.block_on(scope.end());
    let report = two.context.block_on(scope.shutdown(ms(0), ms(0)));
    assert_eq!(report.to_string(), "nobody was there");
}
