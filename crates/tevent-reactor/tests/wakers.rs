//! Wakers are foreign code: they may panic, come back, and take things away, at every point where one is called.

mod support;

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use support::{Counter, NOW, SOON, Stream, counter, idle_pair, live, pair};
use tevent_reactor::{Direction, Initially, Reactor, Source};

type Hook = Box<dyn Fn(&'static str)>;

thread_local! {
    static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static CALLS: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// A waker that calls the hook of this thread when it is cloned, woken and dropped.
fn meddler() -> Waker {
    static VTABLE: RawWakerVTable = RawWakerVTable::new(
        |_| {
            meddle("clone");
            RawWaker::new(ptr::null(), &VTABLE)
        },
        |_| {
            meddle("wake");
            meddle("drop");
        },
        |_| meddle("wake"),
        |_| meddle("drop"),
    );
    // SAFETY: there is no data behind the pointer, and every function leaves it alone.
    unsafe { Waker::from_raw(RawWaker::new(ptr::null(), &VTABLE)) }
}

fn meddle(call: &'static str) {
    if INSIDE.replace(true) {
        return;
    }
    CALLS.with_borrow_mut(|calls| calls.push(call));
    HOOK.with_borrow(|hook| {
        if let Some(hook) = hook {
            hook(call);
        }
    });
    INSIDE.set(false);
}

fn set_hook(hook: impl Fn(&'static str) + 'static) {
    HOOK.set(Some(Box::new(hook)));
}

fn poll_read(source: &Stream, waker: &Waker) -> Poll<std::io::Result<usize>> {
    let mut cx = Context::from_waker(waker);
    source.poll_io(Direction::Read, &mut cx, |mut io| io.read(&mut [0; 64]))
}

/// Calls every public operation once.
fn call_everything(reactor: &Reactor, source: &Stream) {
    let handle = reactor.handle();
    let (other, mut far) = pair(&handle);
    assert!(poll_read(&other, Waker::noop()).is_pending());
    far.write_all(b"x").unwrap();
    reactor.wait(NOW).unwrap();
    drop(other);
    let mut cx = Context::from_waker(Waker::noop());
    let _ = source.poll_ready(Direction::Read, &mut cx);
    let _ = source.poll_transfer(Direction::Write, &mut cx, 2, |mut io| io.write(b"w"));
    reactor.ringer().wake();
    assert!(!format!("{reactor:?} {handle:?} {source:?}").is_empty());
}

#[test]
fn b15_a_waker_that_panics_does_not_keep_the_others_asleep() {
    const TASKS: usize = 16;
    for panicking in 0..TASKS {
        let reactor = Reactor::new().unwrap();
        let handle = reactor.handle();
        let mut pairs: Vec<_> = (0..TASKS).map(|_| idle_pair(&handle)).collect();
        reactor.wait(NOW).unwrap();
        let counters: Vec<_> = (0..TASKS)
            .map(|task| {
                Arc::new(Counter {
                    panics: task == panicking,
                    ..Counter::default()
                })
            })
            .collect();
        for ((source, far), counter) in pairs.iter_mut().zip(&counters) {
            assert!(poll_read(source, &Waker::from(Arc::clone(counter))).is_pending());
            far.write_all(b"x").unwrap();
        }
        assert!(catch_unwind(AssertUnwindSafe(|| reactor.wait(SOON))).is_err());
        assert!(counters.iter().all(|counter| counter.count() == 1));
        for (source, far) in &mut pairs {
            assert!(matches!(
                poll_read(source, Waker::noop()),
                Poll::Ready(Ok(1))
            ));
            assert!(poll_read(source, Waker::noop()).is_pending());
            far.write_all(b"y").unwrap();
        }
        assert_eq!(
            reactor.wait(SOON).unwrap().woken,
            TASKS,
            "the reactor goes on"
        );
    }
}

#[test]
fn b15_the_first_panic_of_several_comes_out_of_the_end_and_all_are_woken() {
    let reactor = Reactor::new().unwrap();
    let (source, _far) = idle_pair(&reactor.handle());
    let counters = [true, false, true].map(|panics| {
        Arc::new(Counter {
            panics,
            ..Counter::default()
        })
    });
    for counter in &counters {
        assert!(poll_read(&source, &Waker::from(Arc::clone(counter))).is_pending());
    }
    assert!(catch_unwind(AssertUnwindSafe(|| reactor.end())).is_err());
    assert!(counters.iter().all(|counter| counter.count() == 1));
    reactor.end();
}

#[test]
fn b16_a_waker_may_call_everything_while_it_is_cloned_woken_and_dropped() {
    let reactor = std::rc::Rc::new(Reactor::new().unwrap());
    let (source, mut far) = pair(&reactor.handle());
    let source = std::rc::Rc::new(source);
    let (inner_reactor, inner_source) = (reactor.clone(), source.clone());
    set_hook(move |_| call_everything(&inner_reactor, &inner_source));

    let waker = meddler();
    assert!(poll_read(&source, &waker).is_pending());
    far.write_all(b"x").unwrap();
    reactor.wait(SOON).unwrap();
    while poll_read(&source, &waker).is_ready() {}
    // Who waits is dropped with the source; a hook of its own holds the reactor only.
    let inner_reactor = reactor.clone();
    set_hook(move |_| call_everything(&inner_reactor, &idle_pair(&inner_reactor.handle()).0));
    drop(source);
    reactor.end();
    HOOK.set(None);
    let calls = CALLS.take();
    for call in ["clone", "wake", "drop"] {
        assert!(
            calls.contains(&call),
            "{call} has called everything: {calls:?}"
        );
    }
}

#[test]
fn b16_an_event_that_comes_while_the_waker_is_cloned_is_not_lost() {
    let reactor = std::rc::Rc::new(Reactor::new().unwrap());
    let (source, far) = idle_pair(&reactor.handle());
    reactor.wait(NOW).unwrap();
    let inner = reactor.clone();
    set_hook(move |call| {
        if call == "clone" {
            (&far).write_all(b"now").unwrap();
            inner.wait(SOON).unwrap();
        }
    });
    assert!(matches!(poll_read(&source, &meddler()), Poll::Ready(Ok(3))));
    HOOK.set(None);
}

#[test]
fn b17_a_waker_may_drop_the_very_source_it_was_called_for() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let (source, mut far) = idle_pair(&handle);
    reactor.wait(NOW).unwrap();
    let waker = meddler();
    assert!(poll_read(&source, &waker).is_pending());
    let slot = RefCell::new(Some(source));
    set_hook(move |_| drop(slot.take()));
    far.write_all(b"x").unwrap();
    assert_eq!(reactor.wait(SOON).unwrap().woken, 1);
    HOOK.set(None);
    assert_eq!(live(&handle), 0);
}

#[test]
fn b40_a_waker_may_drop_all_other_sources_of_the_same_batch() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let mut pairs: Vec<_> = (0..20).map(|_| idle_pair(&handle)).collect();
    reactor.wait(NOW).unwrap();
    let (counter, counting) = counter();
    let meddling = meddler();
    for (at, (source, far)) in pairs.iter_mut().enumerate() {
        let waker = if at == 0 { &meddling } else { &counting };
        assert!(poll_read(source, waker).is_pending());
        far.write_all(b"x").unwrap();
    }
    let all = RefCell::new(pairs);
    set_hook(move |_| drop(all.take()));
    assert_eq!(reactor.wait(SOON).unwrap().woken, 20);
    HOOK.set(None);
    assert_eq!(counter.count(), 19);
    assert_eq!(live(&handle), 0);
    assert_eq!(
        reactor.wait(NOW).unwrap().stale,
        0,
        "deregistered before they were closed"
    );
}

#[test]
fn b41_a_waker_that_registers_while_the_reactor_ends_is_refused() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let (source, far) = idle_pair(&handle);
    let waker = meddler();
    assert!(poll_read(&source, &waker).is_pending());
    let late = RefCell::new(Some(far));
    let inner = handle.clone();
    set_hook(move |_| {
        if let Some(late) = late.take() {
            assert!(Source::new(&inner, late, Initially::Ready).is_err());
        }
    });
    drop(reactor);
    HOOK.set(None);
    assert!(CALLS.take().contains(&"wake"));
    assert_eq!(live(&handle), 1);
}

#[test]
fn b15_a_reactor_dropped_by_a_panic_keeps_that_panic() {
    let (first, second) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let (source, _far) = idle_pair(&first.handle());
    let waker = Waker::from(Arc::new(Counter {
        panics: true,
        ..Counter::default()
    }));
    assert!(poll_read(&source, &waker).is_pending());
    let panic = catch_unwind(AssertUnwindSafe(move || {
        let _dropped = (first, second);
        panic!("the first panic");
    }));
    assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"the first panic"));
}
