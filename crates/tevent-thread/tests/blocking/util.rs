//! What the tests of blocking work share: jobs that wait to be let go, and a limit of time.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tevent_context::Context;
use tevent_thread::{BlockingPool, BlockingTask};

/// Tests that can hang take no longer than this.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn context() -> Context {
    Context::new().expect("descriptors for one loop")
}

/// A pool with so many threads.
pub(crate) fn pool(context: &Context, threads: usize) -> BlockingPool {
    let builder = BlockingPool::builder().max_threads(threads).name("test");
    builder.build(&context.handle()).expect("a living loop")
}

/// A job that says when it has begun, and ends when it is let go.
pub(crate) struct Held {
    pub(crate) task: BlockingTask<&'static str>,
    began: mpsc::Receiver<()>,
    go: mpsc::Sender<()>,
}

impl Held {
    pub(crate) fn new(pool: &BlockingPool) -> Self {
        let (begin, began) = mpsc::channel();
        let (go, gone) = mpsc::channel();
        let task = pool.spawn(move || {
            let _ = begin.send(());
            let _ = gone.recv();
            "held"
        });
        Self { task, began, go }
    }

    pub(crate) fn begun(pool: &BlockingPool) -> Self {
        let held = Self::new(pool);
        held.wait_for_begin();
        held
    }

    pub(crate) fn wait_for_begin(&self) {
        self.began.recv_timeout(LIMIT).expect("it begins");
    }

    /// Whether it has begun, which nobody was told of yet.
    pub(crate) fn has_begun(&self) -> bool {
        self.began.try_recv().is_ok()
    }

    pub(crate) fn let_go(self) -> BlockingTask<&'static str> {
        drop(self.go);
        self.task
    }
}

/// Runs what may hang on a thread of its own, and fails if it takes longer.
#[track_caller]
pub(crate) fn within<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, done) = mpsc::channel();
    let working = thread::spawn(move || drop(sender.send(work())));
    match done.recv_timeout(LIMIT) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            let panic = working.join().expect_err("it has sent nothing");
            std::panic::resume_unwind(panic)
        }
    }
}
