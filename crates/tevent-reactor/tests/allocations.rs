//! The steady state of a readiness cycle takes nothing from the allocator.

mod support;

use std::io::{Read, Write};
use std::task::{Context, Poll, Waker};

use support::{SOON, Stream, idle_pair};
use tevent_reactor::{Direction, Reactor};
use tevent_testing::{Counting, allocations_so_far};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn poll_read(source: &Stream, waker: &Waker) -> Poll<std::io::Result<usize>> {
    let mut cx = Context::from_waker(waker);
    source.poll_transfer(Direction::Read, &mut cx, 64, |mut io| io.read(&mut [0; 64]))
}

/// Two tasks wait on each source; it becomes ready, both are woken, one reads, both wait again.
fn cycle(reactor: &Reactor, pairs: &mut [(Stream, mio::net::UnixStream)], wakers: &[Waker; 2]) {
    for (source, far) in pairs.iter_mut() {
        for waker in wakers {
            assert!(poll_read(source, waker).is_pending());
        }
        far.write_all(b"x").unwrap();
    }
    assert_eq!(reactor.wait(SOON).unwrap().woken, 2 * pairs.len());
    for (source, _) in pairs.iter() {
        assert!(matches!(poll_read(source, &wakers[0]), Poll::Ready(Ok(1))));
    }
}

#[test]
fn b87_a_readiness_cycle_allocates_nothing() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let mut pairs: Vec<_> = (0..10).map(|_| idle_pair(&handle)).collect();
    reactor.wait(SOON).unwrap();
    let wakers = [support::counter().1, support::counter().1];
    (0..2).for_each(|_| cycle(&reactor, &mut pairs, &wakers));
    let before = allocations_so_far();
    (0..100).for_each(|_| cycle(&reactor, &mut pairs, &wakers));
    assert_eq!(allocations_so_far(), before);
}
