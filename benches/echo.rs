//! A server that gives every byte back: round trips per second, and what one costs the server's processor.
//!
//! Server and client are processes of their own, each on its core: the system treats the descriptors of a process with
//! one thread in another way than those of a process with two.

mod client;
mod servers;

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::Command;

pub(crate) use self::client::Client;

use crate::c_peers;
use crate::cores::Cores;
use crate::descriptors::raise_the_limit;
use crate::row::{Aim, Contestant, Load, Row, Unit};

/// Bytes of a message.
const MESSAGE: usize = 64;

/// Connections, and round trips over all of them.
const SIZES: [(usize, u64); 3] = [(1, 16_000), (50, 160_000), (1000, 160_000)];

const BARE: &str = "bare epoll";

const BARE_C: &str = "bare epoll in C";

type Server = fn(TcpListener, usize) -> io::Result<()>;

pub(crate) fn rows() -> Vec<Row> {
    let rows = SIZES.into_iter().flat_map(|(connections, round_trips)| {
        let talk = Talk {
            connections,
            round_trips,
        };
        [talk.rate_row(), talk.cpu_row()]
    });
    rows.collect()
}

/// What so many connections cost the server's processor, for each round trip.
pub(crate) fn cpu_of_connections(name: String, connections: usize) -> Row {
    let talk = Talk {
        connections,
        round_trips: (20_000 * connections as u64).clamp(8_000, 200_000),
    };
    let mut row = talk.cpu_row();
    row.name = name;
    row
}

/// How many connections make how many round trips, all together.
#[derive(Clone, Copy)]
struct Talk {
    connections: usize,
    round_trips: u64,
}

/// What the client has found.
struct Figures {
    /// Thousands of round trips per second.
    rate: f64,
    /// Nanoseconds of the server's processor for each.
    cpu: f64,
}

impl Talk {
    fn rate_row(self) -> Row {
        self.row("round trips", Unit::KiloOpsPerSecond, |figures| figures.rate)
            .aims([Aim::Of(BARE, 0.98), Aim::Of(BARE_C, 0.98)])
            .note(
                "64 bytes over loopback, one message under way per connection; the server on one core, the same \
                 client for all on another, which reads the connections in turn and polls nothing: it is ahead of \
                 every server. Each server reads into a buffer of 1 KiB and writes what it has read, in a task per \
                 connection. The bare loops call the C library's recv and send once per event, level-triggered, \
                 nothing else; `inline` makes these system calls without the library's functions.",
            )
    }

    fn cpu_row(self) -> Row {
        self.row("server CPU", Unit::NanosPerOp, |figures| figures.cpu)
            .aims([Aim::Of(BARE, 1.05), Aim::Of(BARE_C, 1.05)])
            .note(
                "The same work; counted is the time that the server's threads spend on a processor per round trip \
                 (/proc/PID/task/*/schedstat), the system's part included.",
            )
    }

    fn row(self, what: &str, unit: Unit, figure: fn(Figures) -> f64) -> Row {
        let contestant = |name, server: Server| {
            Contestant::new(name, move |load| self.with_server(load, server).map(figure))
        };
        let in_c = match c_peers::path("echo_epoll") {
            Some(path) => Contestant::new(BARE_C, move |load| {
                let mut command = Command::new(&path);
                command.arg(self.connections.to_string());
                self.with_program(load, command).map(figure)
            }),
            None => Contestant::absent(BARE_C),
        };
        let name = match self.connections {
            1 => format!("echo, 1 connection, {what}"),
            many => format!("echo, {many} connections, {what}"),
        };
        Row::new(name, unit, contestant("tevent", servers::tevent))
            .beside([
                contestant(BARE, servers::bare),
                in_c,
                contestant("bare epoll, inline", servers::bare_inline),
                contestant("tokio", servers::tokio),
                contestant("monoio", servers::monoio),
                contestant("smol", servers::smol),
            ])
            .pairs(11)
    }

    /// This process serves, on the first core.
    fn with_server(self, load: Load, server: Server) -> io::Result<Figures> {
        let listener = listen()?;
        let client = self.client(load, &listener, std::process::id())?;
        server(listener, self.connections)?;
        client.figures()
    }

    /// A program in C serves, on the first core; the listener is its standard input.
    fn with_program(self, load: Load, mut server: Command) -> io::Result<Figures> {
        let listener = listen()?;
        server.stdin(OwnedFd::from(listener.try_clone()?));
        // It runs where this process does when it is started.
        Cores::allowed()?.pin(0)?;
        let mut serving = server.spawn()?;
        let figures = self.client(load, &listener, serving.id())?.figures();
        serving.kill()?;
        serving.wait()?;
        figures
    }

    /// Starts the client on the second core.
    fn client(
        self,
        load: Load,
        listener: &TcpListener,
        server: u32,
    ) -> io::Result<client::Running> {
        let client = Client {
            port: listener.local_addr()?.port(),
            connections: self.connections,
            round_trips: load.ops(self.round_trips),
            server,
        };
        let cores = Cores::allowed()?;
        cores.pin(1)?;
        let running = client::start(client);
        cores.pin(0)?;
        running
    }
}

fn listen() -> io::Result<TcpListener> {
    // The client has as many, and the limit from here.
    raise_the_limit()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    // All come at once.
    rustix::net::listen(&listener, 1024)?;
    Ok(listener)
}
