//! Errors, half-closes and hang-ups: they end every wait they concern, and nobody spins on them.

mod support;

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::task::Poll;
use std::time::Duration;

use mio::net::TcpStream;
use mio::unix::pipe;
use support::{NOW, SOON, idle_pair, reader, writer};
use tevent_reactor::{Direction, Initially, Reactor, Source};
use tokio_test::task;

/// A connected pair of TCP streams, the near one a source.
fn tcp_pair(reactor: &Reactor) -> (Source<TcpStream>, std::net::TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    near.set_nonblocking(true).unwrap();
    let (far, _) = listener.accept().unwrap();
    let source = Source::new(
        &reactor.handle(),
        TcpStream::from_std(near),
        Initially::Ready,
    )
    .unwrap();
    (source, far)
}

#[test]
fn b33_a_reset_reaches_reader_and_writer_with_one_event() {
    let reactor = Reactor::new().unwrap();
    let (source, far) = tcp_pair(&reactor);
    reactor.wait(NOW).unwrap();
    let mut read = reader(&source);
    assert!(read.poll().is_pending());
    let mut write = task::spawn(poll_fn(|cx| {
        source.poll_io(Direction::Write, cx, |mut io| io.write(&[0; 1 << 20]))
    }));
    while write.poll().is_ready() {}
    socket2::SockRef::from(&far)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(far);
    assert_eq!(reactor.wait(SOON).unwrap().events, 1);
    assert!(read.is_woken() && write.is_woken());
    let Poll::Ready(Err(error)) = read.poll() else {
        panic!("a reset is an error");
    };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(matches!(write.poll(), Poll::Ready(Err(_))));
    // The error was told; from now on the kernel answers at once, and no poll waits.
    assert!(matches!(reader(&source).poll(), Poll::Ready(Ok(0))));
}

#[test]
fn b33_a_half_close_is_read_as_the_end_after_a_short_read() {
    let reactor = Reactor::new().unwrap();
    let (source, mut far) = tcp_pair(&reactor);
    assert!(reader(&source).poll().is_pending());
    far.write_all(b"last words").unwrap();
    far.shutdown(std::net::Shutdown::Write).unwrap();
    let mut task = task::spawn(poll_fn(|cx| {
        source.poll_transfer(Direction::Read, cx, 64, |mut io| io.read(&mut [0; 64]))
    }));
    let mut lengths = Vec::new();
    while lengths.last() != Some(&0) {
        match task.poll() {
            Poll::Ready(length) => lengths.push(length.unwrap()),
            Poll::Pending => assert_ne!(reactor.wait(SOON).unwrap().events, 0),
        }
    }
    assert_eq!(lengths, [10, 0]);
    assert!(
        matches!(task.poll(), Poll::Ready(Ok(0))),
        "the end is read again and again"
    );
    drop(task);
    assert!(matches!(writer(&source).poll(), Poll::Ready(Ok(1))));
}

#[test]
fn b33_a_refused_connection_ends_the_wait_for_it() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap();
    let reactor = Reactor::new().unwrap();
    let stream = TcpStream::connect(closed).unwrap();
    let source = Source::new(&reactor.handle(), stream, Initially::NotReady).unwrap();
    let mut task = task::spawn(poll_fn(|cx| source.poll_ready(Direction::Write, cx)));
    assert!(task.poll().is_pending());
    assert_eq!(reactor.wait(SOON).unwrap().events, 1);
    assert!(task.is_woken());
    assert!(matches!(task.poll(), Poll::Ready(Ok(()))));
    let error = source.get_ref().take_error().unwrap().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn b33_a_pipe_whose_reader_is_gone_fails_its_writer() {
    let reactor = Reactor::new().unwrap();
    let (sender, receiver) = pipe::new().unwrap();
    while (&sender).write(&[0; 4096]).is_ok() {}
    let source = Source::new(&reactor.handle(), sender, Initially::NotReady).unwrap();
    let mut task = writer(&source);
    assert!(task.poll().is_pending());
    drop(receiver);
    assert_eq!(reactor.wait(SOON).unwrap().events, 1);
    assert!(task.is_woken());
    let Poll::Ready(Err(error)) = task.poll() else {
        panic!("nobody can read it");
    };
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn b33_a_refusal_after_a_hang_up_waits_and_does_not_spin() {
    let reactor = Reactor::new().unwrap();
    let (source, far) = idle_pair(&reactor.handle());
    drop(far);
    reactor.wait(SOON).unwrap();
    let mut calls = 0;
    let mut task = task::spawn(poll_fn(|cx| {
        source.poll_io(Direction::Read, cx, |_| -> io::Result<()> {
            calls += 1;
            assert_eq!(calls, 1, "a refusal ends the attempt");
            Err(io::ErrorKind::WouldBlock.into())
        })
    }));
    assert!(task.poll().is_pending());
    assert!(!task.is_woken());
}
