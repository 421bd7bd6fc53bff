//! The executors, each set up on the thread of the caller as its own documentation recommends.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use async_executor::{LocalExecutor, StaticLocalExecutor};
use futures::executor::{LocalPool, LocalSpawner};
use futures::future::RemoteHandle;
use futures::task::LocalSpawnExt;

pub(crate) fn tevent<F: Future>(future: F) -> io::Result<F::Output> {
    Ok(tevent::Context::new()?.block_on(future))
}

/// With tasks that are `Send`: the faster of tokio's two ways on one thread.
pub(crate) fn tokio<F: Future>(future: F) -> io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    Ok(runtime.block_on(future))
}

/// With tasks that are not.
pub(crate) fn tokio_local<F: Future>(future: F) -> io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    Ok(tokio::task::LocalSet::new().block_on(&runtime, future))
}

/// With two threads; the future is a task among the others.
pub(crate) fn tokio_threads<F>(future: F) -> io::Result<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()?;
    let output = runtime.block_on(runtime.spawn(future));
    output.map_err(io::Error::other)
}

/// On epoll, as we are. The future is a task among the others, as with ours.
pub(crate) fn monoio<F: Future + 'static>(future: F) -> io::Result<F::Output> {
    let mut runtime = monoio::RuntimeBuilder::<monoio::LegacyDriver>::new().build()?;
    Ok(runtime.block_on(async { monoio::spawn(future).await }))
}

/// smol's executor that keeps no list of its tasks: the fastest it has for one thread.
pub(crate) fn smol<F: Future>(
    make: impl FnOnce(&'static StaticLocalExecutor) -> F,
) -> io::Result<F::Output> {
    let executor: &'static StaticLocalExecutor = LocalExecutor::new().leak();
    let future = make(executor);
    Ok(futures_lite::future::block_on(executor.run(future)))
}

/// smol's usual executor for one thread.
pub(crate) fn smol_local<F: Future>(
    make: impl FnOnce(Rc<LocalExecutor<'static>>) -> F,
) -> io::Result<F::Output> {
    let executor = Rc::new(LocalExecutor::new());
    let future = make(executor.clone());
    Ok(futures_lite::future::block_on(executor.run(future)))
}

pub(crate) fn futures<F: Future>(make: impl FnOnce(Pool) -> F) -> io::Result<F::Output> {
    let mut pool = LocalPool::new();
    let future = make(Pool(pool.spawner()));
    Ok(pool.run_until(future))
}

/// What spawns on a pool of futures.
#[derive(Clone)]
pub(crate) struct Pool(LocalSpawner);

impl Pool {
    pub(crate) fn spawn<F: Future + 'static>(&self, future: F) -> RemoteHandle<F::Output> {
        self.0
            .spawn_local_with_handle(future)
            .expect("the pool lives as long as the future it runs")
    }
}

/// Gives way by waking itself: the same future on every executor.
#[derive(Default)]
pub(crate) struct Yield {
    yielded: bool,
}

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
