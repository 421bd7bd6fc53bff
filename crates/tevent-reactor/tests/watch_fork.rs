//! A forked child's copy of a watch says nothing to the parent's poll. Alone in its binary, as it forks.

mod support;

use std::os::fd::{AsFd, AsRawFd};

use rustix::event::{EventfdFlags, eventfd};
use support::SOON;
use tevent_reactor::{Interest, Reactor, Watch};

#[test]
fn b81_f9_a_forked_child_s_watch_takes_nothing_from_its_parent() {
    let reactor = Reactor::new().unwrap();
    let fd = eventfd(1, EventfdFlags::CLOEXEC).unwrap();
    let (handle, number) = (reactor.handle(), fd.as_raw_fd());
    let watch = Watch::new(&handle, number, Interest::Readable)
        .unwrap()
        .expect("it can be watched");

    // SAFETY: the only other thread waits for this test to end and holds no lock that the child needs.
    let process = unsafe { libc::fork() };
    if process == 0 {
        let refused = watch.ask(Interest::Writable).is_err()
            && watch.ask_for_good(fd.as_fd(), Interest::Writable).is_err()
            && Watch::new(&handle, number, Interest::Writable).is_err()
            && Watch::for_good(&handle, fd.as_fd(), Interest::Writable).is_err()
            && !handle.is_readable();
        drop(watch);
        // SAFETY: ends the child at once, without running what belongs to its parent.
        unsafe { libc::_exit(if refused { 0 } else { 1 }) };
    }
    let mut status = -1;
    // SAFETY: `status` is a valid place for the answer.
    assert_eq!(unsafe { libc::waitpid(process, &mut status, 0) }, process);
    assert_eq!(status, 0, "the child was refused");
    assert_eq!(reactor.wait(SOON).unwrap().watched, 1);
    assert!(watch.ask(Interest::Readable).is_ok());
}
