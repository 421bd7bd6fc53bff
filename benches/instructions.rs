//! The hottest paths, one at a time and so often, for `scripts/instructions.sh` to count their instructions.

use std::cell::RefCell;
use std::env;
use std::future::{pending, poll_fn};
use std::hint::black_box;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use tevent::{Context, Immediate, RequestExt, TeventQueue, VirtualClock, sleep, spawn, yield_now};

const HOUR: Duration = Duration::from_secs(3600);

/// Tasks that are woken from another thread at a time.
const PARKED: u64 = 1000;

type Path = fn(u64) -> io::Result<()>;

const PATHS: [(&str, Path); 10] = [
    ("yield", |times| run(give_way(times))),
    ("spawn-await", |times| run(spawn_and_await(times))),
    ("gate-uncontended", |times| run(enter_and_leave(times))),
    ("gate-hand-off", |times| run(hand_over(times))),
    ("queue-entry", |times| run(join_and_leave(times))),
    ("timer-reset", reset),
    ("sleep-create-drop", |times| run(doze(times))),
    ("immediate", reschedule),
    ("remote-wake", wake_from_elsewhere),
    ("request", |times| run(request(times))),
];

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let path = |name: &str| PATHS.iter().find(|(known, _)| *known == name);
    match &arguments[..] {
        [name, times] if path(name).is_some() => {
            let times = times.parse().map_err(io::Error::other)?;
            path(name).map_or(Ok(()), |(_, run)| run(times))
        }
        _ => {
            PATHS.iter().for_each(|(name, _)| println!("{name}"));
            Ok(())
        }
    }
}

/// As a task, as nearly everything is.
fn run(work: impl Future<Output = ()> + 'static) -> io::Result<()> {
    Context::new()?.block_on(async { spawn(work).await });
    Ok(())
}

async fn give_way(times: u64) {
    for _ in 0..times {
        yield_now().await;
    }
}

async fn spawn_and_await(times: u64) {
    for time in 0..times {
        black_box(spawn(async move { black_box(time) }).await);
    }
}

async fn enter_and_leave(times: u64) {
    let queue = TeventQueue::new("hot");
    for _ in 0..times {
        black_box(queue.entry().await.is_ok());
    }
}

/// Ten tasks; each gives way while it holds, so that all others stand in line.
async fn hand_over(times: u64) {
    let queue = TeventQueue::new("hot");
    let task = |_| {
        let queue = queue.clone();
        spawn(async move {
            for _ in 0..times / 10 {
                let _turn = queue.entry().await;
                yield_now().await;
            }
        })
    };
    for task in Vec::from_iter((0..10).map(task)) {
        task.await;
    }
}

/// Behind one who holds.
async fn join_and_leave(times: u64) {
    let queue = TeventQueue::new("hot");
    let _held = queue.entry().await;
    let _first = queue.entry();
    for _ in 0..times {
        drop(black_box(queue.entry()));
    }
}

/// Among a thousand others, to another deadline each time. Whole seconds on a clock that stands still: fractions would
/// be carried in one run and not in the next.
fn reset(times: u64) -> io::Result<()> {
    let clock = VirtualClock::new();
    let context = Context::builder().virtual_clock(&clock).build()?;
    let (handle, now) = (context.handle(), clock.now());
    let timer = |second| handle.timer(now + HOUR + Duration::from_secs(second), |_, _| ());
    let _others: Vec<_> = (0..1000).map(timer).collect();
    let timer = timer(0);
    for time in 0..times {
        timer.reset(now + HOUR + Duration::from_secs(time * 7919 % 100_000));
    }
    Ok(())
}

async fn doze(times: u64) {
    poll_fn(|cx| {
        for _ in 0..times {
            let mut sleep = sleep(HOUR);
            assert!(Pin::new(&mut sleep).poll(cx).is_pending());
        }
        Poll::Ready(())
    })
    .await;
}

fn reschedule(times: u64) -> io::Result<()> {
    let (context, mut left) = (Context::new()?, times);
    let immediate = Immediate::new(&context.handle(), move |this| {
        left -= 1;
        if left > 0 {
            this.schedule();
        }
    });
    immediate.schedule();
    context.run()
}

/// The loop does not run meanwhile, so that the count does not depend on who is faster.
fn wake_from_elsewhere(times: u64) -> io::Result<()> {
    let context = Context::new()?;
    let wakers: Rc<RefCell<Vec<Waker>>> = Rc::default();
    let task = |_| {
        let wakers = wakers.clone();
        let park = async move {
            poll_fn(|cx| {
                wakers.borrow_mut().push(cx.waker().clone());
                Poll::Ready(())
            })
            .await;
            pending::<()>().await;
        };
        context.handle().spawn(park)
    };
    let _tasks: Vec<_> = (0..PARKED).map(task).collect();
    let turn = || {
        for _ in 0..=PARKED / 256 {
            context.turn(Some(Duration::ZERO))?;
        }
        io::Result::Ok(())
    };
    turn()?;
    let wakers = wakers.take();
    for _ in 0..times / PARKED {
        thread::scope(|scope| {
            scope.spawn(|| wakers.iter().for_each(Waker::wake_by_ref));
        });
        turn()?;
    }
    Ok(())
}

async fn request(times: u64) {
    for time in 0..times {
        let work = async move {
            yield_now().await;
            Ok::<u64, ()>(black_box(time))
        };
        black_box(work.request("hot").await.is_ok());
    }
}
