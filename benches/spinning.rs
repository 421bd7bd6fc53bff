//! Two loops that look for posts before they sleep, a core for each: how long it takes from one to the other and back.

use std::cell::RefCell;
use std::hint::spin_loop;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tevent_context::Context;
use tevent_thread::Event;

use crate::cores::Cores;
use crate::doorbell::{Side, Swap, post};
use crate::row::{Aim, Contestant, Load, Row, Unit};

const TRIPS: u64 = 400_000;

/// Longer than a trip takes.
const SPIN: Duration = Duration::from_millis(10);

pub(crate) fn rows() -> Vec<Row> {
    let ours = Contestant::new("tevent", tevent);
    let row = Row::new("round trip, two spinning loops", Unit::NanosPerOp, ours)
        .beside([
            Contestant::new("crossbeam", crossbeam),
            Contestant::new("atomics", atomics),
        ])
        .aims([Aim::Absolute(600.0)])
        .on_all_cores()
        .note(
            "Two loops on two cores, each told to spin for 10 ms, post each other an event in turn; the median round \
             trip. Beside two threads that look at a channel of crossbeam's, and at one word each, all the time: the \
             last is the limit, a cache line there and back. An `Instant::now` per trip is in all figures.",
        );
    vec![row]
}

/// The median round trip of the side that begins, without the first tenth.
fn median_trip(load: Load, trip: impl Fn(Side, Laps) -> io::Result<()> + Sync) -> io::Result<f64> {
    let (cores, left) = (Cores::allowed()?, load.ops(TRIPS));
    let trip_on = |core, begins, laps| {
        cores.pin(core)?;
        trip(Side { begins, left }, laps)
    };
    let laps = thread::scope(|scope| {
        let other = scope.spawn(|| trip_on(1, false, Laps::default()));
        let laps = Laps::default();
        trip_on(0, true, laps.clone())?;
        other.join().expect("a loop of ours does not panic")?;
        io::Result::Ok(laps)
    })?;
    Ok(laps.median())
}

/// When the side that begins was posted.
#[derive(Clone, Default)]
struct Laps(Rc<RefCell<Vec<Instant>>>);

impl Laps {
    fn lap(&self) {
        self.0.borrow_mut().push(Instant::now());
    }

    fn median(self) -> f64 {
        let times = self.0.take();
        let laps = times.windows(2).map(|pair| pair[1] - pair[0]);
        let mut laps: Vec<_> = laps.skip(times.len() / 10).collect();
        laps.sort_unstable();
        laps[laps.len() / 2].as_nanos() as f64
    }
}

fn tevent(load: Load) -> io::Result<f64> {
    let swap = Swap::new();
    median_trip(load, |mut side, laps| {
        let context = Context::builder().spin(SPIN).build()?;
        let event = Event::without_handler(&context.handle())?;
        let peer = swap.swap(side, event.poster());
        if side.begins {
            post(&peer, 1);
        }
        event.set_handler(move |this| {
            laps.lap();
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

fn crossbeam(load: Load) -> io::Result<f64> {
    let swap = Swap::new();
    median_trip(load, |mut side, laps| {
        let (mine, receiver) = crossbeam_channel::unbounded();
        let peer = swap.swap(side, mine);
        let send = || assert!(peer.send(()).is_ok());
        if side.begins {
            send();
        }
        while side.left > 0 {
            while receiver.try_recv().is_err() {
                spin_loop();
            }
            laps.lap();
            if side.answers() {
                send();
            }
        }
        Ok(())
    })
}

fn atomics(load: Load) -> io::Result<f64> {
    let swap = Swap::new();
    median_trip(load, |mut side, laps| {
        let mine = Arc::new(Word::default());
        let peer = swap.swap(side, Arc::clone(&mine));
        let send = |nth| peer.0.store(nth, Ordering::Release);
        if side.begins {
            send(1);
        }
        let mut seen = 0;
        while side.left > 0 {
            while mine.0.load(Ordering::Acquire) == seen {
                spin_loop();
            }
            seen += 1;
            laps.lap();
            if side.answers() {
                send(seen + u64::from(side.begins));
            }
        }
        Ok(())
    })
}

/// On a cache line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Word(AtomicU64);
