//! Time: order, never early, the virtual clock.

mod util;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::FutureExt;
use proptest::prelude::*;
use tevent_context::{
    Context, Handle, Sleep, Task, VirtualClock, sleep, sleep_until, spawn, timeout, yield_now,
};
use util::{Rig, ms};

#[test]
fn t1_timers_fire_in_order_of_deadlines_and_ties_first_come_first_served() {
    let rig = Rig::new();
    for (name, millis) in [("b", 20), ("a", 10), ("c", 20), ("d", 5)] {
        let (trace, at) = (rig.trace.clone(), rig.at(millis));
        let task = async move {
            sleep_until(at).await;
            trace.say(name);
        };
        rig.context.spawn(task).detach();
    }
    rig.context.run().expect("the poll works");
    rig.trace.expect(&["5: d", "10: a", "20: b", "20: c"]);
}

#[test]
fn b70_zero_and_past_deadlines_take_one_turn_and_fire_once() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    rig.context.block_on(async {
        let now = Handle::current().now();
        for sleep in [
            sleep(Duration::ZERO),
            sleep_until(now - ms(5)),
            sleep_until(now),
        ] {
            let mut sleep = Box::pin(sleep);
            assert!(
                sleep.as_mut().now_or_never().is_none(),
                "never inside the first poll"
            );
            sleep.as_mut().await;
            assert!(sleep.is_elapsed());
            trace.say("fired");
        }
    });
    rig.trace.expect(&["0: fired", "0: fired", "0: fired"]);
}

#[test]
fn b73_no_timer_is_early_by_even_one_nanosecond() {
    let rig = Rig::new();
    rig.context.block_on(async {
        for nanos in [1, 999_999, 1_000_000, 1_000_001, 123_456_789] {
            let start = Handle::current().read_clock();
            sleep(Duration::from_nanos(nanos)).await;
            assert_eq!(
                Handle::current().read_clock() - start,
                Duration::from_nanos(nanos)
            );
        }
    });
}

#[test]
fn b73_on_the_system_clock_a_sleep_is_not_early_by_the_caller_s_own_reading() {
    let context = Context::new().expect("descriptors for one loop");
    context.block_on(async {
        for micros in [1, 50, 300, 999, 1001, 2500] {
            let before = Instant::now();
            sleep(Duration::from_micros(micros)).await;
            assert!(before.elapsed() >= Duration::from_micros(micros));
        }
    });
}

#[test]
fn b65_extreme_durations_neither_overflow_nor_fire() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    rig.context.block_on(async {
        let handle = Handle::current();
        let mut never: Vec<Sleep> = vec![sleep(Duration::MAX), sleep(Duration::MAX - ms(1))];
        never.push(handle.sleep(Duration::from_secs(86_400 * 365 * 10_000)));
        for sleep in &mut never {
            assert!(Pin::new(sleep).now_or_never().is_none());
        }
        assert_eq!(never[0].deadline(), None);
        sleep(ms(100 * 86_400_000)).await;
        trace.say("100 days");
        assert!(never.iter().all(|sleep| !sleep.is_elapsed()));
        assert!(timeout(Duration::MAX, async { 1 }).await.is_ok());
    });
    rig.trace.expect(&["8640000000: 100 days"]);
}

#[test]
fn t5_an_earlier_timer_made_while_others_are_overdue_runs_first() {
    let rig = Rig::new();
    let handle = rig.context.handle();
    let (first, second, early) = (rig.trace.clone(), rig.trace.clone(), rig.trace.clone());
    // Foreign wakers run in the timer phase itself: the first makes an earlier timer there.
    let start = rig.at(0);
    let made = Rc::new(std::cell::RefCell::new(None));
    let waker_of_early = noise::waker(move || early.say("earlier newcomer"));
    let in_phase = noise::waker(move || {
        first.say("first due");
        let mut sleep = Box::pin(handle.sleep_until(start + ms(1)));
        assert!(
            sleep
                .as_mut()
                .poll(&mut std::task::Context::from_waker(&waker_of_early))
                .is_pending()
        );
        made.replace(Some(sleep));
    });
    let after = noise::waker(move || second.say("second due"));
    let mut sleeps =
        [5, 6].map(|millis| Box::pin(rig.context.handle().sleep_until(rig.at(millis))));
    assert!(
        sleeps[0]
            .as_mut()
            .poll(&mut std::task::Context::from_waker(&in_phase))
            .is_pending()
    );
    assert!(
        sleeps[1]
            .as_mut()
            .poll(&mut std::task::Context::from_waker(&after))
            .is_pending()
    );
    rig.clock.advance(ms(10));
    let turn = rig
        .context
        .turn(Some(Duration::ZERO))
        .expect("the poll works");
    assert_eq!(turn.timers, 3);
    rig.trace
        .expect(&["10: first due", "10: earlier newcomer", "10: second due"]);
}

#[test]
fn b69_a_timer_cancelled_by_a_sibling_due_in_the_same_turn_does_not_fire() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    let mut second = Some(Box::pin(rig.context.handle().sleep_until(rig.at(2))));
    let never = noise::waker(|| unreachable!("cancelled"));
    let polled = second.as_mut().map(|sleep| {
        sleep
            .as_mut()
            .poll(&mut std::task::Context::from_waker(&never))
    });
    assert_eq!(polled, Some(Poll::Pending));
    let cancels = noise::waker(move || {
        drop(second.take());
        trace.say("cancelled the other");
    });
    let mut first = Box::pin(rig.context.handle().sleep_until(rig.at(1)));
    assert!(
        first
            .as_mut()
            .poll(&mut std::task::Context::from_waker(&cancels))
            .is_pending()
    );
    rig.clock.advance(ms(3));
    assert_eq!(
        rig.context
            .turn(Some(Duration::ZERO))
            .expect("the poll works")
            .timers,
        1
    );
    rig.trace.expect(&["3: cancelled the other"]);
}

#[test]
fn b71_a_timer_that_rearms_to_the_past_for_ever_starves_nobody() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    rig.context.block_on(async {
        let past = Handle::current().now();
        let endless = spawn(async move {
            loop {
                sleep_until(past).await;
            }
        });
        for _ in 0..5 {
            yield_now().await;
            trace.say("task");
        }
        drop(endless);
    });
    rig.trace.expect(&["0: task"; 5]);
}

#[test]
fn b39_more_due_timers_than_one_turn_fires_leave_a_turn_to_the_others() {
    let rig = Rig::new();
    let count = Rc::new(Cell::new(0));
    for _ in 0..1000 {
        let count = Rc::clone(&count);
        let at = rig.at(1);
        rig.context
            .spawn(async move {
                sleep_until(at).await;
                count.set(count.get() + 1);
            })
            .detach();
    }
    let mut armed = 0;
    while armed < 1000 {
        armed += rig
            .context
            .turn(Some(Duration::ZERO))
            .expect("the poll works")
            .polls;
    }
    rig.clock.advance(ms(1));
    let first = rig
        .context
        .turn(Some(Duration::ZERO))
        .expect("the poll works");
    assert_eq!((first.timers, first.more), (256, true));
    rig.context.run().expect("the poll works");
    assert_eq!(count.get(), 1000);
}

#[test]
fn a_timeout_limits_a_future_and_a_result_at_the_deadline_wins() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    rig.context.block_on(async {
        assert!(timeout(ms(5), pending::<()>()).await.is_err());
        trace.say("elapsed");
        let at_the_deadline = timeout(ms(5), async {
            sleep(ms(5)).await;
            "in time"
        });
        assert_eq!(at_the_deadline.await, Ok("in time"));
        let error =
            std::io::Error::from(timeout(ms(1), pending::<()>()).await.expect_err("elapsed"));
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    });
    rig.trace.expect(&["5: elapsed"]);
}

#[test]
fn b68_reset_and_drop_in_every_state() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    rig.context.block_on(async {
        let start = Handle::current().now();
        let mut sleep = sleep(ms(5));
        sleep.reset(start + ms(7));
        assert!((&mut sleep).now_or_never().is_none());
        sleep.reset(start + ms(3));
        (&mut sleep).await;
        trace.say("earlier");
        (&mut sleep).await;
        sleep.reset(start + ms(9));
        (&mut sleep).await;
        trace.say("later");
        sleep.reset(start + ms(20));
        assert!((&mut sleep).now_or_never().is_none());
        drop(sleep);
        tevent_context::sleep(ms(100)).await;
        trace.say("end");
    });
    rig.trace.expect(&["3: earlier", "9: later", "109: end"]);
}

#[test]
fn a_sleep_moved_to_another_task_wakes_that_one() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    rig.context.block_on(async {
        let mut sleep = sleep(ms(5));
        assert!((&mut sleep).now_or_never().is_none());
        let mover = spawn(async move {
            sleep.await;
            trace.say("moved");
        });
        mover.await;
    });
    rig.trace.expect(&["5: moved"]);
}

#[test]
fn the_turn_s_time_is_one_reading_and_a_fresh_one_is_asked_for_by_name() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let handle = Handle::current();
        let before = handle.now();
        rig.clock.advance(ms(3));
        assert_eq!(handle.now(), before);
        assert_eq!(handle.read_clock(), before + ms(3));
        assert_eq!(handle.now(), before + ms(3));
    });
}

#[test]
fn b72_a_clock_that_stands_still_or_jumps_ten_years_fires_what_is_due_and_nothing_else() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    let task = rig.context.spawn(async move {
        sleep(ms(10)).await;
        trace.say("due");
        sleep(Duration::from_secs(86_400 * 365 * 20)).await;
    });
    for _ in 0..100 {
        rig.context
            .turn(Some(Duration::ZERO))
            .expect("the poll works");
    }
    rig.trace.expect(&[]);
    rig.clock.advance(Duration::from_secs(86_400 * 365 * 10));
    while rig
        .context
        .turn(Some(Duration::ZERO))
        .expect("the poll works")
        .more
    {}
    rig.trace.expect(&["315360000000: due"]);
    assert!(!task.is_finished());
}

#[test]
fn two_contexts_may_share_a_virtual_clock() {
    let clock = VirtualClock::new();
    let build = || {
        Context::builder()
            .virtual_clock(&clock)
            .build()
            .expect("descriptors for one loop")
    };
    let (outer, inner) = (build(), build());
    let start = clock.now();
    outer.block_on(async {
        sleep(ms(1)).await;
        inner.block_on(async { sleep(ms(2)).await });
        sleep(ms(3)).await;
    });
    assert_eq!(clock.now() - start, ms(6));
}

#[test]
fn a_sleep_of_an_ended_context_panics_instead_of_hanging() {
    let rig = Rig::new();
    let mut orphan = Box::pin(rig.context.handle().sleep(ms(5)));
    let other = Rig::new();
    other.context.block_on(async {
        poll_fn(|cx| {
            assert!(orphan.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    });
    drop(rig);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        other.context.block_on(orphan)
    }));
    let message = panicked.expect_err("it cannot be woken");
    assert!(
        message
            .downcast_ref::<&str>()
            .is_some_and(|text| text.contains("context has ended"))
    );
}

proptest! {
    /// Random sleeps, some dropped, some reset: each that is left fires exactly at its deadline, in order.
    #[test]
    fn random_sleeps_fire_at_their_deadlines_in_order(
        deeds in prop::collection::vec((0_u64..5_000_000_000, 0..4, 0_u64..5_000_000_000), 1..60)
    ) {
        let rig = Rig::new();
        let start = rig.at(0);
        let fired = Rc::new(std::cell::RefCell::new(Vec::new()));
        let mut expected = Vec::new();
        for (nanos, deed, other) in deeds {
            let mut sleep = rig.context.handle().sleep_until(start + Duration::from_nanos(nanos));
            let (log, clock) = (Rc::clone(&fired), rig.clock.clone());
            match deed {
                0 => drop(sleep),
                1 => {
                    sleep.reset(start + Duration::from_nanos(other));
                    expected.push(other);
                    rig.context.spawn(async move { sleep.await; log.borrow_mut().push(clock.now() - start) }).detach();
                }
                _ => {
                    expected.push(nanos);
                    rig.context.spawn(async move { sleep.await; log.borrow_mut().push(clock.now() - start) }).detach();
                }
            }
        }
        expected.sort_unstable();
        rig.context.run().expect("the poll works");
        let expected: Vec<_> = expected.into_iter().map(Duration::from_nanos).collect();
        prop_assert_eq!(&*fired.borrow(), &expected);
    }
}

#[test]
fn b67_a_sleep_of_a_thousand_years_outlasts_the_nanoseconds_of_64_bits() {
    let rig = Rig::new();
    let year = Duration::from_secs(86_400 * 365);
    let mut far = Box::pin(rig.context.handle().sleep(1000 * year));
    assert!(far.as_mut().now_or_never().is_none());
    for _ in 0..9 {
        rig.clock.advance(100 * year);
        rig.context
            .turn(Some(Duration::ZERO))
            .expect("the poll works");
    }
    assert!(far.as_mut().now_or_never().is_none());
    assert_eq!(rig.context.handle().next_deadline(), None);
}

#[test]
fn between_two_turns_the_time_is_the_clock_s() {
    let rig = Rig::new();
    let handle = rig.context.handle();
    rig.context.block_on(async { handle.now() });
    rig.clock.advance(ms(300));
    assert_eq!(handle.now(), rig.at(300));
    rig.clock.advance(ms(1));
    assert_eq!(handle.now(), rig.at(301));
}

#[test]
fn b68_a_waker_whose_clone_runs_the_loop_loses_no_timer() {
    let rig = Rc::new(Rig::new());
    let mut sleep = Box::pin(rig.context.handle().sleep_until(rig.at(5)));
    let first = noise::waker(|| {});
    assert!(
        sleep
            .as_mut()
            .poll(&mut std::task::Context::from_waker(&first))
            .is_pending()
    );
    rig.clock.advance(ms(5));
    let runs_in_clone = noise::cloned_by({
        let rig = Rc::clone(&rig);
        move || {
            assert_eq!(
                rig.context
                    .turn(Some(Duration::ZERO))
                    .expect("the poll works")
                    .timers,
                1
            )
        }
    });
    let polled = sleep
        .as_mut()
        .poll(&mut std::task::Context::from_waker(&runs_in_clone));
    assert!(
        polled.is_ready(),
        "or it would wait for a wake that has been"
    );
}

mod noise {
    //! Wakers of the user's own that do something when woken.
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::sync::Arc;
    use std::task::{RawWaker, RawWakerVTable, Wake, Waker};
    use std::thread::{self, ThreadId};

    struct Calls {
        call: RefCell<Box<dyn FnMut()>>,
        home: ThreadId,
    }

    // SAFETY: `wake` checks that it is on the thread that made the closure; the tests drop it there, too.
    unsafe impl Send for Calls {}
    // SAFETY: as above.
    unsafe impl Sync for Calls {}

    impl Wake for Calls {
        fn wake(self: Arc<Self>) {
            assert_eq!(thread::current().id(), self.home);
            (self.call.borrow_mut())();
        }
    }

    pub(super) fn waker(call: impl FnMut() + 'static) -> Waker {
        Waker::from(Arc::new(Calls {
            call: RefCell::new(Box::new(call)),
            home: thread::current().id(),
        }))
    }

    /// A waker that calls `call` when it is cloned, and nothing else ever.
    pub(super) fn cloned_by(call: impl Fn() + 'static) -> Waker {
        static VTABLE: RawWakerVTable = RawWakerVTable::new(
            |data| {
                // SAFETY: this waker counts the closure, and the clone takes one more count.
                unsafe {
                    (*data.cast::<Call>())();
                    Rc::increment_strong_count(data.cast::<Call>());
                }
                RawWaker::new(data, &VTABLE)
            },
            release,
            |_| {},
            release,
        );
        let call: Rc<Call> = Rc::new(Box::new(call));
        // SAFETY: the vtable counts the closure; the test keeps all clones on this thread.
        unsafe { Waker::new(Rc::into_raw(call).cast(), &VTABLE) }
    }

    type Call = Box<dyn Fn()>;

    fn release(data: *const ()) {
        // SAFETY: called once per waker, whose count it gives back.
        unsafe { Rc::decrement_strong_count(data.cast::<Call>()) };
    }
}

/// A sleep that others may reset while a task waits for it.
type Shared = Rc<RefCell<Pin<Box<Sleep>>>>;

fn waited_for(rig: &Rig, sleep: Sleep) -> (Shared, Task<()>) {
    let sleep = Rc::new(RefCell::new(Box::pin(sleep)));
    let waited = Rc::clone(&sleep);
    let wait = poll_fn(move |cx| waited.borrow_mut().as_mut().poll(cx));
    let task = rig.context.spawn(wait);
    let turned = rig.context.turn(Some(Duration::ZERO));
    turned.expect("the poll works");
    (sleep, task)
}

#[test]
fn a_sleep_that_waits_goes_on_waiting_also_while_its_deadline_is_too_far_to_come() {
    let rig = Rig::new();
    let (sleep, task) = waited_for(&rig, rig.context.handle().sleep_until(rig.at(1)));
    let never = rig.at(0).checked_add(Duration::from_secs(u64::MAX / 4));
    let reset = |at| sleep.borrow_mut().as_mut().get_mut().reset(at);
    reset(never.expect("an instant"));
    reset(rig.at(5));
    rig.context.turn(Some(ms(10))).expect("the poll works");
    assert!(task.is_finished());
}

#[test]
fn a_sleep_that_waits_from_its_beginning_for_what_never_comes_may_be_reset_meanwhile() {
    let rig = Rig::new();
    let (sleep, task) = waited_for(&rig, rig.context.handle().sleep(Duration::MAX));
    sleep.borrow_mut().as_mut().get_mut().reset(rig.at(5));
    rig.context.turn(Some(ms(10))).expect("the poll works");
    assert!(task.is_finished());
}

#[test]
fn b55_a_sleep_takes_24_bytes() {
    assert_eq!(size_of::<Sleep>(), 24);
    assert_eq!(size_of::<Option<Sleep>>(), 24);
}

#[test]
fn a_sleep_knows_its_deadline_from_its_beginning_to_its_end() {
    let rig = Rig::new();
    let turn = || rig.context.turn(Some(Duration::ZERO)).expect("it works");
    let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());
    let mut sleep = rig.context.handle().sleep_until(rig.at(5));
    assert_eq!(sleep.deadline(), Some(rig.at(5)));
    assert!(Pin::new(&mut sleep).poll(cx).is_pending());
    assert_eq!(sleep.deadline(), Some(rig.at(5)));
    sleep.reset(rig.at(6));
    assert_eq!(sleep.deadline(), Some(rig.at(6)));
    rig.clock.advance(ms(10));
    assert_eq!(turn().timers, 1);
    assert_eq!(
        (sleep.deadline(), sleep.is_elapsed()),
        (Some(rig.at(6)), false)
    );
    assert!(Pin::new(&mut sleep).poll(cx).is_ready());
    assert_eq!(
        (sleep.deadline(), sleep.is_elapsed()),
        (Some(rig.at(6)), true)
    );
    sleep.reset(rig.at(20));
    assert_eq!(
        (sleep.deadline(), sleep.is_elapsed()),
        (Some(rig.at(20)), false)
    );
    assert!(Pin::new(&mut sleep).poll(cx).is_pending());
    let never = rig.at(0).checked_add(Duration::from_secs(u64::MAX / 4));
    sleep.reset(never.expect("an instant"));
    assert_eq!(sleep.deadline(), None);
    sleep.reset(rig.at(30));
    assert_eq!(sleep.deadline(), Some(rig.at(30)));
    let early = rig.context.handle().sleep_until(rig.at(0) - ms(7));
    assert_eq!(early.deadline(), Some(rig.at(0)));
    drop(rig);
    assert_eq!(sleep.deadline(), None);
}

#[test]
fn a_sleep_that_is_reset_after_its_time_has_come_waits_anew() {
    let rig = Rig::new();
    let turn = || rig.context.turn(Some(Duration::ZERO)).expect("it works");
    let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());
    let mut sleep = rig.context.handle().sleep_until(rig.at(5));
    assert!(Pin::new(&mut sleep).poll(cx).is_pending());
    rig.clock.advance(ms(5));
    assert_eq!(turn().timers, 1);
    sleep.reset(rig.at(8)); // nobody has polled it
    rig.clock.advance(ms(10));
    assert_eq!(turn().timers, 0);
    assert!(Pin::new(&mut sleep).poll(cx).is_pending());
    assert_eq!(turn().timers, 1);
    assert!(Pin::new(&mut sleep).poll(cx).is_ready());
}
