//! The rules of a raw event, one test each.

use std::cell::RefCell;
use std::env;
use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use futures::FutureExt;
use rustix::io::{FdFlags as DescriptorFlags, fcntl_getfd};
use tevent_context::{Context, FdFlags, FdHandle};
use tevent_thread::{Posted, RawEvent, RawPoster};

use crate::util::Rig;

impl Rig {
    /// A raw event that says how many posts came.
    fn raw(&self) -> RawEvent {
        let trace = self.trace.clone();
        self.raw_with(move |_, posts| trace.say(posts.to_string()))
    }

    fn raw_with(&self, handler: impl FnMut(&FdHandle<RawPoster>, u64) + 'static) -> RawEvent {
        RawEvent::new(&self.context.handle(), handler).expect("a descriptor")
    }
}

#[test]
fn r1_a_raw_event_is_one_descriptor_and_its_clones_are_none() {
    let rig = Rig::new();
    let event = rig.raw();
    let number = event.poster().as_raw_fd();
    let name = |number| fs::read_link(format!("/proc/self/fd/{number}"));
    let is_eventfd = |name: std::path::PathBuf| name.to_string_lossy().contains("eventfd");
    assert!(name(number).is_ok_and(is_eventfd));
    let posters: Vec<RawPoster> = (0..10).map(|_| event.poster()).collect();
    assert!(posters.iter().all(|poster| poster.as_raw_fd() == number));
    let flags = fcntl_getfd(event.poster()).expect("it is open");
    assert!(flags.contains(DescriptorFlags::CLOEXEC));
}

#[test]
fn r2_a_post_to_a_full_counter_neither_waits_nor_fails() {
    let rig = Rig::new();
    let event = rig.raw();
    let full = u64::MAX - 1;
    rustix::io::write(event.poster(), &full.to_ne_bytes()).expect("room");
    event.poster().post();
    rig.turn();
    rig.trace.expect(&["18446744073709551614"]);
    event.poster().post();
    rig.turn();
    rig.trace.expect(&["1"]);
}

#[test]
fn r3_changed_posts_coalesce_and_are_counted() {
    let rig = Rig::new();
    let event = rig.raw();
    for _ in 0..1025 {
        event.poster().post();
    }
    rig.turn();
    rig.trace.expect(&["1025"]);
    while rig.turn().more {}
    rig.trace.expect(&[]);
    event.poster().post();
    rig.turn();
    rig.trace.expect(&["1"]);
}

#[test]
fn r4_any_thread_posts_and_a_sleeping_loop_wakes() {
    let context = Context::new().expect("descriptors for one loop");
    let event = RawEvent::new(&context.handle(), |this, posts| {
        assert_eq!(posts, 1);
        this.set_flags(FdFlags::EMPTY);
    });
    let poster = event.as_ref().map(RawEvent::poster).expect("a descriptor");
    let posting = thread::spawn(move || poster.post());
    context.run().expect("ends without flags");
    posting.join().expect("no panic");
}

/// A signal handler that is installed by hand; it finds the poster without a lock.
#[test]
fn r4_a_signal_handler_posts_and_errno_stays() {
    static POSTER: OnceLock<RawPoster> = OnceLock::new();
    extern "C" fn post(_: libc::c_int) {
        if let Some(poster) = POSTER.get() {
            poster.post();
        }
    }
    let rig = Rig::new();
    let event = rig.raw();
    POSTER.get_or_init(|| event.poster());
    let full = (u64::MAX - 1).to_ne_bytes();
    // SAFETY: the handler does nothing but what a signal handler may; `errno` is this thread's own.
    let errno = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = post as extern "C" fn(libc::c_int) as usize;
        assert_eq!(
            libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut()),
            0
        );
        libc::raise(libc::SIGUSR2);
        libc::raise(libc::SIGUSR2);
        rig.turn();
        rig.trace.expect(&["2"]);
        rustix::io::write(event.poster(), &full).expect("room");
        *libc::__errno_location() = 12345;
        libc::raise(libc::SIGUSR2); // refused by the system: the counter is full
        *libc::__errno_location()
    };
    assert_eq!(errno, 12345);
    rig.turn();
    rig.trace.expect(&["18446744073709551614"]);
}

/// Across `exec`: the program is this test once more, with a copy of the descriptor.
#[test]
fn r4_changed_a_program_that_is_handed_the_descriptor_posts() {
    const NUMBER: &str = "TEVENT_TEST_DESCRIPTOR";
    if let Ok(number) = env::var(NUMBER) {
        let number = number.parse().expect("a number");
        // SAFETY: nobody else uses the number; if it is closed, the program is ended by the assertion.
        let copy = unsafe { OwnedFd::from_raw_fd(number) };
        assert!(fcntl_getfd(&copy).is_ok(), "closed on exec");
        return RawPoster::from(copy).post();
    }
    let rig = Rig::new();
    let event = rig.raw();
    let poster = event.poster();
    let posts_to = |fd: &dyn AsRawFd| {
        let me = env::current_exe().expect("a test knows its own program");
        let only = "raw::r4_changed_a_program_that_is_handed_the_descriptor_posts";
        let mut program = Command::new(me);
        program
            .args(["--exact", only])
            .env(NUMBER, fd.as_raw_fd().to_string());
        program.stdout(Stdio::null()).stderr(Stdio::null());
        program.status().expect("it runs").success()
    };
    assert!(!posts_to(&poster));
    let copy = poster.inheritable().expect("a descriptor");
    assert!(posts_to(&copy));
    drop(copy);
    rig.turn();
    rig.trace.expect(&["1"]);
}

#[test]
fn r6_changed_a_post_after_the_end_reaches_no_descriptor_that_came_after() {
    let rig = Rig::new();
    let event = rig.raw();
    let poster = event.poster();
    let number = poster.as_raw_fd();
    drop(event);
    // The number is taken as long as a poster is left.
    let later: Vec<RawEvent> = (0..100).map(|_| rig.raw()).collect();
    assert!(
        later
            .iter()
            .all(|event| event.poster().as_raw_fd() != number)
    );
    poster.post();
    while rig.turn().more {}
    rig.trace.expect(&[]);
    let status = |number| fs::read_link(format!("/proc/self/fd/{number}")).is_ok();
    assert!(status(number));
}

#[test]
fn r7_raw_events_are_called_after_the_events_of_the_turn() {
    let rig = Rig::new();
    let raw = rig.raw();
    let event = rig.saying("event");
    raw.poster().post();
    assert_eq!(event.post(), Posted::Queued);
    rig.turn();
    rig.trace.expect(&["event", "1"]);
}

#[test]
fn r8_changed_a_count_that_somebody_else_has_taken_calls_nobody() {
    let rig = Rig::new();
    let event = rig.raw();
    // Another process may read the descriptor, too: it is found ready, and empty.
    let thief = event.poster();
    let stealing = rig
        .context
        .handle()
        .fd(event.poster(), FdFlags::READ, |_, _| ());
    event.poster().post();
    rustix::io::read(&thief, &mut [0; 8]).expect("a count");
    while rig.turn().more {}
    rig.trace.expect(&[]);
    drop(stealing);
    event.poster().post();
    rig.turn();
    rig.trace.expect(&["1"]);
}

#[test]
fn r9_a_raw_event_keeps_run_going_until_it_is_dropped() {
    let rig = Rig::new();
    let own = Rc::new(RefCell::new(None));
    let (this, trace) = (Rc::clone(&own), rig.trace.clone());
    let event = rig.raw_with(move |_, posts| {
        trace.say(posts.to_string());
        this.take();
    });
    event.poster().post();
    own.replace(Some(event));
    rig.context.run().expect("ends with the event");
    rig.trace.expect(&["1"]);
    let event = rig.raw();
    event.keep_running(false);
    rig.context.run().expect("it is not counted");
}

/// `iv_event_raw_test`: one that is ended by its own handler, then another that a timer makes and posts.
#[test]
fn r9_one_raw_event_after_another() {
    let context = Context::new().expect("descriptors for one loop");
    let handle = context.handle();
    let first = RawEvent::without_handler(&handle).expect("a descriptor");
    first.poster().post();
    context.block_on(async {
        assert_eq!(first.notified().await.ok(), Some(1));
        drop(first);
        tevent_context::sleep(Duration::from_millis(100)).await;
        let second = RawEvent::without_handler(&handle).expect("a descriptor");
        second.poster().post();
        assert_eq!(second.notified().await.ok(), Some(1));
    });
    context.run().expect("nothing is left");
}

#[test]
fn r3_who_awaits_gets_the_count_once() {
    let rig = Rig::new();
    let event = RawEvent::without_handler(&rig.context.handle()).expect("a descriptor");
    let poster = event.poster();
    rig.context.block_on(async {
        assert!(event.notified().now_or_never().is_none());
        poster.post();
        poster.post();
        assert_eq!(event.notified().await.ok(), Some(2));
        assert!(event.notified().now_or_never().is_none());
    });
    drop(rig);
    let refused = futures::executor::block_on(event.notified());
    assert!(refused.is_err(), "the context has ended");
}

#[test]
fn e2_raw_events_need_a_living_context() {
    let handle = Rig::new().context.handle();
    assert!(RawEvent::new(&handle, |_, _| ()).is_err());
    assert!(RawEvent::without_handler(&handle).is_err());
}

#[test]
fn z1_a_raw_event_has_a_tag_and_says_what_it_is() {
    let rig = Rig::new();
    let event = rig.raw();
    event.set_tag(9);
    assert_eq!(event.tag(), 9);
    let number = event.poster().as_raw_fd();
    let text = format!("{event:?} {:?}", event.poster());
    assert!(text.contains(&format!("fd: {number}")), "{text}");
    assert!(text.contains(&format!("RawPoster({number})")), "{text}");
}
