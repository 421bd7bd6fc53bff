//! The rules of an event, one test each.

use std::cell::{Cell, RefCell};
use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tevent_context::{Context, FdFlags};
use tevent_thread::{Event, EventPoster, Posted};

use crate::util::{Rig, times};

fn open_descriptors() -> usize {
    let listed = fs::read_dir("/proc/self/fd").expect("a process has descriptors");
    listed.count()
}

/// System calls of this thread that write.
fn writes() -> u64 {
    let counts = fs::read_to_string("/proc/thread-self/io").expect("the kernel counts");
    let writes = counts.lines().find_map(|line| line.strip_prefix("syscw: "));
    writes.expect("a count").parse().expect("a number")
}

#[test]
fn e1_ten_thousand_events_cost_no_descriptor() {
    let rig = Rig::new();
    // Other tests of this process open and close some meanwhile: far fewer than there are events.
    let before = open_descriptors();
    let events: Vec<Event> = (0..10_000).map(|_| rig.event(|_| ())).collect();
    for event in &events {
        assert_eq!(event.post(), Posted::Queued);
    }
    assert!(open_descriptors() < before + 1000);
    let mut called = 0;
    while rig.turn().more {}
    for event in &events {
        called += u32::from(event.post() == Posted::Queued);
    }
    assert_eq!(called, 10_000, "each was called, and can be posted anew");
}

#[test]
fn e2_changed_only_a_context_that_has_ended_refuses_an_event() {
    let rig = Rig::new();
    let handle = rig.context.handle();
    assert!(Event::new(&handle, |_| ()).is_ok());
    drop(rig);
    assert!(Event::new(&handle, |_| ()).is_err());
    assert!(Event::without_handler(&handle).is_err());
}

#[test]
fn e3_an_event_keeps_run_going_unless_it_is_told_not_to() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    let mut left = 3;
    let event = rig.event(move |this| {
        trace.say("called");
        left -= 1;
        if left > 0 {
            assert_eq!(this.post(), Posted::Queued);
        } else {
            this.keep_running(false);
        }
    });
    assert_eq!(event.post(), Posted::Queued);
    rig.context.run().expect("ends when nothing is counted");
    rig.trace.expect(&["called", "called", "called"]);
    rig.context.run().expect("ends at once");
    rig.trace.expect(&[]);
}

#[test]
fn e4_posts_coalesce_until_the_call_and_the_last_one_is_called_after() {
    let rig = Rig::new();
    let event = rig.saying("called");
    let mut posted: Vec<Posted> = (0..1000).map(|_| event.post()).collect();
    assert_eq!(posted.remove(0), Posted::Queued);
    assert!(posted.iter().all(|posted| *posted == Posted::Coalesced));
    let poster = event.poster();
    let remote = thread::spawn(move || (0..100_000).all(|_| poster.post() == Posted::Coalesced));
    assert!(remote.join().expect("no panic"));
    assert_eq!(rig.turn().messages, 1);
    assert_eq!(rig.turn().messages, 0);
    rig.trace.expect(&["called"]);
    assert_eq!(event.post(), Posted::Queued);
    rig.turn();
    rig.trace.expect(&["called"]);
}

#[test]
fn e5_an_event_beside_a_list_of_one_s_own_loses_nothing() {
    let context = Context::new().expect("descriptors for one loop");
    let list = Arc::new(Mutex::new(Vec::new()));
    let (found, drained) = (Rc::new(RefCell::new(Vec::new())), Arc::clone(&list));
    let (all, upto) = (Rc::clone(&found), times(100_000));
    let event = Event::new(&context.handle(), move |this| {
        let batch = std::mem::take(&mut *drained.lock().expect("no panic"));
        all.borrow_mut().extend::<Vec<u64>>(batch);
        if all.borrow().len() as u64 == upto {
            this.close();
        }
    });
    let event = event.expect("a living loop");
    let poster = event.poster();
    let producer = thread::spawn(move || {
        for number in 0..upto {
            list.lock().expect("no panic").push(number);
            assert_ne!(poster.post(), Posted::Closed);
        }
    });
    context.run().expect("ends when all are found");
    producer.join().expect("no panic");
    assert!(found.borrow().iter().copied().eq(0..upto));
}

#[test]
fn e6_events_are_called_in_the_order_of_their_first_posts() {
    let rig = Rig::new();
    let events = ["0", "1", "2", "3", "4"].map(|word| rig.saying(word));
    for number in [3, 1, 4, 1, 0, 3] {
        let _ = events[number].post();
    }
    rig.turn();
    rig.trace.expect(&["3", "1", "4", "0"]);
}

#[test]
fn e7_a_post_of_the_handler_to_itself_is_another_call() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    let mut left = 2;
    let event = rig.event(move |this| {
        trace.say("called");
        if left > 0 {
            left -= 1;
            assert_eq!(this.post(), Posted::Queued);
            assert_eq!(this.post(), Posted::Coalesced);
        }
    });
    assert_eq!(event.post(), Posted::Queued);
    while rig.turn().more {}
    rig.trace.expect(&["called", "called", "called"]);
}

#[test]
fn e8_what_the_batch_posts_waits_until_descriptors_had_their_turn() {
    let rig = Rig::new();
    let [first, read] = [(); 2].map(|()| rig.trace.clone());
    let other = rig.saying("e1");
    let (peer, mut left) = (other.poster(), 2);
    let event = rig.event(move |this| {
        first.say("e0");
        left -= 1;
        if left > 0 {
            assert_eq!(this.post(), Posted::Queued);
            assert_eq!(peer.post(), Posted::Coalesced, "it waits in this batch");
        }
    });
    let (near, mut far) = UnixStream::pair().expect("descriptors");
    let watched = rig
        .context
        .handle()
        .fd(near, FdFlags::READ, move |this, _| {
            read.say("read");
            let _ = this.get_ref().read(&mut [0; 8]);
        });
    far.write_all(b"x").expect("room");
    assert_eq!(event.post(), Posted::Queued);
    assert_eq!(other.post(), Posted::Queued);
    while rig.turn().more {}
    rig.trace.expect(&["e0", "e1", "read", "e0"]);
    drop(watched);
}

#[test]
fn e9_b63_a_sleeping_loop_is_rung_once_for_any_number_of_posts() {
    let rig = Rig::new();
    let _lent = rig.context.as_fd(); // a host may sleep on it
    let events = [(); 10].map(|()| rig.event(|_| ()));
    let posters: Vec<EventPoster> = events.iter().map(|event| event.poster()).collect();
    for _ in 0..3 {
        rig.turn();
        let posters = posters.clone();
        let ringing = thread::spawn(move || {
            let before = writes();
            for _ in 0..100 {
                posters.iter().for_each(|poster| {
                    let _ = poster.post();
                });
            }
            writes() - before
        });
        assert_eq!(ringing.join().expect("no panic"), 1);
    }
}

#[test]
fn e10_a_post_on_the_loop_s_own_thread_calls_no_system() {
    let rig = Rig::new();
    let written = Rc::new(Cell::new(None));
    let (count, target) = (Rc::clone(&written), rig.saying("called"));
    let poster = target.poster();
    let event = rig.event(move |_| {
        let before = writes();
        assert_eq!(poster.post(), Posted::Queued);
        count.set(Some(writes() - before));
    });
    assert_eq!(event.post(), Posted::Queued);
    rig.turn();
    assert_eq!(written.get(), Some(0));
    rig.turn();
    rig.trace.expect(&["called"]);
}

#[test]
fn e11_e12_changed_events_come_and_go_without_a_channel() {
    let rig = Rig::new();
    let before = writes();
    for _ in 0..10_000 {
        let event = rig.event(|_| unreachable!("nobody has posted"));
        assert!(!event.is_closed());
    }
    assert_eq!(writes(), before);
    assert!(!rig.turn().more);
}

#[test]
fn e13_a_thread_without_a_loop_posts_and_a_sleeping_loop_wakes() {
    let context = Context::new().expect("descriptors for one loop");
    let event = Event::new(&context.handle(), |this| {
        let _ = this.close();
    })
    .expect("a living loop");
    let poster = event.poster();
    let posting = thread::spawn(move || poster.post());
    context.run().expect("ends with the event");
    assert_eq!(posting.join().expect("no panic"), Posted::Queued);
}

#[test]
fn e14_changed_a_post_never_fails_and_says_what_became_of_it() {
    let rig = Rig::new();
    let event = rig.event(|_| ());
    let poster = event.poster();
    let said = [poster.post(), poster.post()];
    assert_eq!(said, [Posted::Queued, Posted::Coalesced]);
    assert!(!poster.is_closed());
    drop(event);
    assert_eq!(poster.post(), Posted::Closed);
    assert!(poster.is_closed());
}

#[test]
fn e15_an_event_that_is_dropped_in_its_own_handler_is_freed_after_it() {
    struct Freed(Rc<Cell<bool>>);
    impl Drop for Freed {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let rig = Rig::new();
    let (freed, own) = (Rc::new(Cell::new(false)), Rc::new(RefCell::new(None)));
    let (kept, this) = (Freed(Rc::clone(&freed)), Rc::clone(&own));
    let trace = rig.trace.clone();
    let event = rig.event(move |_| {
        this.take();
        assert!(!kept.0.get(), "what the handler owns lives while it runs");
        trace.say("called");
    });
    let poster = event.poster();
    own.replace(Some(event));
    assert_eq!(poster.post(), Posted::Queued);
    rig.context.run().expect("ends with the event");
    rig.trace.expect(&["called"]);
    assert!(freed.get());
    assert_eq!(poster.post(), Posted::Closed);
}

#[test]
fn e16_a_pending_call_is_dropped_with_the_event_and_a_new_one_does_not_inherit_it() {
    let rig = Rig::new();
    let event = rig.saying("old");
    assert_eq!(event.post(), Posted::Queued);
    drop(event);
    // It takes the same place.
    let event = rig.saying("new");
    while rig.turn().more {}
    rig.trace.expect(&[]);
    assert_eq!(event.post(), Posted::Queued);
    rig.turn();
    rig.trace.expect(&["new"]);
}

#[test]
fn e18_handlers_make_post_and_drop_events() {
    let rig = Rig::new();
    let (handle, trace) = (rig.context.handle(), rig.trace.clone());
    let made = Rc::new(RefCell::new(Vec::new()));
    let all = Rc::clone(&made);
    let event = rig.event(move |_| {
        let trace = trace.clone();
        let another = Event::new(&handle, move |_| trace.say("made")).expect("a living loop");
        assert_eq!(another.post(), Posted::Queued);
        let short = Event::new(&handle, |_| unreachable!("dropped")).expect("a living loop");
        assert_eq!(short.post(), Posted::Queued);
        drop(short);
        all.borrow_mut().push(another);
    });
    assert_eq!(event.post(), Posted::Queued);
    while rig.turn().more {}
    rig.trace.expect(&["made"]);
    assert_eq!(made.borrow().len(), 1);
}

#[test]
fn e19_what_is_posted_before_the_loop_runs_is_called_when_it_does() {
    let rig = Rig::new();
    let event = rig.saying("called");
    let poster = event.poster();
    let posting = thread::spawn(move || poster.post());
    assert_eq!(posting.join().expect("no panic"), Posted::Queued);
    rig.trace.expect(&[]);
    rig.turn();
    rig.trace.expect(&["called"]);
}

#[test]
fn e20_a_stop_leaves_pending_calls_to_the_next_run_and_the_end_drops_them() {
    let rig = Rig::new();
    let first = rig.saying("first");
    let (poster, handle) = (first.poster(), rig.context.handle());
    let stopping = rig.event(move |_| {
        handle.stop();
        assert_eq!(poster.post(), Posted::Queued);
    });
    assert_eq!(stopping.post(), Posted::Queued);
    rig.context.run().expect("stopped");
    rig.trace.expect(&[]);
    rig.turn();
    rig.trace.expect(&["first"]);
    assert_eq!(first.post(), Posted::Queued);
    let (trace, poster) = (rig.trace.clone(), first.poster());
    drop(rig);
    trace.expect(&[]);
    assert_eq!(poster.post(), Posted::Closed);
    assert!(first.is_closed() && !first.close());
}

#[test]
fn e21_changed_a_panic_goes_through_the_turn_and_the_event_lives_on() {
    let rig = Rig::new();
    let trace = rig.trace.clone();
    let mut calls = 0;
    let event = rig.event(move |_| {
        calls += 1;
        assert!(calls > 1, "on purpose");
        trace.say("called again");
    });
    let calm = rig.saying("calm");
    assert_eq!(event.post(), Posted::Queued);
    assert_eq!(calm.post(), Posted::Queued);
    assert!(catch_unwind(AssertUnwindSafe(|| rig.turn())).is_err());
    rig.trace.expect(&["calm"]);
    assert_eq!(event.post(), Posted::Queued);
    rig.turn();
    rig.trace.expect(&["called again"]);
}

#[test]
fn e22_an_event_that_was_refused_or_dropped_keeps_no_run_going() {
    let rig = Rig::new();
    let ended = Rig::new().context.handle();
    assert!(Event::new(&ended, |_| ()).is_err());
    for _ in 0..100 {
        drop(rig.event(|_| ()));
    }
    rig.context.run().expect("nothing is counted");
}

#[test]
fn e23_calls_of_one_event_never_overlap() {
    let rig = Rig::new();
    let depth = Rc::new(Cell::new(0));
    let inside = Rc::clone(&depth);
    let trace = rig.trace.clone();
    let mut left = 2;
    let event = rig.event(move |this| {
        inside.set(inside.get() + 1);
        assert_eq!(inside.get(), 1);
        left -= 1;
        if left > 0 {
            assert_eq!(this.post(), Posted::Queued);
        }
        // Another loop runs inside: it calls its own events only.
        let inner = Rig::new();
        let event = inner.saying("inner");
        assert_eq!(event.post(), Posted::Queued);
        inner.turn();
        inner.trace.expect(&["inner"]);
        trace.say("outer");
        inside.set(inside.get() - 1);
    });
    assert_eq!(event.post(), Posted::Queued);
    while rig.turn().more {}
    rig.trace.expect(&["outer", "outer"]);
}

#[test]
fn e24_the_handler_may_be_changed_between_calls_and_inside_one() {
    let rig = Rig::new();
    let event = rig.saying("first");
    let trace = rig.trace.clone();
    assert_eq!(event.post(), Posted::Queued);
    event.set_handler(move |this| {
        trace.say("second");
        let trace = trace.clone();
        this.set_handler(move |_| trace.say("third"));
    });
    for _ in 0..3 {
        rig.turn();
        let _ = event.post();
    }
    rig.trace.expect(&["second", "third", "third"]);
    event.close();
    event.set_handler(|_| unreachable!("it is closed"));
    assert!(!rig.turn().more);
}

#[test]
fn l1_events_are_called_before_tasks_timers_and_descriptors() {
    let rig = Rig::new();
    let handle = rig.context.handle();
    let [task, timer] = [(); 2].map(|()| rig.trace.clone());
    handle.spawn(async move { task.say("task") }).detach();
    let timer = handle.timer(handle.now(), move |_, _| timer.say("timer"));
    let event = rig.saying("event");
    assert_eq!(event.post(), Posted::Queued);
    rig.turn();
    rig.trace.expect(&["event", "task", "timer"]);
    drop(timer);
}

#[test]
fn z1_an_event_has_a_tag_and_says_what_it_is() {
    let rig = Rig::new();
    let event = rig.event(|_| ());
    assert_eq!(event.tag(), 0);
    event.set_tag(7);
    assert_eq!(event.tag(), 7);
    assert!(!event.handle().has_ended());
    let text = format!("{event:?}");
    assert!(text.contains("idle") && text.contains(file!()), "{text}");
    assert_eq!(event.post(), Posted::Queued);
    assert!(format!("{event:?}").contains("posted"));
    let poster = event.poster();
    event.close();
    assert!(format!("{event:?} {poster:?}").contains("closed: true"));
}

#[test]
fn b02_a_host_that_watches_the_context_learns_of_a_post() {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let rig = Rig::new();
    let event = rig.saying("called");
    rig.turn();
    let is_readable = || {
        let mut watched = [PollFd::new(&rig.context, PollFlags::IN)];
        poll(&mut watched, Some(&Timespec::default())).expect("a descriptor") == 1
    };
    assert!(!is_readable());
    let poster = event.poster();
    let posting = thread::spawn(move || poster.post());
    assert_eq!(posting.join().expect("no panic"), Posted::Queued);
    assert!(is_readable());
    rig.context
        .turn(Some(Duration::from_secs(60)))
        .expect("the poll works");
    rig.trace.expect(&["called"]);
}
