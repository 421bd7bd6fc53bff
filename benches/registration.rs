//! Descriptors that come and go: what a loop has to do, and tell the system, for each.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Instant;

use rustix::event::{EventfdFlags, epoll, eventfd};
use tokio::io::unix::AsyncFd;

use crate::hops::End;
use crate::row::{Aim, Contestant, Load, Row, Unit, nanos_per_op};
use crate::runtimes;

/// So many come, are found ready, and go.
const BATCH: u64 = 100;

const BATCHES: u64 = 1_000;

const BARE: &str = "bare epoll";

pub(crate) fn rows() -> Vec<Row> {
    let ours = Contestant::new("tevent", |load| {
        let handle = tevent::Handle::current;
        let watch = |end| tevent::FdEvent::new(&handle(), end);
        runtimes::tevent(timed(load, watch, async |event| {
            event.readable().await.map(drop)
        }))?
    });
    let row = Row::new("descriptor comes and goes", Unit::NanosPerOp, ours)
        .beside([
            Contestant::new(BARE, bare),
            Contestant::new("tokio", |load| {
                let watch = |end| {
                    // SAFETY: an `End` is always the same descriptor, and keeps it open.
                    let watched = unsafe { AsyncFd::register(end) };
                    watched.map_err(io::Error::from)
                };
                runtimes::tokio(timed(load, watch, async |event: &AsyncFd<End>| {
                    event.readable().await.map(drop)
                }))?
            }),
            Contestant::new("async-io", |load| {
                let watch = async_io::Async::new_nonblocking;
                async_io::block_on(timed(load, watch, async |event: &async_io::Async<End>| {
                    event.readable().await
                }))
            }),
        ])
        .aims([Aim::Of("tokio", 1.0)])
        .note(
            "100 descriptors are given to the loop, one task waits for all at once until it has been told of each that \
             it is readable, and all are taken from the loop; an operation is one of them. The bare loop is \
             the limit: they are added to the set, there is one wait, and they are deleted.",
        );
    vec![row]
}

/// A tenth to warm up, then with the clock running.
async fn timed<E>(
    load: Load,
    watch: impl Fn(End) -> io::Result<E>,
    wait: impl AsyncFn(&E) -> io::Result<()>,
) -> io::Result<f64> {
    let ends = ready()?;
    let work = async |batches: u64| {
        for _ in 0..batches {
            let watched = ends.iter().cloned().map(&watch);
            let watched = watched.collect::<io::Result<Vec<_>>>()?;
            let waits = watched.iter().map(|event| Box::pin(wait(event)));
            all_of(waits.collect()).await?;
        }
        io::Result::Ok(())
    };
    let batches = load.ops(BATCHES);
    work(batches / 10).await?;
    let start = Instant::now();
    work(batches).await?;
    Ok(nanos_per_op(start, batches * BATCH))
}

/// Polls all whenever one is woken: all have been told by one wait of the loop.
async fn all_of<F: Future<Output = io::Result<()>>>(mut waits: Vec<Pin<Box<F>>>) -> io::Result<()> {
    poll_fn(|cx| {
        let mut refused = None;
        waits.retain_mut(|wait| match wait.as_mut().poll(cx) {
            Poll::Pending => true,
            Poll::Ready(told) => {
                refused = refused.take().or(told.err());
                false
            }
        });
        match refused {
            Some(error) => Poll::Ready(Err(error)),
            None if waits.is_empty() => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    })
    .await
}

fn bare(load: Load) -> io::Result<f64> {
    let (ends, epoll) = (ready()?, epoll::create(epoll::CreateFlags::CLOEXEC)?);
    let mut events = Vec::with_capacity(BATCH as usize);
    let mut work = |batches| {
        for _ in 0..batches {
            for end in &ends {
                let data = epoll::EventData::new_u64(0);
                epoll::add(&epoll, end, data, epoll::EventFlags::IN)?;
            }
            events.clear();
            epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None)?;
            assert_eq!(events.len(), ends.len());
            for end in &ends {
                epoll::delete(&epoll, end)?;
            }
        }
        io::Result::Ok(())
    };
    let batches = load.ops(BATCHES);
    work(batches / 10)?;
    let start = Instant::now();
    work(batches)?;
    Ok(nanos_per_op(start, batches * BATCH))
}

/// Descriptors that are always readable.
fn ready() -> io::Result<Vec<End>> {
    let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
    (0..BATCH)
        .map(|_| Ok(End::new(eventfd(1, flags)?)))
        .collect()
}
