//! What may go wrong between a loop, its host and foreign code: found in reviews, each with its test.

mod util;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use futures::channel::oneshot;
use tevent_context::{
    Context, Handle, Immediate, SignalKind, Sleep, TraceHook, TracePoint, VirtualClock, sleep,
    yield_now,
};
use tevent_reactor::{Found, OsPoller, Poller};
use util::{assert_readable, is_readable, ms};

fn context() -> Context {
    Context::new().expect("descriptors for one loop")
}

/// Runs turns until the host may sleep.
fn settle(context: &Context) {
    while context
        .turn(Some(Duration::ZERO))
        .expect("the poll works")
        .more
        || is_readable(context)
    {}
}

fn raise(kind: SignalKind) {
    // SAFETY: a listener of the test's own is installed.
    assert_eq!(unsafe { libc::raise(kind.as_raw()) }, 0);
}

fn is_readable_soon(context: &Context) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut watched = [PollFd::new(context, PollFlags::IN)];
    let limit = Timespec {
        tv_sec: 20,
        tv_nsec: 0,
    };
    poll(&mut watched, Some(&limit)) == Ok(1)
}

#[test]
fn a_signal_that_is_pending_when_the_loop_is_left_rings_the_host() {
    let (context, kind) = (context(), SignalKind::real_time(1));
    let _handler = context.handle().signal(kind, |_, _| ()).expect("listens");
    settle(&context);
    context.block_on(async { raise(kind) });
    assert_readable(&context);
    settle(&context);
    context.handle().immediate(move |handle| {
        raise(kind);
        handle.stop();
    });
    context.run().expect("the poll works");
    assert_readable(&context);
}

#[test]
fn a_sleep_and_an_interval_that_are_reset_between_two_turns_ring_the_host() {
    let context = context();
    let far = Instant::now() + Duration::from_secs(3600);
    let mut sleep = context.handle().sleep_until(far);
    let mut ticks = context.handle().interval_at(far, ms(1));
    let mut cx = std::task::Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut sleep).poll(&mut cx).is_pending());
    assert!(ticks.poll_tick(&mut cx).is_pending());
    settle(&context);
    sleep.reset(Instant::now() + ms(1));
    assert!(is_readable_soon(&context), "a host would sleep over it");
    settle(&context);
    ticks.restart();
    assert!(is_readable_soon(&context), "a host would sleep over it");
}

/// A waker that panics when it is woken, or else when it is dropped.
struct Bomb {
    by_wake: bool,
}

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        assert!(!self.by_wake, "woken");
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(self.by_wake, "dropped");
    }
}

#[test]
fn the_end_tells_the_first_panic_also_if_the_waker_of_an_endless_sleep_panics_in_its_drop() {
    let context = context();
    let poll = |sleep: &mut Sleep, by_wake| {
        let waker = Waker::from(Arc::new(Bomb { by_wake }));
        let mut cx = std::task::Context::from_waker(&waker);
        assert!(Pin::new(sleep).poll(&mut cx).is_pending());
    };
    let far = Instant::now() + Duration::from_secs(3600);
    let mut sleep = context.handle().sleep_until(far);
    let mut endless = context.handle().sleep(Duration::MAX);
    poll(&mut sleep, true);
    poll(&mut endless, false);
    let panic = catch_unwind(AssertUnwindSafe(|| drop(context))).expect_err("a waker panics");
    assert_eq!(panic.downcast_ref(), Some(&"woken"));
}

#[test]
fn the_time_of_a_turn_is_not_that_before_its_sleep() {
    let clock = VirtualClock::new();
    let context = Context::builder()
        .virtual_clock(&clock)
        .build()
        .expect("descriptors for one loop");
    let (handle, seen) = (context.handle(), Rc::new(Cell::new(0)));
    let (count, hand) = (Rc::clone(&seen), clock.clone());
    let _hook = context.handle().on_trace(move |point| {
        if *point == TracePoint::AfterWait {
            assert_eq!(handle.now(), hand.now());
            count.set(count.get() + 1);
        }
    });
    context.block_on(async { sleep(Duration::from_secs(60)).await });
    assert!(seen.get() > 1);
}

/// What a report of a stuck loop may do about it.
type Cure = Box<dyn Fn(&Handle)>;

/// The handle that a report needs, until the loop is done with: the loop owns the report.
struct Lent(Rc<RefCell<Option<Handle>>>);

impl Drop for Lent {
    fn drop(&mut self) {
        self.0.take();
    }
}

/// A loop with a report that does something.
fn cured(builder: tevent_context::Builder, cure: Cure) -> (Context, Lent) {
    let handle: Rc<RefCell<Option<Handle>>> = Rc::default();
    let inner = Rc::clone(&handle);
    let report = move |_: &_| cure(inner.borrow().as_ref().expect("built"));
    let context = builder
        .stuck_after(ms(1), report)
        .build()
        .expect("descriptors for one loop");
    handle.replace(Some(context.handle()));
    (context, Lent(handle))
}

#[test]
fn what_the_report_of_a_stuck_loop_does_is_not_slept_over() {
    for virtual_clock in [false, true] {
        let builder = || match virtual_clock {
            true => Context::builder().virtual_clock(&VirtualClock::new()),
            false => Context::builder(),
        };
        let (sender, receiver) = oneshot::channel();
        let sender = Cell::new(Some(sender));
        let frees = move |_: &Handle| {
            if let Some(sender) = sender.take() {
                sender.send(7).expect("somebody waits");
            }
        };
        let (context, _handle) = cured(builder(), Box::new(frees));
        assert_eq!(context.block_on(receiver), Ok(7));

        let (context, _handle) = cured(builder(), Box::new(Handle::stop));
        context.spawn(pending::<()>()).detach();
        context.run().expect("stopped");

        let sets_a_timer = |handle: &Handle| {
            handle
                .timer_after(ms(1), |this, _| this.handle().stop())
                .detach();
        };
        let (context, _handle) = cured(builder(), Box::new(sets_a_timer));
        context.spawn(pending::<()>()).detach();
        context.run().expect("stopped");
    }
}

/// A poller that a signal interrupts so often.
struct Interrupted(OsPoller, u32);

impl Poller for Interrupted {
    fn poll(&mut self, found: &mut Vec<Found>, timeout: Option<Duration>) -> io::Result<()> {
        if timeout != Some(Duration::ZERO) && self.1 > 0 {
            self.1 -= 1;
            return Err(io::ErrorKind::Interrupted.into());
        }
        self.0.poll(found, timeout)
    }
}

#[test]
fn b37_an_interruption_does_not_use_the_patience_up() {
    let context = Context::builder()
        .virtual_clock(&VirtualClock::new())
        .poller(|os| Box::new(Interrupted(os, 100)))
        .build()
        .expect("descriptors for one loop");
    let (sender, receiver) = oneshot::channel();
    let (begin, begun) = std::sync::mpsc::channel();
    let other = std::thread::spawn(move || {
        begun.recv().expect("told to begin");
        sender.send(())
    });
    context.block_on(async {
        yield_now().await;
        begin.send(()).expect("somebody listens");
        receiver.await.expect("sent");
    });
    other.join().expect("no panic").expect("received");
}

#[test]
fn a_loop_that_is_told_of_something_soon_asks_nobody_what_he_waits_for() {
    let context = Context::builder()
        .virtual_clock(&VirtualClock::new())
        .stuck_after(Duration::from_secs(100), |_| ())
        .build()
        .expect("descriptors for one loop");
    let (polls, ring) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(None)));
    let (count, cell) = (Rc::clone(&polls), Rc::clone(&ring));
    let silent = context.spawn(poll_fn::<(), _>(move |cx| {
        count.set(count.get() + 1);
        cell.set(Some(cx.waker().clone()));
        std::task::Poll::Pending
    }));
    let (sender, receiver) = oneshot::channel();
    let other = std::thread::spawn(move || sender.send(()));
    context.block_on(async { receiver.await.expect("sent") });
    assert_eq!(polls.get(), 1);
    other.join().expect("no panic").expect("received");
    drop(silent);
}

#[test]
fn b12_a_panicking_report_leaves_no_budget_in_force() {
    let clock = VirtualClock::new();
    let context = Context::builder()
        .virtual_clock(&clock)
        .slow_after(ms(1), |_| panic!("a report"))
        .build()
        .expect("descriptors for one loop");
    let slow = async move {
        clock.advance(ms(10));
        yield_now().await;
    };
    catch_unwind(AssertUnwindSafe(|| context.block_on(slow))).expect_err("it panics");
    (0..1000).for_each(|_| tevent_core::budget::spend());
    assert!(!tevent_core::budget::is_spent());
}

#[test]
fn b13_a_hook_that_panics_after_a_handler_did_does_not_abort() {
    let context = context();
    let _hook = context.handle().on_trace(|point| {
        if matches!(point, TracePoint::Detach(_)) {
            panic!("a hook");
        }
    });
    context.handle().immediate(|_| panic!("a handler"));
    let turn = || context.turn(Some(Duration::ZERO));
    let panic = catch_unwind(AssertUnwindSafe(turn)).expect_err("it panics");
    assert_eq!(panic.downcast_ref(), Some(&"a handler"), "the first one");
}

#[test]
fn a_hook_that_adds_a_hook_while_another_goes_skips_nobody() {
    let context = context();
    let handle = context.handle();
    let first = Rc::new(Cell::new(Some(handle.on_trace(|_| ()))));
    let added: Rc<RefCell<Vec<TraceHook>>> = Rc::default();
    let (leaves, joins, inner) = (Rc::clone(&first), Rc::clone(&added), handle.clone());
    let _second = handle.on_trace(move |_| {
        if let Some(hook) = leaves.take() {
            drop(hook);
            joins.borrow_mut().push(inner.on_trace(|_| ()));
        }
    });
    let told = Rc::new(Cell::new(0));
    let count = Rc::clone(&told);
    let _third = handle.on_trace(move |point| {
        count.set(count.get() + usize::from(*point == TracePoint::BeforeTurn));
    });
    context.turn(Some(Duration::ZERO)).expect("the poll works");
    assert_eq!(told.get(), 1);
    added.take();
}

#[test]
fn what_concerns_other_loops_does_not_end_a_turn() {
    let contexts = [context(), context()];
    let kinds = [2, 3].map(SignalKind::real_time);
    let _handlers: Vec<_> = contexts
        .iter()
        .zip(kinds)
        .map(|(context, kind)| context.handle().signal(kind, |_, _| ()).expect("listens"))
        .collect();
    raise(kinds[1]);
    let begin = Instant::now();
    let done = contexts[0].turn(Some(ms(20))).expect("the poll works");
    assert_eq!(done.signals, 0);
    assert!(begin.elapsed() >= ms(20));
}

#[test]
fn i2_a_hook_that_schedules_an_immediate_in_the_middle_makes_it_no_two() {
    let context = context();
    let calls = Rc::new(Cell::new(0));
    let count = Rc::clone(&calls);
    let immediate = Rc::new(Immediate::new(&context.handle(), move |_| {
        count.set(count.get() + 1);
    }));
    let (again, once) = (Rc::clone(&immediate), Cell::new(true));
    let _hook = context.handle().on_trace(move |point| {
        if matches!(point, TracePoint::Detach(_)) && once.replace(false) {
            again.schedule();
        }
    });
    immediate.schedule();
    immediate.schedule();
    settle(&context);
    assert_eq!(calls.get(), 1);
    context.run().expect("nothing is counted that is not there");
}

/// A poller that fails.
struct Broken;

impl Poller for Broken {
    fn poll(&mut self, _: &mut Vec<Found>, _: Option<Duration>) -> io::Result<()> {
        Err(io::Error::other("no poll today"))
    }
}

#[test]
fn z3_a_turn_that_fails_is_bracketed_too() {
    let context = Context::builder()
        .poller(|_| Box::new(Broken))
        .build()
        .expect("descriptors for one loop");
    let open = Rc::new(Cell::new(0));
    let count = Rc::clone(&open);
    let _hook = context.handle().on_trace(move |point| {
        count.set(match point {
            TracePoint::BeforeTurn | TracePoint::BeforeWait => count.get() + 1,
            TracePoint::AfterTurn | TracePoint::AfterWait => count.get() - 1,
            _ => count.get(),
        });
    });
    assert!(context.turn(Some(Duration::ZERO)).is_err());
    assert_eq!(open.get(), 0);
}

#[test]
fn b66_a_timer_that_is_made_at_the_last_moment_before_the_sleep_is_not_slept_over() {
    let context = context();
    let (handle, made) = (context.handle(), Cell::new(false));
    let begin = Instant::now();
    let _far = handle.timer_after(Duration::from_secs(3600), |_, _| ());
    let inner = handle.clone();
    let _hook = handle.on_trace(move |point| {
        if *point == TracePoint::BeforeWait && !made.replace(true) {
            inner
                .timer_after(ms(1), |this, _| this.handle().stop())
                .detach();
        }
    });
    context.run().expect("stopped");
    assert!(begin.elapsed() < Duration::from_secs(3600));
}

#[test]
fn b79_children_that_end_at_once_are_all_reaped_though_their_signals_coalesce() {
    let context = context();
    let children: Vec<_> = (0..50)
        .map(|_| {
            std::process::Command::new("true")
                .spawn()
                .expect("a process")
        })
        .collect();
    let left = RefCell::new(children);
    let mut signal =
        tevent_context::Signal::new(&context.handle(), SignalKind::CHILD).expect("listens");
    let reap = || {
        let mut left = left.borrow_mut();
        left.retain_mut(|child| child.try_wait().expect("our child").is_none());
        left.len()
    };
    // Some may have ended before anybody listened: they are looked at once before the first wait.
    context.block_on(async {
        while reap() > 0 {
            signal.recv().await.expect("alive");
        }
    });
}
