//! One descriptor number: who watches it, and what the kernel was asked.
//!
//! ```text
//!                1 ask                        5 not needed, or the last watcher has gone
//!   UNASKED ------------> WATCHED -----------------------------> UNASKED
//!      | | \               ^   | 3 found: `seen` grows
//!      | |  \              +---+
//!      | |   \             4 ask anew: somebody wants what is in `seen`, or something else; `seen` is emptied
//!      | |    +-- 2 refused, EPERM --> ALWAYS READY
//!      | +------- 6 refused ---------> UNASKED, the error is told in the next dispatch
//!      +------------------------------ arrow 4 may end in 6, too
//! ```
//!
//! `seen` is what the kernel has told since it was asked: it tells that again only when asked again. What is not in
//! `seen` will be told as soon as it is so; for that, nobody has to ask.

use std::cell::{Cell, RefCell};
use std::io;
use std::mem;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::task::Waker;

use tevent_core::line::{Line, Place};
use tevent_reactor::{Interest, ReactorHandle, Token, Watch};

use super::flags::FdFlags;
use super::seat::Watcher;
use super::tell::Tell;

/// One descriptor number of one loop. All watchers of it share one registration.
pub(super) struct Node {
    fd: RawFd,
    /// In the order in which they came. May grow: each is a value that somebody holds.
    line: RefCell<Line<Member>>,
    kernel: RefCell<Kernel>,
    seen: Cell<FdFlags>,
    /// Whether the registration has to become no more than what is wanted. Otherwise what a future waited for stays
    /// registered: the next one comes soon.
    exact: Cell<bool>,
    /// The next dispatch tells it.
    error: RefCell<Option<io::Error>>,
    /// Events that live on this number.
    pub(super) users: Cell<usize>,
    /// Whether it is in the list of those that the next `prepare` looks at.
    pub(super) is_dirty: Cell<bool>,
    /// Whether it is in the list of those that the next `dispatch` tells without the kernel's word.
    pub(super) is_ready: Cell<bool>,
}

/// What the kernel knows.
enum Kernel {
    Unasked,
    Watched(Watch, Interest),
    AlwaysReady,
}

/// Somebody in a node's line.
pub(super) enum Member {
    Handler(Rc<dyn Watcher>),
    Future(FdFlags, Waiting),
}

/// How far a future has come.
pub(super) enum Waiting {
    For(Waker),
    Ready,
    Failed(io::Error),
}

impl Node {
    pub(super) fn new(fd: RawFd) -> Self {
        Self {
            fd,
            line: RefCell::default(),
            kernel: RefCell::new(Kernel::Unasked),
            seen: Cell::default(),
            exact: Cell::new(false),
            error: RefCell::new(None),
            users: Cell::new(0),
            is_dirty: Cell::new(false),
            is_ready: Cell::new(false),
        }
    }

    pub(super) fn fd(&self) -> RawFd {
        self.fd
    }

    /// The name under which the kernel knows it now.
    pub(super) fn token(&self) -> Option<Token> {
        match &*self.kernel.borrow() {
            Kernel::Watched(watch, _) => Some(watch.token()),
            Kernel::Unasked | Kernel::AlwaysReady => None,
        }
    }

    pub(super) fn join(&self, member: Member) -> Place {
        self.line.borrow_mut().join(member)
    }

    /// Drop what comes back only with no borrow held.
    #[must_use]
    pub(super) fn leave(&self, place: Place) -> Option<Member> {
        self.line.borrow_mut().leave(place)
    }

    /// Takes out whoever is first.
    pub(super) fn pop(&self) -> Option<Member> {
        let mut line = self.line.borrow_mut();
        let front = line.front()?;
        line.leave(front)
    }

    /// Looks at a future's place. `look` calls no foreign code.
    pub(super) fn future<R>(
        &self,
        place: Place,
        look: impl FnOnce(&mut Waiting) -> R,
    ) -> Option<R> {
        match self.line.borrow_mut().get_mut(place) {
            Some(Member::Future(_, waiting)) => Some(look(waiting)),
            _ => None,
        }
    }

    /// From the next `prepare` on the kernel is asked for no more than what is wanted.
    pub(super) fn be_exact(&self) {
        self.exact.set(true);
    }

    /// The next `prepare` asks the kernel, whatever it has said.
    pub(super) fn be_unsure(&self) {
        self.seen.set(FdFlags::ALL);
    }

    /// Arrow 5 for good: deregisters.
    pub(super) fn close(&self) {
        let kernel = mem::replace(&mut *self.kernel.borrow_mut(), Kernel::Unasked);
        drop(kernel);
    }

    /// What is wanted now.
    pub(super) fn wanted(&self) -> FdFlags {
        let line = self.line.borrow();
        let members = line.places().filter_map(|place| line.get(place));
        members.fold(FdFlags::EMPTY, |all, member| all | member.wanted())
    }

    /// Tells the kernel what is wanted, if it does not know. `true` if somebody has to be told without its word.
    pub(super) fn settle(&self, reactor: &ReactorHandle) -> bool {
        let wanted = self.wanted();
        match self.ask(reactor, wanted) {
            Ok(is_ready) => is_ready,
            Err(error) => {
                self.fail();
                *self.error.borrow_mut() = Some(error);
                true
            }
        }
    }

    /// Like [`settle`](Self::settle), for who can be told of an error at once.
    pub(super) fn try_settle(&self, reactor: &ReactorHandle) -> io::Result<bool> {
        let asked = self.ask(reactor, self.wanted());
        if asked.is_err() {
            self.fail();
        }
        asked
    }

    fn fail(&self) {
        self.seen.set(FdFlags::EMPTY);
        self.close();
    }

    fn ask(&self, reactor: &ReactorHandle, wanted: FdFlags) -> io::Result<bool> {
        let exact = self.exact.take();
        let mut kernel = self.kernel.borrow_mut();
        let Some(interest) = wanted.interest() else {
            if exact && let Kernel::Watched(..) = *kernel {
                *kernel = Kernel::Unasked;
            }
            return Ok(false);
        };
        if let Kernel::Watched(watch, known) = &mut *kernel {
            let suffices = *known == interest || (!exact && *known == Interest::Both);
            if suffices && !wanted.intersects(self.seen.get()) {
                return Ok(false);
            }
            match watch.ask(interest) {
                Ok(()) => *known = interest,
                // Somebody has closed it, and the number is in use again.
                Err(error) if error.kind() == io::ErrorKind::NotFound => *kernel = Kernel::Unasked,
                Err(error) => return Err(error),
            }
            self.seen.set(FdFlags::EMPTY);
        }
        if let Kernel::Unasked = *kernel {
            *kernel = self.register(reactor, interest)?;
        }
        Ok(matches!(*kernel, Kernel::AlwaysReady) && wanted.intersects(FdFlags::ALWAYS))
    }

    /// Arrows 1 and 2.
    fn register(&self, reactor: &ReactorHandle, interest: Interest) -> io::Result<Kernel> {
        self.seen.set(FdFlags::EMPTY);
        Ok(match Watch::new(reactor, self.fd, interest)? {
            Some(watch) => Kernel::Watched(watch, interest),
            None => Kernel::AlwaysReady,
        })
    }

    /// Arrow 3: the kernel has spoken. Adds those it concerns to `batch`.
    pub(super) fn found(&self, ready: FdFlags, batch: &mut Vec<Tell>) {
        self.seen.set(self.seen.get() | ready);
        let before = batch.len();
        self.collect(ready, batch);
        if batch.len() == before {
            // It has woken the loop for nobody: once is enough.
            self.be_exact();
        }
    }

    /// Its turn to be told without the kernel's word: the error of arrow 6, or that it is always ready.
    pub(super) fn ready(&self, batch: &mut Vec<Tell>) {
        let error = self.error.borrow_mut().take();
        if let Some(error) = error {
            self.collect_all(&error, batch);
        } else if let Kernel::AlwaysReady = *self.kernel.borrow() {
            self.collect(FdFlags::ALWAYS, batch);
        }
    }

    fn collect(&self, ready: FdFlags, batch: &mut Vec<Tell>) {
        self.for_each(|member| {
            let told = member.wanted() & ready;
            if !told.is_empty() {
                batch.extend(member.tell(told));
            }
        });
    }

    fn collect_all(&self, error: &io::Error, batch: &mut Vec<Tell>) {
        self.for_each(|member| {
            if !member.wanted().is_empty() {
                batch.extend(member.tell_error(error));
            }
        });
    }

    fn for_each(&self, mut act: impl FnMut(&mut Member)) {
        let mut line = self.line.borrow_mut();
        let mut next = line.front();
        while let Some(place) = next {
            if let Some(member) = line.get_mut(place) {
                act(member);
            }
            next = line.next(place);
        }
    }
}

impl Member {
    fn wanted(&self) -> FdFlags {
        match self {
            Self::Handler(watcher) => watcher.seat().flags(),
            Self::Future(wanted, Waiting::For(_)) => *wanted,
            Self::Future(..) => FdFlags::EMPTY,
        }
    }

    fn tell(&mut self, ready: FdFlags) -> Option<Tell> {
        match self {
            Self::Handler(watcher) => Some(Tell::Call(Rc::downgrade(watcher), ready)),
            Self::Future(_, waiting) => waiting.end(Waiting::Ready),
        }
    }

    fn tell_error(&mut self, error: &io::Error) -> Option<Tell> {
        match self {
            Self::Handler(watcher) => Some(Tell::Fail(Rc::downgrade(watcher))),
            Self::Future(_, waiting) => waiting.end(Waiting::Failed(again(error))),
        }
    }
}

/// What a future's poll finds.
pub(super) enum Look {
    /// Its waker waits already.
    Waits,
    /// Another waker waits: clone this one and exchange them.
    Stranger,
    Done(io::Result<()>),
}

impl Waiting {
    pub(super) fn look(&mut self, waker: &Waker) -> Look {
        match self {
            Self::For(known) if known.will_wake(waker) => Look::Waits,
            Self::For(_) => Look::Stranger,
            Self::Ready => Look::Done(Ok(())),
            Self::Failed(error) => Look::Done(Err(again(error))),
        }
    }

    pub(super) fn exchange(&mut self, waker: &mut Waker) {
        if let Self::For(known) = self {
            mem::swap(known, waker);
        }
    }

    fn end(&mut self, how: Self) -> Option<Tell> {
        match mem::replace(self, how) {
            Self::For(waker) => Some(Tell::Wake(waker)),
            Self::Ready | Self::Failed(_) => None,
        }
    }
}

/// The same error once more.
fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
