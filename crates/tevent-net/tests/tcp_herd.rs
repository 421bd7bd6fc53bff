//! B42: several loops, each on its own thread, take the connections of one address: how many of them each one wakes.

use std::io::Read;
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::pin::pin;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{Either, poll_fn, select};
use futures::{AsyncWriteExt, Future};
use socket2::{Domain, Socket, Type};
use tevent_context::Context;
use tevent_net::TcpListener;

const LOOPS: usize = 4;
const CONNECTIONS: usize = 200;

/// What a loop did.
#[derive(Clone, Copy, Debug, Default)]
struct Served {
    connections: usize,
    /// How often it was polled again because something woke it.
    wakes: usize,
}

/// A loop that takes connections, and greets each, until it is told to stop.
struct Server {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Served>,
}

impl Server {
    fn start(listener: StdListener) -> Self {
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let context = Context::new().expect("descriptors for one loop");
            context.block_on(serve(listener, stopped))
        });
        Self { stop, thread }
    }

    fn end(self) -> Served {
        self.stop.send(()).expect("the loop is there");
        self.thread.join().expect("no panic")
    }
}

async fn serve(listener: StdListener, mut stopped: oneshot::Receiver<()>) -> Served {
    let listener = TcpListener::from_std(listener).expect("a context runs");
    let mut served = Served::default();
    loop {
        let accepting = pin!(listener.accept());
        let next = select(accepting, &mut stopped);
        let next = count_wakes(next, &mut served.wakes).await;
        let Either::Left((accepted, _)) = next else {
            // One was for the end, unless that had come before the loop looked.
            served.wakes = served.wakes.saturating_sub(1);
            return served;
        };
        let (mut stream, _) = accepted.expect("there are descriptors");
        stream.write_all(b"!").await.expect("the client is there");
        served.connections += 1;
    }
}

/// The first poll is nobody's wake.
async fn count_wakes<F: Future>(future: F, wakes: &mut usize) -> F::Output {
    let mut future = pin!(future);
    let mut polls = 0;
    let output = poll_fn(|cx| {
        polls += 1;
        future.as_mut().poll(cx)
    })
    .await;
    *wakes += polls - 1;
    output
}

/// One client after the other, so that each finds all loops asleep.
fn connect_to(addr: SocketAddr) {
    for _ in 0..CONNECTIONS {
        let mut stream = StdStream::connect(addr).expect("somebody listens");
        let limit = Some(Duration::from_secs(20));
        stream.set_read_timeout(limit).expect("it is not zero");
        let mut greeting = String::new();
        let read = stream.read_to_string(&mut greeting);
        read.expect("a loop has taken the connection");
        assert_eq!(greeting, "!");
    }
}

fn serve_on(listeners: impl IntoIterator<Item = StdListener>) -> Vec<Served> {
    let listeners: Vec<_> = listeners.into_iter().collect();
    let addr = listeners[0].local_addr().expect("it listens");
    let servers: Vec<_> = listeners.into_iter().map(Server::start).collect();
    connect_to(addr);
    let served: Vec<_> = servers.into_iter().map(Server::end).collect();
    let connections: usize = served.iter().map(|served| served.connections).sum();
    assert_eq!(connections, CONNECTIONS, "{served:?}");
    served
}

fn wakes(served: &[Served]) -> usize {
    served.iter().map(|served| served.wakes).sum()
}

/// Of a group that the kernel spreads connections over.
fn one_of_a_group(addr: SocketAddr) -> StdListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a descriptor");
    socket.set_reuse_port(true).expect("Linux has it");
    socket
        .bind(&addr.into())
        .expect("all of the group share it");
    socket.listen(128).expect("it is bound");
    socket.into()
}

/// The way for several loops: `SO_REUSEPORT`.
#[test]
fn b42_a_connection_wakes_one_loop_of_those_that_listen_on_one_address_each_by_itself() {
    let first = one_of_a_group("127.0.0.1:0".parse().expect("an address"));
    let addr = first.local_addr().expect("it listens");
    let others = (1..LOOPS).map(|_| one_of_a_group(addr));
    let served = serve_on(std::iter::once(first).chain(others));
    assert!(wakes(&served) * 10 <= CONNECTIONS * 11, "{served:?}");
}

/// One socket is in the polls of all loops: the kernel may wake each of them, but never again and again, and no
/// connection is lost or taken twice.
#[test]
fn b42_a_connection_of_one_shared_listener_wakes_each_loop_at_most_once_and_is_taken_once() {
    let listener = StdListener::bind("127.0.0.1:0").expect("loopback");
    let shared = || listener.try_clone().expect("a descriptor");
    let served = serve_on((0..LOOPS).map(|_| shared()));
    assert!(wakes(&served) <= CONNECTIONS * LOOPS, "{served:?}");
}
