//! Who wants little, beside who wants everything: how late a timer and a trickle of bytes are served.

use std::future::Future;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::cores::Cores;
use crate::row::{Aim, Contestant, Load, Row, Unit};
use crate::runtimes::{self, Yield};
use crate::timers::tokio_with_time;

/// Tasks that wake themselves all the time.
const ADVERSARIES: u64 = 100;

const SLEEP: Duration = Duration::from_millis(1);

/// Sleeps, or drops of the trickle.
const TIMES: u64 = 2_000;

/// From one drop of the trickle to the next.
const DRIP: Duration = Duration::from_micros(200);

pub(crate) fn rows() -> Vec<Row> {
    vec![timer(), trickle(), flood()]
}

fn timer() -> Row {
    async fn selfish() {
        loop {
            Yield::default().await;
        }
    }
    let ours = Contestant::new("tevent", |load| {
        runtimes::tevent(async move {
            let _tasks = Vec::from_iter((0..ADVERSARIES).map(|_| tevent::spawn(selfish())));
            lateness_of_sleeps(load, tevent::sleep).await
        })
    });
    Row::new("timer among 100 selfish tasks, lateness", Unit::MicrosLate, ours)
        .beside([Contestant::new("tokio", |load| {
            Ok(tokio_with_time()?.block_on(async move {
                (0..ADVERSARIES).for_each(|_| drop(tokio::spawn(selfish())));
                lateness_of_sleeps(load, tokio::time::sleep).await
            }))
        })])
        .aims([Aim::Of("tokio", 1.0)])
        .note(
            "100 tasks wake themselves all the time; one sleeps for a millisecond, again and again. The figure is how \
             late 99 of 100 sleeps end at most. tokio: whole milliseconds.",
        )
}

async fn lateness_of_sleeps<F: Future>(load: Load, sleep: impl Fn(Duration) -> F) -> f64 {
    let mut lates = Vec::new();
    for _ in 0..load.ops(TIMES) {
        let deadline = Instant::now() + SLEEP;
        sleep(SLEEP).await;
        lates.push(deadline.elapsed());
    }
    ninety_nine_of_100(lates)
}

fn trickle() -> Row {
    let ours = Contestant::new("tevent", |load| {
        Rain::begin()?.lateness(|rain| {
            use futures::AsyncReadExt;
            runtimes::tevent(async {
                let mut flood = tevent::net::TcpStream::from_std(rain.flood)?;
                let mut trickle = tevent::net::TcpStream::from_std(rain.trickle)?;
                let _flood = tevent::spawn(async move {
                    let mut buffer = vec![0; CHUNK];
                    while flood.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
                });
                let mut lates = Vec::new();
                for _ in 0..load.ops(TIMES) {
                    let mut drop = [0; 8];
                    trickle.read_exact(&mut drop).await?;
                    lates.push(
                        rain.start.elapsed() - Duration::from_nanos(u64::from_ne_bytes(drop)),
                    );
                }
                Ok(lates)
            })?
        })
    });
    let tokio = Contestant::new("tokio", |load| {
        Rain::begin()?.lateness(|rain| {
            use tokio::io::AsyncReadExt;
            runtimes::tokio(async {
                let mut flood = tokio::net::TcpStream::from_std(rain.flood)?;
                let mut trickle = tokio::net::TcpStream::from_std(rain.trickle)?;
                let flood = tokio::spawn(async move {
                    let mut buffer = vec![0; CHUNK];
                    while flood.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
                });
                let mut lates = Vec::new();
                for _ in 0..load.ops(TIMES) {
                    let mut drop = [0; 8];
                    trickle.read_exact(&mut drop).await?;
                    lates.push(
                        rain.start.elapsed() - Duration::from_nanos(u64::from_ne_bytes(drop)),
                    );
                }
                flood.abort();
                Ok(lates)
            })?
        })
    });
    Row::new("trickle beside a fire-hose, lateness", Unit::MicrosLate, ours)
        .beside([tokio])
        .aims([Aim::Of("tokio", 1.0)])
        .note(
            "One task reads a connection that a thread on the other core keeps full, in pieces of 4 KiB; another waits \
             for eight bytes every 200 us on a second one. The figure is how long 99 of 100 of those are under way at \
             most.",
        )
}

/// What is read of the flood at a time.
const CHUNK: usize = 4096;

/// Two connections, one that is kept full and one with a drop now and then: the time since `start`.
struct Rain {
    start: Instant,
    flood: TcpStream,
    trickle: TcpStream,
    clouds: [TcpStream; 2],
}

/// The ends that are read.
struct Falling {
    start: Instant,
    flood: TcpStream,
    trickle: TcpStream,
}

impl Rain {
    fn begin() -> io::Result<Self> {
        let (flood, cloud) = connection()?;
        let (trickle, drops) = connection()?;
        Ok(Self {
            start: Instant::now(),
            flood,
            trickle,
            clouds: [cloud, drops],
        })
    }

    /// Rains on the second core until all that is wanted has been read on the first.
    fn lateness(self, read: impl FnOnce(Falling) -> io::Result<Vec<Duration>>) -> io::Result<f64> {
        let (start, [cloud, drops]) = (self.start, self.clouds);
        let cores = Cores::allowed()?;
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                cores.pin(1)?;
                rain(start, cloud, drops, &is_over)
            });
            let lates = cores.pin(0).and_then(|()| {
                read(Falling {
                    start,
                    flood: self.flood,
                    trickle: self.trickle,
                })
            });
            is_over.store(true, Ordering::Relaxed);
            Ok(ninety_nine_of_100(lates?))
        })
    }
}

fn rain(
    start: Instant,
    mut cloud: TcpStream,
    mut drops: TcpStream,
    is_over: &AtomicBool,
) -> io::Result<()> {
    let (water, mut next) = ([0; 65_536], start + DRIP);
    while !is_over.load(Ordering::Relaxed) {
        match cloud.write(&water) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        if Instant::now() >= next {
            next += DRIP;
            let now = start.elapsed().as_nanos() as u64;
            drops.write_all(&now.to_ne_bytes())?;
        }
    }
    Ok(())
}

/// One end to read, and one to write; neither blocks.
pub(crate) fn connection() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    let (far, _) = listener.accept()?;
    for end in [&near, &far] {
        end.set_nodelay(true)?;
        end.set_nonblocking(true)?;
    }
    Ok((near, far))
}

/// The lateness that 99 of 100 keep below, in microseconds.
fn ninety_nine_of_100(mut lates: Vec<Duration>) -> f64 {
    lates.sort_unstable();
    lates[lates.len() * 99 / 100].as_nanos() as f64 / 1e3
}

/// Posts under way at most: a flood without a bank would fill the memory, not the loop.
const FLOOD: u64 = 10_000;

fn flood() -> Row {
    let ours = Contestant::new("tevent", |load| {
        let context = tevent::Context::new()?;
        let drained = Drained::default();
        let mailbox = tevent::Mailbox::new(&context.handle(), {
            let drained = drained.clone();
            move |_, drop: u64| drained.add(drop)
        })?;
        let sender = mailbox.sender();
        beside_a_flood(
            drained,
            move |drop| sender.send(drop).is_ok(),
            || Ok(context.block_on(lateness_of_sleeps(load, tevent::sleep))),
        )
    });
    let tokio = Contestant::new("tokio", |load| {
        let drained = Drained::default();
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let drain = {
            let drained = drained.clone();
            async move {
                while let Some(drop) = receiver.recv().await {
                    drained.add(drop);
                }
            }
        };
        beside_a_flood(
            drained,
            move |drop| sender.send(drop).is_ok(),
            || {
                Ok(tokio_with_time()?.block_on(async {
                    let drain = tokio::spawn(drain);
                    let late = lateness_of_sleeps(load, tokio::time::sleep).await;
                    drain.abort();
                    late
                }))
            },
        )
    });
    Row::new("timer beside a flood of posts, lateness", Unit::MicrosLate, ours)
        .beside([tokio])
        .aims([Aim::Of("tokio", 1.0)])
        .note(
            "A thread on the other core posts as fast as it can, up to 10 000 that have not been taken yet; one task \
             sleeps for a millisecond, again and again. The figure is how late 99 of 100 sleeps end at most. tokio: a \
             task that receives from an unbounded channel; its sleeps are rounded up to whole milliseconds, so it is \
             late by nearly one.",
        )
}

/// How many drops of the flood were taken.
#[derive(Clone, Default)]
struct Drained(std::sync::Arc<AtomicU64>);

impl Drained {
    fn add(&self, drop: u64) {
        self.0.store(drop, Ordering::Relaxed);
    }
}

/// Floods from the second core while `sleep` measures on the first.
fn beside_a_flood(
    drained: Drained,
    post: impl Fn(u64) -> bool + Send + Sync,
    sleep: impl FnOnce() -> io::Result<f64>,
) -> io::Result<f64> {
    let (cores, is_over) = (Cores::allowed()?, AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            cores.pin(1)?;
            let mut posted = 0;
            while !is_over.load(Ordering::Relaxed) {
                if posted < drained.0.load(Ordering::Relaxed) + FLOOD && post(posted + 1) {
                    posted += 1;
                }
            }
            io::Result::Ok(())
        });
        let late = cores.pin(0).and_then(|()| sleep());
        is_over.store(true, Ordering::Relaxed);
        late
    })
}
