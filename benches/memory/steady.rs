//! The steady state: once warm, a loop takes nothing from the allocator.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::allocator::Taken;
use crate::locks::{Lock, Queue, TokioMutex};
use crate::row::{Aim, Contestant, Load, Row, Unit};
use crate::runtimes::{self, Yield};
use crate::timers::tokio_with_time;

/// Tasks beside the one that counts.
const TASKS: u64 = 10;

const WARM_UP: u64 = 100;

const TIMES: u64 = 2_000;

pub(super) fn rows() -> Vec<Row> {
    vec![wake(), gate(), timer(), read_and_write()]
}

fn row(name: &str, ours: Work, tokio: Work) -> Row {
    let contestant = |name, work: Work| Contestant::new(name, move |_: Load| work());
    Row::new(name, Unit::AllocationsPerOp, contestant("tevent", ours))
        .beside([contestant("tokio", tokio)])
        .aims([Aim::Absolute(0.0)])
        .pairs(1)
        .note("How often the allocator is asked, per operation, after a hundred to warm up.")
}

/// Does it and says how often the allocator was asked.
type Work = fn() -> io::Result<f64>;

/// Does something often and counts; the first times do not count.
async fn steady(operation: impl AsyncFn() -> io::Result<()>) -> io::Result<f64> {
    for _ in 0..WARM_UP {
        operation().await?;
    }
    let before = Taken::so_far();
    for _ in 0..TIMES {
        operation().await?;
    }
    Ok(Taken::since(before).allocations as f64 / TIMES as f64)
}

async fn give_way() -> io::Result<()> {
    Yield::default().await;
    Ok(())
}

fn wake() -> Row {
    async fn forever() {
        loop {
            Yield::default().await;
        }
    }
    row(
        "steady, wake",
        || {
            runtimes::tevent(async {
                let _tasks = Vec::from_iter((0..TASKS).map(|_| tevent::spawn(forever())));
                steady(give_way).await
            })?
        },
        || {
            runtimes::tokio(async {
                (0..TASKS).for_each(|_| drop(tokio::spawn(forever())));
                steady(give_way).await
            })?
        },
    )
}

fn gate() -> Row {
    async fn take_turns<L: Lock>(lock: L) {
        loop {
            let _guard = lock.enter().await;
            Yield::default().await;
        }
    }
    row(
        "steady, gate",
        || {
            runtimes::tevent(async {
                let queue = Queue::default();
                let task = |_| tevent::spawn(take_turns(queue.clone()));
                let _tasks = Vec::from_iter((0..TASKS).map(task));
                steady(give_way).await
            })?
        },
        || {
            runtimes::tokio(async {
                let lock = TokioMutex::default();
                (0..TASKS).for_each(|_| drop(tokio::spawn(take_turns(lock.clone()))));
                steady(give_way).await
            })?
        },
    )
}

fn timer() -> Row {
    const MOMENT: Duration = Duration::from_micros(1);
    row(
        "steady, timer",
        || {
            runtimes::tevent(async {
                let fired = Rc::new(Cell::new(0));
                let count = fired.clone();
                let handler = move |_: &_, _| count.set(count.get() + 1);
                let timer = tevent::Handle::current().timer(Instant::now(), handler);
                let turn = async || {
                    timer.reset(Instant::now());
                    tevent::sleep(MOMENT).await;
                    Ok(())
                };
                let figure = steady(turn).await;
                assert!(fired.get() >= TIMES);
                figure
            })?
        },
        || {
            tokio_with_time()?.block_on(steady(async || {
                tokio::time::sleep(MOMENT).await;
                Ok(())
            }))
        },
    )
}

fn read_and_write() -> Row {
    row(
        "steady, read and write",
        tevent_round_trips,
        tokio_round_trips,
    )
}

fn tevent_round_trips() -> io::Result<f64> {
    use futures::{AsyncReadExt, AsyncWriteExt};
    use tevent::net::{TcpListener, TcpStream};

    async fn echo(stream: TcpStream) -> io::Result<()> {
        let (mut reader, mut writer) = (&stream, &stream);
        loop {
            let mut message = [0; 64];
            reader.read_exact(&mut message).await?;
            writer.write_all(&message).await?;
        }
    }

    runtimes::tevent(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let near = TcpStream::connect(listener.local_addr()?).await?;
        let _echo = tevent::spawn(echo(listener.accept().await?.0));
        let round_trip = async || {
            (&near).write_all(&[0; 64]).await?;
            (&near).read_exact(&mut [0; 64]).await
        };
        steady(round_trip).await
    })?
}

fn tokio_round_trips() -> io::Result<f64> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    async fn echo(mut stream: TcpStream) -> io::Result<()> {
        loop {
            let mut message = [0; 64];
            stream.read_exact(&mut message).await?;
            stream.write_all(&message).await?;
        }
    }

    runtimes::tokio(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let near = TcpStream::connect(listener.local_addr()?).await?;
        tokio::spawn(echo(listener.accept().await?.0));
        let near = tokio::sync::Mutex::new(near);
        let round_trip = async || {
            let mut near = near.lock().await;
            near.write_all(&[0; 64]).await?;
            near.read_exact(&mut [0; 64]).await.map(drop)
        };
        steady(round_trip).await
    })?
}
