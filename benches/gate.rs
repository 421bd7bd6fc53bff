//! One at a time: entering and leaving alone, handing over among many tasks, and working off a long line.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::hint::black_box;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::locks::{
    FuturesMutex, LocalSemaphore, Lock, Queue, SmolMutex, TokioMutex, TokioSemaphore,
    UnsyncSemaphore,
};
use crate::row::{Aim, Contestant, Load, Row, Unit, nanos_per_op};
use crate::runtimes::{self, Yield};
use crate::spawn::spawn_and_join;

pub(crate) fn rows() -> Vec<Row> {
    let short_line = backlog("queue backlog, 1000 entries", |load| {
        Contest::backlog(1000, load.ops(300))
    });
    vec![
        uncontended(),
        contended("gate, contended, 10 tasks", 10),
        contended("gate, contended, 100 tasks", 100),
        contended("gate, contended, 1000 tasks", 1000),
        short_line,
        backlog("queue backlog, 1 M entries", |_| {
            Contest::backlog(1_000_000, 1)
        }),
    ]
}

fn uncontended() -> Row {
    let contest = |load: Load| Contest::alone(load.ops(10_000_000));
    row("gate, uncontended", contest)
        .beside([futures_mutex(contest)])
        .aims([Aim::Absolute(5.0), Aim::Of("tokio Mutex", 0.2)])
        .note("One task enters and leaves, again and again; an operation is both.")
}

fn contended(name: &str, tasks: u64) -> Row {
    let contest = move |load: Load| Contest::going_round(tasks, load.ops(800_000));
    row(name, contest)
        .beside([futures_mutex(contest)])
        .aims([Aim::OfFastest(1.0), Aim::Of("tokio Mutex", 0.3)])
        .note(
            "All tasks join the line; then each enters, gives way once while it holds, leaves, and joins again. \
             futures' Mutex lets in who has just left before those who wait, so it hardly ever hands over. On \
             monoio the holder is polled again at once when it gives way: no other task runs in between. \
             async-lock hands over in 99 of 100 turns.",
        )
}

fn backlog(name: &str, contest: impl Fn(Load) -> Contest + Copy + 'static) -> Row {
    row(name, contest)
        .aims([Aim::OfFastest(1.0), Aim::Of("tokio Mutex", 0.5)])
        .note(
            "Somebody holds while one task per entry is spawned and joins the line; then all go through. Counted \
             from the first spawn to the last join. Not futures' Mutex, which looks for the next from the start \
             of its slab, so that its cost grows with the square of the line.",
        )
}

/// The same for any number of entries, for as long as a million take.
pub(crate) fn line(name: impl Into<String>, entries: u64) -> Row {
    row(name, move |_| {
        Contest::backlog(entries, (1_000_000 / entries).clamp(1, 100_000))
    })
}

/// A row in which every lock runs on its own natural executor.
fn row(name: impl Into<String>, contest: impl Fn(Load) -> Contest + Copy + 'static) -> Row {
    let ours = Contestant::new("tevent", move |load| {
        runtimes::tevent(contest(load).timed(take_turns::<Queue>, tevent::spawn))
    });
    Row::new(name, Unit::NanosPerOp, ours).beside([
        Contestant::new("tokio Mutex", move |load| {
            runtimes::tokio(contest(load).timed(take_turns::<TokioMutex>, tokio::spawn))
        }),
        Contestant::new("tokio Semaphore", move |load| {
            runtimes::tokio(contest(load).timed(take_turns::<TokioSemaphore>, tokio::spawn))
        }),
        Contestant::new("async-lock on smol", move |load| {
            runtimes::smol(|executor| {
                contest(load).timed(take_turns::<SmolMutex>, |future| executor.spawn(future))
            })
        }),
        Contestant::new("async-unsync on tokio", move |load| {
            runtimes::tokio_local(
                contest(load).timed(take_turns::<UnsyncSemaphore>, tokio::task::spawn_local),
            )
        }),
        Contestant::new("async-unsync on monoio", move |load| {
            runtimes::monoio(contest(load).timed(take_turns::<UnsyncSemaphore>, monoio::spawn))
        }),
        Contestant::new("local-sync on monoio", move |load| {
            runtimes::monoio(contest(load).timed(take_turns::<LocalSemaphore>, monoio::spawn))
        }),
    ])
}

fn futures_mutex(contest: impl Fn(Load) -> Contest + 'static) -> Contestant {
    Contestant::new("futures Mutex", move |load| {
        runtimes::futures(|pool| {
            contest(load).timed(take_turns::<FuturesMutex>, move |future| pool.spawn(future))
        })
    })
}

/// Who wants in, and how often.
#[derive(Clone, Copy)]
struct Contest {
    tasks: u64,
    turns: u64,
    rounds: u64,
    /// Whether a task gives way while it holds.
    yields: bool,
    /// Whether nobody gets in before all stand in line.
    behind_holder: bool,
}

thread_local! {
    /// Tasks that have yet to join the line behind the holder, and who waits for them.
    static MISSING: (Cell<u64>, RefCell<Option<Waker>>) = const { (Cell::new(0), RefCell::new(None)) };
}

impl Contest {
    /// So many turns by one task.
    fn alone(turns: u64) -> Self {
        Self {
            tasks: 1,
            turns,
            rounds: 1,
            yields: false,
            behind_holder: false,
        }
    }

    /// So many turns in all, by tasks that come again and again; all are in the line from the beginning.
    fn going_round(tasks: u64, turns: u64) -> Self {
        Self {
            tasks,
            turns: turns / tasks,
            rounds: 1,
            yields: true,
            behind_holder: true,
        }
    }

    /// One turn each, after all have joined the line.
    fn backlog(tasks: u64, rounds: u64) -> Self {
        Self {
            tasks,
            turns: 1,
            rounds,
            yields: false,
            behind_holder: true,
        }
    }

    /// Does a part of the rounds (at least one) to warm up, then all of them.
    async fn timed<L: Lock + Default, F, H: Future>(
        self,
        make: impl Fn(L, Contest) -> F,
        spawn: impl Fn(F) -> H,
    ) -> f64 {
        let lock = L::default();
        let round = async || self.round(&lock, |_| spawn(make(lock.clone(), self))).await;
        for _ in 0..self.rounds.div_ceil(10) {
            round().await;
        }
        let start = Instant::now();
        for _ in 0..self.rounds {
            round().await;
        }
        nanos_per_op(start, self.rounds * self.tasks * self.turns)
    }

    async fn round<L: Lock, H: Future>(self, lock: &L, spawn: impl Fn(u64) -> H) {
        if !self.behind_holder {
            return spawn_and_join(self.tasks, spawn).await;
        }
        MISSING.with(|(missing, _)| missing.set(self.tasks));
        let held = lock.enter().await;
        let mut handles = Vec::with_capacity(self.tasks as usize);
        for index in 0..self.tasks {
            handles.push(spawn(index));
        }
        poll_fn(all_in_line).await;
        drop(held);
        for handle in handles {
            black_box(handle.await);
        }
    }
}

async fn take_turns<L: Lock>(lock: L, contest: Contest) {
    if contest.behind_holder {
        arrive();
    }
    for _ in 0..contest.turns {
        let guard = black_box(lock.enter().await);
        if contest.yields {
            Yield::default().await;
        }
        drop(guard);
    }
}

/// Said by a task that joins the line in the same poll.
fn arrive() {
    MISSING.with(|(missing, holder)| {
        missing.set(missing.get() - 1);
        if missing.get() == 0
            && let Some(holder) = holder.take()
        {
            holder.wake();
        }
    });
}

fn all_in_line(cx: &mut Context<'_>) -> Poll<()> {
    MISSING.with(|(missing, holder)| {
        if missing.get() == 0 {
            return Poll::Ready(());
        }
        holder.replace(Some(cx.waker().clone()));
        Poll::Pending
    })
}
