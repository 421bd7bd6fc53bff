//! What the detector found, in words.

use std::{borrow::Cow, fmt, panic::Location};

use tevent_core::observe;

/// Why a queue hangs.
///
/// `Display` says it in one line: what happened, where, and what to do.
///
/// Which task an entry belongs to is known for certain: the one that polled it last, with its own waker. Entries that
/// are polled with another waker (inside `FuturesUnordered`, or by a foreign executor that the task drives) are not
/// observed. A guard is never polled, so its owner is an assumption: the task that took it, until that one spawns
/// another task on the thread, or hands the guard over. What remains to be said by the program is
/// [`handed_over`](crate::QueueGuard::handed_over), on a guard that goes to a task which exists already (through a
/// channel), or which runs on a foreign executor.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finding {
    /// An entry has the turn, its task was woken, polled and is idle again, and nobody has polled the entry: the whole
    /// line waits for a future that is not polled (a "futurelock").
    ///
    /// It is told when nothing is ready any more, or after 64 complete rounds of the tasks that are; and only while a
    /// single executor lives on the thread. The task may come back to the entry later, by itself: then the line was
    /// held up until then, and for no reason.
    #[non_exhaustive]
    NotPolled {
        /// The name of the queue.
        queue: String,
        /// The line that asked for the entry.
        entry: &'static Location<'static>,
        /// The task that polled the entry last.
        task: TaskName,
        /// Another entry that the task awaits meanwhile: the queue's name, and the line that asked for it.
        awaits: Option<(String, &'static Location<'static>)>,
    },
    /// A task awaits an entry that its own guard blocks, and all its wakers are in lines of queues: no deadline, socket
    /// or channel of its own wakes it.
    ///
    /// It hangs unless somebody else ends it from outside: closes the queue, or cancels the task through its handle,
    /// for which there may be a deadline.
    #[non_exhaustive]
    SelfBlocked {
        /// The name of the queue.
        queue: String,
        /// The line that asked for the entry.
        entry: &'static Location<'static>,
        /// The line that asked for the entry that has become the guard.
        guard: &'static Location<'static>,
        /// The task.
        task: TaskName,
    },
    /// Tasks wait for each other in a ring, and all their wakers are in lines of queues. They hang unless one of them
    /// is ended from outside, as for [`SelfBlocked`](Self::SelfBlocked).
    #[non_exhaustive]
    Cycle {
        /// Each waits for the next, and the last for the first.
        links: Vec<CycleLink>,
    },
}

/// One task of a [`Finding::Cycle`].
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CycleLink {
    /// The task that waits.
    pub task: TaskName,
    /// The name of the queue in which it waits.
    pub queue: String,
    /// The line that asked for the entry that it awaits.
    pub entry: &'static Location<'static>,
    /// The line that asked for the guard that blocks it, which the next task has.
    pub guard: &'static Location<'static>,
}

/// What a task is known by. Both are known only of tasks that were spawned or named while a queue with a detector lived
/// on the thread.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TaskName {
    /// The name that was given to it.
    pub name: Option<Cow<'static, str>>,
    /// The line that spawned it.
    pub spawned: Option<&'static Location<'static>>,
}

impl From<observe::Known> for TaskName {
    fn from(known: observe::Known) -> Self {
        Self {
            name: known.name,
            spawned: known.spawned,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPolled {
                queue,
                entry,
                task,
                awaits,
            } => {
                write!(
                    f,
                    "queue {queue:?} is held up: the entry from {entry} has the turn, and {task}, which is idle, does \
                     not poll it"
                )?;
                if let Some((other, line)) = awaits {
                    write!(f, ", but awaits the entry from {line} in queue {other:?}")?;
                }
                f.write_str("; poll it, drop it before awaiting something else, or let a task of its own await it")
            }
            Self::SelfBlocked {
                queue,
                entry,
                guard,
                task,
            } => write!(
                f,
                "queue {queue:?} hangs: {task} awaits the entry from {entry}, which its own guard from {guard} blocks; \
                 drop the guard first; or say `handed_over` of a guard that another task has now"
            ),
            Self::Cycle { links } => {
                f.write_str("queues hang in a ring: ")?;
                for (index, link) in links.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{link}")?;
                }
                f.write_str("; take the turns in the same order everywhere")
            }
        }
    }
}

impl fmt::Display for CycleLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            task,
            queue,
            entry,
            guard,
        } = self;
        write!(
            f,
            "{task} awaits the entry from {entry} in queue {queue:?}, which the guard from {guard} blocks"
        )
    }
}

/// `task "reader" (spawned at src/main.rs:7:5)`, `the task spawned at src/main.rs:7:5`, or `a task`.
impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, self.spawned) {
            (Some(name), Some(line)) => write!(f, "task {name:?} (spawned at {line})"),
            (Some(name), None) => write!(f, "task {name:?}"),
            (None, Some(line)) => write!(f, "the task spawned at {line}"),
            (None, None) => f.write_str("a task"),
        }
    }
}
