//! TCP over loopback: reading and writing, half-closes, resets, refusals, fairness.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::process::Command;
use std::rc::Rc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use futures::future::{join, join_all};
use futures::{AsyncReadExt, AsyncWriteExt};
use socket2::{Domain, SockRef, Socket, Type};
use tevent_context::{Context, VirtualClock, spawn, timeout, yield_now};
use tevent_net::{QueuedWriter, TcpListener, TcpStream, WriteError};
use tevent_reactor::Ended;

const ANY: &str = "127.0.0.1:0";

fn run<T>(test: impl Future<Output = io::Result<T>>) -> T {
    Context::new().unwrap().block_on(test).unwrap()
}

/// Two ends of a connection on this context.
async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind(ANY)?;
    let near = TcpStream::connect(listener.local_addr()?).await?;
    let (far, peer) = listener.accept().await?;
    assert_eq!(peer, near.local_addr()?);
    assert_eq!(far.local_addr()?, near.peer_addr()?);
    Ok((near, far))
}

/// One end on this context, the other a blocking socket.
async fn pair_with_std() -> io::Result<(TcpStream, std::net::TcpStream)> {
    let listener = std::net::TcpListener::bind(ANY)?;
    let near = TcpStream::connect(listener.local_addr()?).await?;
    Ok((near, listener.accept()?.0))
}

/// An address that is taken, and where nobody listens.
fn nobody() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: SocketAddr = ANY.parse().unwrap();
    socket.bind(&any.into()).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, addr)
}

#[test]
fn an_echo_brings_back_every_byte() {
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let received = run(async {
        let (near, far) = pair().await?;
        let echo = spawn(async move { futures::io::copy(&far, &mut &far).await });
        let mut received = Vec::new();
        let send = async {
            (&near).write_all(&sent).await?;
            (&near).close().await
        };
        let (sent, read) = join(send, async { (&near).read_to_end(&mut received).await }).await;
        sent?;
        assert_eq!(read? as u64, echo.await?);
        Ok(received)
    });
    assert!(received == sent);
}

#[test]
fn vectored_reads_and_writes_use_every_slice() {
    run(async {
        let (mut near, mut far) = pair().await?;
        let slices = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")];
        assert_eq!(near.write_vectored(&slices).await?, 5);
        let (mut first, mut second) = ([0; 3], [0; 9]);
        let mut slices = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(far.read_vectored(&mut slices).await?, 5);
        assert_eq!((&first, &second[..2]), (b"abc", &b"de"[..]));
        Ok(())
    });
}

#[test]
fn a_half_close_ends_one_direction_only() {
    run(async {
        let (mut near, mut far) = pair().await?;
        near.write_all(b"question").await?;
        near.close().await?;
        near.close().await?;
        let mut question = String::new();
        far.read_to_string(&mut question).await?;
        far.write_all(b"answer").await?;
        far.shutdown(Shutdown::Both)?;
        let mut answer = String::new();
        near.read_to_string(&mut answer).await?;
        assert_eq!((&*question, &*answer), ("question", "answer"));
        let error = near.write(b"more").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        Ok(())
    });
}

#[test]
fn the_socket_is_closed_with_its_last_handle() {
    run(async {
        let (near, mut far) = pair().await?;
        let mut second = near.clone();
        drop(near);
        second.write_all(b"open").await?;
        let mut word = [0; 4];
        far.read_exact(&mut word).await?;
        drop(second);
        assert_eq!(far.read(&mut word).await?, 0);
        Ok(())
    });
}

#[test]
fn b33_a_reset_wakes_readers_and_writers_at_once() {
    run(async {
        let (mut near, far) = pair_with_std().await?;
        let reader = spawn({
            let mut near = near.clone();
            async move { near.read(&mut [0; 8]).await }
        });
        let polls = Rc::new(Cell::new(0));
        let writer = spawn({
            let (mut near, polls) = (near.clone(), polls.clone());
            async move {
                let mut write = std::pin::pin!(async move {
                    loop {
                        near.write_all(&[0; 65536]).await?;
                    }
                });
                poll_fn(move |cx| {
                    polls.set(polls.get() + 1);
                    let result: Poll<io::Result<()>> = write.as_mut().poll(cx);
                    result
                })
                .await
            }
        });
        while !is_full(&polls).await {}
        let before = polls.get();
        SockRef::from(&far).set_linger(Some(Duration::ZERO))?;
        drop(far);
        let errors = [reader.await.unwrap_err(), writer.await.unwrap_err()];
        for error in errors {
            let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
            assert!(kinds.contains(&error.kind()), "{error}");
        }
        assert!(polls.get() <= before + 2, "{} polls", polls.get() - before);
        // What is gone counts as closed.
        assert_eq!(
            near.shutdown(Shutdown::Write).unwrap_err().kind(),
            ErrorKind::NotConnected
        );
        near.close().await?;
        Ok(())
    });
}

/// Whether a task that was polled did not want to be polled again.
async fn is_full(polls: &Cell<u32>) -> bool {
    let before = polls.get();
    for _ in 0..1000 {
        yield_now().await;
    }
    polls.get() == before && before > 0
}

#[test]
fn b43_a_refused_connect_says_so() {
    run(async {
        let (_taken, addr) = nobody();
        let error = TcpStream::connect(addr).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        Ok(())
    });
}

#[test]
fn b43_connect_tries_one_address_after_another() {
    run(async {
        let listener = TcpListener::bind(ANY)?;
        let good = listener.local_addr()?;
        let (_taken, bad) = nobody();
        let stream = TcpStream::connect(&[bad, good, bad][..]).await?;
        assert_eq!(stream.peer_addr()?, good);
        let none: &[SocketAddr] = &[];
        let error = TcpStream::connect(none).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        Ok(())
    });
}

#[test]
fn b43_a_connect_that_nobody_answers_waits_and_can_be_given_up() {
    let context = Context::builder()
        .virtual_clock(&VirtualClock::new())
        .build()
        .unwrap();
    context.block_on(async {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any: SocketAddr = ANY.parse().unwrap();
        listener.bind(&any.into()).unwrap();
        listener.listen(0).unwrap();
        let addr = listener.local_addr().unwrap().as_socket().unwrap();
        let mut held = Vec::new();
        // Until the line of those who wait to be accepted is full.
        while let Ok(stream) = timeout(Duration::from_secs(1), TcpStream::connect(addr)).await {
            held.push(stream.unwrap());
            assert!(held.len() < 10);
        }
    });
}

#[test]
fn sockets_of_the_standard_library_are_taken_over() {
    run(async {
        let listener = TcpListener::from_std(std::net::TcpListener::bind(ANY)?)?;
        let blocking = std::net::TcpStream::connect(listener.local_addr()?)?;
        let (mut far, _) = listener.accept().await?;
        let mut near = TcpStream::from_std(blocking)?;
        near.set_nodelay(true)?;
        assert!(near.nodelay()?);
        let (read, written) = join(async { far.read(&mut [0; 8]).await }, near.write(b"x")).await;
        assert_eq!((read?, written?), (1, 1));
        Ok(())
    });
}

#[test]
fn without_a_context_there_is_an_error_and_no_panic() {
    let error = TcpListener::bind(ANY).unwrap_err();
    assert!(error.to_string().contains("no tevent context"), "{error}");
}

#[test]
fn b21_after_the_end_of_the_context_operations_fail() {
    let context = Context::new().unwrap();
    let (listener, mut near, mut far) = context.block_on(async {
        let listener = TcpListener::bind(ANY).unwrap();
        let (near, far) = pair().await.unwrap();
        (listener, near, far)
    });
    drop(context);
    Context::new().unwrap().block_on(async {
        let errors = [
            near.write(b"x").await.unwrap_err(),
            far.read(&mut [0]).await.unwrap_err(),
            listener.accept().await.unwrap_err(),
        ];
        for error in errors {
            assert!(
                error.get_ref().is_some_and(|inner| inner.is::<Ended>()),
                "{error:?}"
            );
        }
    });
}

#[test]
fn many_tasks_accept_on_one_listener() {
    run(async {
        let listener = Rc::new(TcpListener::bind(ANY)?);
        let addr = listener.local_addr()?;
        let acceptors: Vec<_> = (0..10)
            .map(|_| {
                let listener = listener.clone();
                spawn(async move { listener.accept().await.map(|(_, peer)| peer) })
            })
            .collect();
        let near: Vec<_> = join_all((0..10).map(|_| TcpStream::connect(addr))).await;
        let mut near: Vec<_> = near
            .iter()
            .map(|s| s.as_ref().unwrap().local_addr().unwrap())
            .collect();
        let mut far: Vec<_> = join_all(acceptors)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        near.sort_unstable();
        far.sort_unstable();
        assert_eq!(near, far);
        Ok(())
    });
}

#[test]
fn b30_a_fire_hose_does_not_starve_63_trickles() {
    run(async {
        let (mut hose, far) = pair_with_std().await?;
        // Ends when the near end is closed.
        let pump = thread::spawn(move || while (&far).write_all(&[0; 65536]).is_ok() {});
        let reads = Rc::new(Cell::new(0));
        let count = reads.clone();
        let reader = spawn(async move {
            while hose.read(&mut [0]).await.is_ok_and(|read| read == 1) {
                count.set(count.get() + 1);
            }
        });
        let arrived = Rc::new(Cell::new(0));
        let mut trickles = Vec::new();
        for _ in 0..63 {
            let (mut near, far) = pair_with_std().await?;
            let arrived = arrived.clone();
            let task = spawn(async move {
                while near.read(&mut [0]).await.is_ok_and(|read| read == 1) {
                    arrived.set(arrived.get() + 1);
                }
            });
            trickles.push((far, task));
        }
        let mut worst = 0;
        for round in 1..=100 {
            let before = reads.get();
            for (far, _) in &mut trickles {
                far.write_all(b"x")?;
            }
            while arrived.get() < 63 * round {
                yield_now().await;
            }
            worst = worst.max(reads.get() - before);
        }
        reader.cancel().await;
        pump.join().unwrap();
        // A poll of the hose's task reads 64 times; the trickles come after at most one turn's worth of polls.
        assert!(reads.get() > 1000, "the hose flowed");
        assert!(
            worst <= 4 * 64,
            "{worst} reads of the hose before a trickle was served"
        );
        Ok(())
    });
}

#[cfg(target_os = "linux")]
#[test]
fn b44_no_socket_is_left_open_in_a_child() {
    let descriptors_of_a_child = || {
        let listing = Command::new("ls").arg("/proc/self/fd").output().unwrap();
        String::from_utf8(listing.stdout).unwrap()
    };
    let before = descriptors_of_a_child();
    run(async {
        let listener = TcpListener::bind(ANY)?;
        let near = TcpStream::connect(listener.local_addr()?).await?;
        let (far, _) = listener.accept().await?;
        assert_eq!(descriptors_of_a_child(), before);
        for socket in [listener.as_fd(), near.as_fd(), far.as_fd()] {
            let flags = rustix::io::fcntl_getfd(socket)?;
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        }
        Ok(())
    });
}

#[test]
fn many_tasks_write_whole_records_over_one_connection() {
    const SENDERS: usize = 16;
    const RECORDS: usize = 200;
    let (near, received) = run(async {
        let (near, mut far) = pair_with_std().await?;
        let reader = thread::spawn(move || {
            let mut received = Vec::new();
            far.read_to_end(&mut received).map(|_| received)
        });
        let writer = QueuedWriter::new(near.clone());
        let tasks = (0..SENDERS).map(|sender| {
            let writer = writer.clone();
            spawn(async move {
                for number in 0..RECORDS {
                    // One byte for the sender, one for the number, and a tail of known length.
                    let mut record = vec![sender as u8; 2 + number * 37];
                    record[1] = number as u8;
                    match number % 3 {
                        0 => writer.write(record).await?,
                        _ => writer.send(record).await?,
                    }
                }
                Ok::<_, WriteError>(())
            })
        });
        for task in join_all(tasks).await {
            task?;
        }
        writer.close().await?;
        Ok((near, reader.join().unwrap()?))
    });
    drop(near);
    let (mut next, mut rest) = ([0; SENDERS], &received[..]);
    while let [sender, number, ..] = *rest {
        let (record, behind) = rest.split_at(2 + usize::from(number) * 37);
        assert!(record[2..].iter().all(|byte| *byte == sender), "torn");
        assert_eq!(
            usize::from(number),
            next[usize::from(sender)],
            "out of order"
        );
        next[usize::from(sender)] += 1;
        rest = behind;
    }
    assert_eq!(next, [RECORDS; SENDERS], "lost");
}

#[test]
fn b33_a_reset_fails_the_writer_for_all() {
    run(async {
        let (near, far) = pair_with_std().await?;
        let writer = QueuedWriter::new(near);
        let stuck = spawn(writer.write(vec![0; 64 << 20]));
        let behind = spawn(writer.write("behind"));
        while writer.stats().bytes < 1000 {
            yield_now().await;
        }
        (&far).read_exact(&mut [0; 1000])?;
        SockRef::from(&far).set_linger(Some(Duration::ZERO))?;
        drop(far);
        let errors = [stuck.await.unwrap_err(), behind.await.unwrap_err()];
        assert!(errors[0].sent() >= Some(1000));
        assert_eq!(errors[0].sent(), errors[1].sent());
        assert_eq!(errors[0].sent(), Some(writer.stats().bytes));
        assert!(matches!(&errors[1], WriteError::Io { .. }));
        Ok(())
    });
}
