//! The servers. Each accepts so many connections, and ends when the last of them has.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

use async_io::Async;
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use rustix::event::epoll;

use crate::runtimes;

/// Room for what is read at once.
const BUFFER: usize = 1024;

pub(super) fn tevent(listener: TcpListener, connections: usize) -> io::Result<()> {
    use futures::{AsyncReadExt, AsyncWriteExt};

    async fn echo(stream: tevent::net::TcpStream) -> io::Result<()> {
        let (mut reader, mut writer) = (&stream, &stream);
        let mut buffer = [0; BUFFER];
        loop {
            match reader.read(&mut buffer).await? {
                0 => return Ok(()),
                length => writer.write_all(&buffer[..length]).await?,
            }
        }
    }

    runtimes::tevent(async {
        let listener = tevent::net::TcpListener::from_std(listener)?;
        let mut tasks = Vec::new();
        for _ in 0..connections {
            tasks.push(tevent::spawn(echo(listener.accept().await?.0)));
        }
        for task in tasks {
            task.await?;
        }
        Ok(())
    })?
}

pub(super) fn tokio(listener: TcpListener, connections: usize) -> io::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn echo(mut stream: tokio::net::TcpStream) -> io::Result<()> {
        let mut buffer = [0; BUFFER];
        loop {
            match stream.read(&mut buffer).await? {
                0 => return Ok(()),
                length => stream.write_all(&buffer[..length]).await?,
            }
        }
    }

    listener.set_nonblocking(true)?;
    runtimes::tokio(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let mut tasks = Vec::new();
        for _ in 0..connections {
            tasks.push(tokio::spawn(echo(listener.accept().await?.0)));
        }
        for task in tasks {
            task.await??;
        }
        Ok(())
    })?
}

/// Its reads and writes own the buffer meanwhile.
pub(super) fn monoio(listener: TcpListener, connections: usize) -> io::Result<()> {
    use monoio::buf::IoBuf;

    async fn echo(mut stream: monoio::net::TcpStream) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        loop {
            let (read, filled) = stream.read(buffer).await;
            match read? {
                0 => return Ok(()),
                length => {
                    let (written, slice) = stream.write_all(filled.slice(..length)).await;
                    written?;
                    buffer = slice.into_inner();
                }
            }
        }
    }

    listener.set_nonblocking(true)?;
    runtimes::monoio(async move {
        let listener = monoio::net::TcpListener::from_std(listener)?;
        let mut tasks = Vec::new();
        for _ in 0..connections {
            tasks.push(monoio::spawn(echo(listener.accept().await?.0)));
        }
        for task in tasks {
            task.await?;
        }
        Ok(())
    })?
}

/// With its reactor on the same thread.
pub(super) fn smol(listener: TcpListener, connections: usize) -> io::Result<()> {
    use futures_lite::{AsyncReadExt, AsyncWriteExt};

    async fn echo(mut stream: Async<std::net::TcpStream>) -> io::Result<()> {
        let mut buffer = [0; BUFFER];
        loop {
            match stream.read(&mut buffer).await? {
                0 => return Ok(()),
                length => stream.write_all(&buffer[..length]).await?,
            }
        }
    }

    let executor = async_executor::LocalExecutor::new().leak();
    async_io::block_on(executor.run(async {
        let listener = Async::new(listener)?;
        let mut tasks = Vec::new();
        for _ in 0..connections {
            tasks.push(executor.spawn(echo(listener.accept().await?.0)));
        }
        for task in tasks {
            task.await?;
        }
        Ok(())
    }))
}

/// The limit: one wait for many events, one `recv` and one `send` for each, as in `c/echo_epoll.c`.
pub(super) fn bare(listener: TcpListener, connections: usize) -> io::Result<()> {
    bare_loop(listener, connections, |mut stream, buffer| {
        let length = stream.read(buffer)?;
        if length > 0 {
            assert_eq!(stream.write(&buffer[..length])?, length);
        }
        Ok(length)
    })
}

/// The same with the system calls inline, without the C library's functions around them.
pub(super) fn bare_inline(listener: TcpListener, connections: usize) -> io::Result<()> {
    use rustix::net::{RecvFlags, SendFlags, recv, send};

    bare_loop(listener, connections, |stream, buffer| {
        let (_, length) = recv(stream, &mut *buffer, RecvFlags::empty())?;
        if length > 0 {
            let sent = send(stream, &buffer[..length], SendFlags::NOSIGNAL)?;
            assert_eq!(sent, length);
        }
        Ok(length)
    })
}

/// `echo` answers one message and says how long it was: 0 at the end of a connection.
#[inline(always)] // so that nothing stands between the loop and its system calls
fn bare_loop(
    listener: TcpListener,
    connections: usize,
    echo: impl Fn(&TcpStream, &mut [u8]) -> io::Result<usize>,
) -> io::Result<()> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut streams = Vec::new();
    for index in 0..connections {
        let stream = listener.accept()?.0;
        stream.set_nonblocking(true)?;
        let data = epoll::EventData::new_u64(index as u64);
        epoll::add(&epoll, &stream, data, epoll::EventFlags::IN)?;
        streams.push(stream);
    }
    let mut buffer = [0; BUFFER];
    let mut events = Vec::with_capacity(1024);
    let mut open = connections;
    while open > 0 {
        events.clear();
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let stream = &streams[event.data.u64() as usize];
            if echo(stream, &mut buffer)? == 0 {
                epoll::delete(&epoll, stream)?;
                open -= 1;
            }
        }
    }
    Ok(())
}
