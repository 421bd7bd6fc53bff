//! Idle tasks, sleeping tasks, entries of a queue, timers.

use std::cell::Cell;
use std::fs;
use std::future::{pending, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use futures::channel::oneshot;

use super::Thing;
use crate::allocator::Taken;
use crate::arrivals::{all_have_arrived, arrive, expect};
use crate::locks::{FuturesMutex, Lock, Queue, SmolMutex, TokioMutex, UnsyncSemaphore};
use crate::row::{Aim, Contestant, Load, Row, Unit};
use crate::runtimes::{self, Yield};
use crate::spawn::spawn_and_join;
use crate::timers::tokio_with_time;

/// How many are made: with a few places left for others, they fill tables that grow by doubling. A table that has just
/// grown takes up to twice as much for each.
const COUNT: u64 = 131_072 - 12;

/// Tasks that come at a time, so that what is ready is few and most are idle.
const WAVE: u64 = 1_000;

const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn all() -> [Thing; 8] {
    [
        idle_task(),
        ended_tasks(),
        sleeping_task(),
        entry(),
        entry_and_future(),
        timer(),
        timer_with_handler(),
        sleep(),
    ]
}

thread_local! {
    /// Whether the tasks end at once; not in their futures, where it would take a place.
    static ENDS: Cell<bool> = const { Cell::new(false) };
}

async fn idle() {
    arrive();
    if !ENDS.get() {
        pending::<()>().await;
    }
}

async fn idle_for_once() {
    Yield::default().await;
}

async fn asleep<F: Future>(sleep: impl Fn(Duration) -> F) {
    arrive();
    if !ENDS.get() {
        sleep(HOUR).await;
    }
}

fn idle_task() -> Thing {
    Thing {
        name: "idle task",
        count: COUNT,
        aim: Some(72.0),
        note: "Bytes asked from the allocator, and how often, for each of 131 060: so many fill a table that grows by \
               doubling, which is its best case. Just grown it takes twice as much, halfway a third more: for ours, \
               8 bytes of a task, 48 of an entry and 61 of a timer are in tables. The tasks come in waves of a \
               thousand, have been polled once and wait for ever. Not counted: a first wave, which ends again, and \
               the place of the handles. Ours has kept cells of that wave: 0.6 bytes less for each than there are. \
               futures: with a handle, as all.",
        ours: |count| runtimes::tevent(tasks(count, || tevent::spawn(idle()))),
        peers: vec![
            ("tokio", |count| {
                runtimes::tokio(tasks(count, || tokio::spawn(idle())))
            }),
            ("monoio", |count| {
                runtimes::monoio(tasks(count, || monoio::spawn(idle())))
            }),
            ("smol static", |count| {
                runtimes::smol(|executor| tasks(count, || executor.spawn(idle())))
            }),
            ("smol local", |count| {
                runtimes::smol_local(|executor| tasks(count, move || executor.spawn(idle())))
            }),
            ("futures", |count| {
                runtimes::futures(|pool| tasks(count, move || pool.spawn(idle())))
            }),
        ],
    }
}

fn ended_tasks() -> Thing {
    Thing {
        name: "after a burst, ended task",
        count: COUNT,
        aim: Some(8.0),
        note: "131 060 tasks are spawned, run and awaited; what is still held for each of them when the loop has slept \
               twenty times since. The aim is what tokio holds. monoio is not woken by other threads, and left out.",
        ours: |count| runtimes::tevent(burst(count, || tevent::spawn(idle_for_once())))?,
        peers: vec![
            ("tokio", |count| {
                runtimes::tokio(burst(count, || tokio::spawn(idle_for_once())))?
            }),
            ("smol static", |count| {
                runtimes::smol(|executor| burst(count, || executor.spawn(idle_for_once())))?
            }),
            ("smol local", |count| {
                runtimes::smol_local(|executor| {
                    burst(count, move || executor.spawn(idle_for_once()))
                })?
            }),
            ("futures", |count| {
                runtimes::futures(|pool| burst(count, move || pool.spawn(idle_for_once())))?
            }),
        ],
    }
}

fn sleeping_task() -> Thing {
    Thing {
        name: "sleeping task",
        count: COUNT,
        aim: Some(112.0),
        note: "A task that sleeps for an hour: task, future and timer. The aim of one allocation each is the task's; \
               timers are in a table.",
        ours: |count| runtimes::tevent(tasks(count, || tevent::spawn(asleep(tevent::sleep)))),
        peers: vec![
            ("tokio", |count| {
                let work = tasks(count, || tokio::spawn(asleep(tokio::time::sleep)));
                Ok(tokio_with_time()?.block_on(work))
            }),
            ("smol static", |count| {
                let executor = async_executor::LocalExecutor::new().leak();
                let spawn = || executor.spawn(asleep(async_io::Timer::after));
                Ok(async_io::block_on(executor.run(tasks(count, spawn))))
            }),
        ],
    }
}

fn entry() -> Thing {
    Thing {
        name: "queue entry, its place",
        count: COUNT,
        aim: Some(48.0),
        note: "An entry that waits: what the queue keeps of it. The entry's own future, a handle, is the waiter's.",
        ours: |count| {
            runtimes::tevent(async move {
                let queue = tevent::TeventQueue::new("bench");
                let _held = queue.entry().await;
                let mut entries = Vec::with_capacity(count as usize);
                taken(|| {
                    entries.extend((0..count).map(|_| queue.entry()));
                })
            })
        },
        peers: vec![],
    }
}

fn entry_and_future() -> Thing {
    Thing {
        name: "queue entry and its future",
        count: COUNT,
        aim: None,
        note: "An entry that waits, and the future that waits for it, in a box and polled once: the peers keep their \
               place in line inside the future.",
        ours: |count| runtimes::tevent(entries::<Queue>(count)),
        peers: vec![
            ("tokio Mutex", |count| {
                runtimes::tokio(tokio::task::unconstrained(entries::<TokioMutex>(count)))
            }),
            ("async-lock", |count| {
                Ok(futures_lite::future::block_on(entries::<SmolMutex>(count)))
            }),
            ("async-unsync", |count| {
                Ok(futures_lite::future::block_on(entries::<UnsyncSemaphore>(
                    count,
                )))
            }),
            ("futures Mutex", |count| {
                Ok(futures_lite::future::block_on(entries::<FuturesMutex>(
                    count,
                )))
            }),
        ],
    }
}

fn timer() -> Thing {
    Thing {
        name: "timer, its place",
        count: COUNT,
        aim: Some(64.0),
        note: "A sleep of an hour that has been polled: what the loop keeps of it. The future is its owner's.",
        ours: |count| {
            runtimes::tevent(poll_fn(move |cx| {
                let sleeps = (0..count).map(|_| tevent::sleep(HOUR));
                let mut sleeps: Vec<_> = sleeps.collect();
                Poll::Ready(taken(|| {
                    for sleep in &mut sleeps {
                        assert!(Pin::new(sleep).poll(cx).is_pending());
                    }
                }))
            }))
        },
        peers: vec![],
    }
}

fn timer_with_handler() -> Thing {
    Thing {
        name: "timer with a handler",
        count: COUNT,
        aim: None,
        note: "A timer whose handler captures nothing, all of it but the handle.",
        ours: |count| {
            let context = tevent_context::Context::new()?;
            let (handle, at) = (context.handle(), Instant::now() + HOUR);
            let mut timers = Vec::with_capacity(count as usize);
            Ok(taken(|| {
                timers.extend((0..count).map(|_| handle.timer(at, |_, _| ())));
            }))
        },
        peers: vec![],
    }
}

fn sleep() -> Thing {
    Thing {
        name: "sleep and its future",
        count: COUNT,
        aim: None,
        note: "A future that sleeps for an hour, in a box and polled once: tokio keeps its timer inside the future.",
        ours: |count| runtimes::tevent(futures(count, || tevent::sleep(HOUR))),
        peers: vec![
            ("tokio", |count| {
                let work = futures(count, || tokio::time::sleep(HOUR));
                Ok(tokio_with_time()?.block_on(tokio::task::unconstrained(work)))
            }),
            ("async-io", |count| {
                Ok(async_io::block_on(futures(count, || {
                    async_io::Timer::after(HOUR)
                })))
            }),
        ],
    }
}

fn taken(work: impl FnOnce()) -> Taken {
    let before = Taken::so_far();
    work();
    Taken::since(before)
}

/// What is held after so many tasks, those that an executor needs for a few not counted.
async fn burst<H: Future>(count: u64, spawn: impl Fn() -> H) -> io::Result<Taken> {
    spawn_and_join(1, |_| spawn()).await;
    let before = Taken::so_far();
    spawn_and_join(count, |_| spawn()).await;
    for _ in 0..20 {
        sleep_through().await?;
    }
    Ok(Taken::since(before))
}

/// The executor has nothing to do for a moment, whichever it is.
async fn sleep_through() -> io::Result<()> {
    let (sender, receiver) = oneshot::channel();
    let other = thread::spawn(move || {
        thread::sleep(Duration::from_millis(1));
        sender.send(())
    });
    receiver.await.map_err(io::Error::other)?;
    other
        .join()
        .expect("the thread cannot panic")
        .map_err(|()| io::Error::other("nobody has waited"))
}

/// Spawns so many and waits until each has been polled. What an executor needs for a wave of any tasks is there before,
/// and not counted.
async fn tasks<H: Future>(count: u64, spawn: impl Fn() -> H) -> Taken {
    let mut handles = Vec::with_capacity(count as usize);
    ENDS.set(true);
    expect(WAVE);
    spawn_and_join(WAVE, |_| spawn()).await;
    ENDS.set(false);
    let before = Taken::so_far();
    while handles.len() < count as usize {
        let wave = WAVE.min(count - handles.len() as u64);
        expect(wave);
        handles.extend((0..wave).map(|_| spawn()));
        all_have_arrived().await;
    }
    Taken::since(before)
}

async fn entries<L: Lock + Default>(count: u64) -> Taken {
    let lock = L::default();
    let _held = lock.enter().await;
    futures(count, || lock.enter()).await
}

async fn futures<F: Future>(count: u64, make: impl Fn() -> F) -> Taken {
    let mut futures: Vec<Pin<Box<F>>> = Vec::with_capacity(count as usize);
    poll_fn(|cx| {
        let work = || {
            for _ in 0..count {
                let mut future = Box::pin(make());
                assert!(future.as_mut().poll(cx).is_pending());
                futures.push(future);
            }
        };
        Poll::Ready(taken(work))
    })
    .await
}

/// Tasks that sleep at the same time.
const SLEEPERS: u64 = 1_000_000;

/// A million sleeping tasks: what the system gives for them.
pub(super) fn resident() -> Row {
    let ours = Contestant::new("tevent", |_: Load| {
        runtimes::tevent(grown(|| tevent::spawn(asleep(tevent::sleep))))?
    });
    Row::new("1 M sleeping tasks, resident", Unit::Megabytes, ours)
        .beside([
            Contestant::new("tokio", |_| {
                let spawn = || tokio::spawn(asleep(tokio::time::sleep));
                tokio_with_time()?.block_on(grown(spawn))
            }),
            Contestant::new("smol static", |_| {
                let executor = async_executor::LocalExecutor::new().leak();
                let spawn = || executor.spawn(asleep(async_io::Timer::after));
                async_io::block_on(executor.run(grown(spawn)))
            }),
        ])
        .aims([Aim::Absolute(150.0)])
        .pairs(3)
        .note("By how much the resident memory of the process grows (VmRSS), the kept handles included.")
}

async fn grown<H>(spawn: impl Fn() -> H) -> io::Result<f64> {
    let before = resident_megabytes()?;
    let mut handles = Vec::with_capacity(SLEEPERS as usize);
    expect(SLEEPERS);
    handles.extend((0..SLEEPERS).map(|_| spawn()));
    all_have_arrived().await;
    Ok(resident_megabytes()? - before)
}

fn resident_megabytes() -> io::Result<f64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    let kilobytes: f64 = kilobytes.ok_or_else(|| io::Error::other("no VmRSS in /proc"))?;
    Ok(kilobytes * 1024.0 / 1e6)
}
