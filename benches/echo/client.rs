//! The client: one message under way per connection, by a plain epoll loop in a process of its own.

use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::epoll;

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

struct Talk {
    connections: Vec<TcpStream>,
    epoll: rustix::fd::OwnedFd,
    events: Vec<epoll::Event>,
}

impl Talk {
    fn new(port: u16, connections: usize) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let connect = |index| {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
            stream.set_nodelay(true)?;
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&epoll, &stream, data, epoll::EventFlags::IN)?;
            Ok(stream)
        };
        Ok(Self {
            connections: (0..connections).map(connect).collect::<io::Result<_>>()?,
            epoll,
            events: Vec::with_capacity(1024),
        })
    }

    /// So many, over all connections; none is under way when it ends.
    fn round_trips(&mut self, times: u64) -> io::Result<()> {
        let (mut to_send, mut to_come) = (times, times);
        for connection in self.connections.iter_mut().take(times as usize) {
            connection.write_all(&[0x5a; MESSAGE])?;
            to_send -= 1;
        }
        while to_come > 0 {
            self.events.clear();
            let buffer = rustix::buffer::spare_capacity(&mut self.events);
            epoll::wait(&self.epoll, buffer, None)?;
            for event in &self.events {
                let connection = &mut self.connections[event.data.u64() as usize];
                connection.read_exact(&mut [0; MESSAGE])?;
                to_come -= 1;
                if to_send > 0 {
                    connection.write_all(&[0x5a; MESSAGE])?;
                    to_send -= 1;
                }
            }
        }
        Ok(())
    }
}
