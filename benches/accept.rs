//! Connections that come, are accepted and closed at once.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use async_io::Async;
use rustix::net::sockopt::set_socket_linger;
use rustix::time::{ClockId, clock_gettime};

use crate::cores::Cores;
use crate::row::{Aim, Contestant, Load, Row, Unit, kilo_ops_per_second};
use crate::runtimes;

const CONNECTIONS: u64 = 8_000;

/// Connections that come at the same time.
const WAVE: u64 = 100;

const BLOCKING: &str = "blocking thread";

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row("accept storm", Unit::KiloOpsPerSecond, |figures| figures.rate)
            .aims([Aim::Of("tokio", 0.98)])
            .note(
                "A thread on the other core connects a hundred times and waits until all are closed, and so on; a task \
                 accepts and drops one after the other.",
            ),
        row("accept storm, server CPU", Unit::NanosPerOp, |figures| figures.cpu)
            .aims([Aim::Of("tokio", 1.0)])
            .note(
                "The same work; counted is the time that the accepting thread spends on its processor per connection, \
                 the system's part included.",
            ),
    ]
}

/// Accepts and closes so many.
type Server = fn(TcpListener, u64) -> io::Result<()>;

struct Figures {
    /// Thousands of connections per second.
    rate: f64,
    /// Nanoseconds of the server's thread for each.
    cpu: f64,
}

fn row(name: &str, unit: Unit, figure: fn(Figures) -> f64) -> Row {
    let contestant =
        |name, server: Server| Contestant::new(name, move |load| storm(load, server).map(figure));
    Row::new(name, unit, contestant("tevent", tevent))
        .beside([
            contestant(BLOCKING, blocking),
            contestant("tokio", tokio),
            contestant("monoio", monoio),
            contestant("smol", smol),
        ])
        .pairs(11)
}

/// A tenth to warm up, then with the clock running.
fn storm(load: Load, server: Server) -> io::Result<Figures> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (address, cores) = (listener.local_addr()?, Cores::allowed()?);
    let waves = load.ops(CONNECTIONS / WAVE);
    let connections = waves * WAVE;
    thread::scope(|scope| {
        let cores = &cores;
        let client = scope.spawn(move || {
            cores.pin(1)?;
            (0..waves / 10 + waves).try_for_each(|_| wave(address))
        });
        cores.pin(0)?;
        server(listener.try_clone()?, waves / 10 * WAVE)?;
        let (start, cpu) = (Instant::now(), cpu_time());
        server(listener, connections)?;
        let figures = Figures {
            rate: kilo_ops_per_second(connections, start.elapsed()),
            cpu: (cpu_time() - cpu).as_nanos() as f64 / connections as f64,
        };
        client.join().expect("the client does not panic")?;
        Ok(figures)
    })
}

fn wave(address: SocketAddr) -> io::Result<()> {
    let connect = |_| {
        let stream = TcpStream::connect(address)?;
        // It goes at once: a port that waits for stragglers is one port less.
        set_socket_linger(&stream, Some(Duration::ZERO))?;
        io::Result::Ok(stream)
    };
    let streams: Vec<_> = (0..WAVE).map(connect).collect::<io::Result<_>>()?;
    streams
        .iter()
        .try_for_each(|mut stream| match stream.read(&mut [0]) {
            Ok(0) => Ok(()),
            other => Err(io::Error::other(format!("not closed: {other:?}"))),
        })
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The limit: a system call that waits, and one that closes.
fn blocking(listener: TcpListener, times: u64) -> io::Result<()> {
    (0..times).try_for_each(|_| listener.accept().map(drop))
}

fn tevent(listener: TcpListener, times: u64) -> io::Result<()> {
    runtimes::tevent(async {
        let listener = tevent::net::TcpListener::from_std(listener)?;
        for _ in 0..times {
            listener.accept().await?;
        }
        Ok(())
    })?
}

fn tokio(listener: TcpListener, times: u64) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    runtimes::tokio(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        for _ in 0..times {
            listener.accept().await?;
        }
        Ok(())
    })?
}

fn monoio(listener: TcpListener, times: u64) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    runtimes::monoio(async move {
        let listener = monoio::net::TcpListener::from_std(listener)?;
        for _ in 0..times {
            listener.accept().await?;
        }
        Ok(())
    })?
}

/// With its reactor on the same thread.
fn smol(listener: TcpListener, times: u64) -> io::Result<()> {
    async_io::block_on(async {
        let listener = Async::new(listener)?;
        for _ in 0..times {
            listener.accept().await?;
        }
        Ok(())
    })
}
