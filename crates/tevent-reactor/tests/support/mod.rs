//! What the tests share: tasks that read and write, wakers that count, a poller with a hook behind it.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use mio::net::UnixStream;
use tevent_reactor::{
    Direction, Found, Initially, OsPoller, Poller, Reactor, ReactorHandle, Source,
};
use tokio_test::task::{self, Spawn};

/// Long enough for the kernel to deliver anything that has happened already.
pub(crate) const SOON: Option<Duration> = Some(Duration::from_secs(5));
pub(crate) const NOW: Option<Duration> = Some(Duration::ZERO);

pub(crate) type Stream = Source<UnixStream>;

/// A source and its peer.
pub(crate) fn pair(handle: &ReactorHandle) -> (Stream, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    (Source::new(handle, near, Initially::Ready).unwrap(), far)
}

/// A source and its peer, the source not taken for ready until an event says so.
pub(crate) fn idle_pair(handle: &ReactorHandle) -> (Stream, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    (Source::new(handle, near, Initially::NotReady).unwrap(), far)
}

/// A mock task that reads once, up to 64 bytes.
pub(crate) fn reader<S>(source: &Source<S>) -> Spawn<impl Future<Output = io::Result<usize>>>
where
    S: mio::event::Source,
    for<'a> &'a S: Read,
{
    task::spawn(poll_fn(move |cx| {
        source.poll_io(Direction::Read, cx, |mut io| io.read(&mut [0; 64]))
    }))
}

/// A mock task that writes once, one byte.
pub(crate) fn writer<S>(source: &Source<S>) -> Spawn<impl Future<Output = io::Result<usize>>>
where
    S: mio::event::Source,
    for<'a> &'a S: Write,
{
    task::spawn(poll_fn(move |cx| {
        source.poll_io(Direction::Write, cx, |mut io| io.write(b"w"))
    }))
}

/// Fills the kernel's buffer of a stream until it takes no more.
pub(crate) fn fill(mut stream: &UnixStream) {
    while stream.write(&[0; 4096]).is_ok() {}
}

/// Counts its wakes, and panics in each if it is told to.
#[derive(Default)]
pub(crate) struct Counter {
    pub(crate) wakes: AtomicUsize,
    pub(crate) panics: bool,
}

impl Counter {
    pub(crate) fn count(&self) -> usize {
        self.wakes.load(Ordering::Relaxed)
    }
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
        assert!(!self.panics, "this waker panics");
    }
}

pub(crate) fn counter() -> (Arc<Counter>, Waker) {
    let counter = Arc::new(Counter::default());
    (Arc::clone(&counter), Waker::from(counter))
}

/// What a [`Hooked`] poller does with a poll: it gets the operating system's poller, and may do as it likes.
pub(crate) type Hook =
    Box<dyn FnMut(&mut OsPoller, &mut Vec<Found>, Option<Duration>) -> io::Result<()>>;

/// The next poll's hook. Without one, the poll is the operating system's.
#[derive(Clone, Default)]
pub(crate) struct NextPoll(Rc<RefCell<Option<Hook>>>);

impl NextPoll {
    pub(crate) fn set(
        &self,
        hook: impl FnMut(&mut OsPoller, &mut Vec<Found>, Option<Duration>) -> io::Result<()> + 'static,
    ) {
        *self.0.borrow_mut() = Some(Box::new(hook));
    }
}

struct Hooked {
    os: OsPoller,
    next: NextPoll,
}

impl Poller for Hooked {
    fn poll(&mut self, found: &mut Vec<Found>, timeout: Option<Duration>) -> io::Result<()> {
        let hook = self.next.0.borrow_mut().take();
        match hook {
            Some(mut hook) => hook(&mut self.os, found, timeout),
            None => self.os.poll(found, timeout),
        }
    }
}

/// A reactor whose polls a test can get between.
pub(crate) fn hooked() -> (Reactor, NextPoll) {
    let next = NextPoll::default();
    let hook = next.clone();
    let reactor = Reactor::with_poller(|os| Box::new(Hooked { os, next: hook })).unwrap();
    (reactor, next)
}

/// How many sources the table of a reactor holds.
pub(crate) fn live(handle: &ReactorHandle) -> usize {
    let text = format!("{handle:?}");
    let (_, rest) = text.split_once("sources: ").unwrap();
    rest.split_once(',').unwrap().0.parse().unwrap()
}
