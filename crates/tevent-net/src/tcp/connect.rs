//! Connecting: start, wait until the socket is writable, ask it how it went.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use mio::net::TcpStream;
use rustix::io::Errno;
use tevent_reactor::{Direction, Initially, ReactorHandle, Source};

use super::current;

/// Tries the addresses one after another; the error is the last one's.
pub(super) async fn first_that_answers(addr: impl ToSocketAddrs) -> io::Result<Source<TcpStream>> {
    let reactor = current()?.reactor()?;
    let mut last_error = io::Error::new(
        io::ErrorKind::InvalidInput,
        "the name stands for no address to connect to",
    );
    for addr in addr.to_socket_addrs()? {
        match connect(&reactor, addr).await {
            Ok(source) => return Ok(source),
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}

async fn connect(reactor: &ReactorHandle, addr: SocketAddr) -> io::Result<Source<TcpStream>> {
    let source = Source::new(reactor, TcpStream::connect(addr)?, Initially::NotReady)?;
    poll_fn(|cx| source.poll_io(Direction::Write, cx, outcome)).await?;
    Ok(source)
}

/// How the connection went. Being writable proves nothing: a refused socket is writable too, and an event may be early.
fn outcome(stream: &TcpStream) -> io::Result<()> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(()),
        Err(error) if is_under_way(&error) => Err(io::ErrorKind::WouldBlock.into()),
        Err(error) => Err(error),
    }
}

fn is_under_way(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NOTCONN | Errno::INPROGRESS)
    )
}
