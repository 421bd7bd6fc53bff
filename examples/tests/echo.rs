//! The example `echo_server`, driven by real clients, half of whom are rude.
//!
//! Where a client waits, the server has to do something, or a time of the server's own has to pass: nothing depends on
//! the speed of the machine, unless it stands still for seconds.

mod util;

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::ops::Range;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use socket2::{Domain, SockRef, Socket, Type};

use util::{program, story_of};

const CLIENTS: usize = 1000;
const THREADS: usize = 8;
const EACH: usize = CLIENTS / THREADS;
const ROUNDS: usize = 3;

/// Nothing takes so long, on the slowest machine, unless somebody waits for ever.
const PATIENCE: Duration = Duration::from_secs(30);

const PIECE: [u8; 8 << 10] = [7; 8 << 10];

/// Bytes that no connection takes if the other end does not read its own.
const FLOOD: usize = 64 << 20;

/// The example's program. It does not outlive a test that fails.
struct Server {
    child: Child,
    lines: Receiver<String>,
    address: SocketAddr,
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let mut program = program("echo_server");
        program.args(["--listen", "127.0.0.1:0"]).args(options);
        let mut child = program.stdout(Stdio::piped()).spawn().expect("it is built");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self {
            child,
            lines,
            address,
        };
        let listening = server.line();
        let address = listening.strip_prefix("listening on ").expect("an address");
        server.address = address.parse().expect("a numeric address");
        server
    }

    /// The next line it prints.
    #[track_caller]
    fn line(&self) -> String {
        let line = self.lines.recv_timeout(PATIENCE);
        line.expect("the server says something")
    }

    fn signal(&self, signal: Signal) {
        let number = i32::try_from(self.child.id()).expect("a process number");
        let process = Pid::from_raw(number).expect("not zero");
        kill_process(process, signal).expect("our child");
    }

    /// What it prints until it ends, which has to be well.
    #[track_caller]
    fn end(mut self) -> Vec<String> {
        let mut rest = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => rest.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("it does not end: {rest:?}"),
            }
        }
        assert!(self.child.wait().expect("our child").success());
        rest
    }

    /// The most memory it has ever had, where the system tells.
    fn peak_kilobytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        peak.trim().strip_suffix(" kB")?.parse().ok()
    }

    fn connect(&self) -> Client {
        Client::connect(self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client(TcpStream);

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        // Small, so that those who flood fill them soon.
        socket.set_send_buffer_size(16 << 10).expect("a socket");
        socket.set_recv_buffer_size(16 << 10).expect("a socket");
        let connected = socket.connect_timeout(&address.into(), PATIENCE);
        connected.expect("the server listens");
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time");
        Self(stream)
    }

    fn say(&mut self, message: &[u8]) {
        self.0.write_all(message).expect("the server reads");
    }

    #[track_caller]
    fn hear(&mut self, message: &[u8]) {
        let mut heard = vec![0; message.len()];
        self.0.read_exact(&mut heard).expect("the server writes");
        assert!(heard == message, "it is not what was said");
    }

    #[track_caller]
    fn hear_to_the_end(&mut self, message: &[u8]) {
        let mut heard = Vec::new();
        self.0.read_to_end(&mut heard).expect("an orderly end");
        assert!(heard == message, "it is not what was said");
    }

    fn finish(&self) {
        self.0.shutdown(Shutdown::Write).expect("it is connected");
    }

    /// The other end gets an error instead of the end.
    fn reset(self) {
        let linger = SockRef::from(&self.0).set_linger(Some(Duration::ZERO));
        linger.expect("it is connected");
    }

    /// Writes without reading until nothing more is taken for so long. The error is `WouldBlock`, unless the connection
    /// has ended. Whoever takes more than all buffers of the kernel keeps it in memory of its own.
    #[track_caller]
    fn flood(&mut self, patience: Duration) -> ErrorKind {
        let patience = self.0.set_write_timeout(Some(patience));
        patience.expect("a time that is not zero");
        for _ in 0..FLOOD / PIECE.len() {
            if let Err(error) = self.0.write(&PIECE) {
                return error.kind();
            }
        }
        panic!("it takes without a bound what nobody reads");
    }
}

/// What a client is like.
enum Manner {
    Polite,
    HalfOpen,
    Reset,
    Silent,
    Flooding,
}

impl Manner {
    /// Of forty clients, twenty are polite. One floods: each of these costs the system megabytes.
    const fn of(number: usize) -> Self {
        match number % 40 {
            0..20 => Self::Polite,
            20..27 => Self::HalfOpen,
            27..33 => Self::Reset,
            33..39 => Self::Silent,
            _ => Self::Flooding,
        }
    }
}

fn message(number: usize, round: usize) -> Vec<u8> {
    let length = 1 + (number * 37 + round * 11) % 9000;
    (0..length)
        .map(|at| (at * 7 + number + round) as u8)
        .collect()
}

/// What is left of a thread's clients while the polite ones talk.
#[derive(Default)]
struct Crowd {
    polite: Vec<(usize, Client)>,
    half_open: Vec<(usize, Client)>,
    silent: Vec<Client>,
    flooding: Vec<Client>,
}

impl Crowd {
    /// All connect, and the rude begin with what they do.
    fn gather(address: SocketAddr, numbers: Range<usize>) -> Self {
        let mut crowd = Self::default();
        for number in numbers {
            let mut client = Client::connect(address);
            match Manner::of(number) {
                Manner::Polite => crowd.polite.push((number, client)),
                Manner::HalfOpen => {
                    client.say(&message(number, 0));
                    client.finish();
                    crowd.half_open.push((number, client));
                }
                Manner::Reset => {
                    client.say(&message(number, 0));
                    client.reset();
                }
                Manner::Silent => crowd.silent.push(client),
                Manner::Flooding => crowd.flooding.push(client),
            }
        }
        crowd
    }

    fn flood(&mut self, patience: Duration) {
        for client in &mut self.flooding {
            assert_eq!(client.flood(patience), ErrorKind::WouldBlock);
        }
    }

    /// The polite ones talk, all at the same time, and get every byte back, whatever the others do.
    fn talk(&mut self) {
        for round in 0..ROUNDS {
            for (number, client) in &mut self.polite {
                client.say(&message(*number, round));
            }
            self.flood(Duration::from_millis(50));
            for (number, client) in &mut self.polite {
                client.hear(&message(*number, round));
            }
        }
        for (_, mut client) in self.polite.drain(..) {
            client.finish();
            client.hear_to_the_end(&[]);
        }
    }

    /// The rude ones are got rid of.
    fn end(mut self) {
        for (number, client) in &mut self.half_open {
            client.hear_to_the_end(&message(*number, 0));
        }
        for client in &mut self.silent {
            client.hear_to_the_end(&[]);
        }
        for client in &mut self.flooding {
            let end = client.flood(PATIENCE);
            assert!(
                matches!(end, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
                "{end:?}"
            );
        }
    }
}

/// This process has a socket per client; the server inherits the limit.
fn allow_files() {
    let limit = getrlimit(Resource::Nofile);
    let needed = CLIENTS as u64 + 200;
    let current = limit.current.map(|current| current.max(needed));
    let raised = setrlimit(Resource::Nofile, Rlimit { current, ..limit });
    raised.expect("so many files may be open");
}

fn bytes_said() -> usize {
    let said = |number| match Manner::of(number) {
        Manner::Polite => (0..ROUNDS).map(|round| message(number, round).len()).sum(),
        Manner::HalfOpen => message(number, 0).len(),
        _ => 0,
    };
    (0..CLIENTS).map(said).sum()
}

#[test]
fn a_thousand_clients_and_half_of_them_rude() {
    allow_files();
    let server = Server::start(&["--idle", "6"]);
    let address = server.address;
    let threads = (0..THREADS).map(|thread| {
        thread::spawn(move || {
            let mut crowd = Crowd::gather(address, thread * EACH..(thread + 1) * EACH);
            crowd.talk();
            crowd.end();
        })
    });
    for thread in threads.collect::<Vec<_>>() {
        thread.join().expect("all is as it should be");
    }
    let peak = server.peak_kilobytes();
    assert!(peak.is_none_or(|peak| peak < 64 << 10), "{peak:?} kB");

    let stopped = Instant::now();
    server.signal(Signal::TERM);
    let [stopping, report, all, ends] = server.end().try_into().expect("four lines");
    assert!(
        stopped.elapsed() < Duration::from_secs(5),
        "nobody is left to wait for"
    );
    assert_eq!(stopping, "stopping, 0 clients are here");
    assert_eq!(report, "nobody was there");
    assert!(all.starts_with("1000 clients, at most "), "{all}");
    assert!(given_back(&all) >= bytes_said(), "{all}"); // some of the flood comes back, too
    assert_eq!(ends, "675 closed, 150 failed, 175 idle, 0 asked to end");
}

/// Out of "... at a time, 123 bytes given back".
fn given_back(line: &str) -> usize {
    let words: Vec<_> = line.split(' ').rev().collect();
    words[3].parse().expect("a number")
}

#[test]
fn at_the_end_it_drains_then_asks_then_drops() {
    let server = Server::start(&["--drain", "2", "--grace", "0.5"]);
    let [mut quick, mut waiting, mut stuck] = [(); 3].map(|()| server.connect());
    for client in [&mut quick, &mut waiting] {
        client.say(b"before");
        client.hear(b"before");
    }
    let full = stuck.flood(Duration::from_millis(500));
    assert_eq!(full, ErrorKind::WouldBlock);

    let stopped = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.line(), "stopping, 3 clients are here");
    let late = TcpStream::connect(server.address).map(drop);
    let refused = late.expect_err("it does not listen any more");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    quick.say(b"after");
    quick.hear(b"after");
    quick.finish();
    quick.hear_to_the_end(&[]);
    waiting.hear_to_the_end(&[]);

    let [report, all, ends] = server.end().try_into().expect("three lines");
    let took = stopped.elapsed();
    assert!(took >= Duration::from_millis(2500), "{took:?}");
    assert!(took < Duration::from_millis(7500), "{took:?}");
    let (counts, left) = report.split_once(": ").expect("one is left");
    assert_eq!(counts, "1 drained, 1 cancelled, 1 left");
    assert!(left.starts_with("request `client` (created at "), "{left}");
    assert!(all.starts_with("3 clients, at most 3 at a time, "), "{all}");
    assert_eq!(ends, "1 closed, 0 failed, 0 idle, 1 asked to end");
}

#[test]
fn a_second_signal_ends_it_sooner() {
    let server = Server::start(&["--drain", "600", "--grace", "600"]);
    let mut client = server.connect();
    client.say(b"here");
    client.hear(b"here");
    server.signal(Signal::INT);
    assert_eq!(server.line(), "stopping, 1 clients are here");
    server.signal(Signal::INT);
    client.hear_to_the_end(&[]);
    let lines = server.end();
    let ends = lines.last().map(String::as_str);
    assert_eq!(ends, Some("0 closed, 0 failed, 0 idle, 1 asked to end"));
}

#[test]
fn one_client_too_many_waits_until_another_has_gone() {
    let server = Server::start(&["--clients", "2"]);
    let [mut one, mut two, mut three] = [(); 3].map(|()| server.connect());
    for client in [&mut one, &mut two, &mut three] {
        client.say(b"me");
    }
    one.hear(b"me");
    two.hear(b"me");
    let moment = three.0.set_read_timeout(Some(Duration::from_millis(100)));
    moment.expect("a time that is not zero");
    let early = three.0.read(&mut [0]);
    let early = early.expect_err("there is no place for it");
    assert_eq!(early.kind(), ErrorKind::WouldBlock);
    let again = three.0.set_read_timeout(Some(PATIENCE));
    again.expect("a time that is not zero");
    one.reset();
    three.hear(b"me");
    drop((two, three));
}

#[test]
fn it_says_how_it_is_used() {
    let help = story_of(program("echo_server").arg("--help"));
    assert!(help.iter().any(|line| line.contains("--idle <SECONDS>")));
    for wrong in [["--clients", "0"], ["--idle", "-1"], ["--drain", "soon"]] {
        let refused = program("echo_server").args(wrong).output();
        let refused = refused.expect("it is built");
        assert_eq!(refused.status.code(), Some(2), "{wrong:?}: {refused:?}");
    }
}
