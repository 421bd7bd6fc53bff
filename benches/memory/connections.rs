//! Idle connections, as a server has them.

use std::io;
use std::net::{TcpListener, TcpStream};

use async_io::Async;

use super::Thing;
use crate::allocator::Taken;
use crate::arrivals::{all_have_arrived, arrive, expect};
use crate::descriptors::raise_the_limit;
use crate::runtimes;

/// Nearly as many as fill a table that grows by doubling, and not more than descriptors on small machines.
const CONNECTIONS: u64 = 4_000;

pub(super) fn idle() -> Thing {
    Thing {
        name: "idle connection",
        count: CONNECTIONS,
        aim: Some(200.0),
        note: "A connection over loopback that was accepted, and the task that waits for a byte of it: what the \
               server's side asks from the allocator, for each of 4000. The kernel's part is not in it.",
        ours: |count| {
            use futures::AsyncReadExt;
            let listener = listen()?;
            runtimes::tevent(async move {
                let address = listener.local_addr()?;
                let listener = tevent::net::TcpListener::from_std(listener)?;
                let task = |stream: tevent::net::TcpStream| async move {
                    arrive();
                    (&stream).read(&mut [0]).await
                };
                let serve = async || Ok(tevent::spawn(task(listener.accept().await?.0)));
                taken(count, || TcpStream::connect(address), serve).await
            })?
        },
        peers: vec![("tokio", tokio), ("monoio", monoio), ("smol", smol)],
    }
}

fn tokio(count: u64) -> io::Result<Taken> {
    use tokio::io::AsyncReadExt;
    let listener = listen()?;
    listener.set_nonblocking(true)?;
    runtimes::tokio(async move {
        let address = listener.local_addr()?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let task = |mut stream: tokio::net::TcpStream| async move {
            arrive();
            stream.read(&mut [0]).await
        };
        let serve = async || Ok(tokio::spawn(task(listener.accept().await?.0)));
        taken(count, || TcpStream::connect(address), serve).await
    })?
}

/// Its buffer of one byte is one more allocation, as a read owns the buffer.
fn monoio(count: u64) -> io::Result<Taken> {
    use monoio::io::AsyncReadRent;
    let listener = listen()?;
    runtimes::monoio(async move {
        let address = listener.local_addr()?;
        let listener = monoio::net::TcpListener::from_std(listener)?;
        let task = |mut stream: monoio::net::TcpStream| async move {
            arrive();
            stream.read(vec![0]).await
        };
        let serve = async || Ok(monoio::spawn(task(listener.accept().await?.0)));
        taken(count, || TcpStream::connect(address), serve).await
    })?
}

fn smol(count: u64) -> io::Result<Taken> {
    use futures_lite::AsyncReadExt;
    let listener = listen()?;
    let executor = async_executor::LocalExecutor::new().leak();
    async_io::block_on(executor.run(async {
        let address = listener.local_addr()?;
        let listener = Async::new(listener)?;
        let task = |mut stream: Async<TcpStream>| async move {
            arrive();
            stream.read(&mut [0]).await
        };
        let serve = async || Ok(executor.spawn(task(listener.accept().await?.0)));
        taken(count, || TcpStream::connect(address), serve).await
    }))
}

fn listen() -> io::Result<TcpListener> {
    raise_the_limit()?;
    TcpListener::bind("127.0.0.1:0")
}

/// Connects and serves one after the other, so that none waits in the backlog.
async fn taken<T>(
    count: u64,
    connect: impl Fn() -> io::Result<TcpStream>,
    serve: impl AsyncFn() -> io::Result<T>,
) -> io::Result<Taken> {
    let mut clients = Vec::with_capacity(count as usize);
    let mut tasks = Vec::with_capacity(count as usize);
    expect(count);
    let before = Taken::so_far();
    for _ in 0..count {
        clients.push(connect()?);
        tasks.push(serve().await?);
    }
    all_have_arrived().await;
    Ok(Taken::since(before))
}
