//! Recipes: what users of a serialised queue build with it. Each is a whole small program, and says all that it does.
#![cfg(not(loom))]

mod common;

use std::{
    cell::{OnceCell, RefCell},
    pin::pin,
    rc::Rc,
    task::Poll,
};

use common::Trace;
use futures::{
    FutureExt,
    executor::LocalPool,
    future::{Either, select},
    task::LocalSpawnExt,
};
use tevent_queue::{QueueError, QueueGuard, TeventQueue, TryEntryError};

/// A pool of one thread, and what its tasks say.
#[derive(Default)]
struct Stage {
    pool: LocalPool,
    trace: Trace,
}

impl Stage {
    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.pool.spawner().spawn_local(task).unwrap();
    }

    /// Runs until nobody can go on, and compares all that was said since.
    #[track_caller]
    fn run(&mut self, words: &[&str]) {
        self.pool.run_until_stalled();
        self.trace.expect(words);
    }
}

/// Lets the other tasks go first, so many times: what stands for waiting in these recipes.
async fn rounds(rounds: u32) {
    for _ in 0..rounds {
        let mut is_first = true;
        std::future::poll_fn(|cx| {
            if std::mem::take(&mut is_first) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
    }
}

/// Every request that is under way keeps an entry; who comes behind them all has the turn when they are all gone. They
/// need not do anything with their entries, but drop them: also by being cancelled, also in a panic. (Story 5.6.)
#[test]
fn a_wait_group() {
    let mut stage = Stage::default();
    let under_way = TeventQueue::new("requests under way");
    for (name, length) in [("read", 3), ("write", 1), ("lock", 2)] {
        let (ticket, trace) = (under_way.block(), stage.trace.clone());
        stage.spawn(async move {
            rounds(length).await;
            trace.say(format!("{name} is done"));
            drop(ticket);
        });
    }
    let (all_gone, trace) = (under_way.entry(), stage.trace.clone());
    stage.spawn(async move {
        trace.say("shutdown begins");
        let _turn = all_gone.await;
        trace.say("the connection goes");
    });
    stage.run(&[
        "shutdown begins",
        "write is done",
        "lock is done",
        "read is done",
        "the connection goes",
    ]);
}

/// What was queued before goes out, what comes after does not: an entry is the barrier, and in its turn it closes the
/// queue. (Story 5.9.)
#[test]
fn flush_then_disconnect() {
    let mut stage = Stage::default();
    let replies = TeventQueue::new("replies");
    let reply = |name: &'static str| {
        let (entry, trace) = (replies.entry(), stage.trace.clone());
        stage.spawn(async move {
            let Ok(_turn) = entry.await else {
                return trace.say(format!("{name} is not sent"));
            };
            rounds(1).await;
            trace.say(format!("{name} is sent"));
        });
    };
    reply("first");
    reply("second");
    let (barrier, queue, trace) = (replies.entry(), replies.clone(), stage.trace.clone());
    reply("late");
    stage.spawn(async move {
        let _turn = barrier.await;
        queue.close_with("disconnected");
        trace.say("disconnect");
    });
    stage.run(&[
        "first is sent",
        "second is sent",
        "disconnect",
        "late is not sent",
    ]);
}

/// The first who comes builds it, in its turn; the others find it ready. If the first one fails or is cancelled, the
/// next one builds. (Story 5.11.)
#[test]
fn single_flight_initialisation() {
    #[derive(Clone)]
    struct Connection {
        queue: TeventQueue,
        cell: Rc<OnceCell<&'static str>>,
        trace: Trace,
    }

    impl Connection {
        async fn get(&self) -> Result<&'static str, QueueError> {
            if let Some(ready) = self.cell.get() {
                return Ok(ready);
            }
            let _turn = self.queue.entry().await?;
            if self.cell.get().is_none() {
                self.trace.say("connect");
                rounds(2).await;
            }
            Ok(*self.cell.get_or_init(|| "connected"))
        }
    }

    let mut stage = Stage::default();
    let connection = Connection {
        queue: TeventQueue::new("connection"),
        cell: Rc::default(),
        trace: stage.trace.clone(),
    };
    let mut cancelled = Box::pin({
        let connection = connection.clone();
        async move { connection.get().await }
    });
    assert!(cancelled.as_mut().now_or_never().is_none());
    for name in ["a", "b", "c"] {
        let (connection, trace) = (connection.clone(), stage.trace.clone());
        stage.spawn(async move {
            let found = connection.get().await.unwrap();
            trace.say(format!("{name} is {found}"));
        });
    }
    stage.run(&["connect"]);
    drop(cancelled);
    stage.run(&[
        "connect",
        "a is connected",
        "b is connected",
        "c is connected",
    ]);
}

/// As many permits as workers: a guard is the right to one of them, and who waits longest gets the first one that is
/// idle, not a place behind one of them. (Story 5.2.)
#[test]
fn a_worker_pool_where_the_first_idle_worker_takes_the_next() {
    let mut stage = Stage::default();
    let queue = TeventQueue::builder("workers").permits(2).build();
    let idle = Rc::new(RefCell::new(vec!["bert", "anna"]));
    for (job, length) in [("long", 9), ("short", 1), ("third", 1), ("fourth", 1)] {
        let (entry, idle, trace) = (queue.entry(), idle.clone(), stage.trace.clone());
        stage.spawn(async move {
            let _permit = entry.await.unwrap();
            let worker = idle.borrow_mut().pop().expect("a permit is an idle worker");
            trace.say(format!("{worker} takes {job}"));
            rounds(length).await;
            trace.say(format!("{worker} ends {job}"));
            idle.borrow_mut().push(worker); // before the permit goes
        });
    }
    stage.run(&[
        "anna takes long",
        "bert takes short",
        "bert ends short",
        "bert takes third",
        "bert ends third",
        "bert takes fourth",
        "bert ends fourth",
        "anna ends long",
    ]);
}

/// A queue for each worker, and the shortest one takes the job: for workers that keep something of their clients. The
/// place is taken at the call, so the next one who compares sees it. (Story 5.2 c.)
#[test]
fn pick_the_shortest_queue() {
    let mut stage = Stage::default();
    let workers = ["anna", "bert"].map(TeventQueue::new);
    for job in ["one", "two", "three", "four"] {
        let shortest = workers.iter().min_by_key(|worker| worker.len());
        let worker = shortest.expect("there are workers").clone();
        let (entry, trace) = (worker.entry(), stage.trace.clone());
        stage.spawn(async move {
            let _turn = entry.await.unwrap();
            trace.say(format!("{} does {job}", worker.name()));
            rounds(if job == "one" { 9 } else { 1 }).await;
        });
    }
    stage.run(&[
        "anna does one",
        "bert does two",
        "bert does four",
        "anna does three",
    ]);
}

/// A gate that is shut most of the time: whoever asks for changes waits in a stopped queue, each as long as it likes,
/// and something that happens lets them through, in order. (Story 5.8.)
#[test]
fn a_long_poll() {
    let mut stage = Stage::default();
    let changes = TeventQueue::new("changes");
    changes.stop();
    for (client, patience) in [("a", 99), ("b", 1), ("c", 99)] {
        let (entry, trace) = (changes.entry(), stage.trace.clone());
        stage.spawn(async move {
            let patience = Box::pin(rounds(patience));
            trace.say(match entry.unless(patience).await {
                Ok(Ok(_turn)) => format!("{client} is told"),
                Ok(Err(closed)) => format!("{client} gets: {closed}"),
                Err(()) => format!("{client} has waited long enough"),
            });
        });
    }
    let (owner, trace) = (changes.clone(), stage.trace.clone());
    stage.spawn(async move {
        rounds(3).await;
        trace.say("something changes");
        owner.start();
        owner.drain().await; // all who were there have been told
        owner.stop();
        trace.say("the gate is shut again");
    });
    stage.run(&[
        "b has waited long enough",
        "something changes",
        "a is told",
        "c is told",
        "the gate is shut again",
    ]);

    let (late, trace) = (changes.entry(), stage.trace.clone());
    stage.spawn(async move { trace.say(late.await.unwrap_err().to_string()) });
    changes.close_with("moved");
    stage.run(&["the queue was closed before the entry's turn: moved"]);
}

/// The short way if nobody is in line: no task, no copy. Otherwise a copy waits for its turn. Neither overtakes the
/// other. (Story 5.4.)
#[test]
fn send_at_once_if_nobody_waits_and_queue_a_copy_otherwise() {
    let mut stage = Stage::default();
    let peer = TeventQueue::new("peer");
    let send = |stage: &Stage, message: &str| match peer.try_entry() {
        Ok(_turn) => stage.trace.say(format!("{message} goes at once")),
        Err(TryEntryError::Busy) => {
            let (entry, copy, trace) = (peer.entry(), message.to_owned(), stage.trace.clone());
            stage.spawn(async move {
                let _turn = entry.await.unwrap();
                rounds(1).await;
                trace.say(format!("{copy} waited"));
            });
        }
        Err(gone) => panic!("{gone}"),
    };
    send(&stage, "one");
    let slow: QueueGuard = peer.try_entry().unwrap();
    send(&stage, "two");
    send(&stage, "three");
    drop(slow);
    send(&stage, "four"); // nobody has the turn, but there is a line
    stage.run(&[
        "one goes at once",
        "two waited",
        "three waited",
        "four waited",
    ]);
    send(&stage, "five");
    stage.run(&["five goes at once"]);
}

/// One queue for the calls of all clients, and every call joins it anew: a client with much to ask takes turns with one
/// that asks little, and cannot hold it up for longer than one call. (Story 5.10.)
#[test]
fn fairness_between_clients() {
    let mut stage = Stage::default();
    let calls = TeventQueue::new("calls");
    for (client, number) in [("busy", 4), ("quiet", 2)] {
        let (calls, trace) = (calls.clone(), stage.trace.clone());
        stage.spawn(async move {
            for call in 1..=number {
                let _turn = calls.entry().await.unwrap();
                rounds(1).await;
                trace.say(format!("{client} {call}"));
            }
        });
    }
    stage.run(&["busy 1", "quiet 1", "busy 2", "quiet 2", "busy 3", "busy 4"]);
}

/// What a test needs that wants to look between two steps: `hold` waits until all that was queued is out and keeps the
/// rest back, until the hold is dropped. (Story 5.3.)
#[test]
fn hold_and_flush_for_tests() {
    let mut stage = Stage::default();
    let outgoing = TeventQueue::new("outgoing");
    let send = |stage: &Stage, name: &'static str| {
        let (entry, trace) = (outgoing.entry(), stage.trace.clone());
        stage.spawn(async move {
            let _turn = entry.await.unwrap();
            rounds(1).await;
            trace.say(format!("{name} is out"));
        });
    };
    send(&stage, "one");
    let hold = stage.pool.run_until(outgoing.entry()).unwrap();
    stage.run(&["one is out"]);

    send(&stage, "two"); // the code under test
    stage.run(&[]);
    assert_eq!(outgoing.len(), 2, "it has been queued, and is not out");

    drop(hold);
    stage.pool.run_until(outgoing.drain());
    stage.run(&["two is out"]);
}

/// Waiting for the turn and waiting for something else at once, without keeping a place that nobody polls: whoever
/// gives up drops the entry.
#[test]
fn a_turn_or_something_else() {
    let mut stage = Stage::default();
    let queue = TeventQueue::new("q");
    let holder = queue.try_entry().unwrap();
    let (entry, trace) = (queue.entry(), stage.trace.clone());
    stage.spawn(async move {
        let stop = pin!(rounds(2));
        match select(entry, stop).await {
            Either::Left(_) => trace.say("my turn"),
            Either::Right(((), entry)) => {
                drop(entry); // before anything else is awaited
                trace.say("stopped");
            }
        }
    });
    stage.run(&["stopped"]);
    assert_eq!(queue.len(), 1);
    drop(holder);
}
