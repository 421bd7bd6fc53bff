//! What the executor's tests share: a rig, a trace, a future that is told what to do.
#![allow(dead_code, unreachable_pub, missing_docs)]

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};
use std::thread::{self, ThreadId};

use tevent_core::doorbell::Doorbell;
use tevent_executor::Executor;

/// An executor with a counting bell.
pub struct Rig {
    pub executor: Executor,
    pub doorbell: Arc<Doorbell>,
    pub rings: Arc<Count>,
}

#[derive(Default)]
pub struct Count(AtomicUsize);

impl Count {
    pub fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Rig {
    pub fn new() -> Self {
        let rings = Arc::new(Count::default());
        let doorbell = Arc::new(Doorbell::new(Waker::from(Arc::clone(&rings))));
        Self {
            executor: Executor::new(Arc::clone(&doorbell)),
            doorbell,
            rings,
        }
    }

    /// One turn of a loop that never sleeps; returns the number of polls.
    pub fn turn(&self) -> u32 {
        self.executor.unpark();
        let ran = self.executor.enter(|| {
            self.executor.accept_remote();
            self.executor.run_ready(u32::MAX)
        });
        let _is_idle = self.executor.park();
        ran.polls
    }

    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let mut idle = 0;
        let turn = |_: &dyn Fn() -> bool| {
            idle = if self.turn() > 0 { 0 } else { idle + 1 };
            assert!(idle < 1000, "stalled: nobody wakes the task");
            Ok::<(), std::convert::Infallible>(())
        };
        match self.executor.drive(future, turn) {
            Ok(output) => output,
            Err(never) => match never {},
        }
    }
}

/// Words in the order in which they were said.
#[derive(Clone, Default)]
pub struct Trace(Rc<RefCell<Vec<String>>>);

impl Trace {
    pub fn say(&self, word: impl Into<String>) {
        self.0.borrow_mut().push(word.into());
    }

    pub fn take(&self) -> Vec<String> {
        self.0.take()
    }

    #[track_caller]
    pub fn expect(&self, words: &[&str]) {
        assert_eq!(*self.0.borrow(), words);
        self.0.borrow_mut().clear();
    }
}

/// Says a word when dropped, and checks that this happens on the thread it was made on.
pub struct Dropped {
    trace: Trace,
    word: &'static str,
    home: ThreadId,
}

impl Dropped {
    pub fn new(trace: &Trace, word: &'static str) -> Self {
        Self {
            trace: trace.clone(),
            word,
            home: thread::current().id(),
        }
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        assert_eq!(
            thread::current().id(),
            self.home,
            "{} dropped on another thread",
            self.word
        );
        self.trace.say(self.word);
    }
}

/// Stays pending `polls` times, waking itself each time.
pub async fn yields(polls: u32) {
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Hands out its waker and stays pending until told otherwise.
#[derive(Clone, Default)]
pub struct Gate(Rc<RefCell<(bool, Option<Waker>)>>);

impl Gate {
    pub async fn pass(&self) {
        poll_fn(|cx| {
            if self.0.borrow().0 {
                return Poll::Ready(());
            }
            self.0.borrow_mut().1 = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    pub fn open(&self) {
        self.0.borrow_mut().0 = true;
    }

    pub fn forget_waker(&self) {
        self.0.borrow_mut().1 = None;
    }

    pub fn waker(&self) -> Waker {
        self.0.borrow().1.clone().expect("the task has been polled")
    }
}

/// Panics when dropped.
pub struct PanicOnDrop(pub &'static str);

impl Drop for PanicOnDrop {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("{}", self.0);
        }
    }
}

/// Spawns a task with the same destructor when dropped, `depth` times over.
pub struct SpawnOnDrop {
    pub spawner: tevent_executor::Spawner,
    pub depth: usize,
    pub dropped: Rc<Cell<usize>>,
}
impl Drop for SpawnOnDrop {
    fn drop(&mut self) {
        self.dropped.set(self.dropped.get() + 1);
        let Some(depth) = self.depth.checked_sub(1) else {
            return;
        };
        let next = Self {
            spawner: self.spawner.clone(),
            depth,
            dropped: Rc::clone(&self.dropped),
        };
        let task = self.spawner.spawn(async move {
            let _next = next;
            pending::<()>().await;
        });
        task.detach();
    }
}
