//! Panics in everything that is the user's: each ends where it happens, and the loop lives on.
#![cfg(not(loom))]

mod util;

use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use tevent_executor::TaskError;
use util::{Dropped, PanicOnDrop, Rig, Trace, yields};

/// B14: after any panic the executor still runs a thousand tasks.
fn assert_alive(rig: &Rig) {
    const TASKS: u32 = if cfg!(miri) { 20 } else { 1000 };
    let tasks: Vec<_> = (0..TASKS)
        .map(|n| rig.executor.spawn(async move { n }))
        .collect();
    let sum = rig.block_on(async {
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        sum
    });
    assert_eq!(sum, TASKS * (TASKS - 1) / 2);
}

#[test]
fn b12_a_panic_at_the_nth_poll_comes_out_of_the_task_and_nowhere_else() {
    for nth in 0..4 {
        let (rig, trace) = (Rig::new(), Trace::default());
        let in_future = Dropped::new(&trace, "future dropped");
        let task = rig.executor.spawn(async move {
            let _in_future = in_future;
            yields(nth).await;
            panic!("at poll {nth}");
        });
        let other = rig.executor.spawn(async {
            yields(10).await;
            "unharmed"
        });
        let error: TaskError = rig.block_on(task.outcome()).expect_err("it panicked");
        assert_eq!(error.panic_message(), Some(&*format!("at poll {nth}")));
        trace.expect(&["future dropped"]);
        assert_eq!(rig.block_on(other), "unharmed");
        assert_alive(&rig);
    }
}

#[test]
fn b12_an_awaited_panic_goes_on_in_the_awaiter() {
    let rig = Rig::new();
    let task = rig.executor.spawn(async { panic!("inner") });
    let outer = rig.executor.spawn(async move {
        let () = task.await;
    });
    let error = rig
        .block_on(outer.outcome())
        .expect_err("the panic went on");
    assert_eq!(error.panic_message(), Some("inner"));
    let payload = catch_unwind(AssertUnwindSafe(|| rig.block_on(async { panic!("main") })));
    assert_eq!(
        payload.expect_err("block_on panics").downcast_ref(),
        Some(&"main")
    );
    assert_alive(&rig);
}

#[test]
fn b13_a_panic_in_the_future_s_drop_after_its_end_is_the_task_s_outcome() {
    struct Finished(PanicOnDrop);
    impl Future for Finished {
        type Output = PanicOnDrop;
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<PanicOnDrop> {
            let _ = &self.0;
            Poll::Ready(PanicOnDrop("the output, too"))
        }
    }
    let rig = Rig::new();
    let task = rig.executor.spawn(Finished(PanicOnDrop("in drop")));
    let error = match rig.block_on(task.outcome()) {
        Ok(_) => unreachable!("the destructor panicked"),
        Err(error) => error,
    };
    assert_eq!(error.panic_message(), Some("in drop"));
    assert_alive(&rig);
}

#[test]
fn b13_panics_in_drop_when_cancelled_detached_given_up_or_ended() {
    let rig = Rig::new();
    let bomb = |word| async move {
        let _bomb = PanicOnDrop(word);
        pending::<()>().await;
    };
    let cancelled = rig.executor.spawn(bomb("cancelled"));
    rig.turn();
    drop(cancelled);
    rig.turn();
    let awaited = rig.executor.spawn(bomb("cancel awaited"));
    rig.turn();
    assert_eq!(rig.block_on(awaited.cancel()), None);
    rig.executor
        .spawn(async { PanicOnDrop("output of a detached task") })
        .detach();
    rig.turn();
    let given_up = rig
        .executor
        .spawn(async { PanicOnDrop("output never taken") });
    rig.turn();
    drop(given_up);
    assert_alive(&rig);
    for _ in 0..3 {
        rig.executor.spawn(bomb("end of the executor")).detach();
    }
    rig.turn();
    rig.executor.close();
    assert_eq!(rig.executor.live(), 0);
}

#[test]
fn b13_a_panic_payload_that_panics_in_its_own_drop_stays_inside() {
    let rig = Rig::new();
    rig.executor
        .spawn(async { std::panic::panic_any(PanicOnDrop("payload")) })
        .detach();
    rig.turn();
    assert_alive(&rig);
}

#[test]
fn b15_a_joiner_s_waker_that_panics_harms_nobody() {
    struct Bomb;
    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {
            panic!("a waker");
        }
    }
    let rig = Rig::new();
    let mut task = rig.executor.spawn(yields(1));
    let waker = Waker::from(Arc::new(Bomb));
    assert!(
        Pin::new(&mut task)
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let other = rig.executor.spawn(async { 1 });
    rig.turn();
    assert!(task.is_finished());
    assert_eq!(rig.block_on(other), 1);
    rig.block_on(task);
    assert_alive(&rig);
}

#[test]
fn b16_a_joiner_s_waker_may_reenter_in_clone_wake_and_drop() {
    let rig = std::rc::Rc::new(Rig::new());
    let mut task = rig.executor.spawn(async { 3 });
    let reenter = waker_fn::reentrant(&rig);
    {
        let mut cx = Context::from_waker(&reenter);
        assert!(Pin::new(&mut task).poll(&mut cx).is_pending());
        let second = waker_fn::reentrant(&rig);
        assert!(
            Pin::new(&mut task)
                .poll(&mut Context::from_waker(&second))
                .is_pending()
        );
    }
    rig.turn();
    assert!(task.is_finished());
    assert_eq!(rig.block_on(task), 3);
    rig.turn();
}

#[test]
fn b16_a_joiner_s_waker_whose_clone_runs_the_task_to_its_end_loses_nothing() {
    let rig = std::rc::Rc::new(Rig::new());
    let mut task = rig.executor.spawn(async { 3 });
    let runs_in_clone = waker_fn::running(&rig);
    let polled = Pin::new(&mut task).poll(&mut Context::from_waker(&runs_in_clone));
    assert_eq!(
        polled,
        Poll::Ready(3),
        "or it would wait for a wake that has been"
    );
}

mod waker_fn {
    //! A waker whose every operation spawns, cancels and looks at the executor.
    use super::*;
    use std::mem::ManuallyDrop;
    use std::rc::Rc;
    use std::task::{RawWaker, RawWakerVTable};

    static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

    static RUNNING: RawWakerVTable =
        RawWakerVTable::new(run_and_clone, wake, wake_by_ref, drop_waker);

    /// Like `reentrant`, but its clone runs the executor.
    pub(super) fn running(rig: &Rc<Rig>) -> Waker {
        let data = Rc::into_raw(Rc::clone(rig)).cast();
        // SAFETY: as in `reentrant`.
        unsafe { Waker::new(data, &RUNNING) }
    }

    unsafe fn run_and_clone(data: *const ()) -> RawWaker {
        // SAFETY: as in `reenter`.
        let rig = ManuallyDrop::new(unsafe { Rc::from_raw(data.cast::<Rig>()) });
        rig.turn();
        // SAFETY: as in `reenter`.
        unsafe { Rc::increment_strong_count(data.cast::<Rig>()) };
        RawWaker::new(data, &RUNNING)
    }

    /// For this thread only: the tests that use it never let the waker leave it.
    pub(super) fn reentrant(rig: &Rc<Rig>) -> Waker {
        let data = Rc::into_raw(Rc::clone(rig)).cast();
        // SAFETY: the vtable counts the Rc; the waker stays on this thread.
        unsafe { Waker::new(data, &VTABLE) }
    }

    fn reenter(data: *const ()) {
        // SAFETY: `data` came from Rc::into_raw and its count is held by the waker.
        let rig = ManuallyDrop::new(unsafe { Rc::from_raw(data.cast::<Rig>()) });
        drop(rig.executor.spawn(pending::<()>()));
        rig.executor.spawn(yields(1)).detach();
        let _ = (
            rig.executor.live(),
            rig.executor.has_ready(),
            rig.executor.has_remote(),
        );
    }

    unsafe fn clone(data: *const ()) -> RawWaker {
        reenter(data);
        // SAFETY: as in `reenter`.
        unsafe { Rc::increment_strong_count(data.cast::<Rig>()) };
        RawWaker::new(data, &VTABLE)
    }

    unsafe fn wake(data: *const ()) {
        reenter(data);
        // SAFETY: consumes the waker's count.
        unsafe { drop_waker(data) };
    }

    unsafe fn wake_by_ref(data: *const ()) {
        reenter(data);
    }

    unsafe fn drop_waker(data: *const ()) {
        reenter(data);
        // SAFETY: consumes the waker's count.
        unsafe { Rc::decrement_strong_count(data.cast::<Rig>()) };
    }
}

#[test]
fn b23_running_the_executor_inside_its_own_task_panics_with_the_cure_and_leaves_it_intact() {
    let rig = std::rc::Rc::new(Rig::new());
    let inner = std::rc::Rc::clone(&rig);
    let task = rig.executor.spawn(async move {
        inner.turn();
    });
    let error = rig.block_on(task.outcome()).expect_err("nested");
    assert!(
        error
            .panic_message()
            .is_some_and(|message| message.contains("await the future instead"))
    );
    assert_alive(&rig);
}

#[test]
fn b23_another_executor_may_run_inside_a_task() {
    let (outer, trace) = (Rig::new(), Trace::default());
    let say = trace.clone();
    outer.block_on(async move {
        let inner = Rig::new();
        let task = inner.executor.spawn(yields(3));
        inner.block_on(task);
        say.say("inner");
        poll_fn(|cx| {
            // Current again after the inner one: this wake is local and needs no ring.
            cx.waker().wake_by_ref();
            Poll::Ready(())
        })
        .await;
        yields(1).await;
        say.say("outer");
    });
    trace.expect(&["inner", "outer"]);
    assert_eq!(
        outer.rings.get(),
        1,
        "the start of block_on, from outside a turn; nothing else"
    );
}
