//! Signals: from the call that sends one to the handler or the task that waits for it.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Instant;

use rustix::process::{Signal, getpid, kill_process};
use tevent::SignalKind;

use crate::c_peers;
use crate::row::{Aim, Contestant, Load, Row, Unit, nanos_per_op};
use crate::runtimes;

const TIMES: u64 = 50_000;

pub(crate) fn rows() -> Vec<Row> {
    vec![handlers(), streams()]
}

fn handlers() -> Row {
    let arguments = |load: Load| vec![load.ops(TIMES).to_string()];
    Row::new("signal to a handler", Unit::NanosPerOp, Contestant::new("tevent", handler))
        .beside([
            c_peers::peer("C tevent", "signals_tevent", arguments),
            c_peers::peer("ivykis", "signals_ivykis", arguments),
            c_peers::peer("libuv", "signals_libuv", arguments),
        ])
        .aims([Aim::OfFastest(1.0)])
        .note("A process sends itself a signal and runs its loop until the handler has been called, again and again.")
}

fn handler(load: Load) -> io::Result<f64> {
    let context = tevent::Context::new()?;
    let seen = Rc::new(Cell::new(0_u64));
    let _handler = context.handle().signal(SignalKind::USER1, {
        let seen = Rc::clone(&seen);
        move |_, delivery| seen.set(seen.get() + delivery.count)
    })?;
    let work = |times: u64| {
        seen.set(0);
        for time in 0..times {
            kill_process(getpid(), Signal::USR1)?;
            while seen.get() == time {
                context.turn(None)?;
            }
        }
        io::Result::Ok(())
    };
    let times = load.ops(TIMES);
    work(times / 10)?;
    let start = Instant::now();
    work(times)?;
    Ok(nanos_per_op(start, times))
}

fn streams() -> Row {
    let ours = Contestant::new("tevent", |load| {
        runtimes::tevent(async {
            let handle = tevent::Handle::current();
            let mut signal = tevent::Signal::new(&handle, SignalKind::USER1)?;
            timed(load, async || signal.recv().await.is_some()).await
        })?
    });
    Row::new("signal to a task", Unit::NanosPerOp, ours)
        .beside([Contestant::new("tokio", |load| {
            runtimes::tokio(async {
                let kind = tokio::signal::unix::SignalKind::user_defined1();
                let mut signal = tokio::signal::unix::signal(kind)?;
                timed(load, async || signal.recv().await.is_some()).await
            })?
        })])
        .aims([Aim::OfFastest(1.0)])
        .note("A task sends its process a signal and awaits it, again and again.")
}

/// A tenth to warm up, then with the clock running.
async fn timed(load: Load, mut receive: impl AsyncFnMut() -> bool) -> io::Result<f64> {
    let mut work = async |times: u64| {
        for _ in 0..times {
            kill_process(getpid(), Signal::USR1)?;
            assert!(receive().await);
        }
        io::Result::Ok(())
    };
    let times = load.ops(TIMES);
    work(times / 10).await?;
    let start = Instant::now();
    work(times).await?;
    Ok(nanos_per_op(start, times))
}
