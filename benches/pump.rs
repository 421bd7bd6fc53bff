//! Blocks of a mebibyte through one connection, as fast as they go.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Instant;

use async_io::Async;
use monoio::io::{AsyncReadRentExt, AsyncWriteRentExt};

use crate::cores::Cores;
use crate::fairness::connection;
use crate::row::{Aim, Contestant, Load, Row, Unit};
use crate::runtimes;

const BLOCK: usize = 1 << 20;

const BLOCKS: u64 = 1_000;

const BLOCKING: &str = "blocking thread";

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row("pump 1 MiB blocks, write", writers(), |far, load| {
            let (mut far, mut block) = (far, block());
            (0..blocks(load)).try_for_each(|_| far.read_exact(&mut block))
        }),
        row("pump 1 MiB blocks, read", readers(), |far, load| {
            let (mut far, block) = (far, block());
            (0..blocks(load)).try_for_each(|_| far.write_all(&block))
        }),
    ]
}

fn writers() -> [(&'static str, Pump); 5] {
    [
        ("tevent", |stream, load| {
            use futures::AsyncWriteExt;
            runtimes::tevent(async {
                let (stream, block) = (tevent::net::TcpStream::from_std(stream)?, block());
                timed(load, async || (&stream).write_all(&block).await).await
            })?
        }),
        (BLOCKING, |mut stream, load| {
            stream.set_nonblocking(false)?;
            let block = block();
            futures_lite::future::block_on(timed(load, async || stream.write_all(&block)))
        }),
        ("tokio", |stream, load| {
            use tokio::io::AsyncWriteExt;
            runtimes::tokio(async {
                let (mut stream, block) = (tokio::net::TcpStream::from_std(stream)?, block());
                timed(load, async || stream.write_all(&block).await).await
            })?
        }),
        ("monoio", |stream, load| {
            runtimes::monoio(async move {
                let mut stream = monoio::net::TcpStream::from_std(stream)?;
                let mut block = Some(block());
                let write = async || {
                    let (written, back) = stream.write_all(block.take().unwrap_or_default()).await;
                    block = Some(back);
                    written.map(drop)
                };
                timed(load, write).await
            })?
        }),
        ("smol", |stream, load| {
            use futures_lite::AsyncWriteExt;
            let (mut stream, block) = (Async::new(stream)?, block());
            async_io::block_on(timed(load, async || stream.write_all(&block).await))
        }),
    ]
}

fn readers() -> [(&'static str, Pump); 5] {
    [
        ("tevent", |stream, load| {
            use futures::AsyncReadExt;
            runtimes::tevent(async {
                let (stream, mut block) = (tevent::net::TcpStream::from_std(stream)?, block());
                timed(load, async || (&stream).read_exact(&mut block).await).await
            })?
        }),
        (BLOCKING, |mut stream, load| {
            stream.set_nonblocking(false)?;
            let mut block = block();
            futures_lite::future::block_on(timed(load, async || stream.read_exact(&mut block)))
        }),
        ("tokio", |stream, load| {
            use tokio::io::AsyncReadExt;
            runtimes::tokio(async {
                let (mut stream, mut block) = (tokio::net::TcpStream::from_std(stream)?, block());
                timed(load, async || stream.read_exact(&mut block).await.map(drop)).await
            })?
        }),
        ("monoio", |stream, load| {
            runtimes::monoio(async move {
                let mut stream = monoio::net::TcpStream::from_std(stream)?;
                let mut block = Some(block());
                let read = async || {
                    let (read, back) = stream.read_exact(block.take().unwrap_or_default()).await;
                    block = Some(back);
                    read.map(drop)
                };
                timed(load, read).await
            })?
        }),
        ("smol", |stream, load| {
            use futures_lite::AsyncReadExt;
            let (mut stream, mut block) = (Async::new(stream)?, block());
            async_io::block_on(timed(load, async || stream.read_exact(&mut block).await))
        }),
    ]
}

/// Pumps through this end of a connection, and says how fast.
type Pump = fn(TcpStream, Load) -> io::Result<f64>;

/// What the other end does, the same for all.
type Other = fn(TcpStream, Load) -> io::Result<()>;

fn row(name: &str, pumps: [(&'static str, Pump); 5], other: Other) -> Row {
    let contestant = |(name, pump): (_, Pump)| {
        Contestant::new(name, move |load| with_other_end(load, pump, other))
    };
    let [ours, peers @ ..] = pumps;
    Row::new(name, Unit::GigabytesPerSecond, contestant(ours))
        .beside(peers.map(contestant))
        .aims([Aim::Of("tokio", 0.98)])
        .pairs(11)
        .note(
            "Over loopback; the other end is a thread on the other core that blocks, the same for all. monoio is lent \
             the block for each call.",
        )
}

fn with_other_end(load: Load, pump: Pump, other: Other) -> io::Result<f64> {
    let (near, far) = connection()?;
    far.set_nonblocking(false)?;
    let cores = Cores::allowed()?;
    thread::scope(|scope| {
        let cores = &cores;
        let other = scope.spawn(move || {
            cores.pin(1)?;
            other(far, load)
        });
        cores.pin(0)?;
        let figure = pump(near, load);
        other.join().expect("the other end does not panic")?;
        figure
    })
}

/// A tenth to warm up, then the rest with the clock running.
async fn timed(load: Load, mut pump: impl AsyncFnMut() -> io::Result<()>) -> io::Result<f64> {
    let (all, warm_up) = (blocks(load), blocks(load) / 10);
    for _ in 0..warm_up {
        pump().await?;
    }
    let start = Instant::now();
    for _ in warm_up..all {
        pump().await?;
    }
    let bytes = (all - warm_up) * BLOCK as u64;
    Ok(bytes as f64 / start.elapsed().as_secs_f64() / 1e9)
}

fn blocks(load: Load) -> u64 {
    load.ops(BLOCKS)
}

fn block() -> Vec<u8> {
    vec![0x5a; BLOCK]
}
