//! The seam of the poll result: late, repeated, lost and stale events, interrupts and timeouts, as a script.

mod support;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use support::{NOW, SOON, hooked, idle_pair, live, pair, reader};
use tevent_reactor::{Direction, Found, Poller, Reactor, Readiness, Token};
use tokio_test::task;

/// A poller that records timeouts and finds nothing.
struct Recorder(Rc<RefCell<Vec<Option<Duration>>>>);

impl Poller for Recorder {
    fn poll(&mut self, _: &mut Vec<Found>, timeout: Option<Duration>) -> io::Result<()> {
        self.0.borrow_mut().push(timeout);
        Ok(())
    }
}

#[test]
fn b25_an_event_of_a_former_tenant_does_not_reach_the_new_one() {
    let (reactor, next) = hooked();
    let handle = reactor.handle();
    let (first, mut first_far) = idle_pair(&handle);
    reactor.wait(NOW).unwrap();
    first_far.write_all(b"for the first").unwrap();
    let first_token = first.token();
    let second = Rc::new(RefCell::new(None));
    let (made, mut first) = (Rc::clone(&second), Some(first));
    next.set(move |os, found, timeout| {
        os.poll(found, timeout)?;
        assert_eq!(found[0].token, first_token);
        // Between the kernel's word and its delivery the first source goes, and a second takes its slot.
        drop(first.take());
        *made.borrow_mut() = Some(idle_pair(&handle));
        Ok(())
    });
    let waited = reactor.wait(SOON).unwrap();
    assert_eq!((waited.events, waited.stale), (0, 1));
    let (second, _far) = second.take().unwrap();
    let slot = |token: Token| format!("{token:?}").split('#').next().map(str::to_owned);
    assert_eq!(slot(second.token()), slot(first_token));
    assert_ne!(second.token(), first_token);
    let mut calls = 0;
    let mut task = task::spawn(poll_fn(|cx| source_read(&second, cx, || calls += 1)));
    assert!(task.poll().is_pending());
    drop(task);
    assert_eq!(
        calls, 0,
        "the second source must not take the first one's event for its own"
    );
}

fn source_read(
    source: &support::Stream,
    cx: &mut Context<'_>,
    mut called: impl FnMut(),
) -> Poll<io::Result<usize>> {
    source.poll_io(Direction::Read, cx, |mut io| {
        called();
        io.read(&mut [0; 64])
    })
}

#[test]
fn b31_an_event_between_refusal_and_clear_is_not_lost() {
    let reactor = Reactor::new().unwrap();
    let (source, mut far) = pair(&reactor.handle());
    reactor.wait(NOW).unwrap();
    let mut calls = 0;
    let mut task = task::spawn(poll_fn(|cx| {
        source.poll_io(Direction::Read, cx, |mut io| {
            calls += 1;
            let answer = io.read(&mut [0; 64]);
            if calls == 1 {
                far.write_all(b"just then").unwrap();
                assert_eq!(reactor.wait(SOON).unwrap().events, 1);
            }
            answer
        })
    }));
    assert!(matches!(task.poll(), Poll::Ready(Ok(9))));
    drop(task);
    assert_eq!(calls, 2);
}

#[test]
fn b31_an_event_after_a_short_read_is_not_lost() {
    let reactor = Reactor::new().unwrap();
    let (source, mut far) = pair(&reactor.handle());
    far.write_all(b"abc").unwrap();
    reactor.wait(SOON).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let mut more = Some(b"de");
    let mut transfer = || {
        source.poll_transfer(Direction::Read, &mut cx, 64, |mut io| {
            let answer = io.read(&mut [0; 64]);
            if let Some(more) = more.take() {
                far.write_all(more).unwrap();
                assert_eq!(reactor.wait(SOON).unwrap().events, 1);
            }
            answer
        })
    };
    assert!(matches!(transfer(), Poll::Ready(Ok(3))));
    assert!(matches!(transfer(), Poll::Ready(Ok(2))));
}

#[test]
fn repeated_late_and_reordered_events_do_no_harm() {
    let (reactor, next) = hooked();
    let (source, mut far) = idle_pair(&reactor.handle());
    let (other, mut other_far) = idle_pair(&reactor.handle());
    reactor.wait(NOW).unwrap();
    let (mut task, mut other_task) = (reader(&source), reader(&other));
    assert!(task.poll().is_pending() && other_task.poll().is_pending());
    far.write_all(b"x").unwrap();
    other_far.write_all(b"y").unwrap();
    let late = Rc::new(RefCell::new(Vec::new()));
    let held = Rc::clone(&late);
    next.set(move |os, found, timeout| {
        os.poll(found, timeout)?;
        held.borrow_mut().append(found);
        Ok(())
    });
    assert_eq!(reactor.wait(SOON).unwrap().events, 0);
    assert!(!task.is_woken() && !other_task.is_woken());
    next.set(move |_, found, _| {
        let late = late.take();
        found.extend(late.iter().rev().chain(late.iter()));
        Ok(())
    });
    let waited = reactor.wait(NOW).unwrap();
    assert_eq!((waited.events, waited.woken), (4, 2));
    assert!(matches!(task.poll(), Poll::Ready(Ok(1))));
    assert!(matches!(other_task.poll(), Poll::Ready(Ok(1))));
    assert!(
        task.poll().is_pending(),
        "the repeated event led to one refused call, and a wait"
    );
}

#[test]
fn b33_an_error_alone_wakes_both_directions() {
    let (reactor, next) = hooked();
    let (source, _far) = idle_pair(&reactor.handle());
    support::fill(source.get_ref());
    reactor.wait(NOW).unwrap();
    for readiness in [
        Readiness::ERROR,
        Readiness::READ_CLOSED | Readiness::WRITE_CLOSED,
    ] {
        let (mut read, mut write) = (reader(&source), support::writer(&source));
        assert!(read.poll().is_pending() && write.poll().is_pending());
        let token = source.token();
        next.set(move |_, found, _| {
            found.push(Found { token, readiness });
            Ok(())
        });
        reactor.wait(NOW).unwrap();
        assert!(read.is_woken() && write.is_woken());
    }
}

#[test]
fn b37_an_interrupted_poll_is_a_wait_that_found_nothing() {
    let (reactor, next) = hooked();
    next.set(|_, _, _| Err(io::ErrorKind::Interrupted.into()));
    let waited = reactor.wait(None).unwrap();
    assert_eq!((waited.events, waited.stale, waited.rung), (0, 0, false));
    reactor.ringer().wake();
    assert!(
        reactor.wait(SOON).unwrap().rung,
        "the poller is back in its place"
    );
}

#[test]
fn b37_any_other_error_of_the_poll_is_returned() {
    let (reactor, next) = hooked();
    next.set(|_, _, _| Err(io::ErrorKind::OutOfMemory.into()));
    assert_eq!(
        reactor.wait(NOW).unwrap_err().kind(),
        io::ErrorKind::OutOfMemory
    );
    assert_eq!(reactor.wait(NOW).unwrap().events, 0);
}

#[test]
fn b38_timeouts_reach_the_poll_whole_and_the_endless_ones_are_cut() {
    let longest = Duration::from_millis(i32::MAX as u64);
    let milli = Duration::from_millis(1);
    let nano = Duration::from_nanos(1);
    let table = [
        (None, None),
        (Some(Duration::ZERO), Some(Duration::ZERO)),
        (Some(nano), Some(nano)),
        (Some(milli - nano), Some(milli - nano)),
        (Some(longest - milli), Some(longest - milli)),
        (Some(longest), Some(longest)),
        (Some(longest + nano), Some(longest)),
        (Some(longest + milli), Some(longest)),
        (Some(Duration::MAX), Some(longest)),
    ];
    let seen = Rc::new(RefCell::new(Vec::new()));
    let recorder = Recorder(Rc::clone(&seen));
    let reactor = Reactor::with_poller(|_| Box::new(recorder)).unwrap();
    for (asked, polled) in table {
        reactor.wait(asked).unwrap();
        assert_eq!(seen.take(), [polled], "wait({asked:?})");
    }
}

#[test]
fn b40_a_wait_from_inside_the_poller_is_refused() {
    let (reactor, next) = hooked();
    let reactor = Rc::new(reactor);
    let inner = Rc::clone(&reactor);
    let refused = Rc::new(RefCell::new(None));
    let result = Rc::clone(&refused);
    next.set(move |_, _, _| {
        *result.borrow_mut() = Some(inner.wait(NOW));
        Ok(())
    });
    reactor.wait(NOW).unwrap();
    assert!(refused.take().unwrap().is_err());
}

#[test]
fn a_token_nobody_ever_had_is_stale() {
    let (reactor, next) = hooked();
    let (source, _far) = idle_pair(&reactor.handle());
    let token = source.token();
    drop(source);
    next.set(move |_, found, _| {
        let readiness = Readiness::READABLE;
        found.extend([token, Token::RINGER].map(|token| Found { token, readiness }));
        Ok(())
    });
    let waited = reactor.wait(NOW).unwrap();
    assert_eq!((waited.events, waited.stale, waited.rung), (0, 1, true));
}

#[test]
fn b40_sources_that_vanish_between_poll_and_delivery_are_counted_as_stale() {
    let (reactor, next) = hooked();
    let handle = reactor.handle();
    let (kept, mut kept_far) = idle_pair(&handle);
    let mut task = reader(&kept);
    assert!(task.poll().is_pending());
    let mut others: Vec<_> = (0..20).map(|_| idle_pair(&handle)).collect();
    reactor.wait(NOW).unwrap();
    kept_far.write_all(b"x").unwrap();
    others
        .iter_mut()
        .for_each(|(_, far)| far.write_all(b"x").unwrap());
    next.set(move |os, found, timeout| {
        os.poll(found, timeout)?;
        others.clear();
        Ok(())
    });
    let waited = reactor.wait(SOON).unwrap();
    assert_eq!((waited.events, waited.stale, waited.woken), (1, 20, 1));
    assert!(task.is_woken());
    assert_eq!(live(&handle), 1);
}
