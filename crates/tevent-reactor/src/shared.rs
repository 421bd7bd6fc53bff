//! What a reactor and its sources share: the table, and a weak way to the kernel's registry.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::{Rc, Weak};

use mio::Registry;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::ended::Ended;
use crate::signal::bell::MaybeWatched;
use crate::signal::fork::{Process, forked};
use crate::table::Table;

/// A way to a reactor, for making sources. Cheap to clone, bound to the reactor's thread, and weak: it keeps none of
/// the reactor's descriptors open.
#[derive(Clone)]
pub struct ReactorHandle(pub(crate) Rc<Shared>);

/// The part of a reactor that outlives it while sources and handles do.
pub(crate) struct Shared {
    pub(crate) table: RefCell<Table>,
    registry: Weak<Registry>,
    pub(crate) process: Process,
    /// The bell of signals, while there are listeners.
    pub(crate) bell: RefCell<MaybeWatched>,
    watch_calls: Cell<u64>,
}

impl Shared {
    pub(crate) fn new(registry: &Rc<Registry>, process: Process) -> Self {
        Self {
            table: RefCell::new(Table::new()),
            registry: Rc::downgrade(registry),
            process,
            bell: RefCell::default(),
            watch_calls: Cell::new(0),
        }
    }

    pub(crate) fn count_watch_call(&self) {
        self.watch_calls.set(self.watch_calls.get() + 1);
    }

    pub(crate) fn watch_calls(&self) -> u64 {
        self.watch_calls.get()
    }

    /// The registry of the kernel's poll.
    ///
    /// # Errors
    ///
    /// The reactor has ended, or belongs to another process: a forked child shares the poll with its parent, and a
    /// registration it took away would be the parent's.
    pub(crate) fn registry(&self) -> io::Result<Rc<Registry>> {
        if !self.process.is_current() {
            return Err(forked());
        }
        Ok(self.registry.upgrade().ok_or(Ended)?)
    }
}

impl ReactorHandle {
    /// Whether the reactor's [descriptor](crate::Reactor) is readable: a wait would find something at once. A system
    /// call.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        let Ok(registry) = self.0.registry() else {
            return false; // it has ended, or is another process's
        };
        let mut polled = [PollFd::new(&*registry, PollFlags::IN)];
        poll(&mut polled, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    /// Whether signals wake this reactor; they do while nobody says otherwise. Whoever looks at
    /// [`signals_arrived`](crate::signals_arrived) before each sleep spares the process a system call for each signal
    /// that comes while he is awake: he says `true`, then looks, then sleeps. Nothing without a
    /// [`Subscription`](crate::Subscription).
    pub fn await_signals(&self, wants: bool) {
        if let Some(bell) = self.0.bell.borrow().upgrade() {
            bell.wait(wants);
        }
    }

    /// Whether anybody waits for a source. Looks at all of them.
    #[must_use]
    pub fn has_waiters(&self) -> bool {
        self.0.table.borrow().has_waiters()
    }
}

impl fmt::Debug for ReactorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut this = f.debug_struct("ReactorHandle");
        if let Ok(table) = self.0.table.try_borrow() {
            this.field("sources", &table.live())
                .field("ended", &table.is_ended());
        }
        this.finish()
    }
}
