//! Pools of threads for a loop, and how they are chosen.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures::future::select;
use tevent_context::Handle;

use super::Choices;
use super::desk::{Desk, Shutdown};
use super::task::BlockingTask;

/// Threads for the blocking work of one loop (C: `iv_work_pool`). [`spawn_blocking`](super::spawn_blocking) has one of
/// its own for each loop; make another where work of one kind is to be bounded, named, or shut down by itself.
///
/// Jobs are begun in the order in which they were given out, and threads are started when a job finds none idle, up to
/// the bound; the others wait in line. A thread that has had nothing to do for the keep-alive time ends.
///
/// Results come with the messages of a turn: before tasks, not behind descriptors. A job that is not finished keeps
/// [`run`](tevent_context::Context::run) going; a pool without one does not.
///
/// Dropping it refuses further jobs and returns at once: what was accepted is still done, its results still come, and
/// the threads end after it. [`shutdown`](Self::shutdown) waits for that. Nothing waits for jobs when the context ends:
/// those that were not begun are dropped, on the loop's thread; those that run go on to their end, and their results
/// are dropped on their own threads.
///
/// ```
/// use tevent_context::Context;
/// use tevent_thread::BlockingPool;
///
/// # fn main() -> std::io::Result<()> {
/// let context = Context::new()?;
/// let disk = BlockingPool::builder().max_threads(1).name("disk").build(&context.handle())?;
/// let manifest = disk.spawn(|| std::fs::read_to_string("Cargo.toml"));
/// let text = context.block_on(manifest)??; // the job's error, then the file's
/// assert!(text.contains("[package]"));
/// # Ok(())
/// # }
/// ```
pub struct BlockingPool {
    desk: Rc<Desk>,
}

/// Builds a [`BlockingPool`].
#[derive(Clone, Debug)]
#[must_use = "a builder builds nothing until `build`"]
pub struct BlockingPoolBuilder {
    choices: Choices,
}

impl BlockingPool {
    /// A pool of at most 64 threads.
    ///
    /// # Errors
    /// If the context has ended, or is the parent's of this forked process. Threads are started later.
    #[track_caller]
    pub fn new(handle: &Handle) -> io::Result<Self> {
        Self::builder().build(handle)
    }

    /// A pool with choices.
    pub fn builder() -> BlockingPoolBuilder {
        BlockingPoolBuilder {
            choices: Choices::default(),
        }
    }

    /// Gives a job out. It may wait, for a file or for another thread, as long as it likes.
    ///
    /// If it cannot be begun at all, because the context has ended or there is no thread, that comes out of the task.
    #[track_caller]
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> BlockingTask<T> {
        BlockingTask::submit(&self.desk, work)
    }

    /// Refuses further jobs, at this call, and waits until those that were accepted are done and the threads have left;
    /// at `deadline` it waits no longer, and says what is left. Whoever awaits one of those is told that it is
    /// cancelled.
    ///
    /// The deadline is a time of the loop's clock; on a virtual one it comes as soon as there is nothing else to do.
    pub fn shutdown(self, deadline: Instant) -> impl Future<Output = Shutdown> {
        self.desk.close();
        async move {
            let Self { desk } = &self;
            let gone = pin!(poll_fn(|cx| desk.poll_gone(cx)));
            select(gone, desk.handle().sleep_until(deadline)).await;
            desk.abandon()
        }
    }

    /// How many threads it has at the moment.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.desk.numbers().map_or(0, |numbers| numbers.threads)
    }

    /// How many jobs wait for a thread.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.desk.numbers().map_or(0, |numbers| numbers.waiting)
    }
}

impl BlockingPoolBuilder {
    /// At most so many threads; 64 at first.
    ///
    /// # Panics
    /// If it is 0: nothing would ever be done.
    pub fn max_threads(mut self, max: usize) -> Self {
        assert!(max > 0, "a pool needs at least one thread");
        self.choices.max_threads = max;
        self
    }

    /// How long a thread waits for another job before it ends; 10 seconds at first.
    pub fn keep_alive(mut self, keep_alive: Duration) -> Self {
        self.choices.keep_alive = keep_alive;
        self
    }

    /// The name of its threads; `tevent-blocking` at first.
    ///
    /// # Panics
    /// If it contains a zero byte: the system's names end there.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        assert!(!name.contains('\0'), "a thread's name has no zero byte");
        self.choices.name = name;
        self
    }

    /// The stack of each thread, in bytes; the standard library's choice at first.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.choices.stack_size = Some(bytes);
        self
    }

    /// Builds the pool.
    ///
    /// # Errors
    /// Those of [`BlockingPool::new`].
    #[track_caller]
    pub fn build(self, handle: &Handle) -> io::Result<BlockingPool> {
        let desk = Desk::new(handle, self.choices)?;
        Ok(BlockingPool { desk })
    }
}

impl Drop for BlockingPool {
    fn drop(&mut self) {
        self.desk.close();
    }
}

impl fmt::Debug for BlockingPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingPool")
            .field("name", &self.desk.name())
            .field("numbers", &self.desk.numbers())
            .finish_non_exhaustive()
    }
}
