//! A storm of signals on the loop's own thread: every sleep is interrupted, and none ends early, late or in an error.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tevent_context::{Context, SignalKind, sleep};

/// Sends a signal to one thread, a thousand times a second, until told to stop.
fn storm(thread: libc::pthread_t, stop: &AtomicBool) -> u64 {
    let clock = Context::new().expect("descriptors for one loop");
    let mut sent = 0;
    clock.block_on(async {
        while !stop.load(Ordering::Relaxed) {
            // SAFETY: the thread waits for this one, and a listener of the signal is installed.
            assert_eq!(unsafe { libc::pthread_kill(thread, libc::SIGALRM) }, 0);
            sent += 1;
            sleep(Duration::from_millis(1)).await;
        }
    });
    sent
}

#[test]
fn b37_in_a_storm_of_signals_no_sleep_is_early_and_none_much_late() {
    let context = Context::new().expect("descriptors for one loop");
    let told = Rc::new(Cell::new(0));
    let count = Rc::clone(&told);
    let handler = move |_: &_, delivery: tevent_context::Delivery| {
        count.set(count.get() + delivery.count);
    };
    let listens = context.handle().signal(SignalKind::ALARM, handler);
    let _listener = listens.expect("listens");
    // SAFETY: a number without preconditions.
    let this = unsafe { libc::pthread_self() };
    let stop = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&stop);
    let other = std::thread::spawn(move || storm(this, &until));
    let mut late = Vec::new();
    context.block_on(async {
        for micros in (0..200).map(|n| 500 + 17 * n) {
            let deadline = Instant::now() + Duration::from_micros(micros);
            sleep(Duration::from_micros(micros)).await;
            let now = Instant::now();
            assert!(now >= deadline, "early");
            late.push(now - deadline);
        }
    });
    stop.store(true, Ordering::Relaxed);
    let sent = other.join().expect("no panic");
    context.block_on(async {});
    late.sort_unstable();
    // The machine may be busy now and then.
    assert!(late[late.len() / 2] < Duration::from_millis(2), "{late:?}");
    assert!(sent > 100, "a storm");
    // What comes at once is one signal of the kernel's.
    assert!(
        told.get() > sent / 2 && told.get() <= sent,
        "{} of {sent}",
        told.get()
    );
}
