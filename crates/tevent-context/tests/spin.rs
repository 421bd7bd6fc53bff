//! Spinning before the sleep: what it finds, and when it ends. The polls of these loops see a message on its way.

use std::cell::RefCell;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tevent_context::{Context, FdFlags, Inbox, InboxPoster, Posted, TracePoint};
use tevent_reactor::{Found, OsPoller, Poller};

const LONG: Duration = Duration::from_secs(600);

/// Notes how long each poll may sleep; before a certain one it posts, so that no poll sleeps for ever.
struct Noting {
    os: OsPoller,
    timeouts: Rc<RefCell<Vec<Option<Duration>>>>,
    post_at: When,
    poster: mpsc::Receiver<InboxPoster>,
}

#[derive(Clone, Copy)]
enum When {
    Poll(usize),
    /// The first that sleeps.
    Sleep,
    Never,
}

impl Poller for Noting {
    fn poll(&mut self, found: &mut Vec<Found>, timeout: Option<Duration>) -> io::Result<()> {
        self.timeouts.borrow_mut().push(timeout);
        let is_now = match self.post_at {
            When::Poll(number) => self.timeouts.borrow().len() == number,
            When::Sleep => timeout != Some(Duration::ZERO),
            When::Never => false,
        };
        if is_now {
            let poster = self.poster.recv().expect("a poster");
            let posted = thread::spawn(move || poster.post()).join();
            assert_eq!(posted.expect("no panic"), Posted::Queued);
        }
        self.os.poll(found, timeout)
    }
}

/// A context that spins, with an inbox whose handler stops it, and the timeouts of its polls.
fn spinning(spin: Duration, post_at: When) -> (Context, Inbox, Rc<RefCell<Vec<Option<Duration>>>>) {
    let (sender, poster) = mpsc::channel();
    let timeouts = Rc::default();
    let noted = Rc::clone(&timeouts);
    let noting = move |os| Noting {
        os,
        timeouts: noted,
        post_at,
        poster,
    };
    let context = Context::builder()
        .spin(spin)
        .poller(move |os| Box::new(noting(os)))
        .build()
        .expect("descriptors for one loop");
    let inbox = context.handle().inbox(|handle, _| {
        handle.stop();
        1
    });
    let inbox = inbox.expect("a living loop");
    sender.send(inbox.poster()).expect("the poller lives");
    (context, inbox, timeouts)
}

#[test]
fn a_loop_that_spins_finds_a_message_without_having_slept() {
    let (context, _inbox, timeouts) = spinning(LONG, When::Poll(3));
    context.run().expect("the poll works");
    assert!(timeouts.borrow().len() >= 3);
    let zero = |timeout: &Option<Duration>| *timeout == Some(Duration::ZERO);
    assert!(timeouts.borrow().iter().all(zero));
}

#[test]
fn a_loop_that_has_spun_for_long_enough_sleeps() {
    let (context, _inbox, timeouts) = spinning(Duration::from_millis(1), When::Sleep);
    context.run().expect("the poll works");
    let timeouts = timeouts.borrow();
    let sleeps = timeouts.iter().position(Option::is_none);
    assert!(sleeps.is_some_and(|before| before > 0), "{timeouts:?}");
}

#[test]
fn off_is_the_default_and_sleeps_at_once() {
    let (context, _inbox, timeouts) = spinning(Duration::ZERO, When::Sleep);
    context.run().expect("the poll works");
    assert_eq!(timeouts.borrow().first(), Some(&None));
}

#[test]
fn a_timer_ends_the_spinning() {
    let (context, inbox, timeouts) = spinning(LONG, When::Never);
    inbox.keep_running(false);
    let handle = context.handle();
    handle
        .timer_after(Duration::from_millis(5), |this, _| this.handle().stop())
        .detach();
    context.run().expect("the poll works");
    assert!(!timeouts.borrow().contains(&None));
}

#[test]
fn a_descriptor_ends_the_spinning() {
    let (context, _inbox, timeouts) = spinning(LONG, When::Never);
    let (ours, mut theirs) = UnixStream::pair().expect("a pair");
    let handle = context.handle();
    let watch = handle.fd(ours, FdFlags::READ, |this, _| this.handle().stop());
    let _watch = watch.expect("a watch");
    let writer = thread::spawn(move || theirs.write_all(b"x").map(|()| theirs));
    context.run().expect("the poll works");
    writer.join().expect("no panic").expect("written");
    assert!(!timeouts.borrow().contains(&None));
}

#[test]
fn a_turn_spins_no_longer_than_it_may_wait() {
    let (context, _inbox, timeouts) = spinning(LONG, When::Never);
    let done = context.turn(Some(Duration::from_millis(5)));
    let done = done.expect("the poll works");
    assert_eq!((done.messages, done.polls), (0, 0));
    assert!(!timeouts.borrow().contains(&None));
}

#[test]
fn b02_a_loop_that_is_about_to_park_does_not_sleep_over_a_post() {
    let (context, inbox, timeouts) = spinning(Duration::ZERO, When::Never);
    let poster = inbox.poster();
    let _hook = context.handle().on_trace(move |point| {
        if matches!(point, TracePoint::BeforeWait) {
            // The doorbell is not parked yet, so nobody rings.
            let poster = poster.clone();
            let posted = thread::spawn(move || poster.post()).join();
            assert_ne!(posted.expect("no panic"), Posted::Closed);
        }
    });
    let done = context
        .turn(Some(Duration::from_secs(2)))
        .expect("the poll works");
    assert_eq!(done.messages, 1);
    assert_eq!(timeouts.borrow().first(), Some(&Some(Duration::ZERO)));
}
