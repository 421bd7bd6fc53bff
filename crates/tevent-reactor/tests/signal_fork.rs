//! Signals and forks: a child's signals are its own. Alone in its binary, with one test, as it forks.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use support::NOW;
use tevent_reactor::{Reactor, SignalKind, Subscription};

/// Runs `act` in a child, which ends after it. True if `act` was.
fn in_child(act: impl FnOnce() -> bool) -> bool {
    // SAFETY: the other threads hold no lock that the child needs: the C library and this crate see to theirs.
    let process = unsafe { libc::fork() };
    assert!(process >= 0);
    if process == 0 {
        // SAFETY: kills the child if it hangs.
        unsafe { libc::alarm(20) };
        let success = act();
        // SAFETY: ends the child at once, without running what belongs to its parent.
        unsafe { libc::_exit(if success { 0 } else { 1 }) };
    }
    let mut status = -1;
    // SAFETY: `status` is a valid place for the answer.
    assert_eq!(unsafe { libc::waitpid(process, &mut status, 0) }, process);
    status == 0
}

fn raise(kind: SignalKind) {
    // SAFETY: the signal has a handler.
    assert_eq!(unsafe { libc::raise(kind.as_raw()) }, 0);
}

fn listen(reactor: &Reactor, kind: SignalKind) -> Subscription {
    Subscription::new(&reactor.handle(), kind, true).unwrap()
}

/// What a child may do with signals of its own.
fn child_listens(kind: SignalKind) -> bool {
    let reactor = Reactor::new().unwrap();
    let subscription = listen(&reactor, kind);
    // More than the ring has slots: each of them is as it should be.
    (0..300).all(|_| {
        raise(kind);
        let told = subscription.take();
        let woken = reactor.wait(NOW).unwrap().events == 1;
        woken && told.is_some_and(|told| told.count == 1 && told.info.is_some())
    })
}

fn children_leave_their_parent_alone() {
    let kind = SignalKind::USER1;
    let reactor = Reactor::new().unwrap();
    let subscription = listen(&reactor, kind);
    reactor.wait(NOW).unwrap();
    assert!(in_child(|| {
        raise(kind);
        let refused = Subscription::new(&reactor.handle(), kind, true).is_err();
        refused && child_listens(kind)
    }));
    assert_eq!(
        reactor.wait(NOW).unwrap().events,
        0,
        "the child's signals woke nobody here"
    );
    assert!(subscription.take().is_none());
    raise(kind);
    assert_eq!(reactor.wait(NOW).unwrap().events, 1);
    assert_eq!(subscription.take().map(|told| told.count), Some(1));
}

/// Raises signals until told to stop; with `changes`, changes the table of handlers all the time.
fn be_busy(stop: &AtomicBool, changes: bool) {
    let reactor = Reactor::new().unwrap();
    let always = listen(&reactor, SignalKind::USER1);
    while !stop.load(Ordering::Relaxed) {
        if changes {
            drop(listen(&reactor, SignalKind::USER2));
        }
        raise(SignalKind::USER1);
        while always.take().is_some() {}
    }
}

/// No child finds the table of handlers locked by another thread, or waits for a siginfo that one was writing.
fn children_find_nothing_half_done() {
    let stop = Arc::new(AtomicBool::new(false));
    let busy = [true, false].map(|changes| {
        let stop = Arc::clone(&stop);
        thread::spawn(move || be_busy(&stop, changes))
    });
    for _ in 0..300 {
        assert!(in_child(
            || child_listens(SignalKind::USER1) && child_listens(SignalKind::USER2)
        ));
    }
    stop.store(true, Ordering::Relaxed);
    busy.into_iter().for_each(|busy| busy.join().unwrap());
}

#[test]
fn b81_a_forked_child_has_signals_of_its_own() {
    children_leave_their_parent_alone();
    children_find_nothing_half_done();
}
