//! What a reactor and its sources share: the table, and a weak way to the kernel's registry.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::process;
use std::rc::{Rc, Weak};

use mio::Registry;

use crate::ended::Ended;
use crate::table::Table;

/// A way to a reactor, for making sources. Cheap to clone, bound to the reactor's thread, and weak: it keeps none of
/// the reactor's descriptors open.
#[derive(Clone)]
pub struct ReactorHandle(pub(crate) Rc<Shared>);

/// The part of a reactor that outlives it while sources and handles do.
pub(crate) struct Shared {
    pub(crate) table: RefCell<Table>,
    registry: Weak<Registry>,
    process: u32,
}

impl Shared {
    pub(crate) fn new(registry: &Rc<Registry>) -> Self {
        Self {
            table: RefCell::new(Table::new()),
            registry: Rc::downgrade(registry),
            process: process::id(),
        }
    }

    /// The registry of the kernel's poll.
    ///
    /// # Errors
    ///
    /// The reactor has ended, or belongs to another process: a forked child shares the poll with its parent, and a
    /// registration it took away would be the parent's.
    pub(crate) fn registry(&self) -> io::Result<Rc<Registry>> {
        if self.process != process::id() {
            return Err(io::Error::other(
                "this reactor belongs to the process that this one was forked from",
            ));
        }
        Ok(self.registry.upgrade().ok_or(Ended)?)
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
