//! The handler keeps errno, also when its own system call fails. Alone in its binary, as it spoils all bells.

use std::fs;
use std::os::fd::RawFd;

use tevent_reactor::{Reactor, SignalKind, Subscription};

/// All eventfds of this process.
fn bells() -> Vec<RawFd> {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().map(Result::unwrap);
    descriptors
        .filter(|entry| {
            fs::read_link(entry.path()).is_ok_and(|to| to.ends_with("anon_inode:[eventfd]"))
        })
        .map(|entry| entry.file_name().to_str().unwrap().parse().unwrap())
        .collect()
}

/// Fills an eventfd, so that every further write is refused.
fn fill(bell: RawFd) {
    let most = u64::MAX - 1;
    // SAFETY: eight bytes of our own.
    let written = unsafe { libc::write(bell, (&raw const most).cast(), size_of::<u64>()) };
    assert_eq!(written, 8);
}

#[test]
fn b75_errno_is_as_it_was_though_the_handler_s_write_fails() {
    const MARK: i32 = 77;
    let kind = SignalKind::USER1;
    let reactor = Reactor::new().unwrap();
    let subscription = Subscription::new(&reactor.handle(), kind, false).unwrap();
    let bells = bells();
    assert!(bells.len() >= 2, "one of the reactor, one of the signals");
    bells.into_iter().for_each(fill);
    // SAFETY: this thread's own errno, and a signal that has a handler.
    let errno = unsafe {
        *libc::__errno_location() = MARK;
        libc::raise(kind.as_raw());
        *libc::__errno_location()
    };
    assert_eq!(errno, MARK);
    assert_eq!(subscription.take().map(|told| told.count), Some(1));
}
