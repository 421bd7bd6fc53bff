//! Streams of values: who gives when, and what ends them.

mod util;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures::{FutureExt, StreamExt};
use tevent_context::{sleep, spawn, yield_now};
use tevent_request::{RequestError, RequestStream, request_stream};
use util::{Rig, ms, poll_once};

#[test]
fn who_waits_to_give_is_served_first() {
    let (_completer, notifier, mut values) = request_stream::<u32, String>("r", 1);
    assert_eq!(notifier.try_notify(1), Ok(()));
    let mut second = Box::pin(notifier.notify(2));
    let mut third = Box::pin(notifier.notify(3));
    assert!(poll_once(&mut second).is_pending() && poll_once(&mut third).is_pending());
    assert_eq!(values.next().now_or_never(), Some(Some(Ok(1))));
    // There is room, and it is the second one's.
    assert_eq!(notifier.try_notify(9), Err(9));
    assert!(poll_once(&mut third).is_pending());
    assert!(poll_once(&mut Box::pin(notifier.notify(8))).is_pending());
    assert!(poll_once(&mut second).is_ready());
    assert_eq!(values.next().now_or_never(), Some(Some(Ok(2))));
    assert!(poll_once(&mut third).is_ready());
    assert_eq!(values.next().now_or_never(), Some(Some(Ok(3))));
    assert_eq!(notifier.try_notify(4), Ok(()));
}

#[test]
fn a_giver_that_leaves_lets_the_next_one_in() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let (_completer, notifier, mut values) = request_stream::<u32, String>("r", 1);
        assert_eq!(notifier.try_notify(1), Ok(()));
        let mut leaves = Box::pin(notifier.notify(2));
        assert!(poll_once(&mut leaves).is_pending());
        let own = notifier.clone();
        let waits = spawn(async move { own.notify(3).await });
        yield_now().await;
        assert_eq!(values.next().await, Some(Ok(1)));
        drop(leaves); // it was told, and does not want any more
        assert_eq!(waits.await, Ok(()));
        assert_eq!(values.next().await, Some(Ok(3)));
    });
}

#[test]
fn many_givers_come_in_the_order_of_their_calls() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let (completer, notifier, values) = request_stream::<u32, String>("r", 3);
        for number in 0..20 {
            let own = notifier.clone();
            spawn(async move { assert_eq!(own.notify(number).await, Ok(())) }).detach();
        }
        spawn(async move {
            sleep(ms(1)).await;
            completer.done(());
        })
        .detach();
        let all: Vec<_> = values.map(|value| value.expect("a value")).collect().await;
        assert_eq!(all, (0..20).collect::<Vec<_>>());
    });
}

#[test]
fn no_flow_of_values_puts_the_deadline_off() {
    for promised in [false, true] {
        let rig = Rig::new();
        let count = rig.context.block_on(async {
            let (_completer, notifier, mut values) = request_stream::<u32, String>("r", 4);
            let mut gives = notifier.clone();
            if !promised {
                values = RequestStream::new("r", 4, |notifier, _| {
                    gives = notifier;
                    std::future::pending()
                });
            }
            let mut values = values.with(|request| request.timeout(ms(5)));
            let mut count = 0;
            loop {
                // Whoever gives is always faster than whoever takes.
                while gives.try_notify(count).is_ok() {}
                match values.next().await {
                    Some(Ok(_)) => count += 1,
                    other => {
                        assert_eq!(other, Some(Err(RequestError::TimedOut)));
                        break;
                    }
                }
                sleep(ms(1)).await;
            }
            assert_eq!(values.next().await, None);
            assert!(gives.is_over());
            assert_eq!(
                rig.clock.now(),
                rig.at(9),
                "what had been given by then was taken"
            );
            count
        });
        assert_eq!(count, 9);
    }
}

#[test]
fn a_completer_ends_a_stream_while_values_flow() {
    let (completer, notifier, mut values) = request_stream::<u32, String>("r", 2);
    assert_eq!(notifier.try_notify(1), Ok(()));
    assert!(completer.done(()));
    assert_eq!(values.next().now_or_never(), Some(Some(Ok(1))));
    assert_eq!(notifier.try_notify(2), Err(2));
    assert_eq!(values.next().now_or_never(), Some(None));
}

#[test]
fn a_cleanup_of_a_dropped_stream_gets_its_value_back() {
    let (_completer, notifier, values) = request_stream::<u32, String>("r", 2);
    let given = Rc::new(RefCell::new(Vec::new()));
    let log = given.clone();
    let values = values.with(|request| {
        request.on_cleanup(move |state| log.borrow_mut().push((state, notifier.try_notify(1))))
    });
    drop(values);
    assert_eq!(*given.borrow(), [(tevent_request::State::Received, Err(1))]);

    let (_completer, notifier, values) = request_stream::<u32, String>("r", 2);
    let given = Rc::new(Cell::new(false));
    let log = given.clone();
    let mut values =
        values.with(|request| request.on_end(move |_| log.set(notifier.try_notify(1).is_ok())));
    drop(_completer);
    assert_eq!(
        values.next().now_or_never(),
        Some(Some(Ok(1))),
        "at the end it comes in time"
    );
    assert_eq!(
        values.next().now_or_never(),
        Some(Some(Err(RequestError::Abandoned)))
    );
    assert!(given.get());
}
