//! The reactor of tevent: one place that waits for the kernel, and sources that remember what it said.
//!
//! A [`Reactor`] is the owner's end: it blocks in [`Reactor::wait`], and nowhere else does the process block. A
//! [`Source`] is a mio socket that is registered once, edge-triggered, for its whole life; its readiness is cached, so
//! an operation first tries the system call and waits only after the kernel refused. Reactor and tasks speak through
//! [`std::task::Waker`] alone. A [`Watch`] is the third party: a descriptor that belongs to somebody else, whose news
//! is level-triggered and goes to the loop that drives the reactor.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::task::{Context, Poll, Waker};
//! use std::time::Duration;
//!
//! use mio::net::UnixStream;
//! use tevent_reactor::{Direction, Initially, Reactor, Source};
//!
//! # fn main() -> std::io::Result<()> {
//! let reactor = Reactor::new()?;
//! let (near, far) = UnixStream::pair()?;
//! let source = Source::new(&reactor.handle(), near, Initially::Ready)?;
//!
//! let mut cx = Context::from_waker(Waker::noop());
//! let mut buffer = [0; 16];
//! let mut read = || source.poll_io(Direction::Read, &mut cx, |mut io| io.read(&mut buffer));
//!
//! assert!(read().is_pending());
//! (&far).write_all(b"hello")?;
//! reactor.wait(Some(Duration::from_secs(1)))?;
//! assert!(matches!(read(), Poll::Ready(Ok(5))));
//! # Ok(())
//! # }
//! ```
#![deny(unsafe_code)]

mod alarm;
mod ended;
mod level;
mod place;
mod poller;
mod reactor;
mod readiness;
mod shared;
mod signal;
mod slot;
mod source;
mod table;
mod token;
mod wake;
mod watch;

pub use ended::Ended;
pub use poller::{Found, OsPoller, Poller};
pub use reactor::{Reactor, Waited};
pub use readiness::{Direction, Readiness};
pub use shared::ReactorHandle;
pub use signal::fork::{Process, forked};
pub use signal::{Delivery, SignalInfo, SignalKind, Subscription, signals_arrived};
pub use source::{Initially, Source};
pub use token::Token;
pub use watch::{Interest, Watch, Watched};
