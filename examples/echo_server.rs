//! A complete echo server, as the one that chapter 4 of the tevent tutorial speaks of: gives every byte back.
//!
//! Each client has one buffer and not more: who sends and does not read is not read any more. Who does nothing for too
//! long is let go. At SIGINT or SIGTERM it ends in order: takes no more clients, lets those that are here finish, asks
//! them to end, drops the rest. `cargo run --example echo_server -- --help` says how to use it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use clap::{Parser, value_parser};
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt, future, stream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tevent::net::{TcpListener, TcpStream};
use tevent::request::{RequestError, State};
use tevent::{CancelToken, Context, Handle, Request, RequestExt, RequestScope};
use tevent::{Signal, SignalKind, TeventQueue, spawn};

/// Gives every byte back, until SIGINT or SIGTERM comes; a second one ends it sooner.
#[derive(Parser)]
struct Options {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7777")]
    listen: String,
    /// How many clients are served at a time; others wait
    #[arg(long, value_name = "NUMBER", default_value = "1000", value_parser = value_parser!(u16).range(1..))]
    clients: u16,
    /// How long a client may do nothing
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    idle: Duration,
    /// How long clients may go on after the signal
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    drain: Duration,
    /// How long they have to end once they are asked to
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    grace: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "this is no number")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

struct Server {
    options: Options,
    statistics: Statistics,
}

#[derive(Default)]
struct Statistics {
    bytes: Cell<u64>,
    most: Cell<usize>,
    /// How many clients came to each state: all of them to the last one.
    states: RefCell<BTreeMap<State, u64>>,
}

impl Statistics {
    fn count(&self, state: State) {
        *self.states.borrow_mut().entry(state).or_default() += 1;
    }

    fn print(&self) {
        let (most, bytes, states) = (self.most.get(), self.bytes.get(), self.states.borrow());
        let count = |state| states.get(&state).copied().unwrap_or(0);
        let all = count(State::Received);
        println!("{all} clients, at most {most} at a time, {bytes} bytes given back");
        let (closed, failed) = (count(State::Done), count(State::UserError));
        let (idle, asked) = (count(State::TimedOut), count(State::Cancelled));
        println!("{closed} closed, {failed} failed, {idle} idle, {asked} asked to end");
    }
}

type Ended = Result<(), RequestError<io::Error>>;

/// Serves one client until it ends, does nothing for too long, or is asked to end.
async fn echo(client: TcpStream, token: CancelToken, server: &Server) -> Ended {
    let (mut reader, mut writer) = (&client, &client);
    let (idle, bytes) = (server.options.idle, &server.statistics.bytes);
    let mut buffer = vec![0; 8 * 1024];
    loop {
        let read = reader.read(&mut buffer).request("read").timeout(idle);
        let length = token.unless(read).await.ok_or(RequestError::Cancelled)??;
        if length == 0 {
            return Ok(writer.close().await?);
        }
        // What was read is given back, also if the end is asked for meanwhile.
        let write = writer.write_all(&buffer[..length]).request("write");
        write.timeout(idle).await?;
        bytes.set(bytes.get() + length as u64);
    }
}

async fn accept_all(listener: TcpListener, scope: &RequestScope, server: &Rc<Server>) {
    let (limit, most) = (server.options.clients, &server.statistics.most);
    let places = TeventQueue::builder("places").permits(limit.into()).build();
    while let Ok(place) = places.entry().await {
        let accepted = listener.accept().await; // a failure is followed by a pause
        let accepted = accepted.inspect_err(|error| eprintln!("echo_server: {error}"));
        let Ok((client, _)) = accepted else { continue };
        let (own, counted) = (Rc::clone(server), Rc::clone(server));
        let request = Request::new("client", |token| async move {
            let _place = place; // given back with the work
            echo(client, token, &own).await
        });
        scope.spawn(request.on_cleanup(move |state| counted.statistics.count(state)));
        most.set(most.get().max(scope.len()));
    }
}

async fn serve(server: &Rc<Server>) -> io::Result<()> {
    let (handle, options) = (Handle::current(), &server.options);
    let interrupt = Signal::new(&handle, SignalKind::INTERRUPT)?;
    let mut stop = stream::select(interrupt, Signal::new(&handle, SignalKind::TERMINATE)?);
    let listener = TcpListener::bind(&options.listen)?;
    rustix::net::listen(&listener, options.clients.into())?; // so many may come at once
    println!("listening on {}", listener.local_addr()?);

    let scope = RequestScope::new("clients");
    let accepting = Box::pin(accept_all(listener, &scope, server));
    drop(future::select(accepting, stop.next()).await); // the listener goes, too
    println!("stopping, {} clients are here", scope.len());
    let token = scope.token();
    let _hurry = spawn(async move { stop.next().await.map(|_| token.cancel()) });
    println!("{}", scope.shutdown(options.drain, options.grace).await);
    Ok(())
}

/// Each client is an open file.
fn allow_files(clients: u16) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let needed = u64::from(clients) + 32;
    let current = limit.current.map(|current| current.max(needed));
    Ok(setrlimit(Resource::Nofile, Rlimit { current, ..limit })?)
}

fn main() -> io::Result<()> {
    let (options, statistics) = (Options::parse(), Statistics::default());
    allow_files(options.clients)?;
    let server = Rc::new(Server {
        options,
        statistics,
    });
    Context::new()?.block_on(serve(&server))?;
    server.statistics.print();
    Ok(())
}
