//! A TCP listener, and how it behaves when there are no descriptors left.
//!
//! Accepting fails in three ways:
//! - the connection went before it was accepted, or the call was interrupted: tried again at once;
//! - a limit is reached (descriptors, memory): the connection stays where it is, so the listener stays readable, and
//!   whoever accepts in a loop would spin. The caller is told once, and the next attempt waits for [`PAUSE`];
//! - anything else: told to the caller.

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use tevent_context::Handle;
use tevent_reactor::{Direction, Initially, Source};

use super::{TcpStream, current};

/// From an attempt that failed at a limit to the next one.
const PAUSE: Duration = Duration::from_millis(50);

/// A TCP socket that waits for connections.
///
/// Any number of tasks may [`accept`](Self::accept) at a time.
///
/// ```
/// use futures::{AsyncReadExt, AsyncWriteExt};
/// use tevent_context::{Context, spawn};
/// use tevent_net::{TcpListener, TcpStream};
///
/// # fn main() -> std::io::Result<()> {
/// # Context::new()?.block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let addr = listener.local_addr()?;
///
/// let server = spawn(async move {
///     let (stream, _peer) = listener.accept().await?;
///     let (mut reader, mut writer) = (stream.clone(), stream);
///     futures::io::copy(&mut reader, &mut writer).await // an echo
/// });
///
/// let mut stream = TcpStream::connect(addr).await?;
/// stream.write_all(b"hello").await?;
/// stream.close().await?;
/// let mut answer = String::new();
/// stream.read_to_string(&mut answer).await?;
/// assert_eq!(answer, "hello");
/// assert_eq!(server.await?, 5);
/// # Ok(())
/// # })
/// # }
/// ```
pub struct TcpListener {
    source: Source<mio::net::TcpListener>,
    handle: Handle,
    /// Set by an attempt that failed at a limit: no attempt before then.
    paused_until: Cell<Option<Instant>>,
}

impl TcpListener {
    /// Listens on an address, or on the first that can be had if `addr` stands for several, on the context that runs on
    /// this thread. The address may be in use by connections of an earlier listener (`SO_REUSEADDR`), as in the
    /// standard library.
    ///
    /// A numeric address never blocks. **A host name is resolved by the system, which blocks the thread.**
    ///
    /// # Errors
    /// Above all `AddrInUse` and `PermissionDenied`; of resolving the name; kind `Other` if no context runs on this
    /// thread or it has ended.
    pub fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        let handle = current()?;
        Self::from_std_on(handle, std::net::TcpListener::bind(addr)?)
    }

    /// Takes over a listening socket of the standard library, for the context that runs on this thread. Makes it
    /// non-blocking.
    ///
    /// # Errors
    /// Kind `Other` if no context runs on this thread or it has ended; what the kernel says to the registration. The
    /// socket is closed then.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        Self::from_std_on(current()?, listener)
    }

    fn from_std_on(handle: Handle, listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = mio::net::TcpListener::from_std(listener);
        Ok(Self {
            source: Source::new(&handle.reactor()?, listener, Initially::Ready)?,
            handle,
            paused_until: Cell::new(None),
        })
    }

    /// Waits for the next connection.
    ///
    /// A connection that went before it was accepted is passed over. At a limit (no descriptors, no memory) the error
    /// is returned, and the next attempt, by whomever, begins 50 ms later: a loop of `accept` wakes up at most 20
    /// times a second then, and goes on within 50 ms once there is room.
    ///
    /// # Errors
    /// At a limit: the descriptors of the process or the system (`EMFILE`, `ENFILE`), memory (`ENOBUFS`, `ENOMEM`), or
    /// what the poll can watch (`ENOSPC`). After the end of the context: kind `Other`.
    ///
    /// # Cancel safety
    /// Dropping the future loses no connection.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            self.pause().await;
            match poll_fn(|cx| self.poll_accept(cx)).await {
                Ok(Some(accepted)) => return Ok(accepted),
                Ok(None) => {}
                Err(error) if is_of_connection(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The address that is listened on; the port is the one given by the system if 0 was asked for.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.get_ref().local_addr()
    }

    /// Waits until attempts are allowed again.
    async fn pause(&self) {
        let Some(until) = self.paused_until.get() else {
            return;
        };
        let mut sleep = self.handle.sleep_until(until);
        poll_fn(|cx| {
            // A sleep must not be polled any more then; the attempt will say what happened.
            if self.handle.has_ended() {
                return Poll::Ready(());
            }
            Pin::new(&mut sleep).poll(cx)
        })
        .await;
        // Unless somebody else has tried meanwhile.
        if self.paused_until.get() == Some(until) {
            self.paused_until.set(None);
        }
    }

    /// One attempt: `None` if another task's attempt has begun a pause while this one waited.
    fn poll_accept(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<(TcpStream, SocketAddr)>>> {
        if self.paused_until.get().is_some() {
            return Poll::Ready(Ok(None));
        }
        let accepted = ready!(
            self.source
                .poll_io(Direction::Read, cx, |listener| listener.accept())
        );
        let accepted = accepted.and_then(|(stream, peer)| {
            let stream = TcpStream::register(&self.handle.reactor()?, stream)?;
            Ok(Some((stream, peer)))
        });
        if accepted.as_ref().is_err_and(is_limit) {
            self.paused_until
                .set(self.handle.read_clock().checked_add(PAUSE));
        }
        Poll::Ready(accepted)
    }
}

/// The error is of one connection, which is gone; the listener is well.
fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::CONNABORTED | Errno::PROTO | Errno::INTR)
    )
}

/// The error is of a limit that will not go away by itself at once.
fn is_limit(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::NOSPC)
    )
}

/// The descriptor, for socket options that have no method here.
impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.get_ref().as_fd()
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TcpListener")
            .field(self.source.get_ref())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b34_the_error_of_one_connection_is_passed_over_and_a_limit_is_not() {
        let error = |errno: Errno| io::Error::from(errno);
        for errno in [Errno::CONNABORTED, Errno::PROTO, Errno::INTR] {
            assert!(is_of_connection(&error(errno)) && !is_limit(&error(errno)));
        }
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
            assert!(is_limit(&error(errno)) && !is_of_connection(&error(errno)));
        }
        for errno in [Errno::BADF, Errno::INVAL] {
            assert!(!is_limit(&error(errno)) && !is_of_connection(&error(errno)));
        }
    }
}
