//! Forked children: which doorbells they may ring, and that their drops touch nothing of the parent's.
//!
//! Alone in its binary, as it forks.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tevent_context::{Context, Turn};
use tevent_thread::{BlockingError, BlockingPool, Event, EventPoster, RawEvent};

/// Forks of one process come one after another: a child has only the thread that forked.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs `child` in a forked child. Whether it found everything as it should be, and in time.
fn forked(child: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child calls what the tests of the library ask for, and a child that hangs is ended by its alarm.
    let process = unsafe { libc::fork() };
    assert!(process >= 0, "no process left");
    if process == 0 {
        // SAFETY: an alarm of its own, whose signal ends it.
        unsafe { libc::alarm(10) };
        let code = i32::from(!child());
        // SAFETY: ends the child at once, without running what belongs to its parent.
        unsafe { libc::_exit(code) };
    }
    let mut status = -1;
    // SAFETY: `status` is a valid place for the answer.
    assert_eq!(unsafe { libc::waitpid(process, &mut status, 0) }, process);
    status == 0
}

fn alone() -> impl Drop {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn turn(context: &Context) -> Turn {
    context.turn(Some(Duration::ZERO)).expect("the poll works")
}

#[test]
fn r4_a_forked_child_posts_to_its_parent() {
    let _alone = alone();
    let context = Context::new().expect("descriptors for one loop");
    let posts = Rc::new(Cell::new(0));
    let sum = Rc::clone(&posts);
    let event = RawEvent::new(&context.handle(), move |_, posts| {
        sum.set(sum.get() + posts)
    });
    let event = event.expect("a descriptor");
    let poster = event.poster();
    for _ in 0..100 {
        assert!(forked(|| {
            poster.post();
            true
        }));
    }
    turn(&context);
    assert_eq!(posts.get(), 100);
}

#[test]
fn b81_a_child_that_drops_its_copies_leaves_its_parent_s_doorbells_alone() {
    let _alone = alone();
    let context = Context::new().expect("descriptors for one loop");
    let handle = context.handle();
    let (rang, called) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (rings, calls) = (Rc::clone(&rang), Rc::clone(&called));
    let raw = RawEvent::new(&handle, move |_, _| rings.set(rings.get() + 1)).expect("a descriptor");
    let event = Event::new(&handle, move |_| calls.set(calls.get() + 1)).expect("a living loop");
    turn(&context);
    let mut kept = Some((raw, event, context));
    for _ in 0..100 {
        assert!(forked(|| {
            let Some((raw, event, context)) = kept.take() else {
                return false;
            };
            let refused =
                Event::new(&handle, |_| ()).is_err() && RawEvent::new(&handle, |_, _| ()).is_err();
            drop((raw, event));
            drop(context);
            refused
        }));
    }
    let (raw, event, context) = kept.expect("the parent keeps its own");
    assert_eq!(turn(&context).events, 0);
    raw.poster().post();
    let _ = event.post();
    turn(&context);
    assert_eq!((rang.get(), called.get()), (1, 1));
}

/// A post takes a lock for a moment: here one thread makes so many posts that a fork falls into such a moment.
#[test]
fn b81_a_child_ends_also_if_another_thread_was_posting_when_it_was_forked() {
    const EVENTS: usize = 4000;
    let _alone = alone();
    let context = Context::new().expect("descriptors for one loop");
    let events: Vec<Event> = (0..EVENTS)
        .map(|_| Event::new(&context.handle(), |_| ()).expect("a living loop"))
        .collect();
    let posters: Vec<EventPoster> = events.iter().map(|event| event.poster()).collect();
    let (round, begun) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (go, begins) = (Arc::clone(&round), Arc::clone(&begun));
    let posting = thread::spawn(move || {
        for round in 1..=ROUNDS {
            await_round(&go, round);
            begins.store(round, Ordering::Relaxed);
            for poster in &posters {
                let _ = poster.post();
            }
        }
    });
    let mut kept = Some((events, context));
    for number in 1..=ROUNDS {
        round.store(number, Ordering::Relaxed);
        await_round(&begun, number);
        assert!(forked(|| {
            drop(kept.take());
            true
        }));
        let (_, context) = kept.as_ref().expect("the parent keeps its own");
        let mut called = 0;
        while called < EVENTS {
            called += turn(context).messages;
        }
    }
    posting.join().expect("no panic");
}

const ROUNDS: usize = 100;

fn await_round(round: &AtomicUsize, number: usize) {
    while round.load(Ordering::Relaxed) < number {
        std::hint::spin_loop();
        thread::yield_now();
    }
}

#[test]
fn b81_a_child_has_no_workers_and_says_so() {
    let _alone = alone();
    let context = Context::new().expect("descriptors for one loop");
    let pool = BlockingPool::new(&context.handle()).expect("a living loop");
    let (release, released) = std::sync::mpsc::channel::<()>();
    let running = pool.spawn(move || released.recv().is_err());
    let mut kept = Some((context, pool, running));
    assert!(forked(|| {
        let Some((context, pool, running)) = kept.take() else {
            return false;
        };
        let own = Context::new().expect("descriptors for one loop");
        let refused = own.block_on(pool.spawn(|| 1));
        let lost = own.block_on(running);
        drop((pool, context));
        matches!(refused, Err(BlockingError::Cancelled))
            && matches!(lost, Err(BlockingError::Cancelled))
    }));
    let (context, pool, running) = kept.expect("the parent keeps its own");
    drop(release);
    assert_eq!(context.block_on(running).ok(), Some(true));
    assert_eq!(context.block_on(pool.spawn(|| 2)).ok(), Some(2));
}
