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
//! While a handler wants all that would be told, the kernel is asked for good: it tells that in every wait, and `seen`
//! stays empty. Otherwise it is asked once: `seen` is what it has told since, and it tells that again only when asked
//! again; what is not in `seen` will be told as soon as it is so, and for that nobody has to ask.

use std::cell::{Cell, RefCell};
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;
use std::task::Waker;

use tevent_core::line::{Line, Place};
use tevent_core::panics::Panics;
use tevent_reactor::{Interest, ReactorHandle, Watch, Watched};

use super::flags::FdFlags;
use super::seat::Watcher;
use super::tell::Tell;

/// One descriptor number of one loop. All watchers of it share one registration.
pub(super) struct Node {
    fd: RawFd,
    /// In the order in which they came. May grow: each is a value that somebody holds.
    line: RefCell<Line<Member>>,
    kernel: RefCell<Kernel>,
    /// What it has told since it was asked once.
    seen: Cell<FdFlags>,
    /// Whether the registration may be that of somebody else, who had this number before.
    unsure: Cell<bool>,
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
    Watched(Watch, Asked),
    AlwaysReady,
}

/// What the kernel was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Asked {
    interest: Interest,
    for_good: bool,
}

/// What the members of a line want.
#[derive(Clone, Copy, Default)]
struct Wanted {
    all: FdFlags,
    by_handlers: FdFlags,
}

/// What some news leave to do.
pub(super) struct After {
    /// Whether the next `prepare` has to look at the node.
    pub(super) look: bool,
    /// Whether the kernel will tell them again, unasked, if they are true still.
    pub(super) may_come_again: bool,
}

/// Who is told of some news.
#[derive(Clone, Copy, Default)]
struct Told {
    handlers: bool,
    futures: bool,
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
            unsure: Cell::new(false),
            exact: Cell::new(false),
            error: RefCell::new(None),
            users: Cell::new(0),
            is_dirty: Cell::new(false),
            is_ready: Cell::new(false),
        }
    }

    /// Becomes the node of another number: all new, but for the memory of its line.
    pub(super) fn renew(&mut self, fd: RawFd) {
        let line = mem::take(&mut self.line);
        *self = Self {
            line,
            ..Self::new(fd)
        };
    }

    pub(super) fn fd(&self) -> RawFd {
        self.fd
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
        self.unsure.set(true);
    }

    /// An operation was refused: what the kernel has told is used up, so it will tell what comes next.
    pub(super) fn refused(&self, wanted: FdFlags) {
        self.seen.set(self.seen.get() - wanted);
    }

    /// Arrow 5 for good: deregisters.
    pub(super) fn close(&self) {
        let kernel = mem::replace(&mut *self.kernel.borrow_mut(), Kernel::Unasked);
        drop(kernel);
    }

    /// Whether somebody wants something.
    pub(super) fn is_wanted(&self) -> bool {
        !self.wanted().all.is_empty()
    }

    fn wanted(&self) -> Wanted {
        let line = self.line.borrow();
        let members = line.places().filter_map(|place| line.get(place));
        members.fold(Wanted::default(), Wanted::and)
    }

    /// Tells the kernel what is wanted, if it does not know. `true` if somebody has to be told without its word.
    /// Foreign code runs.
    pub(super) fn settle(&self, reactor: &ReactorHandle) -> bool {
        match self.ask(reactor) {
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
        let asked = self.ask(reactor);
        if asked.is_err() {
            self.fail();
        }
        asked
    }

    fn fail(&self) {
        self.seen.set(FdFlags::EMPTY);
        self.close();
    }

    fn ask(&self, reactor: &ReactorHandle) -> io::Result<bool> {
        let (exact, wanted) = (self.exact.take(), self.wanted());
        let Some(asked) = wanted.asked() else {
            if exact {
                self.unregister();
            }
            return Ok(false);
        };
        if !self.knows(asked, wanted.all, exact) {
            self.tell(reactor, asked)?;
        }
        let is_always_ready = matches!(*self.kernel.borrow(), Kernel::AlwaysReady);
        Ok(is_always_ready && wanted.all.intersects(FdFlags::ALWAYS))
    }

    /// Arrow 5, for nobody wants anything. A file that is always ready stays that.
    fn unregister(&self) {
        let is_watched = matches!(*self.kernel.borrow(), Kernel::Watched(..));
        if is_watched {
            self.close();
        }
    }

    /// Whether the kernel will tell what is wanted without being asked again.
    fn knows(&self, asked: Asked, wanted: FdFlags, exact: bool) -> bool {
        match &*self.kernel.borrow() {
            Kernel::Unasked => false,
            Kernel::AlwaysReady => true,
            Kernel::Watched(_, known) => {
                (*known == asked || !exact && known.includes(asked)) && self.will_tell(wanted)
            }
        }
    }

    /// Whether the kernel will tell a future without being asked for it.
    pub(super) fn knows_already(&self, wanted: FdFlags) -> bool {
        match &*self.kernel.borrow() {
            Kernel::Watched(_, known) => {
                wanted
                    .interest()
                    .is_some_and(|interest| known.covers(interest))
                    && self.will_tell(wanted)
            }
            Kernel::Unasked | Kernel::AlwaysReady => false,
        }
    }

    fn will_tell(&self, wanted: FdFlags) -> bool {
        !self.unsure.get() && !wanted.intersects(self.seen.get())
    }

    /// Arrows 1, 2 and 4.
    fn tell(&self, reactor: &ReactorHandle, asked: Asked) -> io::Result<()> {
        let lender = asked.for_good.then(|| self.first_handler()).flatten();
        let fd = lender.as_ref().and_then(|lender| self.borrow(&**lender));
        if self.users.get() == 0 {
            return Ok(()); // who lent it has ended the last event
        }
        let (interest, for_good) = (asked.interest, fd.is_some());
        let asked = Asked { interest, for_good };
        self.unsure.set(false);
        self.seen.set(FdFlags::EMPTY);
        let mut kernel = self.kernel.borrow_mut();
        if let Kernel::Watched(watch, known) = &mut *kernel {
            let told = match fd {
                Some(fd) => watch.ask_for_good(fd, interest),
                None => watch.ask(interest),
            };
            match told {
                Ok(()) => *known = asked,
                // Somebody has closed it, and the number is in use again.
                Err(error) if error.kind() == io::ErrorKind::NotFound => *kernel = Kernel::Unasked,
                Err(error) => return Err(error),
            }
        }
        if let Kernel::Unasked = *kernel {
            let watch = match fd {
                Some(fd) => Watch::for_good(reactor, fd, interest)?,
                None => Watch::new(reactor, self.fd, interest)?,
            };
            let watched = |watch| Kernel::Watched(watch, asked);
            *kernel = watch.map_or(Kernel::AlwaysReady, watched);
        }
        Ok(())
    }

    /// The descriptor of one who has it. If it is another one now, or cannot be had, its number has to do.
    fn borrow<'a>(&self, lender: &'a dyn Watcher) -> Option<BorrowedFd<'a>> {
        let (mut fd, mut panics) = (None, Panics::default());
        // Foreign code, so no borrow is held. A panic ends here: the loop may be about to be left because of another.
        panics.guard(|| fd = lender.lend());
        panics.discard();
        fd.filter(|fd| fd.as_raw_fd() == self.fd)
    }

    /// Who has a handler that is called, and so has the descriptor.
    fn first_handler(&self) -> Option<Rc<dyn Watcher>> {
        let line = self.line.borrow();
        let members = line.places().filter_map(|place| line.get(place));
        members.filter_map(Member::handler).next()
    }

    /// Arrow 3: the kernel has spoken. Adds those it concerns to `batch`. `None` if it was about the node before, or
    /// not asked for any more.
    pub(super) fn found(&self, news: &Watched, batch: &mut Vec<Tell>) -> Option<After> {
        let for_good = match &*self.kernel.borrow() {
            Kernel::Watched(watch, asked) if watch.token() == news.token => asked.for_good,
            _ => return None,
        };
        let ready = news.readiness.into();
        let told = self.collect(ready, batch);
        let for_nobody = !told.handlers && !told.futures;
        if !for_good {
            self.seen.set(self.seen.get() | ready);
        }
        // For nobody: once is enough. And what a future was told for good would be told on and on.
        let needless = for_nobody || for_good && told.futures;
        if needless {
            self.be_exact();
        }
        Some(After {
            look: needless || !for_good && told.handlers,
            may_come_again: for_good,
        })
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

    fn collect(&self, ready: FdFlags, batch: &mut Vec<Tell>) -> Told {
        let mut all = Told::default();
        self.for_each(|member| {
            let told = member.wanted() & ready;
            if !told.is_empty() {
                match member {
                    Member::Handler(_) => all.handlers = true,
                    Member::Future(..) => all.futures = true,
                }
                batch.extend(member.tell(told));
            }
        });
        all
    }

    fn collect_all(&self, error: &io::Error, batch: &mut Vec<Tell>) {
        self.for_each(|member| {
            if !member.wanted().is_empty() {
                batch.extend(member.tell_error(error));
            }
        });
    }

    fn for_each(&self, mut act: impl FnMut(&mut Member)) {
        self.line.borrow_mut().for_each_mut(&mut act);
    }
}

impl Asked {
    fn covers(self, interest: Interest) -> bool {
        self.interest == interest || self.interest == Interest::Both
    }

    /// Whether who was asked for this once need not be asked for `other`.
    fn includes(self, other: Self) -> bool {
        !self.for_good && !other.for_good && self.covers(other.interest)
    }
}

impl Wanted {
    fn and(mut self, member: &Member) -> Self {
        let wanted = member.wanted();
        self.all |= wanted;
        if let Member::Handler(_) = member {
            self.by_handlers |= wanted;
        }
        self
    }

    /// What to ask the kernel for. For good, if a handler is told of all that comes of it: to learn of errors alone,
    /// one has to ask for data, too, and unread data would be told for ever.
    fn asked(self) -> Option<Asked> {
        let tells_more = self.all.contains(FdFlags::ERROR) && !self.all.contains(FdFlags::READ);
        Some(Asked {
            interest: self.all.interest()?,
            for_good: !self.by_handlers.is_empty() && !tells_more,
        })
    }
}

impl Member {
    fn handler(&self) -> Option<Rc<dyn Watcher>> {
        match self {
            Self::Handler(watcher) if !self.wanted().is_empty() => Some(Rc::clone(watcher)),
            Self::Handler(_) | Self::Future(..) => None,
        }
    }

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
