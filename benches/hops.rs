//! A byte that hops from descriptor to descriptor, alone or with others, and among many idle ones.

mod bare;
mod handlers;
mod tasks;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Instant;

use rustix::event::{EventfdFlags, eventfd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::c_peers;
use crate::descriptors::raise_the_limit;
use crate::row::{Aim, Contestant, Load, Row, Unit, nanos_per_op};

const BARE: &str = "bare epoll";

pub(crate) fn rows() -> Vec<Row> {
    let unix = Hops {
        kind: Kind::Unix,
        idle: 0,
        pairs: 1,
        active: 1,
        hops: 400_000,
    };
    let crowd = Hops {
        idle: 19_000,
        pairs: 100,
        active: 100,
        ..unix
    };
    let cascade = Hops {
        kind: Kind::Pipe,
        pairs: 1000,
        ..unix
    };
    [
        ("hop, Unix socket", unix),
        ("hop, 100 active among 19 000 idle", crowd),
        ("cascade, 1000 pipes", cascade),
    ]
    .into_iter()
    .flat_map(|(name, hops)| [hops.row_of_handlers(name), hops.row_of_tasks(name)])
    .collect()
}

/// Runs the ring in a loop, with the idle ends watched, too.
type Run = fn(&Ring, &[End], Load) -> io::Result<f64>;

/// Which descriptors, and how often a byte hops.
#[derive(Clone, Copy)]
struct Hops {
    kind: Kind,
    idle: usize,
    pairs: usize,
    /// Bytes under way.
    active: usize,
    hops: u64,
}

#[derive(Clone, Copy)]
enum Kind {
    Unix,
    Pipe,
}

impl Hops {
    fn row_of_handlers(self, name: &str) -> Row {
        let ours = self.contestant("tevent", handlers::tevent);
        Row::new(format!("{name}, handlers"), Unit::NanosPerOp, ours)
            .beside([
                self.contestant(BARE, bare::epoll),
                self.program("bare epoll in C", "hops_epoll"),
                self.program("ivykis", "hops_ivykis"),
                self.program("libuv", "hops_libuv"),
                self.program("C tevent", "hops_tevent"),
            ])
            .aims([Aim::Of("C tevent", 1.0)])
            .note(
                "A byte is read from one end and one is written to the next; a hop is the event, the read and the \
                 write. A handler for each descriptor, level-triggered in all loops; libuv: `uv_poll`. The bare loops \
                 are the limit: a wait, and no more.",
            )
    }

    fn row_of_tasks(self, name: &str) -> Row {
        let ours = self.contestant("tevent", tasks::tevent);
        Row::new(format!("{name}, tasks"), Unit::NanosPerOp, ours)
            .beside([
                self.contestant("tokio", tasks::tokio),
                self.contestant(BARE, bare::epoll),
            ])
            .aims([Aim::Of("tokio", 1.0)])
            .note(
                "The same with a task for each descriptor that is not idle. tevent: `read_with` of an \
                 `FdEvent`; tokio: `async_io` of an `AsyncFd`. Both read first and wait for an event only if there \
                 was nothing: with one pair the byte is always there, and no event is needed.",
            )
    }

    fn contestant(self, name: &'static str, run: Run) -> Contestant {
        Contestant::new(name, move |load| {
            let (ring, idle) = self.prepare()?;
            run(&ring, &idle, load)
        })
    }

    fn program(self, name: &'static str, program: &'static str) -> Contestant {
        c_peers::peer(name, program, move |load| {
            let kind = match self.kind {
                Kind::Unix => "unix",
                Kind::Pipe => "pipe",
            };
            let numbers = [self.idle, self.pairs, self.active].map(|number| number as u64);
            let numbers = numbers.into_iter().chain([load.ops(self.hops)]);
            let numbers = numbers.map(|number| number.to_string());
            [kind.to_owned()].into_iter().chain(numbers).collect()
        })
    }

    fn prepare(self) -> io::Result<(Ring, Vec<End>)> {
        raise_the_limit()?;
        let idle = || {
            let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
            Ok(End::new(eventfd(0, flags)?))
        };
        let pairs = (0..self.pairs).map(|_| self.pair());
        let (from, to) = pairs.collect::<io::Result<Vec<_>>>()?.into_iter().unzip();
        let ring = Ring(Rc::new(Inner {
            from,
            to,
            active: self.active,
            hops: self.hops,
            to_send: Cell::new(0),
            to_come: Cell::new(0),
            waiting: RefCell::default(),
        }));
        Ok((
            ring,
            (0..self.idle).map(|_| idle()).collect::<io::Result<_>>()?,
        ))
    }

    fn pair(self) -> io::Result<(End, End)> {
        let (from, to) = match self.kind {
            Kind::Unix => {
                let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
                socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?
            }
            Kind::Pipe => pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?,
        };
        Ok((End::new(from), End::new(to)))
    }
}

/// The descriptors in order, and the bytes that go round.
#[derive(Clone)]
struct Ring(Rc<Inner>);

struct Inner {
    /// The ends that are read.
    from: Vec<End>,
    /// The ends that are written to.
    to: Vec<End>,
    active: usize,
    hops: u64,
    to_send: Cell<u64>,
    to_come: Cell<u64>,
    /// Who waits until the last byte has come.
    waiting: RefCell<Option<Waker>>,
}

impl Ring {
    /// A tenth to warm up, then all with the clock running; `run` runs the loop until nothing is under way.
    fn timed(&self, load: Load, mut run: impl FnMut() -> io::Result<()>) -> io::Result<f64> {
        let hops = load.ops(self.0.hops);
        self.start(hops / 10)?;
        run()?;
        let start = Instant::now();
        self.start(hops)?;
        run()?;
        Ok(nanos_per_op(start, hops))
    }

    /// Sends the first bytes, at even distances.
    fn start(&self, hops: u64) -> io::Result<()> {
        self.0.to_come.set(hops);
        self.0.to_send.set(hops);
        let distance = self.0.from.len() / self.0.active;
        (0..self.0.active).try_for_each(|byte| self.send(byte * distance))
    }

    fn send(&self, which: usize) -> io::Result<()> {
        if self.0.to_send.get() > 0 {
            self.0.to_send.set(self.0.to_send.get() - 1);
            rustix::io::write(&self.0.to[which], b"x")?;
        }
        Ok(())
    }

    /// The byte has come here: on to the next.
    fn hop(&self, which: usize) -> io::Result<()> {
        rustix::io::read(&self.0.from[which], &mut [0])?;
        self.pass_on(which)
    }

    fn pass_on(&self, which: usize) -> io::Result<()> {
        self.0.to_come.set(self.0.to_come.get() - 1);
        if self.is_done()
            && let Some(waker) = self.0.waiting.take()
        {
            waker.wake();
        }
        self.send((which + 1) % self.0.from.len())
    }

    fn is_done(&self) -> bool {
        self.0.to_come.get() == 0
    }

    /// Until the last byte has come, for those who await.
    async fn done(&self) {
        poll_fn(|cx| {
            if self.is_done() {
                return Poll::Ready(());
            }
            self.0.waiting.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

/// An end of a pair, shared by the ring and whoever watches it.
#[derive(Clone)]
pub(crate) struct End(Rc<OwnedFd>);

impl End {
    pub(crate) fn new(descriptor: OwnedFd) -> Self {
        Self(Rc::new(descriptor))
    }
}

impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for End {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
