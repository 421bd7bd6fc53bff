//! What the writer's tests share: a stream that does what it is told, a rig, wakers with names.
#![allow(dead_code, unreachable_pub, missing_docs)]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context as Cx, Poll, Wake, Waker};
use std::time::Duration;

use futures::io::AsyncWrite;
use tevent_context::Context;
use tevent_net::writer::Builder;
use tevent_net::{QueuedWriter, WriteError};

/// What a wire does when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Takes up to so many bytes; a flush or a close succeeds.
    Take(usize),
    Pend,
    Fail(io::ErrorKind),
    Panic,
}

/// What a wire was called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Offered so many slices, with so many bytes.
    Write(usize, usize),
    Flush,
    Close,
}

/// A stream of a script. When the script is at its end, it does what `then` says.
#[derive(Clone)]
pub struct Wire(pub Rc<RefCell<Inside>>);

pub struct Inside {
    pub script: VecDeque<Act>,
    pub then: Act,
    /// What a flush does, always.
    pub flush: Act,
    pub bytes: Vec<u8>,
    pub calls: Vec<Call>,
    pub closed: bool,
    pub waker: Option<Waker>,
    /// Called inside each write, with no borrow held.
    pub inside_write: Option<Box<dyn FnMut()>>,
    pub is_vectored: bool,
    /// Whether what it takes, and its calls, are kept.
    pub keeps: bool,
}

impl Wire {
    pub fn new(script: impl IntoIterator<Item = Act>, then: Act) -> Self {
        Self(Rc::new(RefCell::new(Inside {
            script: script.into_iter().collect(),
            then,
            flush: Act::Take(0),
            bytes: Vec::new(),
            calls: Vec::new(),
            closed: false,
            waker: None,
            inside_write: None,
            is_vectored: true,
            keeps: true,
        })))
    }

    /// Takes everything.
    pub fn open() -> Self {
        Self::new([], Act::Take(usize::MAX))
    }

    /// Takes nothing until it is told.
    pub fn shut() -> Self {
        Self::new([], Act::Pend)
    }

    /// Goes on by another script.
    pub fn resume(&self, script: impl IntoIterator<Item = Act>) {
        self.0.borrow_mut().script.extend(script);
        let waker = self.0.borrow_mut().waker.take();
        waker.into_iter().for_each(Waker::wake);
    }

    /// Goes on and takes everything.
    pub fn unblock(&self) {
        self.0.borrow_mut().then = Act::Take(usize::MAX);
        self.resume([]);
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0.borrow().bytes.clone()
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }

    pub fn calls(&self) -> Vec<Call> {
        self.0.borrow().calls.clone()
    }

    /// How many slices and bytes each write was offered.
    pub fn writes(&self) -> Vec<(usize, usize)> {
        let writes = |call: &Call| match call {
            Call::Write(slices, bytes) => Some((*slices, *bytes)),
            _ => None,
        };
        self.0.borrow().calls.iter().filter_map(writes).collect()
    }

    fn act(&self, cx: &Cx<'_>, act: Act) -> Poll<io::Result<usize>> {
        match act {
            Act::Take(count) => Poll::Ready(Ok(count)),
            Act::Pend => {
                self.0.borrow_mut().waker = Some(cx.waker().clone());
                Poll::Pending
            }
            Act::Fail(kind) => Poll::Ready(Err(kind.into())),
            Act::Panic => panic!("the script says so"),
        }
    }

    fn note(&self, call: Call) {
        let mut inside = self.0.borrow_mut();
        if inside.keeps {
            inside.calls.push(call);
        }
    }

    fn next(&self) -> Act {
        let mut inside = self.0.borrow_mut();
        let then = inside.then;
        inside.script.pop_front().unwrap_or(then)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Cx<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Cx<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bufs = if self.0.borrow().is_vectored {
            bufs
        } else {
            &bufs[..1]
        };
        let total = bufs.iter().map(|buf| buf.len()).sum();
        self.note(Call::Write(bufs.len(), total));
        let inside_write = self.0.borrow_mut().inside_write.take();
        if let Some(mut inside_write) = inside_write {
            inside_write();
            self.0.borrow_mut().inside_write = Some(inside_write);
        }
        let act = self.next();
        self.act(cx, act).map_ok(|count| {
            let count = count.min(total);
            let mut inside = self.0.borrow_mut();
            if inside.keeps {
                let all = bufs.iter().flat_map(|buf| buf.iter());
                inside.bytes.extend(all.take(count));
            }
            count
        })
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<io::Result<()>> {
        self.note(Call::Flush);
        let act = self.0.borrow().flush;
        self.act(cx, act).map_ok(drop)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<io::Result<()>> {
        self.note(Call::Close);
        let act = self.next();
        self.act(cx, act)
            .map_ok(|_| self.0.borrow_mut().closed = true)
    }
}

/// A context, a wire, and a writer on it.
pub struct Rig {
    pub context: Context,
    pub wire: Wire,
    pub writer: QueuedWriter,
}

impl Rig {
    pub fn new(wire: Wire) -> Self {
        Self::with(QueuedWriter::builder(), wire)
    }

    pub fn with(builder: Builder, wire: Wire) -> Self {
        let context = Context::new().unwrap();
        let stream = wire.clone();
        let writer = context.block_on(async move { builder.build(stream) });
        let rig = Self {
            context,
            wire,
            writer,
        };
        rig.settle();
        rig
    }

    /// Runs the loop until nothing is ready.
    pub fn settle(&self) {
        settle(&self.context);
    }
}

pub fn settle(context: &Context) {
    while context.turn(Some(Duration::ZERO)).unwrap().more {}
}

/// Names in the order in which their wakers were woken.
pub type Log = Arc<Mutex<Vec<usize>>>;

struct Named(usize, Log);

impl Wake for Named {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap().push(self.0);
    }
}

pub fn named(name: usize, log: &Log) -> Waker {
    Arc::new(Named(name, Arc::clone(log))).into()
}

/// One poll, with a waker that wakes nobody.
pub fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_with(future, Waker::noop())
}

pub fn poll_with<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Cx::from_waker(waker))
}

pub fn is_ok(poll: Poll<Result<(), WriteError>>) -> bool {
    matches!(poll, Poll::Ready(Ok(())))
}

/// The kind and the count of an `Io` error.
pub fn io_error(poll: Poll<Result<(), WriteError>>) -> (io::ErrorKind, u64) {
    match poll {
        Poll::Ready(Err(WriteError::Io { error, sent })) => (error.kind(), sent),
        other => panic!("{other:?}"),
    }
}
