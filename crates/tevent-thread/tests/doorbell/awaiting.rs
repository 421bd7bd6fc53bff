//! Events as futures and as streams.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::thread;

use futures::StreamExt;
use futures::task::noop_waker_ref;
use tevent_context::{Handle, spawn};
use tevent_thread::{Event, Notified, Posted};

use crate::util::Rig;

fn poll(notified: &mut Notified<'_>) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    std::pin::Pin::new(notified).poll(&mut cx).is_ready()
}

#[test]
fn e7_a_post_before_the_await_is_not_lost() {
    let rig = Rig::new();
    let event = rig.awaited();
    assert_eq!(event.post(), Posted::Queued);
    rig.turn();
    rig.context.block_on(async {
        assert_eq!(event.notified().await, Some(()), "called before");
        assert_eq!(event.post(), Posted::Queued);
        assert_eq!(event.notified().await, Some(()), "pending");
    });
    assert!(!poll(&mut event.notified()), "taken");
}

#[test]
fn e4_calls_that_nobody_took_are_one() {
    let rig = Rig::new();
    let event = rig.awaited();
    for _ in 0..3 {
        assert_eq!(event.post(), Posted::Queued);
        rig.turn();
    }
    assert!(poll(&mut event.notified()));
    assert!(!poll(&mut event.notified()));
}

#[test]
fn b03_each_call_goes_to_the_one_who_waits_longest() {
    let rig = Rig::new();
    let event = Rc::new(rig.awaited());
    let tasks = ["a", "b", "c"].map(|word| {
        let (event, trace) = (Rc::clone(&event), rig.trace.clone());
        rig.context.spawn(async move {
            event.notified().await;
            trace.say(word);
        })
    });
    rig.turn();
    for words in [["a"], ["b"], ["c"]] {
        assert_eq!(event.post(), Posted::Queued);
        rig.turn();
        rig.trace.expect(&words);
    }
    rig.context.block_on(async {
        for task in tasks {
            task.await;
        }
    });
}

#[test]
fn b46_a_waiter_that_was_told_and_is_dropped_passes_it_on() {
    let rig = Rig::new();
    let event = rig.awaited();
    let (mut first, mut second) = (event.notified(), event.notified());
    assert!(!poll(&mut first) && !poll(&mut second));
    assert_eq!(event.post(), Posted::Queued);
    rig.turn();
    assert!(!poll(&mut second), "it is not its turn");
    let mut late = event.notified();
    assert!(!poll(&mut late), "nobody overtakes");
    drop(first);
    assert!(poll(&mut second));
    assert!(!poll(&mut late));
    drop((second, late));
    // Dropped before it was told: nothing to pass on.
    let mut fickle = event.notified();
    assert!(!poll(&mut fickle));
    drop(fickle);
    assert!(!poll(&mut event.notified()));
}

#[test]
fn b46_who_was_passed_the_call_is_woken() {
    let rig = Rig::new();
    let event = Rc::new(rig.awaited());
    let (waits, trace) = (Rc::clone(&event), rig.trace.clone());
    let mut first = event.notified();
    assert!(!poll(&mut first));
    let task = rig.context.spawn(async move {
        waits.notified().await;
        trace.say("passed on");
    });
    rig.turn();
    assert_eq!(event.post(), Posted::Queued);
    rig.turn();
    rig.trace.expect(&[]);
    drop(first);
    rig.turn();
    rig.trace.expect(&["passed on"]);
    rig.context.block_on(task);
}

#[test]
fn e20_who_waits_is_told_of_the_end() {
    let rig = Rig::new();
    let event = rig.awaited();
    rig.context.block_on(async {
        let mut notified = event.notified();
        assert!(!poll(&mut notified));
        assert_eq!(event.post(), Posted::Queued);
        event.close();
        assert_eq!(notified.await, None);
        assert_eq!(event.notified().await, None);
    });
    let (other, elsewhere) = (Rig::new(), rig.awaited());
    let mut notified = elsewhere.notified();
    let told = other.context.block_on(async {
        let pending = futures::poll!(&mut notified).is_pending();
        drop(rig);
        (pending, notified.await)
    });
    assert_eq!(told, (true, None));
}

#[test]
fn e8_a_stream_has_an_item_for_each_call() {
    let rig = Rig::new();
    let mut event = rig.awaited();
    let poster = event.poster();
    rig.context.block_on(async {
        let posting = spawn(async move {
            for _ in 0..3 {
                let (first, second) = (poster.post(), poster.post());
                assert_eq!((first, second), (Posted::Queued, Posted::Coalesced));
                // Until it has been called and taken.
                tevent_context::sleep(std::time::Duration::from_millis(1)).await;
            }
        });
        for _ in 0..3 {
            assert_eq!(event.next().await, Some(()));
        }
        posting.await;
        assert!(futures::poll!(event.next()).is_pending());
        // Given up: it does not stand in the way of who waits otherwise.
        let _ = event.post();
        assert_eq!(event.notified().await, Some(()));
        assert!(futures::poll!(event.next()).is_pending());
        event.close();
        assert_eq!(event.next().await, None);
    });
}

#[test]
fn e24_a_handler_and_a_future_are_both_told() {
    let rig = Rig::new();
    let event = rig.saying("handler");
    assert_eq!(event.post(), Posted::Queued);
    rig.context.block_on(async {
        assert_eq!(event.notified().await, Some(()));
    });
    rig.trace.expect(&["handler"]);
}

#[test]
fn b12_a_handler_s_panic_takes_the_call_from_nobody_who_awaits_it() {
    let rig = Rig::new();
    let event = rig.event(|_| panic!("on purpose"));
    assert_eq!(event.post(), Posted::Queued);
    assert!(catch_unwind(AssertUnwindSafe(|| rig.turn())).is_err());
    assert!(poll(&mut event.notified()));
}

#[test]
fn b01_a_waiter_that_moves_to_another_task_is_woken_there() {
    let rig = Rig::new();
    let event = rig.awaited();
    let mut notified = event.notified();
    let mut elsewhere = Context::from_waker(noop_waker_ref());
    let first = std::pin::Pin::new(&mut notified).poll(&mut elsewhere);
    assert!(first.is_pending());
    rig.context.block_on(async {
        assert!(futures::poll!(&mut notified).is_pending());
        assert_eq!(event.post(), Posted::Queued);
        assert_eq!(notified.await, Some(()));
    });
}

#[test]
fn b69_a_stuck_loop_says_which_event_it_waits_for() {
    let rig = Rig::new();
    let event = rig.awaited();
    let ((), answers) = tevent_core::asked::ask(|| assert!(!poll(&mut event.notified())));
    let text = format!("{answers:?}");
    assert!(text.contains("a post of the event made at"), "{text}");
    assert!(text.contains(file!()), "{text}");
}

#[test]
fn e13_a_loop_awaits_what_another_thread_posts() {
    let context = tevent_context::Context::new().expect("descriptors for one loop");
    let event = Event::without_handler(&context.handle()).expect("a living loop");
    let poster = event.poster();
    let posting = thread::spawn(move || poster.post());
    let told = context.block_on(async {
        assert!(!Handle::current().has_ended());
        event.notified().await
    });
    assert_eq!(told, Some(()));
    assert_eq!(posting.join().expect("no panic"), Posted::Queued);
}
