//! Requests: futures with a name, a state, a deadline, a way to ask for their end, cleanups, and children.
//!
//! An `async fn` stays the plain way to wait for something. A [`Request`] is what `tevent_req` gives to C programs, for
//! where an `async fn` is not enough:
//!
//! - a **deadline** that ends the work wherever it is: in a line it leaves, with a turn it gives back;
//! - a **cancel** that asks, so that the work can end in order, and a result that tells what came of it;
//! - **cleanups** that run exactly once for each state, also when the request is dropped or its work panics;
//! - **promises**, for code that ends by a callback ([`request`]), and **streams** of several values
//!   ([`RequestStream`]);
//! - **children** that belong to a [`RequestScope`]: joined, cancelled, dropped in order, bounded in number.
//!
//! Code of others, as wakers, cleanups and destructors, may panic or come back at any time: the rest is done all the
//! same. A panic of the request's own goes on in whoever awaits it; one of a stranger's ends here, and costs no result.
//!
//! ```
//! use std::time::Duration;
//! use tevent_context::{Context, sleep};
//! use tevent_queue::{QueueExt, TeventQueue};
//! use tevent_request::{RequestError, RequestExt};
//!
//! # fn main() -> std::io::Result<()> {
//! Context::new()?.block_on(async {
//!     let disk = TeventQueue::new("disk");
//!     let holder = disk.try_entry();
//!     let read = async { Ok::<_, String>("data") }.queued(&disk);
//!     let read = async { read.await.map_err(|error| error.to_string())? }
//!         .request("read")
//!         .timeout(Duration::from_millis(1));
//!     assert_eq!(disk.len(), 2); // one has the turn, one waits
//!     assert_eq!(read.await, Err(RequestError::TimedOut));
//!     assert_eq!(disk.len(), 1); // it has left the line
//! #   drop(holder);
//! });
//! # Ok(())
//! # }
//! ```
//!
//! With the feature `profile` a request has a number that survives awaits (`request_id`), may keep a `Profile` of where
//! its time goes, and hooks are told of its call flow (`on_flow`). With the feature `tracing`, which implies that, it
//! has a span of the `tracing` crate, too: `request`, of level debug, entered whenever it is worked for.
//!
//! The states of a request, and the steps between them, are drawn in [`State`].
#![forbid(unsafe_code)]

mod cancel;
mod deadline;
mod error;
mod foreign;
mod head;
mod node;
mod notes;
#[cfg(feature = "profile")]
mod profile;
#[cfg(not(feature = "profile"))]
#[path = "no_profile.rs"]
mod profile;
mod promise;
mod request;
mod scope;
mod state;
mod task;
mod waiters;
mod wakeup;
mod work;

pub use cancel::{CancelToken, Cancelled, Canceller, UnlessCancelled};
pub use error::RequestError;
pub use notes::{Notifier, RequestStream, request_stream};
#[cfg(feature = "tracing")]
pub use profile::tracing_hook;
#[cfg(feature = "profile")]
pub use profile::{
    Carried, FlowHook, FlowKind, FlowPoint, Profile, ProfileKind, carry, carry_call, on_flow,
    profile_waits, request_id,
};
pub use promise::{Completer, Promise, Promised, request};
pub use request::{Request, RequestExt};
pub use scope::{Child, ChildInfo, Join, Report, RequestScope, ScopeHandle};
pub use state::State;
pub use task::RequestTask;
pub use wakeup::wakeup;
pub use work::{BoxWork, FutureWork, Work};
