//! Doorbells: what a post costs, and how long it takes to another loop and back.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use rustix::event::{EventfdFlags, epoll, eventfd};
use tevent_context::Context;
use tevent_thread::{Event, EventPoster};

use crate::c_peers;
use crate::cores::Cores;
use crate::row::{Aim, Contestant, Load, Row, Unit, nanos_per_op};
use crate::runtimes;

const POSTS: u64 = 40_000_000;

const TRIPS: u64 = 200_000;

const IVYKIS: &str = "ivykis";

const RAW: &str = "eventfd + epoll";

pub(crate) fn rows() -> Vec<Row> {
    vec![
        posts("post a coalescing event", "served", POSTS, served),
        posts("post a pending event", "pending", POSTS * 4, pending),
        round_trip(),
    ]
}

fn posts(name: &str, work: &'static str, posts: u64, run: fn(u64) -> io::Result<f64>) -> Row {
    let arguments = move |load: Load| vec![work.to_owned(), load.ops(posts).to_string()];
    let ivykis = c_peers::peer(IVYKIS, "event_ivykis", arguments);
    let ours = Contestant::new("tevent", move |load| run(load.ops(posts)));
    Row::new(name, Unit::NanosPerOp, ours)
        .beside([ivykis])
        .aims([Aim::Of(IVYKIS, 0.5)])
        .on_all_cores()
        .note(
            "A thread posts one event again and again; counted is its own time. Coalescing: the loop serves it on the \
             other core meanwhile. Pending: the loop does not run. The peer is in C: the feature `c-peers`.",
        )
}

/// The loop serves the event on one core, the other one posts it.
fn served(times: u64) -> io::Result<f64> {
    let (cores, over) = (Cores::allowed()?, Arc::new(AtomicBool::new(false)));
    cores.pin(0)?;
    let (context, is_over) = (Context::new()?, Arc::clone(&over));
    let event = Event::new(&context.handle(), move |this| {
        if is_over.load(Ordering::Relaxed) {
            this.close();
        }
    })?;
    let poster = event.poster();
    let posting = thread::spawn(move || {
        cores.pin(1)?;
        post(&poster, times / 10);
        let start = Instant::now();
        post(&poster, times);
        let figure = nanos_per_op(start, times);
        over.store(true, Ordering::Relaxed);
        post(&poster, 1);
        Ok(figure)
    });
    context.run()?;
    posting.join().expect("a thread of ours does not panic")
}

/// Nobody serves it.
fn pending(times: u64) -> io::Result<f64> {
    let context = Context::new()?;
    let event = Event::new(&context.handle(), |_| ())?;
    let poster = event.poster();
    post(&poster, times / 10);
    let start = Instant::now();
    post(&poster, times);
    Ok(nanos_per_op(start, times))
}

pub(crate) fn post(poster: &EventPoster, times: u64) {
    for _ in 0..times {
        let _ = std::hint::black_box(poster).post();
    }
}

fn round_trip() -> Row {
    let arguments = |load: Load| vec!["trips".to_owned(), load.ops(TRIPS).to_string()];
    let ours = Contestant::new("tevent", tevent);
    Row::new("round trip, two parked loops", Unit::NanosPerOp, ours)
        .beside([
            Contestant::new(RAW, |load| raw(load, true)),
            Contestant::new("eventfd + epoll, unread", |load| raw(load, false)),
            Contestant::new("tokio", tokio),
        ])
        .beside([c_peers::peer(IVYKIS, "event_ivykis", arguments)])
        .aims([Aim::Of(RAW, 1.05)])
        .on_all_cores()
        .pairs(11)
        .note(
            "Two loops on one core post each other an event in turn, and sleep in between. `eventfd + epoll` is the \
             least that a loop can do that reads its descriptor, `unread` one that leaves it unread and \
             edge-triggered. tokio: two runtimes, each with a `Notify`.",
        )
}

/// Both loops on one core: a tenth to warm up, then with the clock running.
fn trips_by(load: Load, trip: impl Fn(Side) -> io::Result<()> + Sync) -> io::Result<f64> {
    Cores::allowed()?.pin(0)?;
    let trips = load.ops(TRIPS);
    trips_once(trips / 10, &trip)?;
    let start = Instant::now();
    trips_once(trips, &trip)?;
    Ok(nanos_per_op(start, trips))
}

fn trips_once(trips: u64, trip: &(impl Fn(Side) -> io::Result<()> + Sync)) -> io::Result<()> {
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            trip(Side {
                begins: false,
                left: trips,
            })
        });
        trip(Side {
            begins: true,
            left: trips,
        })?;
        other.join().expect("a loop of ours does not panic")
    })
}

/// One of the two loops: it is posted so often, and answers each time; but for the last, if it has begun.
#[derive(Clone, Copy)]
pub(crate) struct Side {
    pub(crate) begins: bool,
    pub(crate) left: u64,
}

impl Side {
    /// It was posted: whether it answers.
    pub(crate) fn answers(&mut self) -> bool {
        self.left -= 1;
        !self.begins || self.left > 0
    }
}

/// Where the two loops leave their doorbells for each other.
pub(crate) struct Swap<T>(Barrier, [Mutex<Option<T>>; 2]);

impl<T> Swap<T> {
    pub(crate) fn new() -> Self {
        Self(Barrier::new(2), [Mutex::default(), Mutex::default()])
    }

    pub(crate) fn swap(&self, side: Side, mine: T) -> T {
        let slot = |begins: bool| {
            let slot = self.1[usize::from(begins)].lock();
            slot.unwrap_or_else(PoisonError::into_inner)
        };
        *slot(side.begins) = Some(mine);
        self.0.wait();
        slot(!side.begins).take().expect("both have left one")
    }
}

fn tevent(load: Load) -> io::Result<f64> {
    let swap = Swap::new();
    trips_by(load, |mut side| {
        let context = Context::new()?;
        let event = Event::without_handler(&context.handle())?;
        let peer = swap.swap(side, event.poster());
        if side.begins {
            post(&peer, 1);
        }
        event.set_handler(move |this| {
            if side.answers() {
                post(&peer, 1);
            }
            if side.left == 0 {
                this.close();
            }
        });
        context.run()
    })
}

/// With a descriptor that is read after each wake-up, or with one that is not, as it tells of each write by an edge.
fn raw(load: Load, reads: bool) -> io::Result<f64> {
    let swap = Swap::new();
    trips_by(load, |mut side| {
        let mine = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let edge = if reads {
            epoll::EventFlags::empty()
        } else {
            epoll::EventFlags::ET
        };
        epoll::add(
            &epoll,
            &mine,
            epoll::EventData::new_u64(0),
            epoll::EventFlags::IN | edge,
        )?;
        let peer = swap.swap(side, Arc::clone(&mine));
        if side.begins {
            rustix::io::write(&peer, &1_u64.to_ne_bytes())?;
        }
        let mut events = Vec::with_capacity(8);
        while side.left > 0 {
            events.clear();
            epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None)?;
            if reads {
                rustix::io::read(&mine, &mut [0; 8])?;
            }
            if side.answers() {
                rustix::io::write(&peer, &1_u64.to_ne_bytes())?;
            }
        }
        Ok(())
    })
}

fn tokio(load: Load) -> io::Result<f64> {
    let swap = Swap::new();
    trips_by(load, |mut side| {
        let mine = Arc::new(tokio::sync::Notify::new());
        let peer = swap.swap(side, Arc::clone(&mine));
        if side.begins {
            peer.notify_one();
        }
        runtimes::tokio(async move {
            while side.left > 0 {
                mine.notified().await;
                if side.answers() {
                    peer.notify_one();
                }
            }
        })
    })
}
