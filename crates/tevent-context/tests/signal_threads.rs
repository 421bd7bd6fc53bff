//! Signals of a process with two loops on two threads, and of a forked child.
//!
//! Alone in its binary, with one test, as it forks.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;
use std::{hint, io, thread};

use tevent_context::{Context, Signal, SignalKind};
use tevent_reactor::{Found, OsPoller, Poller};

fn raise(kind: SignalKind) {
    // SAFETY: the signal has a handler.
    assert_eq!(unsafe { libc::raise(kind.as_raw()) }, 0);
}

/// Runs a loop until its handler was told of so many signals, on its own thread.
fn count(kind: SignalKind, signals: u64, all_listen: &Barrier) -> u64 {
    let context = Context::new().unwrap();
    let (here, told) = (thread::current().id(), Rc::new(Cell::new(0)));
    let sum = Rc::clone(&told);
    let handler = context.handle().signal(kind, move |handle, delivery| {
        assert_eq!(thread::current().id(), here);
        sum.set(sum.get() + delivery.count);
        if sum.get() >= signals {
            handle.stop();
        }
    });
    all_listen.wait();
    context.run().unwrap();
    drop(handler.unwrap());
    told.get()
}

fn two_loops_are_told_of_every_signal() {
    const SIGNALS: u64 = 10_000;
    let all_listen = Arc::new(Barrier::new(3));
    let loops: Vec<_> = (0..2)
        .map(|_| {
            let all_listen = Arc::clone(&all_listen);
            thread::spawn(move || count(SignalKind::USER1, SIGNALS, &all_listen))
        })
        .collect();
    all_listen.wait();
    (0..SIGNALS).for_each(|_| raise(SignalKind::USER1));
    for told in loops {
        assert_eq!(told.join().unwrap(), SIGNALS);
    }
}

/// Runs a loop until it was told of so many signals, and says of each that it was.
fn answer(kind: SignalKind, signals: u64, told: &AtomicU64, all_listen: &Barrier) {
    let context = Context::new().unwrap();
    let mut signal = Signal::new(&context.handle(), kind).unwrap();
    all_listen.wait();
    context.block_on(async {
        while told.load(Ordering::Relaxed) < signals {
            let count = signal.recv().await.unwrap().count;
            let before = told.fetch_add(count, Ordering::Relaxed);
            // The next one is on its way: it comes now or then while this loop looks, parks or sleeps.
            (0..before % 256).for_each(|step| _ = hint::black_box(step));
        }
    });
}

/// The next signal is raised only when all loops have told of the one before: a wake that is lost is never made up for.
fn no_signal_is_slept_over(loops: usize) {
    const SIGNALS: u64 = 20_000;
    let told: Vec<AtomicU64> = (0..loops).map(|_| AtomicU64::new(0)).collect();
    let all_listen = Barrier::new(loops + 1);
    // SAFETY: ends the process if a loop sleeps on.
    unsafe { libc::alarm(60) };
    thread::scope(|scope| {
        for told in &told {
            scope.spawn(|| answer(SignalKind::USER1, SIGNALS, told, &all_listen));
        }
        all_listen.wait();
        for signal in 1..=SIGNALS {
            raise(SignalKind::USER1);
            let is_late = |told: &AtomicU64| told.load(Ordering::Relaxed) < signal;
            while told.iter().any(is_late) {
                hint::spin_loop();
            }
        }
    });
    // SAFETY: as above.
    unsafe { libc::alarm(0) };
}

/// True if the child's signals are its own, and the parent's loop is not.
fn child(parent: &Context, parents: &mut Signal) -> bool {
    let kind = SignalKind::USER2;
    let refused = parent.handle().signal(kind, |_, _| ()).is_err()
        && Signal::new(&parent.handle(), kind).is_err()
        && parent.turn(None).is_err();
    let context = Context::new().unwrap();
    let mut own = Signal::with_info(&context.handle(), kind).unwrap();
    raise(kind);
    let told = context.block_on(own.recv());
    let ended = futures::executor::block_on(parents.recv()).is_none();
    refused && ended && told.is_some_and(|told| told.count == 1)
}

fn a_child_listens_with_a_context_of_its_own() {
    let parent = Context::new().unwrap();
    let mut signal = Signal::new(&parent.handle(), SignalKind::USER2).unwrap();
    // SAFETY: the other threads have ended or wait for this test.
    let process = unsafe { libc::fork() };
    if process == 0 {
        // SAFETY: kills the child if it hangs.
        unsafe { libc::alarm(20) };
        let success = child(&parent, &mut signal);
        // SAFETY: ends the child at once, without running what belongs to its parent.
        unsafe { libc::_exit(if success { 0 } else { 1 }) };
    }
    let mut status = -1;
    // SAFETY: `status` is a valid place for the answer.
    assert_eq!(unsafe { libc::waitpid(process, &mut status, 0) }, process);
    assert_eq!(status, 0, "the child saw what it should");
    raise(SignalKind::USER2);
    let told = parent.block_on(signal.recv()).unwrap();
    assert_eq!(told.count, 1, "and the parent nothing of it");
}

/// Counts what the system's poll finds, and raises a signal just before it sleeps.
struct Raising {
    os: OsPoller,
    kind: SignalKind,
    found: Rc<Cell<usize>>,
}

impl Poller for Raising {
    fn poll(&mut self, found: &mut Vec<Found>, timeout: Option<Duration>) -> io::Result<()> {
        if timeout.is_none() {
            raise(self.kind);
        }
        let result = self.os.poll(found, timeout);
        self.found.set(self.found.get() + found.len());
        result
    }
}

/// A signal that comes to a loop which runs makes no event; one that comes when it has looked ends its sleep.
fn only_a_loop_that_is_about_to_sleep_is_woken() {
    let (kind, found) = (SignalKind::USER1, Rc::new(Cell::new(0)));
    let seen = Rc::clone(&found);
    let context = Context::builder()
        .poller(move |os| {
            Box::new(Raising {
                os,
                kind,
                found: seen,
            })
        })
        .build()
        .unwrap();
    // One that has gone before the loop has run wants nothing any more.
    drop(Signal::new(&context.handle(), kind).unwrap());
    let mut signal = Signal::new(&context.handle(), kind).unwrap();
    for _ in 0..3 {
        assert_eq!(context.block_on(signal.recv()).unwrap().count, 1);
        let before = found.get();
        context.block_on(async {
            for _ in 0..3 {
                raise(kind);
                assert_eq!(signal.recv().await.unwrap().count, 1);
            }
        });
        raise(kind);
        assert_eq!(context.block_on(signal.recv()).unwrap().count, 1);
        assert_eq!(found.get(), before);
    }
}

#[test]
fn b80_b81_loops_and_processes_have_signals_of_their_own() {
    only_a_loop_that_is_about_to_sleep_is_woken();
    two_loops_are_told_of_every_signal();
    no_signal_is_slept_over(1);
    no_signal_is_slept_over(2);
    a_child_listens_with_a_context_of_its_own();
}
