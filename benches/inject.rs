//! Into a loop from other threads: values, closures and tasks, and how often the loop has to be woken for them.

use std::cell::Cell;
use std::hint::black_box;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use std::thread;
use std::time::Instant;

use futures::executor::block_on;
use tevent::Context;
use tevent::thread::{Mailbox, ThreadProxy};

use crate::c_peers;
use crate::cores::Cores;
use crate::remote_wake::writes_of_this_thread;
use crate::row::{Aim, Contestant, Load, Row, Unit, nanos_per_op};

/// Values in a round.
const VALUES: u64 = 8_000_000;

/// Closures in a round.
const CLOSURES: u64 = 2_000_000;

/// Tasks in a round, and in a batch that is joined before the next.
const TASKS: u64 = 1_000_000;
const BATCH: u64 = 10_000;

type Job = Box<dyn FnOnce() + Send>;

pub(crate) fn rows() -> Vec<Row> {
    vec![
        values("post a value, 1 producer", 1),
        values("post a value, 2 producers", 2),
        values("post a value, 4 producers", 4),
        closures("run a closure, 1 producer", 1),
        closures("run a closure, 2 producers", 2),
        spawns(),
        writes(),
    ]
}

fn values(name: &str, producers: u64) -> Row {
    let rounds = move |load: Load| Rounds::new(load.ops(VALUES), producers);
    Row::new(
        name,
        Unit::NanosPerOp,
        Contestant::new("tevent", move |load| to_tevent(&rounds(load)?)),
    )
    .beside([
        Contestant::new("crossbeam", move |load| {
            let (sender, receiver) = crossbeam_channel::unbounded();
            let send = move |value| sender.send(value).is_ok();
            rounds(load)?.run(send, |messages| receive(messages, || receiver.recv().ok()))
        }),
        Contestant::new("kanal", move |load| {
            let (sender, receiver) = kanal::unbounded();
            let send = move |value| sender.send(value).is_ok();
            rounds(load)?.run(send, |messages| receive(messages, || receiver.recv().ok()))
        }),
        Contestant::new("flume", move |load| {
            let (sender, receiver) = flume::unbounded();
            let send = move |value| sender.send(value).is_ok();
            rounds(load)?.run(send, |messages| receive(messages, || receiver.recv().ok()))
        }),
        Contestant::new("tokio mpsc", move |load| {
            let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
            let send = move |value| sender.send(value).is_ok();
            let runtime = tokio::runtime::Builder::new_current_thread().build()?;
            rounds(load)?.run(send, |messages| {
                runtime.block_on(async {
                    for _ in 0..messages {
                        black_box(receiver.recv().await);
                    }
                });
            })
        }),
    ])
    .aims([Aim::Of("crossbeam", 1.5)])
    .note(
        "tevent's mailbox calls a handler in a loop that polls its descriptors, too; the receivers of crossbeam, kanal \
         and flume block their thread, tokio's is a task. The first producer has a core of its own, the next one that \
         of the loop, and so on in turn.",
    )
}

/// Values into a mailbox.
fn to_tevent(rounds: &Rounds) -> io::Result<f64> {
    let context = Context::new()?;
    let left = Rc::new(Cell::new(0));
    let count = Rc::clone(&left);
    let mailbox = Mailbox::new(&context.handle(), move |handle, value: u64| {
        black_box(value);
        count.set(count.get() - 1);
        if count.get() == 0 {
            handle.stop();
        }
    })?;
    mailbox.keep_running(true);
    let sender = mailbox.sender();
    rounds.run(
        move |value| sender.send(value).is_ok(),
        |messages| {
            left.set(messages);
            context.run().expect("the poll works");
        },
    )
}

fn closures(name: &str, producers: u64) -> Row {
    let rounds = move |load: Load| Rounds::new(load.ops(CLOSURES), producers);
    let in_c = move |load: Load| {
        let closures = load.ops(CLOSURES / 4) / producers * producers;
        vec![closures.to_string(), producers.to_string()]
    };
    Row::new(
        name,
        Unit::NanosPerOp,
        Contestant::new("tevent", move |load| run_in_tevent(&rounds(load)?)),
    )
    .beside([
        Contestant::new("crossbeam boxed", move |load| {
            run_from_crossbeam(&rounds(load)?)
        }),
        Contestant::new("calloop", move |load| run_in_calloop(&rounds(load)?)),
        Contestant::new("tokio spawn", move |load| run_in_tokio(&rounds(load)?)),
    ])
    .beside([c_peers::peer("C tevent", "thread_tevent", in_c)])
    .aims([Aim::Of("crossbeam boxed", 2.0), Aim::Of("calloop", 0.3)])
    .note(
        "A closure that was moved into a box on one thread is run on another. tokio spawns a task for it, which nobody \
         joins. C tevent's proxy runs the newest first; it has a quarter of the work.",
    )
}

fn run_in_tevent(rounds: &Rounds) -> io::Result<f64> {
    let context = Context::new()?;
    let proxy = ThreadProxy::new(&context.handle())?;
    proxy.keep_running(true);
    let (sender, last) = (proxy.sender(), proxy.sender());
    rounds.run_closures(
        move |value| sender.schedule(move |_| use_up(value)).is_ok(),
        move || last.schedule(|handle| handle.stop()).is_ok(),
        || context.run().expect("the poll works"),
    )
}

/// What every closure does.
fn use_up(value: u64) {
    black_box(value);
}

fn boxed(value: u64) -> Job {
    Box::new(move || use_up(value))
}

fn run_from_crossbeam(rounds: &Rounds) -> io::Result<f64> {
    let (sender, receiver) = crossbeam_channel::unbounded::<Option<Job>>();
    let last = sender.clone();
    rounds.run_closures(
        move |value| sender.send(Some(boxed(value))).is_ok(),
        move || last.send(None).is_ok(),
        || {
            while let Ok(Some(job)) = receiver.recv() {
                job();
            }
        },
    )
}

fn run_in_calloop(rounds: &Rounds) -> io::Result<f64> {
    let (sender, channel) = calloop::channel::channel::<Option<Job>>();
    let last = sender.clone();
    let mut host = calloop_of(channel, |job, is_over: &mut bool| match job {
        Some(job) => job(),
        None => *is_over = true,
    })?;
    rounds.run_closures(
        move |value| sender.send(Some(boxed(value))).is_ok(),
        move || last.send(None).is_ok(),
        || {
            let mut is_over = false;
            while !is_over {
                host.dispatch(None, &mut is_over).expect("the poll works");
            }
        },
    )
}

fn run_in_tokio(rounds: &Rounds) -> io::Result<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (handle, last) = (runtime.handle().clone(), runtime.handle().clone());
    let over = Arc::new(tokio::sync::Notify::new());
    let end = Arc::clone(&over);
    rounds.run_closures(
        move |value| {
            drop(handle.spawn(async move { use_up(value) }));
            true
        },
        move || {
            let end = Arc::clone(&end);
            drop(last.spawn(async move { end.notify_one() }));
            true
        },
        || runtime.block_on(over.notified()),
    )
}

fn spawns() -> Row {
    Row::new(
        "spawn from elsewhere, joined",
        Unit::NanosPerOp,
        Contestant::new("tevent", |load| {
            let context = Context::new()?;
            let proxy = ThreadProxy::new(&context.handle())?;
            proxy.keep_running(true);
            let (sender, last) = (proxy.sender(), proxy.sender());
            joined(
                load,
                move |value| {
                    let task = sender.spawn(async move { black_box(value) });
                    async move { task.await.ok() }
                },
                move || assert!(last.schedule(|handle| handle.stop()).is_ok()),
                || context.run().expect("the poll works"),
            )
        }),
    )
    .beside([Contestant::new("tokio spawn", |load| {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let handle = runtime.handle().clone();
        let over = Arc::new(tokio::sync::Notify::new());
        let end = Arc::clone(&over);
        joined(
            load,
            move |value| {
                let task = handle.spawn(async move { black_box(value) });
                async move { task.await.ok() }
            },
            move || end.notify_one(),
            || runtime.block_on(over.notified()),
        )
    })])
    .aims([Aim::Of("tokio spawn", 0.3)])
    .note(
        "A thread without a loop spawns 10 000 tasks on another's loop and awaits them, and so on.",
    )
}

fn writes() -> Row {
    Row::new(
        "post a value, wake writes",
        Unit::WritesPerOp,
        Contestant::new("tevent", |load| {
            let rounds = Rounds::new(load.ops(VALUES), 1)?;
            to_tevent(&rounds)?;
            Ok(rounds.writes_per_message())
        }),
    )
    .beside([Contestant::new("calloop", |load| {
        let (sender, channel) = calloop::channel::channel::<u64>();
        let mut host = calloop_of(channel, |value, left: &mut u64| {
            black_box(value);
            *left -= 1;
        })?;
        let rounds = Rounds::new(load.ops(VALUES / 8), 1)?;
        rounds.run(
            move |value| sender.send(value).is_ok(),
            |messages| {
                let mut left = messages;
                while left > 0 {
                    host.dispatch(None, &mut left).expect("the poll works");
                }
            },
        )?;
        Ok(rounds.writes_per_message())
    })])
    .aims([Aim::Absolute(0.01)])
    .note(
        "System calls that write, made by the producer while it sends as fast as it can (/proc/thread-self/io). \
         calloop has an eighth of the work.",
    )
}

/// A loop of calloop with a channel.
fn calloop_of<T: 'static, D>(
    channel: calloop::channel::Channel<T>,
    act: impl Fn(T, &mut D) + 'static,
) -> io::Result<calloop::EventLoop<'static, D>> {
    let host = calloop::EventLoop::try_new().map_err(io::Error::other)?;
    let inserted = host.handle().insert_source(channel, move |event, _, data| {
        if let calloop::channel::Event::Msg(message) = event {
            act(message, data);
        }
    });
    match inserted {
        Ok(_) => Ok(host),
        Err(error) => Err(io::Error::other(error.to_string())),
    }
}

/// Takes so many messages.
fn receive<T>(messages: u64, mut next: impl FnMut() -> Option<T>) {
    for _ in 0..messages {
        black_box(next());
    }
}

/// Producers that send as fast as they can, and a receiver, which has a core of its own: once to warm up, once more
/// with the clock running.
struct Rounds {
    cores: Cores,
    messages: u64,
    producers: u64,
    writes: AtomicU64,
}

impl Rounds {
    fn new(messages: u64, producers: u64) -> io::Result<Self> {
        Ok(Self {
            cores: Cores::allowed()?,
            messages: messages / producers * producers,
            producers,
            writes: AtomicU64::new(0),
        })
    }

    /// Nanoseconds per message. The receiver is told how many will come.
    fn run(
        &self,
        send: impl Fn(u64) -> bool + Clone + Send,
        mut receive: impl FnMut(u64),
    ) -> io::Result<f64> {
        self.round(&send, &|| true, &mut || receive(self.messages))?;
        let start = Instant::now();
        self.round(&send, &|| true, &mut || receive(self.messages))?;
        Ok(nanos_per_op(start, self.messages))
    }

    /// The same for those who are told of the end by a last message, sent by the last producer.
    fn run_closures(
        &self,
        send: impl Fn(u64) -> bool + Clone + Send,
        end: impl Fn() -> bool + Sync,
        mut receive: impl FnMut(),
    ) -> io::Result<f64> {
        let at_work = AtomicU64::new(self.producers);
        let end = || at_work.fetch_sub(1, Ordering::AcqRel) > 1 || end();
        self.round(&send, &end, &mut receive)?;
        at_work.store(self.producers, Ordering::Release);
        let start = Instant::now();
        self.round(&send, &end, &mut receive)?;
        Ok(nanos_per_op(start, self.messages))
    }

    fn round(
        &self,
        send: &(impl Fn(u64) -> bool + Clone + Send),
        end: &(impl Fn() -> bool + Clone + Send),
        receive: &mut impl FnMut(),
    ) -> io::Result<()> {
        self.cores.pin(0)?;
        self.writes.store(0, Ordering::Relaxed);
        thread::scope(|scope| {
            for producer in 0..self.producers {
                let (send, end) = (send.clone(), end.clone());
                scope.spawn(move || self.produce(producer, send, end));
            }
            receive();
        });
        Ok(())
    }

    fn produce(&self, producer: u64, send: impl Fn(u64) -> bool, end: impl Fn() -> bool) {
        // The machine may have fewer cores than producers.
        self.cores
            .pin(1 + producer as usize)
            .expect("a core that was allowed before");
        let writes = writes_of_this_thread().expect("the kernel counts system calls");
        let all = (0..self.messages / self.producers).all(send);
        assert!(all && end(), "the receiver is gone");
        let after = writes_of_this_thread().expect("the kernel counts system calls");
        self.writes.fetch_add(after - writes, Ordering::Relaxed);
    }

    fn writes_per_message(&self) -> f64 {
        self.writes.load(Ordering::Relaxed) as f64 / self.messages as f64
    }
}

/// A thread that spawns and joins, and the loop.
fn joined<H: Future<Output = Option<u64>>>(
    load: Load,
    spawn: impl Fn(u64) -> H + Send,
    end: impl FnOnce() + Send,
    run: impl FnOnce(),
) -> io::Result<f64> {
    let cores = Cores::allowed()?;
    let tasks = load.ops(TASKS) / BATCH * BATCH;
    thread::scope(|scope| {
        let cores = &cores;
        let spawning = scope.spawn(move || {
            cores.pin(1)?;
            let batch = || {
                let handles: Vec<_> = (0..BATCH).map(&spawn).collect();
                block_on(async {
                    for handle in handles {
                        assert!(handle.await.is_some(), "a task was lost");
                    }
                });
            };
            (0..tasks / BATCH / 10).for_each(|_| batch());
            let start = Instant::now();
            (0..tasks / BATCH).for_each(|_| batch());
            let figure = nanos_per_op(start, tasks);
            end();
            io::Result::Ok(figure)
        });
        cores.pin(0)?;
        run();
        spawning
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
