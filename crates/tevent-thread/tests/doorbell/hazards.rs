//! Bugs of old: those of ivykis, and classes that events could have.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use tevent_context::{FdFlags, Handle};
use tevent_thread::{
    BlockingPool, BlockingTask, Event, EventPoster, Notified, Posted, RawEvent, RawPoster,
};

use crate::util::Rig;

type Events = Rc<RefCell<Vec<Event>>>;

/// The bug of 2012 that took syslog-ng down in 2017: "is the list empty now" was decided before the handler ran.
#[test]
fn b60_e15_a_handler_that_ends_itself_and_the_next_leaves_the_loop_whole() {
    let rig = Rig::new();
    let events = Events::default();
    for word in ["first", "second"] {
        let (trace, all) = (rig.trace.clone(), Rc::clone(&events));
        events.borrow_mut().push(rig.event(move |_| {
            trace.say(word);
            let both = all.take();
            drop(both);
        }));
    }
    for event in &*events.borrow() {
        assert_eq!(event.post(), Posted::Queued);
    }
    rig.context.run().expect("ends without events");
    rig.trace.expect(&["first"]);
}

#[test]
fn b60_a_handler_that_ends_the_next_and_posts_the_one_after_it() {
    let rig = Rig::new();
    let victim = Rc::new(RefCell::new(Some(rig.saying("victim"))));
    let last = rig.saying("last");
    let (poster, doomed) = (last.poster(), Rc::clone(&victim));
    let first = rig.event(move |_| {
        doomed.take();
        assert_eq!(poster.post(), Posted::Coalesced);
    });
    for event in [Some(&first), victim.borrow().as_ref(), Some(&last)] {
        assert_eq!(event.map(|event| event.post()), Some(Posted::Queued));
    }
    while rig.turn().more {}
    rig.trace.expect(&["last"]);
}

/// The bug of 2012 on kqueue: events ran while the poll still had pointers to ready descriptors.
#[test]
fn b40_an_event_drops_a_descriptor_that_is_ready_in_the_same_turn() {
    let rig = Rig::new();
    let (near, mut far) = UnixStream::pair().expect("descriptors");
    let trace = rig.trace.clone();
    let watched = rig
        .context
        .handle()
        .fd(near, FdFlags::READ, move |_, _| trace.say("read"));
    let watched = RefCell::new(watched.ok());
    far.write_all(b"x").expect("room");
    let event = rig.event(move |this| {
        watched.take();
        this.close();
    });
    assert_eq!(event.post(), Posted::Queued);
    rig.context.run().expect("ends with both");
    rig.trace.expect(&[]);
}

/// The bug of 2013 to 2017: events did not keep the loop of a program with one thread alive.
#[test]
fn e3_an_event_of_a_program_with_one_thread_keeps_its_loop_alive() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    let event = rig.event(move |this| {
        trace.say("called");
        this.close();
    });
    let poster = event.poster();
    let handle = rig.context.handle();
    let timer = handle.timer_after(std::time::Duration::from_secs(1), move |_, _| {
        assert_eq!(poster.post(), Posted::Queued);
    });
    timer.keep_running(false);
    rig.context.run().expect("ends with the event");
    rig.trace.expect(&["called"]);
}

#[test]
fn b61_an_event_that_posts_itself_for_ever_starves_nobody() {
    let rig = Rig::new();
    let handle = rig.context.handle();
    let event = rig.event(|this| {
        let _ = this.post();
    });
    let _ = event.post();
    let [task, timer] = [(); 2].map(|()| rig.trace.clone());
    handle.spawn(async move { task.say("task") }).detach();
    let timer = handle.timer(handle.now(), move |_, _| timer.say("timer"));
    let (near, mut far) = UnixStream::pair().expect("descriptors");
    let read = rig.trace.clone();
    let watched = handle.fd(near, FdFlags::READ, move |this, _| {
        read.say("read");
        this.set_flags(FdFlags::EMPTY);
    });
    far.write_all(b"x").expect("room");
    assert!(rig.turn().more);
    rig.trace.expect(&["task", "timer", "read"]);
    drop((timer, watched));
}

#[test]
fn b58_b55_a_burst_of_events_gives_its_memory_back() {
    let rig = Rig::new();
    let posts = |event: &Event| assert_eq!(event.post(), Posted::Queued);
    for _ in 0..3 {
        let events: Vec<Event> = (0..100_000).map(|_| rig.event(|_| ())).collect();
        events.iter().for_each(posts);
        drop(events);
        let mut turns = 0;
        while rig.turn().more {
            turns += 1;
        }
        assert!(turns < 1000, "places that lead nowhere cost no turn each");
    }
    let event = rig.saying("called");
    posts(&event);
    rig.turn();
    rig.trace.expect(&["called"]);
}

#[test]
fn b21_a_handler_s_destructor_may_make_and_post_events_at_the_end() {
    struct Last(Handle, EventPoster, Rc<Cell<Option<(bool, Posted)>>>);
    impl Drop for Last {
        fn drop(&mut self) {
            let refused = Event::new(&self.0, |_| ()).is_err();
            self.2.set(Some((refused, self.1.post())));
        }
    }
    let rig = Rig::new();
    let (told, other) = (Rc::default(), rig.saying("never"));
    let last = Last(rig.context.handle(), other.poster(), Rc::clone(&told));
    let event = rig.event(move |_| {
        let _ = last.1.post();
    });
    assert_eq!(other.post(), Posted::Queued);
    let trace = rig.trace.clone();
    drop(rig);
    assert_eq!(told.get(), Some((true, Posted::Closed)));
    trace.expect(&[]);
    drop((event, other));
}

#[test]
fn b22_events_and_posters_of_a_thread_that_ends_are_let_go() {
    thread_local! {
        static KEPT: RefCell<Option<(EventPoster, Event, Rig)>> = const { RefCell::new(None) };
    }
    let poster = std::thread::spawn(|| {
        let rig = Rig::new();
        let event = rig.event(|_| ());
        let poster = event.poster();
        assert_eq!(poster.post(), Posted::Queued);
        KEPT.set(Some((poster.clone(), event, rig)));
        poster
    });
    let poster = poster.join().expect("its thread-locals went quietly");
    assert_eq!(poster.post(), Posted::Closed);
}

/// Which things may leave their thread is decided when a program is compiled: here, when this test is.
#[test]
fn b18_only_posters_leave_the_thread() {
    trait Stays<Reason> {
        fn stays() {}
    }
    impl<T: ?Sized> Stays<()> for T {}
    struct Sendable;
    impl<T: ?Sized + Send> Stays<Sendable> for T {}
    fn leaves<T: Clone + Send + Sync + 'static>() {}

    // Ambiguous, and so an error, for what is `Send`.
    <Event as Stays<_>>::stays();
    <Notified<'static> as Stays<_>>::stays();
    <RawEvent as Stays<_>>::stays();
    <BlockingPool as Stays<_>>::stays();
    <BlockingTask<()> as Stays<_>>::stays();
    leaves::<EventPoster>();
    leaves::<RawPoster>();
}
