//! Waking tasks from another thread: what it costs the one who wakes.

use std::fs;
use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::cores::Cores;
use crate::row::{Aim, Contestant, Load, Row, Unit};
use crate::runtimes;
use crate::spawn::spawn_and_join;

/// Tasks that are parked when a round begins.
const TASKS: u64 = 100_000;

/// Counted rounds; two more come before.
const ROUNDS: u64 = 24;

const WARM_UP: u64 = 2;

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row("remote wake, 100 k parked tasks", Unit::NanosPerOp, |woken| {
            woken.nanos_per_wake()
        })
        .aims([Aim::Of("smol", 0.8)])
        .note(
            "A second thread wakes each of the tasks once, while their loop runs on the first; counted is its own \
             time. monoio's wakers are for their own thread.",
        ),
        row("remote wake, wake writes", Unit::WritesPerOp, |woken| {
            woken.writes_per_wake()
        })
        .aims([Aim::Absolute(0.01)])
        .note(
            "System calls that write, made by the waking thread in the same work (/proc/thread-self/io). smol is \
             driven by a futex, which is no write.",
        ),
    ]
}

fn row(name: &str, unit: Unit, figure: fn(Woken) -> f64) -> Row {
    let run = move |load: Load, looping: fn(Arc<Parked>) -> io::Result<()>| {
        wake_from_elsewhere(load.ops(ROUNDS), looping).map(figure)
    };
    Row::new(
        name,
        unit,
        Contestant::new("tevent", move |load| {
            run(load, |parked| {
                runtimes::tevent(spawn_and_join(TASKS, |_| {
                    tevent::spawn(park(parked.clone()))
                }))
            })
        }),
    )
    .beside([
        Contestant::new("tokio", move |load| {
            run(load, |parked| {
                runtimes::tokio(spawn_and_join(TASKS, |_| {
                    tokio::spawn(park(parked.clone()))
                }))
            })
        }),
        Contestant::new("smol", move |load| {
            run(load, |parked| {
                runtimes::smol(|executor| {
                    spawn_and_join(TASKS, move |_| executor.spawn(park(parked.clone())))
                })
            })
        }),
    ])
}

/// What the tasks and the waking thread share.
struct Parked {
    /// Each task adds its waker once, and never needs another.
    wakers: Mutex<Vec<Waker>>,
    /// How often a task has parked, all tasks together.
    parks: AtomicU64,
    rounds: u64,
}

/// What the waking thread found.
struct Woken {
    wakes: u64,
    time: Duration,
    writes: u64,
}

impl Woken {
    fn nanos_per_wake(&self) -> f64 {
        self.time.as_nanos() as f64 / self.wakes as f64
    }

    fn writes_per_wake(&self) -> f64 {
        self.writes as f64 / self.wakes as f64
    }
}

fn wake_from_elsewhere(
    rounds: u64,
    looping: fn(Arc<Parked>) -> io::Result<()>,
) -> io::Result<Woken> {
    let parked = Arc::new(Parked {
        wakers: Mutex::default(),
        parks: AtomicU64::new(0),
        rounds: WARM_UP + rounds,
    });
    let cores = Cores::allowed()?;
    thread::scope(|scope| {
        let waking = scope.spawn(|| {
            cores.pin(1)?;
            wake_all(&parked)
        });
        cores.pin(0)?;
        looping(Arc::clone(&parked))?;
        waking
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Every poll of this future but the first is one wake.
async fn park(parked: Arc<Parked>) {
    let mut polls = 0;
    poll_fn(|cx| {
        if polls == 0 {
            let mut wakers = parked.wakers.lock().unwrap_or_else(PoisonError::into_inner);
            wakers.push(cx.waker().clone());
        }
        polls += 1;
        parked.parks.fetch_add(1, Ordering::Release);
        if polls > parked.rounds {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
}

/// The other thread: waits until all tasks are parked, wakes them all, and so on.
fn wake_all(parked: &Parked) -> io::Result<Woken> {
    let mut woken = Woken {
        wakes: 0,
        time: Duration::ZERO,
        writes: 0,
    };
    wait_for(&parked.parks, TASKS);
    let wakers = std::mem::take(&mut *parked.wakers.lock().unwrap_or_else(PoisonError::into_inner));
    for round in 1..=parked.rounds {
        wait_for(&parked.parks, round * TASKS);
        let writes = writes_of_this_thread()?;
        let start = Instant::now();
        wakers.iter().for_each(Waker::wake_by_ref);
        let time = start.elapsed();
        if round > WARM_UP {
            woken.wakes += TASKS;
            woken.time += time;
            woken.writes += writes_of_this_thread()? - writes;
        }
    }
    Ok(woken)
}

/// Sleeps in between, so that the loop gets both the processor and the time to park.
fn wait_for(count: &AtomicU64, target: u64) {
    while count.load(Ordering::Acquire) < target {
        thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn writes_of_this_thread() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/thread-self/io")?;
    let writes = text.lines().find_map(|line| line.strip_prefix("syscw: "));
    writes
        .and_then(|count| count.parse().ok())
        .ok_or_else(|| io::Error::other("the kernel does not count system calls"))
}
