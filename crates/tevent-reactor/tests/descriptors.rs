//! Descriptors of the whole process: none is leaked, none is inherited, and their exhaustion is an error.

mod support;

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use mio::event;
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{NOW, SOON, hooked, idle_pair, live, pair, reader};
use tevent_reactor::{Direction, Initially, Poller, Reactor, Source};

/// Descriptors and limits belong to the whole process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A source of whatever has a descriptor number.
struct Any<T: AsRawFd>(T);

impl<T: AsRawFd> event::Source for Any<T> {
    fn register(
        &mut self,
        registry: &Registry,
        token: mio::Token,
        interest: Interest,
    ) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).register(registry, token, interest)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: mio::Token,
        interest: Interest,
    ) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).reregister(registry, token, interest)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.0.as_raw_fd()).deregister(registry)
    }
}

#[test]
fn b26_a_descriptor_number_that_is_used_again_belongs_to_the_new_source() {
    let _alone = alone();
    let (reactor, next) = hooked();
    let handle = reactor.handle();
    let (first, mut first_far) = idle_pair(&handle);
    reactor.wait(NOW).unwrap();
    first_far.write_all(b"for the first").unwrap();
    let number = first.get_ref().as_raw_fd();
    let second = Rc::new(RefCell::new(None));
    let (made, mut first) = (Rc::clone(&second), Some(first));
    next.set(move |os, found, timeout| {
        os.poll(found, timeout)?;
        drop(first.take());
        *made.borrow_mut() = Some(idle_pair(&handle));
        Ok(())
    });
    assert_eq!(reactor.wait(SOON).unwrap().stale, 1);
    let (second, mut second_far) = second.take().unwrap();
    assert_eq!(second.get_ref().as_raw_fd(), number);
    assert!(reader(&second).poll().is_pending());
    second_far.write_all(b"x").unwrap();
    reactor.wait(SOON).unwrap();
    assert!(matches!(reader(&second).poll(), Poll::Ready(Ok(1))));
}

#[test]
fn b28_a_registration_that_fails_leaves_nothing_behind() {
    let _alone = alone();
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let before = open_descriptors();
    for _ in 0..10 {
        let file = File::open("/proc/self/exe").unwrap();
        let error = Source::new(&handle, Any(file), Initially::Ready)
            .err()
            .unwrap();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
    assert_eq!(open_descriptors(), before);
    assert_eq!(live(&handle), 0);
}

#[test]
fn b28_registering_twice_fails_and_leaves_the_first_one_in_its_place() {
    let _alone = alone();
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let (source, mut far) = idle_pair(&handle);
    reactor.wait(NOW).unwrap();
    let number: RawFd = source.get_ref().as_raw_fd();
    let again = Source::new(&handle, Any(number), Initially::Ready);
    assert_eq!(again.err().unwrap().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(live(&handle), 1);
    let mut task = reader(&source);
    assert!(task.poll().is_pending());
    far.write_all(b"x").unwrap();
    reactor.wait(SOON).unwrap();
    assert!(task.is_woken());
}

/// The poll, its copy for registrations, the bell, and where there is one the alarm.
const NEEDED: usize = 4;

#[test]
fn b35_a_reactor_for_which_descriptors_do_not_suffice_is_an_error() {
    let _alone = alone();
    let before = open_descriptors();
    let limit = getrlimit(Resource::Nofile);
    let low = Rlimit {
        current: Some(before as u64 + 16),
        ..limit
    };
    setrlimit(Resource::Nofile, low).unwrap();
    let null = File::open("/dev/null").unwrap();
    let mut ballast: Vec<File> = std::iter::from_fn(|| null.try_clone().ok()).collect();
    let works = || Reactor::new().map(drop).is_ok();
    let outcomes: Vec<[bool; 2]> = (0..=8)
        .map(|_| {
            let twice = [works(), works()];
            drop(ballast.pop());
            twice
        })
        .collect();
    setrlimit(Resource::Nofile, limit).unwrap();
    drop((ballast, null));
    let expected: Vec<_> = (0..=8).map(|free| [free >= NEEDED; 2]).collect();
    assert_eq!(
        outcomes, expected,
        "so many are needed, and none is left behind when they are not there"
    );
    assert_eq!(open_descriptors(), before);
}

#[test]
fn b87_reactors_come_and_go_without_a_trace() {
    let _alone = alone();
    let before = open_descriptors();
    for _ in 0..1000 {
        let reactor = Reactor::new().unwrap();
        let (source, far) = idle_pair(&reactor.handle());
        reactor.wait(NOW).unwrap();
        drop((reactor, source, far));
    }
    assert_eq!(open_descriptors(), before);
}

#[test]
fn b08_handles_and_sources_keep_no_descriptor_of_the_reactor_and_a_ringer_keeps_one() {
    let _alone = alone();
    let before = open_descriptors();
    let reactor = Reactor::new().unwrap();
    let (handle, ringer) = (reactor.handle(), reactor.ringer());
    let (source, far) = pair(&handle);
    drop(reactor);
    assert_eq!(
        open_descriptors(),
        before + 3,
        "the source, its peer, and the bell"
    );
    ringer.wake_by_ref();
    drop(ringer);
    assert_eq!(open_descriptors(), before + 2);
    drop((source, far, handle));
    assert_eq!(open_descriptors(), before);
}

#[test]
fn b39_more_ready_sources_than_one_poll_takes_are_all_served_within_three() {
    const SOURCES: usize = 3 * 1024;
    let _alone = alone();
    let limit = getrlimit(Resource::Nofile);
    let high = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, high).unwrap();
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    // One stream under many descriptors: each is watched by itself, and all become ready at once.
    let (near, mut far) = std::os::unix::net::UnixStream::pair().unwrap();
    let sources: Vec<_> = (0..SOURCES)
        .map(|_| Source::new(&handle, Any(near.try_clone().unwrap()), Initially::NotReady).unwrap())
        .collect();
    while reactor.wait(NOW).unwrap().events > 0 {}
    let (counter, waker) = support::counter();
    far.write_all(b"x").unwrap();
    let mut cx = Context::from_waker(&waker);
    let poll = |source: &Source<_>, cx: &mut Context<'_>| {
        source.poll_io(Direction::Read, cx, |_| -> io::Result<()> {
            Err(io::ErrorKind::WouldBlock.into())
        })
    };
    for source in &sources {
        assert!(poll(source, &mut cx).is_pending());
    }
    let events: Vec<_> = (0..3).map(|_| reactor.wait(SOON).unwrap().events).collect();
    assert_eq!(events, [1024; 3]);
    assert_eq!(counter.count(), SOURCES);
    drop(sources);
    setrlimit(Resource::Nofile, limit).unwrap();
}

#[test]
fn b44_a_child_inherits_nothing() {
    let _alone = alone();
    let seen_by_a_child = || {
        let list = r#"for fd in /proc/$$/fd/*; do [ -e "$fd" ] && echo "${fd##*/}"; done"#;
        let output = Command::new("sh").args(["-c", list]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let mut numbers: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
        numbers.sort_unstable();
        numbers
    };
    // Besides 0, 1 and 2, whatever this process was started with itself.
    let before = seen_by_a_child();
    assert!(before.starts_with(&[0, 1, 2]));
    let reactor = Reactor::new().unwrap();
    let (_source, _far) = pair(&reactor.handle());
    assert_eq!(seen_by_a_child(), before);
}

#[test]
fn b45_a_full_counter_does_not_block_the_ringer() {
    let _alone = alone();
    let reactor = Reactor::new().unwrap();
    let bells: Vec<RawFd> = fs::read_dir("/proc/self/fd")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| fs::read_link(path).is_ok_and(|to| to.to_string_lossy().contains("eventfd")))
        .map(|path| path.file_name().unwrap().to_str().unwrap().parse().unwrap())
        .collect();
    let [bell] = bells[..] else {
        panic!("the reactor has one event descriptor: {bells:?}");
    };
    // SAFETY: the reactor, which lives until the end of this test, keeps it open.
    let bell = unsafe { BorrowedFd::borrow_raw(bell) };
    rustix::io::write(bell, &(u64::MAX - 1).to_ne_bytes()).unwrap();
    assert!(reactor.wait(NOW).unwrap().rung);
    reactor.ringer().wake();
    assert!(reactor.wait(SOON).unwrap().rung);
}

#[test]
fn b35_an_accepted_source_at_the_limit_still_works() {
    let _alone = alone();
    let reactor = Reactor::new().unwrap();
    let (source, mut far) = idle_pair(&reactor.handle());
    let limit = getrlimit(Resource::Nofile);
    let none_left = Rlimit {
        current: Some(0),
        ..limit
    };
    setrlimit(Resource::Nofile, none_left).unwrap();
    far.write_all(b"x").unwrap();
    let waited = reactor.wait(SOON);
    let mut cx = Context::from_waker(Waker::noop());
    let read = source.poll_io(Direction::Read, &mut cx, |mut io| io.read(&mut [0; 8]));
    setrlimit(Resource::Nofile, limit).unwrap();
    assert!(waited.is_ok());
    assert!(matches!(read, Poll::Ready(Ok(1))));
}

/// What it watches panics when it is registered, or when it is taken out.
struct Panicky {
    registers: bool,
}

impl event::Source for Panicky {
    fn register(&mut self, _: &Registry, _: mio::Token, _: Interest) -> io::Result<()> {
        assert!(self.registers, "this registration panics");
        Ok(())
    }

    fn reregister(&mut self, _: &Registry, _: mio::Token, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn deregister(&mut self, _: &Registry) -> io::Result<()> {
        panic!("this end panics")
    }
}

#[test]
fn b14_a_source_that_panics_gives_its_slot_back() {
    let _alone = alone();
    let reactor = Reactor::new().unwrap();
    for registers in [false, true, false, true] {
        let watched = catch_unwind(AssertUnwindSafe(|| {
            let io = Panicky { registers };
            drop(Source::new(&reactor.handle(), io, Initially::NotReady));
        }));
        assert!(watched.is_err());
        assert_eq!(live(&reactor.handle()), 0);
    }
}
