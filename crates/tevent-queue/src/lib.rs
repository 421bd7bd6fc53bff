//! `TeventQueue`: lets requests through strictly one after another, in the order in which they were added.
//!
//! A queue needs nothing but wakers, so it runs on any executor of one thread. Whoever wants a turn asks for an
//! [`entry`](TeventQueue::entry), which takes its place in the line **at the call**, and awaits it for a
//! [`QueueGuard`]. The turn lasts as long as the guard lives; dropping it lets the next one through.
//!
//! ```
//! use futures::{executor::block_on, future::join};
//! use std::cell::RefCell;
//! use tevent_queue::{QueueExt, TeventQueue};
//!
//! let queue = TeventQueue::new("socket");
//! let written = RefCell::new(Vec::new());
//! let first = async { written.borrow_mut().push("first") }.queued(&queue);
//! let second = async { written.borrow_mut().push("second") }.queued(&queue);
//!
//! // Polled the other way round, and still served in the order in which they took their places.
//! let _ = block_on(join(second, first));
//! assert_eq!(*written.borrow(), ["first", "second"]);
//! ```
//!
//! # Rules
//! - Strictly first in, first out. No barging: [`try_entry`](TeventQueue::try_entry) succeeds only if nobody is in
//!   line.
//! - A grant is a wake, never a call: nobody runs inside the stack of the one who lets go.
//! - Dropping leaves. An entry that waits leaves the line; one that was granted and has not been polled passes the turn
//!   on; a guard releases it, also while a panic unwinds.
//! - [`stop`](TeventQueue::stop) leaves the holder alone and grants nothing; [`start`](TeventQueue::start) goes on.
//! - Closing, or dropping the last handle, resolves all that wait with [`QueueError::Closed`], in order.
//! - A queue has no bound unless it is given a [`capacity`](Builder::capacity): every entry is a future that somebody
//!   holds, at 48 bytes each.
//!
//! # More than entries
//! - [`future.queued(&queue)`](QueueExt::queued), [`stream.queued(&queue)`](StreamQueueExt::queued) and
//!   [`sink.queued(&queue)`](SinkQueueExt::queued): work that takes its turns by itself.
//! - [`KeyedQueue`]: a line for each key, made on first use, gone when nobody is in it.
//!
//! # A future that nobody polls
//! A granted entry has the turn whether it is polled or not. A task that keeps an entry without polling it (in a
//! `select!` whose other branch awaits the same queue, say) holds up the line until it drops or polls the entry. A
//! driven entry cannot: [`add_on`](TeventQueue::add_on) gives the work to a task of its own, and the caller awaits the
//! result.
//!
//! # Wakers
//! A queue keeps the waker of the task that left last, and reuses it when that task comes back: a turn that goes round
//! among the same tasks clones no waker. That one waker lives until another replaces it or the queue goes.
#![forbid(unsafe_code)]

mod block;
mod builder;
mod combinators;
mod detector;
mod drain;
mod drains;
mod driven;
mod emptied;
mod entry;
mod error;
mod face;
mod guard;
mod inside;
mod keyed;
#[cfg(feature = "metrics")]
mod metrics;
mod queue;
mod seat;
mod stats;
#[cfg(feature = "stats")]
mod timing;
mod trace;
#[cfg(feature = "tracing")]
mod tracing;
mod unless;
mod watch;

pub use block::QueueBlock;
pub use builder::Builder;
pub use combinators::{
    QueueExt, QueuedFuture, QueuedSink, QueuedSinkError, QueuedStream, SinkQueueExt, StreamQueueExt,
};
pub use detector::{CycleLink, Finding, Policy, TaskName};
pub use drain::Drain;
pub use driven::{AddError, Queued};
pub use emptied::Emptied;
pub use entry::QueueEntry;
pub use error::{NotStopped, QueueError, Reason, TryEntryError};
pub use face::{Face, Local, Threads};
pub use guard::QueueGuard;
pub use keyed::{KeyedEntry, KeyedGuard, KeyedLine, KeyedQueue};
pub use queue::{SyncTeventQueue, TeventQueue};
pub use stats::{EntryInfo, EntryState, Stats};
#[cfg(feature = "stats")]
pub use timing::{Since, Summary, Timing};
pub use trace::{TraceKind, TracePoint};
#[cfg(feature = "tracing")]
pub use tracing::tracing_hook;
pub use unless::Unless;
