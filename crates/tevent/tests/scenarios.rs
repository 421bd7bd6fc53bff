//! The facade as a program uses it: sockets, queues, tasks and time together.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use tevent::net::{QueuedWriter, TcpListener, TcpStream};
use tevent::{Context, QueueExt, TeventQueue, VirtualClock, sleep, spawn, timeout, yield_now};

/// A client on a thread of its own: says words, expects each back, and closes.
fn client(addr: SocketAddr, name: usize) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut stream = std::net::TcpStream::connect(addr).expect("the server listens");
        let mut answers = BufReader::new(stream.try_clone().expect("a second handle"));
        for number in 0..20 {
            let line = format!("{name}/{number}\n");
            stream.write_all(line.as_bytes()).expect("the server reads");
            let mut answer = String::new();
            answers.read_line(&mut answer).expect("the server answers");
            assert_eq!(answer, line);
        }
        stream.shutdown(Shutdown::Write).expect("still connected");
    })
}

#[test]
fn a_server_answers_many_clients_and_keeps_one_log_whole() {
    const CLIENTS: usize = 16;
    let context = Context::new().expect("descriptors for a loop");
    let log = Rc::new(RefCell::new(String::new()));
    let entries = Rc::clone(&log);
    context.block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let clients: Vec<_> = (0..CLIENTS).map(|name| client(addr, name)).collect();
        let turns = TeventQueue::new("log");
        let mut served = Vec::new();
        for _ in 0..CLIENTS {
            let (stream, _) = listener.accept().await.expect("a client");
            served.push(spawn(serve(stream, turns.clone(), Rc::clone(&entries))));
        }
        for task in served {
            task.await.expect("no errors on a loopback");
        }
        clients
            .into_iter()
            .for_each(|client| client.join().expect("no panic"));
    });
    let log = log.borrow();
    assert_eq!(log.lines().count(), CLIENTS * 20);
    assert!(
        log.lines()
            .all(|line| line.starts_with("<") && line.ends_with(">")),
        "{log}"
    );
}

async fn serve(
    mut stream: TcpStream,
    turns: TeventQueue,
    log: Rc<RefCell<String>>,
) -> std::io::Result<()> {
    let writer = QueuedWriter::new(stream.clone());
    let mut buffer = vec![0; 4096];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(writer.close().await?);
        }
        let line = String::from_utf8_lossy(&buffer[..count]).into_owned();
        let entry = async {
            log.borrow_mut().push('<');
            yield_now().await;
            log.borrow_mut().push_str(line.trim_end());
            yield_now().await;
            log.borrow_mut().push_str(">\n");
        };
        entry.queued(&turns).await.expect("the queue is open");
        writer.write(line).await?;
    }
}

#[test]
fn a_waiter_that_runs_out_of_time_leaves_the_line_and_the_others_keep_their_order() {
    let clock = VirtualClock::new();
    let context = Context::builder()
        .virtual_clock(&clock)
        .build()
        .expect("descriptors for a loop");
    let order = context.block_on(async {
        let queue = TeventQueue::new("device");
        let order = Rc::new(RefCell::new(Vec::new()));
        let mut jobs = Vec::new();
        for (name, patience) in [("a", 100), ("impatient", 5), ("b", 100)] {
            let (entry, order) = (queue.entry(), Rc::clone(&order));
            jobs.push(spawn(async move {
                let Ok(turn) = timeout(Duration::from_millis(patience), entry).await else {
                    return order.borrow_mut().push(format!("{name} gave up"));
                };
                let _turn = turn.expect("the queue is open");
                sleep(Duration::from_millis(10)).await;
                order.borrow_mut().push(name.to_owned());
            }));
        }
        for job in jobs {
            job.await;
        }
        order.take()
    });
    assert_eq!(order, ["impatient gave up", "a", "b"]);
}

#[test]
fn a_peer_that_goes_away_is_an_error_for_everybody_who_waits_and_not_for_the_loop() {
    let context = Context::new().expect("descriptors for a loop");
    context.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut stream = TcpStream::connect(listener.local_addr().expect("bound"))
            .await
            .expect("it listens");
        let (peer, _) = listener.accept().await.expect("a client");
        let writer = QueuedWriter::new(stream.clone());
        let big = vec![0; 4 << 20];
        let writes: Vec<_> = (0..4).map(|_| writer.write(big.clone())).collect();
        drop(peer);
        for write in writes {
            write.await.expect_err("nobody reads");
        }
        let ended = stream.read(&mut [0; 1]).await;
        assert!(matches!(ended, Ok(0) | Err(_)));
        let _ = stream.close().await;
        assert_eq!(spawn(async { 5 }).await, 5);
    });
}

#[test]
fn q15_q16_busy_queues_take_turns_beside_a_task_that_adds_and_leaves_for_ever() {
    let context = Context::new().expect("descriptors for a loop");
    let order = context.block_on(async {
        let (a, b) = (TeventQueue::new("a"), TeventQueue::new("b"));
        let order = Rc::new(RefCell::new(Vec::new()));
        let mut jobs = Vec::new();
        for number in 1..=3 {
            for queue in [&a, &b] {
                let (entry, order) = (queue.entry(), Rc::clone(&order));
                let name = format!("{}{number}", queue.name());
                jobs.push(spawn(async move {
                    let _turn = entry.await.expect("the queue is open");
                    yield_now().await;
                    order.borrow_mut().push(name);
                }));
            }
        }
        let restless = spawn(async move {
            loop {
                drop(a.entry());
                yield_now().await;
            }
        });
        for job in jobs {
            job.await;
        }
        drop(restless);
        order.take()
    });
    assert_eq!(order, ["a1", "b1", "a2", "b2", "a3", "b3"]);
}
