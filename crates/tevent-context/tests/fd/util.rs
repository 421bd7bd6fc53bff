//! What these tests share: a context that counts its polls, descriptors of all kinds, a log.

use std::cell::{Cell, RefCell};
use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tevent_context::{Builder, Context, FdEvent, FdFlags, Turn};
use tevent_reactor::{Found, OsPoller, Poller, Token};

pub(crate) const READ: FdFlags = FdFlags::READ;
pub(crate) const WRITE: FdFlags = FdFlags::WRITE;
pub(crate) const ERROR: FdFlags = FdFlags::ERROR;
pub(crate) const EMPTY: FdFlags = FdFlags::EMPTY;

/// Descriptor numbers belong to the whole process: one test at a time.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Lets this process open as many descriptors as it may, and says how many of `wanted` leave room for others.
pub(crate) fn as_many_as(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.maximum;
    setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
    let room = current.and_then(|limit| usize::try_from(limit).ok());
    wanted.min(room.unwrap_or(usize::MAX) - 200)
}

/// What a poller has seen.
#[derive(Default)]
pub(crate) struct Polls {
    /// Polls that found something, besides a ring.
    pub(crate) woken: Cell<usize>,
    /// Polls that would have slept.
    pub(crate) sleeps: Cell<usize>,
}

struct Counting {
    os: OsPoller,
    polls: Rc<Polls>,
}

impl Poller for Counting {
    fn poll(&mut self, found: &mut Vec<Found>, timeout: Option<Duration>) -> io::Result<()> {
        let polls = &self.polls;
        polls
            .sleeps
            .set(polls.sleeps.get() + usize::from(timeout != Some(Duration::ZERO)));
        self.os.poll(found, timeout)?;
        polls
            .woken
            .set(polls.woken.get() + usize::from(found.iter().any(is_watch)));
        Ok(())
    }
}

fn is_watch(found: &Found) -> bool {
    found.token != Token::RINGER
}

/// A context whose polls are counted, alone in this process.
pub(crate) struct Rig {
    pub(crate) context: Context,
    pub(crate) polls: Rc<Polls>,
    pub(crate) log: Log,
    pub(crate) alone: MutexGuard<'static, ()>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(Context::builder())
    }

    pub(crate) fn with(builder: Builder) -> Self {
        let alone = alone();
        let polls = Rc::<Polls>::default();
        let counted = Rc::clone(&polls);
        let wrap = move |os| -> Box<dyn Poller> { Box::new(Counting { os, polls: counted }) };
        Self {
            context: builder.poller(wrap).build().unwrap(),
            polls,
            log: Log::default(),
            alone,
        }
    }

    /// One turn that does not wait.
    pub(crate) fn turn(&self) -> Turn {
        self.context.turn(Some(Duration::ZERO)).unwrap()
    }

    /// One turn that waits for something that is bound to come.
    pub(crate) fn wait(&self) -> Turn {
        self.context.turn(Some(Duration::from_secs(5))).unwrap()
    }

    /// System calls that watches have made.
    pub(crate) fn calls(&self) -> u64 {
        self.context.handle().reactor().unwrap().watch_calls()
    }

    /// Sources in the reactor's table.
    pub(crate) fn registered(&self) -> usize {
        let text = format!("{:?}", self.context.handle().reactor().unwrap());
        let (_, rest) = text.split_once("sources: ").unwrap();
        rest.split_once(',').unwrap().0.parse().unwrap()
    }

    /// Watches a descriptor and logs every call under a name.
    pub(crate) fn logging<F: AsFd + 'static>(
        &self,
        name: &'static str,
        fd: F,
        flags: FdFlags,
    ) -> FdEvent<F> {
        let log = self.log.clone();
        self.context
            .handle()
            .fd(fd, flags, move |_, ready| {
                log.say(format!("{name} {ready:?}"));
            })
            .unwrap()
    }
}

/// What was called, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(pub(crate) Rc<RefCell<Vec<String>>>);

impl Log {
    pub(crate) fn say(&self, word: impl Into<String>) {
        self.0.borrow_mut().push(word.into());
    }

    #[track_caller]
    pub(crate) fn expect(&self, words: &[&str]) {
        assert_eq!(*self.0.take(), *words);
    }
}

/// A descriptor that is readable and writable, and stays so.
pub(crate) fn readable() -> OwnedFd {
    eventfd(1, EventfdFlags::CLOEXEC).unwrap()
}

/// A descriptor that is writable only.
pub(crate) fn idle() -> OwnedFd {
    eventfd(0, EventfdFlags::CLOEXEC).unwrap()
}

pub(crate) fn signal(fd: &impl AsFd) {
    rustix::io::write(fd, &1u64.to_ne_bytes()).unwrap();
}

/// Two streams that do not block.
pub(crate) fn pair() -> (UnixStream, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    far.set_nonblocking(true).unwrap();
    (near, far)
}

/// Writes until no more fits.
pub(crate) fn fill(mut stream: impl Write) {
    while stream.write(&[0; 4096]).is_ok() {}
}

pub(crate) fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    near.set_nonblocking(true).unwrap();
    (near, listener.accept().unwrap().0)
}

/// Waits until the kernel has delivered what the peer did.
pub(crate) fn arrived(fd: &impl AsFd, what: PollFlags) {
    let mut fds = [PollFd::new(fd, what)];
    let limit = Timespec {
        tv_sec: 5,
        tv_nsec: 0,
    };
    assert_eq!(poll(&mut fds, Some(&limit)), Ok(1));
}

/// A cell for an event that its own handler, or another's, drops.
pub(crate) type Slot<T> = Rc<RefCell<Option<T>>>;

/// Takes what is in a slot; the borrow has ended when it is given out.
pub(crate) fn take<T>(slot: &Slot<T>) -> Option<T> {
    slot.borrow_mut().take()
}
