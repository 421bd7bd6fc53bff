//! Watches: level-triggered by asking anew, never for somebody else, nothing left behind.

mod support;

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{NOW, SOON, hooked, live};
use tevent_reactor::{Found, Interest, Reactor, ReactorHandle, Readiness, Token, Watch, Watched};

const READ: Interest = Interest::Readable;

fn watch(reactor: &Reactor, fd: &impl AsFd, interest: Interest) -> Watch {
    Watch::new(&reactor.handle(), fd.as_fd().as_raw_fd(), interest)
        .unwrap()
        .expect("it can be watched")
}

fn take(handle: &ReactorHandle) -> Vec<Watched> {
    let mut out = Vec::new();
    handle.take_watched(&mut out);
    out
}

fn tokens(handle: &ReactorHandle) -> Vec<Token> {
    take(handle).iter().map(|watched| watched.token).collect()
}

/// Descriptor numbers belong to the whole process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A descriptor that is readable, and stays so.
fn readable() -> OwnedFd {
    eventfd(1, EventfdFlags::CLOEXEC).unwrap()
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn f1_what_is_ready_is_found_again_after_each_asking_and_not_without() {
    let _alone = alone();
    let reactor = Reactor::new().unwrap();
    let (one, two) = (readable(), readable());
    let (first, second) = (watch(&reactor, &one, READ), watch(&reactor, &two, READ));
    let mut both = [first.token(), second.token()];
    both.sort_by_key(|token| format!("{token:?}"));
    for _ in 0..5 {
        assert_eq!(reactor.wait(SOON).unwrap().watched, 2);
        let mut found = tokens(&reactor.handle());
        found.sort_by_key(|token| format!("{token:?}"));
        assert_eq!(found, both);
        assert_eq!(reactor.wait(NOW).unwrap().watched, 0, "nobody has asked");
        first.ask(READ).unwrap();
        second.ask(READ).unwrap();
    }
    assert_eq!(reactor.handle().watch_calls(), 2 + 5 * 2);
}

#[test]
fn f1_who_asks_for_good_is_told_in_every_wait_and_asks_no_more() {
    let _alone = alone();
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let (one, two) = (readable(), readable());
    let first = Watch::for_good(&handle, one.as_fd(), READ).unwrap();
    let first = first.expect("it can be watched");
    let second = watch(&reactor, &two, READ);
    second.ask_for_good(two.as_fd(), READ).unwrap();
    for _ in 0..5 {
        assert!(handle.is_readable());
        assert_eq!(reactor.wait(NOW).unwrap().watched, 2);
    }
    assert_eq!(handle.watch_calls(), 3);
    first.ask(READ).unwrap();
    drop(second);
    assert_eq!(reactor.wait(NOW).unwrap().watched, 1);
    assert_eq!(reactor.wait(NOW).unwrap().watched, 0, "once again");
    assert!(!handle.is_readable());
    take(&handle);
    first.ask_for_good(one.as_fd(), Interest::Both).unwrap();
    rustix::io::read(&one, &mut [0; 8]).unwrap();
    for _ in 0..2 {
        reactor.wait(NOW).unwrap();
        let readiness = Readiness::WRITABLE;
        let (token, fd) = (first.token(), one.as_raw_fd());
        assert_eq!(describe(&take(&handle)), [(token, fd, readiness)]);
    }
}

fn describe(found: &[Watched]) -> Vec<(Token, i32, Readiness)> {
    let parts = |watched: &Watched| (watched.token, watched.fd, watched.readiness);
    found.iter().map(parts).collect()
}

#[test]
fn b33_who_asks_for_good_is_told_of_hang_ups_and_half_closes() {
    let _alone = alone();
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let (half, half_peer) = UnixStream::pair().unwrap();
    let (gone, peer) = UnixStream::pair().unwrap();
    let ends = [(&half, Interest::Readable), (&gone, Interest::Writable)];
    let watches = ends.map(|(end, interest)| {
        let watch = Watch::for_good(&handle, end.as_fd(), interest).unwrap();
        watch.expect("it can be watched")
    });
    half_peer.shutdown(std::net::Shutdown::Write).unwrap();
    drop(peer);
    reactor.wait(SOON).unwrap();
    let found = take(&handle);
    let told = |watch: &Watch| {
        let mut of_it = found
            .iter()
            .filter(|watched| watched.token == watch.token());
        of_it.next().expect("it was found").readiness
    };
    assert!(told(&watches[0]).contains(Readiness::READ_CLOSED));
    assert!(told(&watches[1]).contains(Readiness::WRITE_CLOSED));
}

#[test]
fn f2_what_was_found_is_kept_until_it_is_taken_in_order_and_wakes_nobody() {
    let _alone = alone();
    let reactor = Reactor::new().unwrap();
    let (one, two) = (readable(), readable());
    let first = watch(&reactor, &one, READ);
    let waited = reactor.wait(SOON).unwrap();
    assert_eq!((waited.events, waited.watched, waited.woken), (0, 1, 0));
    let second = watch(&reactor, &two, READ);
    reactor.wait(SOON).unwrap();
    assert!(reactor.handle().has_watched());
    assert_eq!(tokens(&reactor.handle()), [first.token(), second.token()]);
    assert!(!reactor.handle().has_watched());
}

#[test]
fn f5_a_watch_that_was_dropped_wakes_nobody() {
    let _alone = alone();
    let reactor = Reactor::new().unwrap();
    let fd = readable();
    drop(watch(&reactor, &fd, READ));
    assert_eq!(reactor.wait(NOW).unwrap(), Default::default());
    assert_eq!(live(&reactor.handle()), 0);
    let again = watch(&reactor, &fd, READ);
    reactor.wait(SOON).unwrap();
    assert_eq!(tokens(&reactor.handle()), [again.token()]);
}

#[test]
fn b27_f6_a_descriptor_closed_behind_a_watch_is_an_error_and_the_next_of_its_number_is_left_alone()
{
    let _alone = alone();
    let reactor = Reactor::new().unwrap();
    let fd = readable();
    let number = fd.as_raw_fd();
    let old = watch(&reactor, &fd, READ);
    drop(fd);
    assert!(old.ask(READ).is_err());
    let next = readable();
    assert_eq!(next.as_raw_fd(), number);
    assert!(old.ask_for_good(next.as_fd(), READ).is_err());
    let new = watch(&reactor, &next, READ);
    drop(old);
    reactor.wait(SOON).unwrap();
    assert_eq!(tokens(&reactor.handle()), [new.token()]);
}

#[test]
fn b25_news_for_the_watch_that_was_here_before_finds_nobody() {
    let _alone = alone();
    let (reactor, next) = hooked();
    let (one, two) = (readable(), eventfd(0, EventfdFlags::CLOEXEC).unwrap());
    let old = watch(&reactor, &one, READ);
    let stale = Found {
        token: old.token(),
        readiness: Readiness::READABLE,
    };
    drop(old);
    let new = watch(&reactor, &two, READ);
    next.set(move |_, found, _| {
        found.push(stale);
        Ok(())
    });
    let waited = reactor.wait(NOW).unwrap();
    assert_eq!((waited.watched, waited.stale), (0, 1));
    assert!(!reactor.handle().has_watched());
    drop(new);
}

#[test]
fn b26_a_number_that_is_used_again_gets_nothing_of_its_former_owner_s_duplicate() {
    let _alone = alone();
    let reactor = Reactor::new().unwrap();
    let old = readable();
    let duplicate = old.try_clone().unwrap();
    let watched = watch(&reactor, &old, READ);
    let number = old.as_raw_fd();
    drop(watched);
    drop(old);
    let new = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    assert_eq!(new.as_raw_fd(), number);
    let _watch = watch(&reactor, &new, READ);
    rustix::io::write(&duplicate, &1u64.to_ne_bytes()).unwrap();
    assert_eq!(reactor.wait(NOW).unwrap(), Default::default());
}

#[test]
fn b28_a_registration_that_fails_leaves_nothing_behind() {
    let _alone = alone();
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let before = open_descriptors();
    let poll = reactor.as_fd().as_raw_fd();
    for number in [-1, poll] {
        assert!(Watch::new(&handle, number, READ).is_err());
    }
    assert!(Watch::for_good(&handle, reactor.as_fd(), READ).is_err());
    assert_eq!((live(&handle), open_descriptors()), (0, before));
    let fd = readable();
    let first = watch(&reactor, &fd, READ);
    let twice = Watch::new(&handle, fd.as_raw_fd(), READ).unwrap_err();
    assert_eq!(twice.kind(), io::ErrorKind::AlreadyExists);
    reactor.wait(SOON).unwrap();
    assert_eq!(tokens(&handle), [first.token()], "the first is as it was");
    reactor.end();
    assert!(
        first.ask(READ).is_ok(),
        "its descriptors are open until the drop"
    );
    assert!(Watch::new(&handle, fd.as_raw_fd(), READ).is_err());
    drop(reactor);
    assert!(first.ask(READ).is_err());
    drop(first);
    assert_eq!(live(&handle), 0);
}

#[test]
fn b33_hang_ups_and_errors_are_told_whatever_was_asked_for() {
    let _alone = alone();
    let reactor = Reactor::new().unwrap();
    let (near, far) = UnixStream::pair().unwrap();
    let (reader, writer) = io::pipe().unwrap();
    let (reset, peer) = tcp_pair();
    near.set_nonblocking(true).unwrap();
    while (&near).write(&[0; 4096]).is_ok() {}
    let _watches = [
        watch(&reactor, &near, Interest::Writable),
        watch(&reactor, &reset, READ),
    ];
    let pipe = watch(&reactor, &writer, Interest::Writable);
    reactor.wait(SOON).unwrap();
    take(&reactor.handle());
    pipe.ask(READ).unwrap();
    drop((far, reader));
    socket2::SockRef::from(&peer)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(peer);
    let mut arrived = [PollFd::new(&reset, PollFlags::empty())];
    assert_eq!(poll(&mut arrived, None), Ok(1));
    assert_eq!(reactor.wait(SOON).unwrap().watched, 3);
    for watched in take(&reactor.handle()) {
        let sticky = Readiness::ERROR | Readiness::WRITE_CLOSED;
        assert!(
            watched.readiness.contains(Readiness::ERROR)
                || watched.readiness.contains(Readiness::WRITE_CLOSED),
            "{:?} has some of {sticky:?}",
            watched.readiness
        );
    }
    assert_eq!(
        reactor.wait(NOW).unwrap().watched,
        0,
        "once for each asking"
    );
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

#[test]
fn b36_what_cannot_be_watched_is_always_ready() {
    let _alone = alone();
    let reactor = Reactor::new().unwrap();
    for path in ["/proc/self/exe", "/dev/null"] {
        let file = File::open(path).unwrap();
        let watch = Watch::new(&reactor.handle(), file.as_raw_fd(), READ).unwrap();
        assert!(watch.is_none(), "{path}");
        let watch = Watch::for_good(&reactor.handle(), file.as_fd(), READ).unwrap();
        assert!(watch.is_none(), "{path}");
    }
    assert_eq!(live(&reactor.handle()), 0);
    let one = readable();
    let two = one.try_clone().unwrap();
    let both = [watch(&reactor, &one, READ), watch(&reactor, &two, READ)];
    assert_eq!(reactor.wait(SOON).unwrap().watched, both.len());
}

#[test]
fn b39_more_than_a_poll_takes_are_all_found_within_four_waits() {
    let _alone = alone();
    let reactor = Reactor::new().unwrap();
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, most).unwrap();
    let fds: Vec<_> = (0..3 * 1024).map(|_| readable()).collect();
    let watches: Vec<_> = fds.iter().map(|fd| watch(&reactor, fd, READ)).collect();
    let mut missing: std::collections::HashSet<_> = watches.iter().map(Watch::token).collect();
    for _ in 0..4 {
        reactor.wait(NOW).unwrap();
        for watched in take(&reactor.handle()) {
            missing.remove(&watched.token);
            let index = fds.iter().position(|fd| fd.as_raw_fd() == watched.fd);
            watches[index.unwrap()].ask(READ).unwrap();
        }
    }
    assert_eq!(missing.len(), 0, "those asked anew stand behind the others");
}
