//! A forked child shares the parent's descriptors and must not speak to them. Alone in its binary, as it forks.

mod support;

use std::io::Write;

use support::{NOW, SOON, idle_pair, reader};
use tevent_reactor::{Initially, Reactor, Source};

/// What a child may do by accident. True if making a source was refused.
fn child(reactor: Reactor, source: support::Stream) -> bool {
    let (near, _far) = mio::net::UnixStream::pair().unwrap();
    let refused = Source::new(&reactor.handle(), near, Initially::Ready).is_err();
    drop((source, reactor));
    refused
}

#[test]
fn b81_a_forked_child_takes_nothing_from_its_parent() {
    let reactor = Reactor::new().unwrap();
    let (source, mut far) = idle_pair(&reactor.handle());
    reactor.wait(NOW).unwrap();
    let mut task = reader(&source);
    assert!(task.poll().is_pending());
    drop(task);
    far.write_all(b"x").unwrap();

    // SAFETY: the only other thread waits for this test to end and holds no lock that the child needs.
    let process = unsafe { libc::fork() };
    if process == 0 {
        let refused = child(reactor, source);
        // SAFETY: ends the child at once, without running what belongs to its parent.
        unsafe { libc::_exit(if refused { 0 } else { 1 }) };
    }
    let mut status = -1;
    // SAFETY: `status` is a valid place for the answer.
    assert_eq!(unsafe { libc::waitpid(process, &mut status, 0) }, process);
    assert_eq!(status, 0, "the child was refused");

    let waited = reactor.wait(SOON).unwrap();
    assert_eq!(waited.events, 1);
    let mut task = reader(&source);
    assert!(task.poll().is_ready() && task.poll().is_pending());
    far.write_all(b"y").unwrap();
    assert_eq!(
        reactor.wait(SOON).unwrap().events,
        1,
        "the source is registered as before"
    );
}
