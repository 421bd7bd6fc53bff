//! Descriptors that nothing happens on: what they cost the turns of a loop.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tevent_context::{Context, FdEvent, FdFlags};

use crate::row::{Aim, Contestant, Load, Row, Unit, nanos_per_op};

const TURNS: u64 = 400_000;

const ONE: &str = "tevent, 1 descriptor";

pub(crate) fn rows() -> Vec<Row> {
    let ours = Contestant::new("tevent", |load| turns(10_000, load));
    let row = Row::new("turn, 10 000 idle descriptors", Unit::NanosPerOp, ours)
        .beside([Contestant::new(ONE, |load| turns(1, load))])
        .aims([Aim::Of(ONE, 1.05)])
        .note("A turn that finds nothing, with a handler on each of so many descriptors.");
    vec![row]
}

fn turns(descriptors: u64, load: Load) -> io::Result<f64> {
    raise_the_limit()?;
    let context = Context::new()?;
    let _watched: Vec<_> = (0..descriptors)
        .map(|_| idle(&context))
        .collect::<io::Result<_>>()?;
    turn(&context, TURNS / 10)?;
    let start = Instant::now();
    turn(&context, load.ops(TURNS))?;
    Ok(nanos_per_op(start, load.ops(TURNS)))
}

fn idle(context: &Context) -> io::Result<FdEvent<OwnedFd>> {
    let descriptor = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    context.handle().fd(descriptor, FdFlags::READ, |_, _| ())
}

fn turn(context: &Context, times: u64) -> io::Result<()> {
    for _ in 0..times {
        context.turn(Some(Duration::ZERO))?;
    }
    Ok(())
}

pub(crate) fn raise_the_limit() -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    Ok(setrlimit(Resource::Nofile, raised)?)
}
