//! The detector of hung queues: says which entry holds up a line for good, and from which line of the source.
//!
//! It is fed from two sides: by the moments of the entries, and by our executor, through
//! [`tevent_core::observe`], with the polls of the tasks. A task to which an entry belongs is the one that polled it
//! last, with its own waker; a guard belongs to the task that took it, until that one spawns another task, for a guard
//! is never polled: nobody can tell into which of them it has moved. On another executor nobody tells, and nothing is
//! found.
//!
//! ```text
//!   a   granted --1--> Granted --2--> idle --3--> found: not polled   1 its task is about to be woken
//!                       |    ^         |  |                           2 its task was polled, and is idle
//!                       |    +----5----+  |                           3 nothing is ready any more, or 64 rounds of the
//!                       +--------4--------+--> gone                     ready queue are over; on the only executor
//!                                                                     4 polled, dropped, taken back
//!   b, c   a task goes idle: does the way from the entry that it      5 its task was woken again, and is busy
//!          awaits to the guard that blocks it, and on to that one's
//!          task, lead back to it?
//! ```
//!
//! A task on such a way must be *stuck*: all its wakers are in the lines, so nothing but a turn can wake it. A
//! deadline, a socket, a second future that is joined to the first keeps a waker of the task, too: then it may yet let
//! go by itself, and is not found.

mod cycle;
mod finding;
mod policy;
mod tables;

use std::{
    cell::RefCell,
    rc::Rc,
    thread::{self, LocalKey},
};

use tevent_core::{
    line::Place,
    observe::{self, Observer},
    panics::Panics,
};

use crate::{Local, inside::Shared, watch::Moment};

use self::tables::{QueueId, Report, Tables};

pub use self::{
    finding::{CycleLink, Finding, TaskName},
    policy::Policy,
};

thread_local! {
    static TABLES: RefCell<Tables> = RefCell::default();
}

static OBSERVER: Observer = Observer {
    polled: |polled| deliver(with(&TABLES, |tables| tables.polled(polled))),
    spawns: |task| with(&TABLES, |tables| tables.spawns(task)),
    ended: |task| with(&TABLES, |tables| tables.ended(task)),
    out_of_work: || deliver(with(&TABLES, Tables::out_of_work)),
};

/// A queue's tie to the detector of its thread.
pub(crate) struct Link {
    queue: QueueId,
}

impl Link {
    /// Puts the queue under observation.
    pub(crate) fn new(shared: &Rc<Shared<Local>>, policy: Policy) -> Self {
        let queue = Rc::as_ptr(shared).addr();
        with(&TABLES, |tables| {
            tables.add_queue(queue, Rc::downgrade(shared), policy);
        });
        observe::start(&OBSERVER);
        Self { queue }
    }

    pub(crate) fn tell(&self, moment: Moment, place: Place) {
        with(&TABLES, |tables| {
            tables.tell(moment, (self.queue, place), observe::current_task());
        });
    }

    /// The guard counts as nobody's from now on.
    pub(crate) fn hand_over(&self, place: Place) {
        with(&TABLES, |tables| tables.hand_over((self.queue, place)));
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let is_last = with(&TABLES, |tables| tables.has_only(self.queue));
        if is_last {
            observe::stop();
        }
        // Out of the borrow: the policy is the user's.
        let _removed = with(&TABLES, |tables| tables.remove_queue(self.queue));
    }
}

/// Works on the tables, unless the thread ends and they are gone.
fn with<R: Default>(
    tables: &'static LocalKey<RefCell<Tables>>,
    work: impl FnOnce(&mut Tables) -> R,
) -> R {
    let done = tables.try_with(|tables| work(&mut tables.borrow_mut()));
    done.unwrap_or_default()
}

/// Tells the user, each by the policy of its queue.
///
/// # Panics
/// With the first panic of a policy or of a user's function, after all have been told.
fn deliver(reports: Vec<Report>) {
    if reports.is_empty() {
        return;
    }
    let mut panics = Panics::default();
    for (finding, policy) in reports {
        panics.guard(|| policy.apply(&finding));
        panics.guard(|| drop(policy));
    }
    if thread::panicking() {
        panics.discard();
    } else {
        panics.resume();
    }
}
