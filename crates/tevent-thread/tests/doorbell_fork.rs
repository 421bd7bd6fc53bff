//! Forked children: which doorbells they may ring, and that their drops touch nothing of the parent's.
//!
//! Alone in its binary, as it forks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tevent_context::{Context, Turn};
use tevent_thread::{
    BlockingError, BlockingPool, Event, EventPoster, Mailbox, RawEvent, ThreadProxy,
};

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
    ended_well(process)
}

fn ended_well(process: libc::pid_t) -> bool {
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

/// A post takes a lock for a moment. Signals interrupt posts at any point; their handler forks, so that the child finds
/// the lock as it was.
#[test]
fn b81_a_child_ends_also_if_a_post_was_under_way_when_it_was_forked() {
    let _alone = alone();
    let context = Context::new().expect("descriptors for one loop");
    let events: Vec<Event> = (0..256)
        .map(|_| Event::new(&context.handle(), |_| ()).expect("a living loop"))
        .collect();
    let posters: Vec<EventPoster> = events.iter().map(|event| event.poster()).collect();
    KEPT.set(Some((events, context)));
    // What a thread makes for its first fork is made before it forks inside a signal handler.
    assert!(forked(|| true));
    let interrupting = interrupt_this_thread();
    while SIGNALS.load(Ordering::Relaxed) < WANTED_SIGNALS {
        POSTING.store(true, Ordering::Relaxed);
        for poster in &posters {
            let _ = poster.post();
        }
        POSTING.store(false, Ordering::Relaxed);
        KEPT.with_borrow(|kept| {
            let (_, context) = kept.as_ref().expect("taken by children only");
            turn(context);
        });
    }
    interrupting.join().expect("no panic");
    drop(KEPT.take());
    assert_eq!(HANGING.load(Ordering::Relaxed), 0);
}

thread_local! {
    static KEPT: RefCell<Option<(Vec<Event>, Context)>> = const { RefCell::new(None) };
}
const WANTED_SIGNALS: usize = 200;
static POSTING: AtomicBool = AtomicBool::new(false);
static SIGNALS: AtomicUsize = AtomicUsize::new(0);
static HANGING: AtomicUsize = AtomicUsize::new(0);

extern "C" fn fork_if_posting(_: libc::c_int) {
    // SAFETY: `errno` is this thread's own; a handler leaves it as it was.
    let errno = unsafe { *libc::__errno_location() };
    if POSTING.load(Ordering::Relaxed) && HANGING.load(Ordering::Relaxed) == 0 {
        let ends = forked(|| {
            drop(KEPT.take());
            true
        });
        HANGING.fetch_add(usize::from(!ends), Ordering::Relaxed);
    }
    SIGNALS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

/// Starts a thread that sends this one a signal whenever the last one is dealt with.
fn interrupt_this_thread() -> thread::JoinHandle<()> {
    // SAFETY: what is interrupted are posts, which neither allocate nor borrow: the handler may do both.
    let poster = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = fork_if_posting as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = libc::SA_RESTART;
        let installed = libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut());
        assert_eq!(installed, 0);
        libc::pthread_self()
    };
    thread::spawn(move || {
        for number in 0..WANTED_SIGNALS {
            while SIGNALS.load(Ordering::Relaxed) < number {
                thread::yield_now();
            }
            // SAFETY: that thread joins this one.
            assert_eq!(unsafe { libc::pthread_kill(poster, libc::SIGUSR1) }, 0);
        }
    })
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

/// Sends from another thread for as long as `act` takes, so that forks find it anywhere in a send.
fn while_sending(send: impl Fn() + Send + 'static, act: impl FnOnce()) {
    let over = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&over);
    let sending = thread::spawn(move || {
        while !told.load(Ordering::Relaxed) {
            send();
        }
    });
    act();
    over.store(true, Ordering::Relaxed);
    sending.join().expect("no panic");
}

/// Whether forked children can drop a mailbox and its loop, whatever another thread does that they do not have.
fn children_can_drop<T, L>(mailbox: Mailbox<T, L>, context: Context) -> bool {
    let mut kept = Some((mailbox, context));
    (0..FORKS).all(|_| {
        kept.iter().for_each(|(_, context)| {
            turn(context);
        });
        forked(|| {
            drop(kept.take());
            true
        })
    })
}

const FORKS: usize = 300;

#[test]
fn b81_a_child_ends_also_if_a_send_was_under_way_when_it_was_forked() {
    let _alone = alone();
    let context = Context::new().expect("descriptors for one loop");
    // Large, so that to write one takes a while.
    let mailbox = Mailbox::new(&context.handle(), |_, _: [u8; 32768]| ()).expect("a living loop");
    let sender = mailbox.sender();
    while_sending(
        move || {
            if sender.queued() < 20 {
                let _ = sender.send([1; 32768]);
            }
        },
        || assert!(children_can_drop(mailbox, context)),
    );
}

#[test]
fn b81_a_child_ends_also_if_the_room_was_looked_at_when_it_was_forked() {
    let _alone = alone();
    let context = Context::new().expect("descriptors for one loop");
    let mailbox = Mailbox::bounded(&context.handle(), 1, |_, _: usize| ()).expect("a living loop");
    let sender = mailbox.sender();
    while_sending(
        move || while sender.try_send(1).is_ok() {},
        || assert!(children_can_drop(mailbox, context)),
    );
}

#[test]
fn b81_a_child_that_a_handler_forks_gives_no_room_back() {
    let _alone = alone();
    let context = Context::new().expect("descriptors for one loop");
    let process = Rc::new(Cell::new(None));
    let forking = Rc::clone(&process);
    let mailbox = Mailbox::bounded(&context.handle(), 1, move |_, _: usize| {
        // SAFETY: as in `forked`; the child goes on until the turn is over.
        forking.set(Some(unsafe { libc::fork() }));
        if forking.get() == Some(0) {
            // SAFETY: as in `forked`.
            unsafe { libc::alarm(10) };
        }
    });
    let mailbox = mailbox.expect("a living loop");
    let sender = mailbox.sender();
    while_sending(
        move || while sender.try_send(1).is_ok() {},
        || {
            for _ in 0..FORKS {
                // In the child the loop is the parent's: an error.
                let turned = context.turn(Some(Duration::ZERO));
                assert_eq!(turned.is_err(), process.get() == Some(0));
                match process.take() {
                    // A bare system call: in `_exit` the leak sanitizer would look for threads that the child has not.
                    // SAFETY: as in `forked`.
                    Some(0) => unsafe {
                        libc::syscall(libc::SYS_exit_group, 0);
                    },
                    Some(child) => assert!(ended_well(child)),
                    None => {}
                }
            }
        },
    );
    drop((mailbox, context));
}

#[test]
fn b81_a_child_ends_also_if_a_task_s_outcome_was_asked_for_when_it_was_forked() {
    let _alone = alone();
    let context = Context::new().expect("descriptors for one loop");
    let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
    let task = proxy.sender().spawn(std::future::pending::<()>());
    turn(&context);
    let mut kept = Some((proxy, context));
    let drop_in_child = || {
        forked(|| {
            drop(kept.take());
            true
        })
    };
    while_sending(
        move || assert!(!task.is_finished()),
        || {
            assert!(
                std::iter::repeat_with(drop_in_child)
                    .take(FORKS)
                    .all(|ended| ended)
            )
        },
    );
}
