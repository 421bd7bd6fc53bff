//! A TCP connection.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::io::{AsyncRead, AsyncWrite};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tevent_reactor::{Direction, Initially, ReactorHandle, Source};

use super::{connect, current};

/// A TCP connection, read and written as futures' [`AsyncRead`] and [`AsyncWrite`].
///
/// A `TcpStream` is a handle; clones are handles of the same socket, which is closed when the last one is dropped. One
/// task may read while others write. What several tasks write through clones **interleaves**, wherever the kernel takes
/// less than all: give each task its turn with a `TeventQueue`, or hand whole records to a
/// [`QueuedWriter`](crate::QueuedWriter).
///
/// Every operation first tries the system call, and waits only after the kernel refused it. Dropping a read or a write
/// that has not finished loses nothing but its own progress (`read_exact` and `write_all` forget how far they came).
///
/// Once the context has ended, operations fail with [`Ended`](tevent_reactor::Ended) inside an error of kind `Other`.
#[derive(Clone)]
pub struct TcpStream {
    source: Rc<Source<mio::net::TcpStream>>,
}

impl TcpStream {
    /// Connects to an address, or to the first that answers if `addr` stands for several.
    ///
    /// A numeric address never blocks. **A host name is resolved by the system, which blocks the thread.**
    ///
    /// # Errors
    /// Those of the last address that was tried (kind `ConnectionRefused`, `TimedOut`, ...); of resolving the name;
    /// kind `Other` if no context runs on this thread or it has ended.
    ///
    /// # Cancel safety
    /// Dropping the future gives the connection up.
    pub async fn connect(addr: impl ToSocketAddrs) -> io::Result<Self> {
        let source = connect::first_that_answers(addr).await?;
        Ok(Self {
            source: Rc::new(source),
        })
    }

    /// Takes over a connected socket of the standard library, for the context that runs on this thread. Makes it
    /// non-blocking.
    ///
    /// # Errors
    /// Kind `Other` if no context runs on this thread or it has ended; what the kernel says to the registration. The
    /// socket is closed then.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Self::register(
            &current()?.reactor()?,
            mio::net::TcpStream::from_std(stream),
        )
    }

    pub(super) fn register(
        reactor: &ReactorHandle,
        stream: mio::net::TcpStream,
    ) -> io::Result<Self> {
        Ok(Self {
            source: Rc::new(Source::new(reactor, stream, Initially::Ready)?),
        })
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// If the connection is gone (`NotConnected`).
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io().peer_addr()
    }

    /// The address of this end.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io().local_addr()
    }

    /// Whether small writes are sent at once, without waiting for more to send with them (`TCP_NODELAY`).
    ///
    /// # Errors
    /// What the kernel says.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.io().nodelay()
    }

    /// Sets whether small writes are sent at once, without waiting for more to send with them (`TCP_NODELAY`).
    ///
    /// # Errors
    /// What the kernel says.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.io().set_nodelay(nodelay)
    }

    /// Ends one or both directions of the connection, for all its handles. After the end of the writing half the other
    /// end reads all that was written, then the end of the stream.
    ///
    /// # Errors
    /// `NotConnected` if the connection is gone.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io().shutdown(how)
    }

    fn io(&self) -> &mio::net::TcpStream {
        self.source.get_ref()
    }
}

/// Reading and writing are bare system calls: without the C library's functions around them, which make ready for a
/// thread to be cancelled meanwhile.
impl AsyncRead for &TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.source
            .poll_transfer(Direction::Read, cx, buf.len(), |io| {
                let (_, received) = recv(io, &mut *buf, RecvFlags::empty())?;
                Ok(received)
            })
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = bufs.iter().map(|buf| buf.len()).sum();
        self.source
            .poll_transfer(Direction::Read, cx, wanted, |mut io| io.read_vectored(bufs))
    }
}

impl AsyncWrite for &TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.source
            .poll_transfer(Direction::Write, cx, buf.len(), |io| {
                Ok(send(io, buf, SendFlags::NOSIGNAL)?)
            })
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = bufs.iter().map(|buf| buf.len()).sum();
        self.source
            .poll_transfer(Direction::Write, cx, wanted, |mut io| {
                io.write_vectored(bufs)
            })
    }

    /// Ready at once: what was written is with the kernel.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends the writing half. A connection that is gone already counts as closed.
    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match self.shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            done => done,
        })
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_read(cx, buf)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_read_vectored(cx, bufs)
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self).poll_close(cx)
    }
}

/// The descriptor, for socket options that have no method here.
impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io().as_fd()
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TcpStream").field(self.io()).finish()
    }
}
