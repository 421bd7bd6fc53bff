//! The client: one message under way per connection, in a process of its own.
//!
//! It reads the connections in turn and never asks which of them are ready, so it has less to do than any server, and
//! each server always has work. With a client that polls as the servers do both are equally quick, and chance decides
//! who waits for whom: a server that is a percent faster finds four messages in a wait instead of all, and is faster by
//! a tenth then.

use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Figures, MESSAGE};
use crate::row::kilo_ops_per_second;

/// What a client is told by its command line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) port: u16,
    pub(crate) connections: usize,
    pub(crate) round_trips: u64,
    /// The process that serves.
    pub(crate) server: u32,
}

/// A client at work.
pub(super) struct Running(Child);

/// Starts it: `--echo-client` of this program.
pub(super) fn start(client: Client) -> io::Result<Running> {
    let numbers = [
        client.port.into(),
        client.connections as u64,
        client.round_trips,
        client.server.into(),
    ];
    let mut command = Command::new(env::current_exe()?);
    command
        .arg("--echo-client")
        .args(numbers.map(|number| number.to_string()));
    Ok(Running(command.stdout(Stdio::piped()).spawn()?))
}

impl Running {
    pub(super) fn figures(self) -> io::Result<Figures> {
        let output = self.0.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut figures = text.split_whitespace().map(str::parse);
        match (figures.next(), figures.next()) {
            (Some(Ok(rate)), Some(Ok(cpu))) => Ok(Figures { rate, cpu }),
            _ => Err(io::Error::other("the client gave no figures")),
        }
    }
}

impl Client {
    /// From the numbers of the command line.
    pub(crate) fn from_numbers(numbers: &[u64]) -> io::Result<Self> {
        let &[port, connections, round_trips, server] = numbers else {
            return Err(io::Error::other("a client needs four numbers"));
        };
        Ok(Self {
            port: port.try_into().map_err(io::Error::other)?,
            connections: connections as usize,
            round_trips,
            server: server.try_into().map_err(io::Error::other)?,
        })
    }

    /// Talks a tenth to warm up, then with the clock running, and prints what it found.
    pub(crate) fn run(self) -> io::Result<()> {
        let mut talk = Talk::new(self.port, self.connections)?;
        talk.round_trips(self.round_trips / 10)?;
        let cpu = cpu_of(self.server)?;
        let start = Instant::now();
        talk.round_trips(self.round_trips)?;
        let rate = kilo_ops_per_second(self.round_trips, start.elapsed());
        let cpu = cpu_of(self.server)? - cpu;
        println!("{rate} {}", cpu.as_nanos() as f64 / self.round_trips as f64);
        Ok(())
    }
}

/// What all threads of a process have spent on a processor so far.
fn cpu_of(process: u32) -> io::Result<Duration> {
    let mut nanos = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        let first = text.split(' ').next().and_then(|time| time.parse().ok());
        nanos += first.unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanos))
}

struct Talk(Vec<TcpStream>);

impl Talk {
    fn new(port: u16, connections: usize) -> io::Result<Self> {
        let connect = |_| {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        (0..connections)
            .map(connect)
            .collect::<io::Result<_>>()
            .map(Self)
    }

    /// So many, over all connections; none is under way when it ends.
    fn round_trips(&mut self, times: u64) -> io::Result<()> {
        let Self(connections) = self;
        for connection in connections.iter_mut().take(times as usize) {
            connection.write_all(&[0x5a; MESSAGE])?;
        }
        let mut to_send = times.saturating_sub(connections.len() as u64);
        for trip in 0..times as usize {
            let next = trip % connections.len();
            let connection = &mut connections[next];
            connection.read_exact(&mut [0; MESSAGE])?;
            if to_send > 0 {
                connection.write_all(&[0x5a; MESSAGE])?;
                to_send -= 1;
            }
        }
        Ok(())
    }
}
