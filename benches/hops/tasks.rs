//! A task for each descriptor that is not idle.

use std::io;

use tevent::FdEvent;
use tokio::io::unix::AsyncFd;

use super::{End, Ring};
use crate::row::Load;

pub(super) fn tevent(ring: &Ring, idle: &[End], load: Load) -> io::Result<f64> {
    let context = tevent::Context::new()?;
    let handle = context.handle();
    let watch = |end: &End| FdEvent::new(&handle, end.clone());
    let _idle = idle.iter().map(watch).collect::<io::Result<Vec<_>>>()?;
    let task = |(which, end): (usize, &End)| {
        let (ring, end) = (ring.clone(), watch(end)?);
        Ok(handle.spawn(async move {
            loop {
                let read = |end: &End| Ok(rustix::io::read(end, &mut [0])?);
                end.read_with(read).await?;
                ring.pass_on(which)?;
            }
        }))
    };
    let tasks = ring.0.from.iter().enumerate().map(task);
    let _tasks: Vec<tevent::Task<io::Result<()>>> = tasks.collect::<io::Result<_>>()?;
    ring.timed(load, || {
        context.block_on(ring.done());
        Ok(())
    })
}

pub(super) fn tokio(ring: &Ring, idle: &[End], load: Load) -> io::Result<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let _entered = runtime.enter();
    let tasks = tokio::task::LocalSet::new();
    let watch = |end: &End| {
        // SAFETY: an `End` is always the same descriptor, and keeps it open.
        let watched = unsafe { AsyncFd::register(end.clone()) };
        watched.map_err(io::Error::from)
    };
    let _idle = idle.iter().map(watch).collect::<io::Result<Vec<_>>>()?;
    for (which, end) in ring.0.from.iter().enumerate() {
        let (ring, end) = (ring.clone(), watch(end)?);
        tasks.spawn_local(async move {
            loop {
                let read = |end: &End| Ok(rustix::io::read(end, &mut [0])?);
                end.async_io(tokio::io::Interest::READABLE, read).await?;
                ring.pass_on(which)?;
            }
            #[allow(unreachable_code)]
            io::Result::Ok(())
        });
    }
    ring.timed(load, || {
        tasks.block_on(&runtime, ring.done());
        Ok(())
    })
}
