//! The context: turns, nesting, other threads, the end.

mod util;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use futures::channel::oneshot;
use futures::task::LocalSpawnExt;
use tevent_context::{Context, Handle, NoContext, TaskError, sleep, spawn, yield_now};
use util::{Rig, ms};

fn context() -> Context {
    Context::new().expect("descriptors for one loop")
}

#[test]
fn run_ends_when_no_task_is_left_and_block_on_when_its_future_is() {
    let context = context();
    let done = Rc::new(Cell::new(0));
    for _ in 0..3 {
        let done = Rc::clone(&done);
        context
            .spawn(async move {
                yield_now().await;
                done.set(done.get() + 1);
            })
            .detach();
    }
    context.block_on(async {});
    context.run().expect("the poll works");
    assert_eq!(done.get(), 3);
    context.run().expect("nothing to do is no error");
}

#[test]
fn block_on_does_not_sleep_after_its_future_has_finished() {
    let rig = Rig::new();
    rig.context.spawn(sleep_on(&rig, 1000)).detach();
    let start = rig.clock.now();
    rig.context.block_on(yield_now());
    assert_eq!(rig.clock.now(), start);
}

fn sleep_on(rig: &Rig, millis: u64) -> impl Future<Output = ()> + use<> {
    rig.context.handle().sleep(ms(millis))
}

#[test]
fn a_turn_says_what_it_did_and_whether_there_is_more() {
    let rig = Rig::new();
    rig.context.spawn(async { yield_now().await }).detach();
    let turn = rig
        .context
        .turn(Some(Duration::ZERO))
        .expect("the poll works");
    assert_eq!((turn.polls, turn.timers, turn.more), (2, 0, false));
    rig.context.spawn(sleep_on(&rig, 5)).detach();
    let turn = rig.context.turn(Some(ms(3))).expect("the poll works");
    assert_eq!((turn.polls, turn.timers, turn.more), (1, 0, false));
    assert_eq!(
        rig.clock.now(),
        rig.at(0),
        "it has done something, and does not wait"
    );
    let turn = rig.context.turn(Some(ms(3))).expect("the poll works");
    assert_eq!((turn.polls, turn.timers, turn.more), (0, 0, false));
    assert_eq!(
        rig.clock.now(),
        rig.at(3),
        "the timeout was shorter than the timer"
    );
    let turn = rig.context.turn(None).expect("the poll works");
    assert_eq!(rig.clock.now(), rig.at(5));
    assert_eq!(
        (turn.timers, turn.polls, turn.more),
        (1, 1, false),
        "what it has waited for is done, and whom a timer wakes runs in the same turn"
    );
}

#[test]
fn b04_b05_a_task_that_always_yields_leaves_timers_and_other_threads_their_turn() {
    let context = context();
    let (sender, receiver) = oneshot::channel();
    let served = context.block_on(async {
        let endless = spawn(async {
            loop {
                yield_now().await;
            }
        });
        let other = thread::spawn(move || sender.send("from a thread"));
        let served = receiver.await.expect("sent");
        sleep(ms(1)).await;
        drop(endless);
        other.join().expect("no panic").expect("received");
        served
    });
    assert_eq!(served, "from a thread");
}

#[test]
fn b05_the_descriptors_are_polled_at_least_once_in_256_polls() {
    let (polls, seen) = (Rc::new(Cell::new(0)), Rc::new(RefCell::new(Vec::new())));
    let (count, log) = (Rc::clone(&polls), Rc::clone(&seen));
    let context = Context::builder()
        .poller(move |os| {
            Box::new(Watched {
                os,
                polls: count,
                seen: log,
            })
        })
        .build()
        .expect("descriptors for one loop");
    context.block_on(async {
        for _ in 0..2000 {
            polls.set(polls.get() + 1);
            yield_now().await;
        }
    });
    let seen = seen.borrow();
    assert!(seen.len() >= 7, "{seen:?}");
    assert!(
        seen.windows(2).all(|pair| pair[1] - pair[0] <= 256),
        "{seen:?}"
    );
}

struct Watched {
    os: tevent_reactor::OsPoller,
    polls: Rc<Cell<u32>>,
    seen: Rc<RefCell<Vec<u32>>>,
}

impl tevent_reactor::Poller for Watched {
    fn poll(
        &mut self,
        found: &mut Vec<tevent_reactor::Found>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        self.seen.borrow_mut().push(self.polls.get());
        self.os.poll(found, timeout)
    }
}

#[test]
fn a_poll_that_fails_is_an_error_of_turn_and_run_and_a_panic_of_block_on() {
    struct Broken;
    impl tevent_reactor::Poller for Broken {
        fn poll(
            &mut self,
            _: &mut Vec<tevent_reactor::Found>,
            _: Option<Duration>,
        ) -> io::Result<()> {
            Err(io::Error::other("broken"))
        }
    }
    let context = Context::builder()
        .poller(|_| Box::new(Broken))
        .build()
        .expect("descriptors for one loop");
    assert_eq!(
        context.turn(None).expect_err("broken").to_string(),
        "broken"
    );
    let task = context.spawn(pending::<()>());
    assert_eq!(context.run().expect_err("broken").to_string(), "broken");
    let panicked = catch_unwind(AssertUnwindSafe(|| context.block_on(pending::<()>())));
    let text = panicked.expect_err("broken");
    assert!(
        text.downcast_ref::<String>()
            .is_some_and(|text| text.contains("broken"))
    );
    assert!(!task.is_finished());
}

#[test]
fn b23_running_a_context_inside_its_own_task_panics_with_the_cure_and_harms_nothing() {
    let context = Rc::new(context());
    let inner = Rc::clone(&context);
    let outcome = context.block_on(async {
        let nested = spawn(async move { inner.block_on(async {}) });
        nested.outcome().await
    });
    let error = outcome.expect_err("nested");
    assert!(
        error
            .panic_message()
            .is_some_and(|text| text.contains("await the future instead"))
    );
    let inner = Rc::clone(&context);
    let outcome = context.block_on(
        context
            .spawn(async move { inner.turn(None).map(drop) })
            .outcome(),
    );
    assert!(outcome.is_err());
    assert_eq!(context.block_on(async { 5 }), 5);
}

#[test]
fn another_context_may_run_inside_a_task_and_current_follows() {
    let error: NoContext = Handle::try_current().expect_err("none runs yet");
    assert!(error.to_string().contains("no tevent context"));
    let (outer, inner) = (context(), context());
    outer.block_on(async {
        let task = spawn(async { "outer's" });
        let word = inner.block_on(async {
            sleep(ms(1)).await;
            spawn(async { "inner's" }).await
        });
        assert_eq!(word, "inner's");
        assert_eq!(task.await, "outer's");
        sleep(ms(1)).await;
    });
    assert!(Handle::try_current().is_err());
}

#[test]
fn current_without_a_context_panics_with_the_cure() {
    let panicked = catch_unwind(|| drop(spawn(async {})));
    let text = panicked.expect_err("no context");
    assert!(
        text.downcast_ref::<String>()
            .is_some_and(|text| text.contains("Context::block_on"))
    );
}

#[test]
fn b02_wakes_of_other_threads_end_the_sleep() {
    let context = context();
    let (wakers, woken) = mpsc::channel::<Waker>();
    let other = thread::spawn(move || {
        let mut count = 0;
        for waker in woken {
            waker.wake();
            count += 1;
        }
        count
    });
    context.block_on(async move {
        for _ in 0..500 {
            let mut sent = false;
            poll_fn(|cx| {
                if sent {
                    return Poll::Ready(());
                }
                sent = true;
                wakers.send(cx.waker().clone()).expect("the thread listens");
                Poll::Pending
            })
            .await;
        }
    });
    assert_eq!(other.join().expect("no panic"), 500);
}

#[test]
fn what_happens_between_two_turns_makes_the_descriptor_readable() {
    use std::os::fd::AsFd;
    let context = context();
    assert!(!readable(context.as_fd()));
    let task = context.spawn(pending::<()>());
    assert!(readable(context.as_fd()), "a spawn between two turns");
    while context
        .turn(Some(Duration::ZERO))
        .expect("the poll works")
        .more
    {}
    assert!(!readable(context.as_fd()));
    drop(task);
    assert!(
        readable(context.as_fd()),
        "a cancellation between two turns"
    );
    while context
        .turn(Some(Duration::ZERO))
        .expect("the poll works")
        .more
    {}
    let slot = Rc::new(RefCell::new(None));
    let waker = Rc::clone(&slot);
    context
        .spawn(poll_fn(move |cx| {
            *waker.borrow_mut() = Some(cx.waker().clone());
            Poll::<()>::Pending
        }))
        .detach();
    context.block_on(yield_now());
    while context
        .turn(Some(Duration::ZERO))
        .expect("the poll works")
        .more
    {}
    assert!(!readable(context.as_fd()));
    let waker = slot.borrow_mut().take().expect("polled");
    thread::spawn(move || waker.wake())
        .join()
        .expect("no panic");
    assert!(
        readable(context.as_fd()),
        "a wake of another thread between two turns"
    );
}

fn readable(fd: std::os::fd::BorrowedFd<'_>) -> bool {
    let mut set = [rustix::event::PollFd::new(
        &fd,
        rustix::event::PollFlags::IN,
    )];
    rustix::event::poll(
        &mut set,
        Some(&rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        }),
    )
    .expect("poll works")
        == 1
}

#[test]
fn dropping_a_context_drops_every_task_on_its_thread_and_later_work_is_refused() {
    let rig = Rig::new();
    let (trace, handle) = (rig.trace.clone(), rig.context.handle());
    struct AtTheEnd(Box<dyn Fn()>);
    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    let inner = trace.clone();
    let at_the_end = AtTheEnd(Box::new(move || {
        inner.say("destructor");
        let refused = spawn(async {});
        assert!(Handle::current().has_ended());
        refused.detach();
    }));
    let task = rig.context.spawn(async move {
        let _at_the_end = at_the_end;
        sleep(ms(5)).await;
        pending::<()>().await;
    });
    rig.context.block_on(sleep_on(&rig, 1));
    let Rig { context, .. } = rig;
    drop(context);
    trace.expect(&["1: destructor"]);
    assert!(task.is_finished());
    let late = handle.spawn(async { unreachable!("never polled") });
    assert!(handle.reactor().is_err());
    assert!(handle.spawn_local(async {}).is_err());
    let other = Rig::new();
    let outcome: Result<(), TaskError> = other.context.block_on(late.outcome());
    assert!(matches!(outcome, Err(TaskError::Cancelled)));
}

#[test]
fn b35_b87_contexts_come_and_go_without_leaving_descriptors() {
    let count = || std::fs::read_dir("/proc/self/fd").map(Iterator::count);
    drop(context());
    // Other tests of this program run beside this one: the count may differ by theirs, not by ours.
    let before = count();
    for _ in 0..300 {
        let context = context();
        context.block_on(yield_now());
    }
    if let (Ok(before), Ok(after)) = (before, count()) {
        assert!(
            after < before + 100,
            "{before} descriptors before, {after} after"
        );
    }
}

#[test]
fn b22_a_context_may_live_in_a_thread_local() {
    thread_local! {
        static KEPT: RefCell<Option<Context>> = const { RefCell::new(None) };
    }
    thread::spawn(|| {
        let context = context();
        context.spawn(async { pending::<()>().await }).detach();
        context.block_on(yield_now());
        KEPT.with_borrow_mut(|kept| *kept = Some(context));
    })
    .join()
    .expect("the thread ends in peace");
}

#[test]
fn b85_debug_works_in_every_state_and_from_inside() {
    let rig = Rig::new();
    let handle = rig.context.handle();
    let inside = rig.context.block_on(async {
        let sleeping = spawn(sleep(ms(1)));
        yield_now().await;
        let text = format!("{:?} {:?} {:?}", Handle::current(), sleeping, sleep(ms(2)));
        sleeping.await;
        text
    });
    assert!(inside.contains("timers: Some(1)"), "{inside}");
    let Rig { context, .. } = rig;
    assert!(format!("{context:?}").contains("ended: false"));
    drop(context);
    assert!(format!("{handle:?}").contains("ended: true"));
}

#[test]
fn a_panic_in_block_on_leaves_the_context_usable() {
    let context = context();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        context.block_on(async { panic!("mine") })
    }));
    assert_eq!(
        panicked.expect_err("it panicked").downcast_ref(),
        Some(&"mine")
    );
    assert!(Handle::try_current().is_err());
    assert_eq!(context.block_on(async { spawn(async { 3 }).await }), 3);
}

#[test]
fn tasks_left_by_block_on_go_on_in_the_next_run() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    rig.context
        .spawn(async move {
            sleep(ms(5)).await;
            trace.say("finished");
        })
        .detach();
    rig.context.block_on(sleep_on(&rig, 2));
    rig.trace.expect(&[]);
    rig.context.run().expect("the poll works");
    rig.trace.expect(&["5: finished"]);
}

#[test]
fn work_left_by_a_run_rings_also_if_it_ended_by_a_panic() {
    use std::os::fd::AsFd;
    /// Longer than one turn.
    async fn long() {
        for _ in 0..300 {
            yield_now().await;
        }
    }
    let context = context();
    context.block_on(async { spawn(long()).detach() });
    assert!(readable(context.as_fd()), "a task that block_on left");
    while context
        .turn(Some(Duration::ZERO))
        .expect("the poll works")
        .more
    {}
    assert!(!readable(context.as_fd()));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        context.block_on(async {
            spawn(long()).detach();
            panic!("mine")
        })
    }));
    assert!(panicked.is_err());
    assert!(readable(context.as_fd()), "a task left by a panic");
}

/// They sleep for 10 ms, and each counts its wake.
fn five_sleepers_one_of_whom_panics(
    rig: &Rig,
) -> (
    Vec<Pin<Box<impl Future<Output = ()> + use<>>>>,
    Arc<AtomicUsize>,
) {
    let woken = Arc::new(AtomicUsize::new(0));
    let mut sleeps: Vec<_> = (0..5).map(|_| Box::pin(sleep_on(rig, 10))).collect();
    for (number, sleep) in sleeps.iter_mut().enumerate() {
        let waker = Waker::from(Arc::new(Bomb {
            woken: Arc::clone(&woken),
            panics: number == 1,
        }));
        let mut cx = std::task::Context::from_waker(&waker);
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
    }
    (sleeps, woken)
}

#[test]
fn b15_a_panicking_waker_at_the_end_keeps_no_sleep_from_its_wake() {
    let rig = Rig::new();
    let (_sleeps, woken) = five_sleepers_one_of_whom_panics(&rig);
    let Rig { context, .. } = rig;
    let panicked = catch_unwind(AssertUnwindSafe(|| drop(context)));
    assert_eq!(
        panicked.expect_err("goes on at last").downcast_ref(),
        Some(&"a waker")
    );
    assert_eq!(woken.load(Ordering::SeqCst), 5);
}

#[test]
fn b15_a_panicking_waker_of_a_timer_keeps_no_other_from_its_wake() {
    let rig = Rig::new();
    let (_sleeps, woken) = five_sleepers_one_of_whom_panics(&rig);
    rig.clock.advance(ms(10));
    let panicked = catch_unwind(AssertUnwindSafe(|| rig.context.turn(Some(Duration::ZERO))));
    assert!(panicked.is_err());
    assert_eq!(woken.load(Ordering::SeqCst), 5);
    assert!(
        !rig.context
            .turn(Some(Duration::ZERO))
            .expect("the loop lives on")
            .more
    );
}

struct Bomb {
    woken: Arc<AtomicUsize>,
    panics: bool,
}

impl std::task::Wake for Bomb {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, Ordering::SeqCst);
        if self.panics {
            panic!("a waker");
        }
    }
}

#[test]
fn more_counts_due_timers_and_the_next_deadline_is_known() {
    let rig = Rig::new();
    let mut sleeps: Vec<_> = (0..300).map(|_| Box::pin(sleep_on(&rig, 10))).collect();
    for sleep in &mut sleeps {
        assert!(
            sleep
                .as_mut()
                .poll(&mut std::task::Context::from_waker(Waker::noop()))
                .is_pending()
        );
    }
    assert_eq!(rig.context.handle().next_deadline(), Some(rig.at(10)));
    rig.clock.advance(ms(10));
    let turn = rig
        .context
        .turn(Some(Duration::ZERO))
        .expect("the poll works");
    assert_eq!((turn.timers, turn.more), (256, true));
    let turn = rig
        .context
        .turn(Some(Duration::ZERO))
        .expect("the poll works");
    assert_eq!((turn.timers, turn.more), (44, false));
    assert_eq!(rig.context.handle().next_deadline(), None);
}

#[test]
fn b05_descriptors_are_polled_also_by_a_block_on_that_is_ready_at_once() {
    let polls = Rc::new(Cell::new(0));
    let (count, seen) = (Rc::new(Cell::new(0)), Rc::new(RefCell::new(Vec::new())));
    let log = Rc::clone(&seen);
    let context = Context::builder()
        .poller(move |os| {
            Box::new(Watched {
                os,
                polls: count,
                seen: log,
            })
        })
        .build()
        .expect("descriptors for one loop");
    for _ in 0..10 {
        context.block_on(async { polls.set(polls.get() + 1) });
    }
    assert_eq!((polls.get(), seen.borrow().len()), (10, 10));
}
