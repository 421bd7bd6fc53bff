//! Inboxes: the seam by which other threads reach a loop.

mod util;

use std::cell::{Cell, RefCell};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use tevent_context::{Context, Inbox, InboxPoster, Posted, TracePoint, Turn};
use tevent_reactor::{Found, OsPoller, Poller, Token};
use util::{Rig, assert_readable, is_readable};

fn turn(context: &Context) -> Turn {
    context.turn(Some(Duration::ZERO)).expect("the poll works")
}

/// An inbox that says a word whenever it is called.
fn saying(rig: &Rig, word: &'static str) -> Inbox {
    let trace = rig.trace.clone();
    let handler = move |_: &_, _| {
        trace.say(word);
        1
    };
    rig.context.handle().inbox(handler).expect("a living loop")
}

#[test]
fn l1_changed_messages_come_after_signals_and_before_immediates_and_tasks() {
    let rig = Rig::new();
    let [task, immediate] = [(); 2].map(|()| rig.trace.clone());
    let handle = rig.context.handle();
    handle.spawn(async move { task.say("task") }).detach();
    handle.immediate(move |_| immediate.say("immediate"));
    let inbox = saying(&rig, "message");
    assert_eq!(inbox.post(), Posted::Queued);
    assert_eq!(turn(&rig.context).messages, 1);
    rig.trace.expect(&["0: message", "0: immediate", "0: task"]);
}

#[test]
fn l2_changed_256_messages_a_turn_and_the_rest_in_the_next() {
    let rig = Rig::new();
    let asked = Rc::new(RefCell::new(Vec::new()));
    let inboxes: Vec<Inbox> = (0..3)
        .map(|_| {
            let asked = Rc::clone(&asked);
            let handler = move |_: &_, allowance: usize| {
                asked.borrow_mut().push(allowance);
                allowance.min(100)
            };
            rig.context.handle().inbox(handler).expect("a living loop")
        })
        .chain([saying(&rig, "waited")])
        .collect();
    for inbox in &inboxes {
        assert_eq!(inbox.post(), Posted::Queued);
    }
    let done = turn(&rig.context);
    assert_eq!((done.messages, done.more), (256, true));
    assert_eq!(*asked.borrow(), [256, 156, 56]);
    rig.trace.expect(&[]);
    let done = turn(&rig.context);
    assert_eq!((done.messages, done.more), (1, false));
    rig.trace.expect(&["0: waited"]);
}

#[test]
fn e8_what_is_posted_during_the_batch_is_called_in_the_next_turn() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    let own: Rc<RefCell<Option<Inbox>>> = Rc::default();
    let this = Rc::clone(&own);
    let other = Rc::new(saying(&rig, "other"));
    let (poster, mut left) = (other.poster(), 2);
    let first = rig.context.handle().inbox(move |_, _| {
        trace.say("first");
        left -= 1;
        if left > 0 {
            assert_eq!(
                this.borrow().as_ref().map(Inbox::post),
                Some(Posted::Queued)
            );
            assert_eq!(poster.post(), Posted::Coalesced, "it has yet to be called");
        }
        1
    });
    *own.borrow_mut() = Some(first.expect("a living loop"));
    assert_eq!(own.borrow().as_ref().map(Inbox::post), Some(Posted::Queued));
    assert_eq!(other.post(), Posted::Queued);
    assert!(turn(&rig.context).more);
    rig.trace.expect(&["0: first", "0: other"]);
    assert!(!turn(&rig.context).more);
    rig.trace.expect(&["0: first"]);
    own.borrow_mut().take();
}

#[test]
fn e16_an_inbox_that_is_dropped_in_the_batch_is_not_called() {
    let rig = Rig::new();
    let second = Rc::new(RefCell::new(Some(saying(&rig, "second"))));
    let victim = Rc::clone(&second);
    let trace = rig.trace.clone();
    let first = rig.context.handle().inbox(move |_, _| {
        trace.say("first");
        victim.borrow_mut().take();
        1
    });
    let first = first.expect("a living loop");
    assert_eq!(first.post(), Posted::Queued);
    let late = second.borrow().as_ref().map(Inbox::poster);
    assert_eq!(
        second.borrow().as_ref().map(Inbox::post),
        Some(Posted::Queued)
    );
    turn(&rig.context);
    rig.trace.expect(&["0: first"]);
    assert_eq!(late.expect("a poster").post(), Posted::Closed);
}

#[test]
fn e3_an_inbox_keeps_run_going_unless_it_is_told_not_to() {
    let rig = Rig::new();
    let inbox = saying(&rig, "message");
    inbox.keep_running(false);
    rig.context.run().expect("ends at once");
    inbox.keep_running(true);
    let handle = rig.context.handle();
    let poster = inbox.poster();
    let own = Rc::new(RefCell::new(Some(inbox)));
    let last = Rc::clone(&own);
    let end = handle.inbox(move |_, _| {
        last.borrow_mut().take();
        1
    });
    let end = end.expect("a living loop");
    end.keep_running(false);
    assert_eq!(poster.post(), Posted::Queued);
    assert_eq!(end.post(), Posted::Queued);
    rig.context.run().expect("ends with the inbox");
    rig.trace.expect(&["0: message"]);
}

#[test]
fn b02_a_post_wakes_a_loop_that_sleeps_and_a_host_that_watches() {
    let context = Context::new().expect("descriptors");
    let handle = context.handle();
    let stop = handle.clone();
    let inbox = handle
        .inbox(move |_, _| {
            stop.stop();
            1
        })
        .expect("a living loop");
    turn(&context);
    assert!(!is_readable(&context));
    assert_eq!(inbox.poster().post(), Posted::Queued);
    assert_readable(&context);
    turn(&context);
    let poster = inbox.poster();
    let other = thread::spawn(move || poster.post());
    context.run().expect("stopped by the post");
    assert_eq!(other.join().expect("no panic"), Posted::Queued);
}

#[test]
fn e20_the_end_drops_handlers_uncalled_and_closes_posters() {
    let rig = Rig::new();
    let inbox = saying(&rig, "never");
    let poster = inbox.poster();
    let handle = rig.context.handle();
    assert_eq!(poster.post(), Posted::Queued);
    let Rig { context, trace, .. } = rig;
    drop(context);
    assert!(poster.is_closed());
    assert_eq!(poster.post(), Posted::Closed);
    assert!(!inbox.close(), "closed already");
    assert!(handle.inbox(|_, _| 1).is_err());
    trace.expect(&[]);
}

#[test]
fn b12_a_panic_of_one_handler_costs_the_others_nothing() {
    let rig = Rig::new();
    let panicking = rig.context.handle().inbox(|_, _| panic!("on purpose"));
    let panicking = panicking.expect("a living loop");
    let calm = saying(&rig, "calm");
    assert_eq!(panicking.post(), Posted::Queued);
    assert_eq!(calm.post(), Posted::Queued);
    let turned = catch_unwind(AssertUnwindSafe(|| turn(&rig.context)));
    assert!(turned.is_err());
    rig.trace.expect(&["0: calm"]);
    assert_eq!(panicking.post(), Posted::Queued, "it can be posted again");
    assert!(catch_unwind(AssertUnwindSafe(|| turn(&rig.context))).is_err());
}

#[test]
fn b21_destructors_at_the_end_may_post_and_are_told_that_it_is_closed() {
    struct PostsWhenDropped(Inbox, Rc<RefCell<Vec<Posted>>>);
    impl Drop for PostsWhenDropped {
        fn drop(&mut self) {
            self.1.borrow_mut().push(self.0.post());
        }
    }
    let rig = Rig::new();
    let told = Rc::default();
    let other = saying(&rig, "never");
    let last = PostsWhenDropped(other, Rc::clone(&told));
    let holder = rig.context.handle().inbox(move |_, _| {
        let _ = &last;
        1
    });
    drop(rig);
    assert_eq!(*told.borrow(), [Posted::Closed]);
    drop(holder);
}

#[test]
fn z1_an_inbox_has_trace_points() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    let _hook = rig.context.handle().on_trace(move |point| match point {
        TracePoint::Attach(event) => trace.say(format!("attach {:?}", event.kind)),
        TracePoint::BeforeHandler(event) => trace.say(format!("before {}", event.tag)),
        TracePoint::AfterHandler(event) => trace.say(format!("after {}", event.tag)),
        TracePoint::Detach(event) => trace.say(format!("detach {:?}", event.kind)),
        _ => {}
    });
    let inbox = saying(&rig, "message");
    inbox.set_tag(7);
    assert_eq!(inbox.post(), Posted::Queued);
    turn(&rig.context);
    drop(inbox);
    let words = [
        "attach Message",
        "before 7",
        "message",
        "after 7",
        "detach Message",
    ];
    rig.trace.expect(
        &words
            .map(|word| format!("0: {word}"))
            .each_ref()
            .map(String::as_str),
    );
}

#[test]
fn l2_a_handler_that_claims_more_than_it_was_allowed_counts_for_what_it_was_allowed() {
    let rig = Rig::new();
    let boasting: Vec<Inbox> = (0..2)
        .map(|number| {
            let boast = move |_: &_, allowance| if number == 0 { 1 } else { allowance + 1000 };
            rig.context.handle().inbox(boast).expect("a living loop")
        })
        .collect();
    for inbox in &boasting {
        assert_eq!(inbox.post(), Posted::Queued);
    }
    assert_eq!(turn(&rig.context).messages, 256);
}

#[test]
fn e16_a_handler_that_closes_its_own_inbox_is_let_go_of_after_its_call() {
    let rig = Rig::new();
    let own: Rc<RefCell<Option<Inbox>>> = Rc::default();
    let this = Rc::clone(&own);
    let closing = rig.context.handle().inbox(move |_, _| {
        assert_eq!(this.borrow().as_ref().map(Inbox::close), Some(true));
        1
    });
    *own.borrow_mut() = Some(closing.expect("a living loop"));
    assert_eq!(own.borrow().as_ref().map(Inbox::post), Some(Posted::Queued));
    assert_eq!(turn(&rig.context).messages, 1);
    assert_eq!(Rc::strong_count(&own), 1, "the handler owns its inbox");
}

/// Posts while it polls, once, and counts the rings.
struct Posting {
    os: OsPoller,
    poster: Rc<RefCell<Option<InboxPoster>>>,
    rings: Rc<Cell<usize>>,
}

impl Poller for Posting {
    fn poll(&mut self, found: &mut Vec<Found>, timeout: Option<Duration>) -> io::Result<()> {
        if let Some(poster) = self.poster.take() {
            assert_eq!(poster.post(), Posted::Queued);
        }
        self.os.poll(found, timeout)?;
        let rung = found.iter().any(|found| found.token == Token::RINGER);
        self.rings.set(self.rings.get() + usize::from(rung));
        Ok(())
    }
}

#[test]
fn who_posts_during_a_turn_that_does_not_wait_does_not_ring() {
    let (poster, rings) = (Rc::default(), Rc::default());
    let (posts, rung) = (Rc::clone(&poster), Rc::clone(&rings));
    let wrap = move |os| -> Box<dyn Poller> {
        let (poster, rings) = (posts, rung);
        Box::new(Posting { os, poster, rings })
    };
    let context = Context::builder()
        .poller(wrap)
        .build()
        .expect("descriptors");
    let handle = context.handle();
    let inbox = handle.inbox(|_, _| 1).expect("a living loop");
    assert_eq!(turn(&context).messages, 0);
    rings.set(0);
    *poster.borrow_mut() = Some(inbox.poster());
    assert!(turn(&context).more);
    assert_eq!((turn(&context).messages, rings.get()), (1, 0));
}
