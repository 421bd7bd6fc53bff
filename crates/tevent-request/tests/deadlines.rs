//! Deadlines that are set late, and contexts that end before them.

mod util;

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tevent_context::{Task, sleep};
use tevent_request::{Request, RequestError, RequestExt, request, wakeup};
use util::{Rig, ms, poll_once};

type Never = Result<u32, String>;

/// Polls the request once, sets its deadline then, and waits for nothing but a wake.
async fn set_after_a_poll<W: tevent_request::Work<u32, String> + Unpin>(
    mut request: Request<u32, String, W>,
    deadline: Instant,
) -> Result<u32, RequestError<String>> {
    let mut is_set = false;
    poll_fn(move |cx| {
        let polled = request.poll_unpin(cx);
        if !is_set {
            is_set = true;
            assert!(polled.is_pending() && request.set_endtime(deadline));
        }
        polled
    })
    .await
}

#[test]
fn r6_a_deadline_that_is_set_after_a_poll_expires() {
    let rig = Rig::new();
    let handle = rig.context.handle();
    // A stuck loop polls its tasks once more, to ask them: what is armed is looked at before that.
    let expires = |task: Task<Result<u32, RequestError<String>>>, millis| {
        rig.settle();
        assert_eq!(handle.next_deadline(), Some(rig.at(millis)));
        assert_eq!(rig.context.block_on(task), Err(RequestError::TimedOut));
        assert_eq!(rig.clock.now(), rig.at(millis));
    };
    let boxed = pending::<Never>().request("boxed").boxed();
    expires(handle.spawn(set_after_a_poll(boxed, rig.at(5))), 5);
    let (_one, promised) = request::<u32, String>("promised");
    expires(handle.spawn(set_after_a_poll(promised, rig.at(6))), 6);
    let (_two, both) = request::<u32, String>("both");
    expires(handle.spawn(set_after_a_poll(both.boxed(), rig.at(7))), 7);
    let far = pending::<Never>().request("far");
    let far = rig.inside(|| far.timeout(Duration::MAX));
    expires(handle.spawn(set_after_a_poll(far.boxed(), rig.at(8))), 8);
    let far = pending::<Never>().request("far").boxed();
    let ages = Duration::from_millis(u64::MAX);
    let far = rig.inside(|| far.timeout(ages));
    expires(handle.spawn(set_after_a_poll(far, rig.at(9))), 9);
}

#[test]
fn r6_a_deadline_that_moves_away_wakes_nobody() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let polls = Rc::new(Cell::new(0));
        let count = polls.clone();
        let work = poll_fn(move |_| {
            count.set(count.get() + 1);
            Poll::<Never>::Pending
        });
        let mut request = work.request("r").timeout(ms(5)).boxed();
        let mut moved = 0;
        let mut tick = sleep(ms(1));
        let late = poll_fn(|cx| {
            if Pin::new(&mut tick).poll(cx).is_ready() && moved < 10 {
                moved += 1;
                assert!(request.set_endtime(rig.clock.now() + ms(5)));
                tick.reset(rig.clock.now() + ms(1));
                let _armed = Pin::new(&mut tick).poll(cx);
                return Poll::Pending;
            }
            request.poll_unpin(cx)
        });
        assert_eq!(late.await, Err(RequestError::TimedOut));
        assert_eq!(rig.clock.now(), rig.at(15));
        assert!(polls.get() <= 4, "{}", polls.get());
    });
}

#[test]
fn r10_a_request_whose_context_has_ended_is_abandoned_whatever_it_waits_for() {
    for polled in [false, true] {
        let (rig, other) = (Rig::new(), Rig::new());
        let handle = rig.context.handle();
        let inner = handle.sleep(ms(1));
        let work = async move {
            inner.await;
            Ok::<u32, String>(1)
        };
        let mut late = work.request("r").endtime_on(&handle, rig.at(10)).boxed();
        let at = rig.at(1);
        let mut woken = Box::pin(rig.inside(|| wakeup(at)));
        let (completer, promised) = request::<u32, String>("done");
        let mut promised = promised.endtime_on(&handle, rig.at(10)).boxed();
        if polled {
            assert!(poll_once(&mut late).is_pending() && poll_once(&mut woken).is_pending());
            assert!(poll_once(&mut promised).is_pending());
        }
        completer.done(1);
        drop(rig);
        let abandoned = RequestError::Abandoned;
        assert_eq!(other.context.block_on(late), Err(abandoned));
        assert_eq!(other.context.block_on(woken), Err(RequestError::Abandoned));
        assert_eq!(other.context.block_on(promised), Ok(1), "it had been done");
    }
}

#[test]
fn b19_a_task_that_was_polled_can_be_detached_and_asked() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    rig.context.block_on(async {
        let work = |millis| {
            let work = async move {
                sleep(ms(millis)).await;
                Ok::<u32, String>(1)
            };
            work.request("r").on_cleanup(trace.cleanup("r"))
        };
        let mut task = work(5).spawn();
        assert!(poll_once(&mut task).is_pending() && !task.is_finished());
        task.detach();
        let mut task = work(6).spawn();
        assert!(poll_once(&mut task).is_pending());
        sleep(ms(10)).await;
        assert!(task.is_finished());
        assert_eq!((&mut task).await, Ok(1));
        assert!(task.is_finished());
    });
    rig.trace
        .expect(&["5: r Done", "5: r Received", "6: r Done", "6: r Received"]);
}
