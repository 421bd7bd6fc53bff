//! What has gone wrong elsewhere: stale events, used numbers, failures, hang-ups, batches.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use rustix::event::PollFlags;
use tevent_context::{FdEvent, TracePoint, sleep};

use crate::util::{
    EMPTY, ERROR, READ, Rig, Slot, WRITE, arrived, as_many_as, idle, open_descriptors, pair,
    readable, signal, take, tcp_pair,
};

#[test]
fn b26_a_number_closed_and_used_again_in_one_batch_gets_nothing_of_the_old_one() {
    let rig = Rig::new();
    let slots: [Slot<FdEvent<OwnedFd>>; 2] = Default::default();
    let born = Slot::<FdEvent<OwnedFd>>::default();
    for me in 0..2 {
        let (other, born, log) = (Rc::clone(&slots[1 - me]), Rc::clone(&born), rig.log.clone());
        let event = rig.context.handle().fd(readable(), READ, move |this, _| {
            log.say("first");
            let Some(second) = take(&other) else { return };
            let number = second.as_fd().as_raw_fd();
            let duplicate = second.get_ref().try_clone().unwrap();
            drop(second);
            let fresh = idle();
            assert_eq!(fresh.as_raw_fd(), number);
            let log = log.clone();
            let fresh = this.handle().fd(fresh, READ, move |_, _| log.say("stale"));
            *born.borrow_mut() = Some(fresh.unwrap());
            signal(&duplicate);
            this.set_flags(EMPTY);
        });
        *slots[me].borrow_mut() = Some(event.unwrap());
    }
    for _ in 0..5 {
        rig.turn();
    }
    rig.log.expect(&["first"]);
    signal(born.borrow().as_ref().unwrap().get_ref());
    rig.turn();
    rig.log.expect(&["stale"]);
}

#[test]
fn b25_a_future_leaked_by_an_event_that_has_ended_does_not_wait_for_the_next_descriptor() {
    let rig = Rig::new();
    let slot = Slot::<FdEvent<OwnedFd>>::default();
    let mine = Rc::clone(&slot);
    let event = rig.context.handle().fd(readable(), READ, move |this, _| {
        drop(take(&mine));
        let mut leaked = ManuallyDrop::new(this.readable());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut *leaked).poll(&mut cx).is_pending());
    });
    *slot.borrow_mut() = Some(event.unwrap());
    rig.turn();
    rig.turn();
    let next = FdEvent::new(&rig.context.handle(), readable()).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(
        Box::pin(next.writable())
            .as_mut()
            .poll(&mut cx)
            .is_pending()
    );
    let found = rig.polls.woken.get();
    rig.turn();
    assert_eq!(rig.polls.woken.get(), found, "nobody waits for it");
}

#[test]
fn b25_news_of_an_event_that_was_dropped_since_the_poll_finds_nobody() {
    let rig = Rig::new();
    let slot = Slot::<FdEvent<OwnedFd>>::default();
    let (old, born) = (Rc::clone(&slot), Slot::<FdEvent<OwnedFd>>::default());
    let (handle, log, place) = (rig.context.handle(), rig.log.clone(), Rc::clone(&born));
    *slot.borrow_mut() = Some(rig.logging("old", readable(), READ));
    let _hook = rig.context.handle().on_trace(move |point| {
        let is_time = *point == TracePoint::AfterWait;
        let Some(old) = is_time.then(|| take(&old)).flatten() else {
            return;
        };
        let number = old.as_fd().as_raw_fd();
        drop(old);
        let fresh = idle();
        assert_eq!(fresh.as_raw_fd(), number);
        let log = log.clone();
        let fresh = handle.fd(fresh, READ, move |_, _| log.say("new"));
        *place.borrow_mut() = Some(fresh.unwrap());
    });
    assert_eq!(rig.turn().events, 0);
    rig.log.expect(&[]);
    signal(born.borrow().as_ref().unwrap().get_ref());
    rig.turn();
    rig.log.expect(&["new"]);
}

#[test]
fn b28_a_registration_that_fails_leaves_nothing_behind() {
    let rig = Rig::new();
    let inside = Rc::new(());
    let before = open_descriptors();
    let poll = rig.context.as_fd().as_raw_fd();
    for _ in 0..10 {
        // A poll cannot watch itself.
        let own = rig.context.as_fd().try_clone_to_owned().unwrap();
        assert_ne!(own.as_raw_fd(), poll);
        let guard = Rc::clone(&inside);
        let made = rig
            .context
            .handle()
            .fd(own, READ, move |_, _| drop(Rc::clone(&guard)));
        assert!(made.is_err());
    }
    assert_eq!((open_descriptors(), rig.registered()), (before, 0));
    assert_eq!(Rc::strong_count(&inside), 1, "the handler is gone, too");
    rig.context.run().unwrap();
}

#[test]
fn b33_resets_half_closes_and_lost_readers_are_told_by_one_event() {
    let rig = Rig::new();
    let (reset, peer) = tcp_pair();
    let (half, half_peer) = tcp_pair();
    let (reader, writer) = io::pipe().unwrap();
    let (last, first) = io::pipe().unwrap();
    let reset = rig.logging("reset", reset, READ | ERROR);
    let half = rig.logging("half", half, READ | ERROR);
    let writer = rig.logging("writer", writer, ERROR);
    let last = rig.logging("last", last, READ);
    rig.turn();
    rig.log.expect(&[]);
    rig.polls.woken.set(0);
    socket2::SockRef::from(&peer)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop((peer, reader, first));
    half_peer.shutdown(std::net::Shutdown::Write).unwrap();
    arrived(&reset, PollFlags::empty());
    arrived(&half, PollFlags::RDHUP);
    rig.wait();
    let mut told = rig.log.0.take();
    told.sort();
    let all = [
        "half {read, error}",
        "last {read}",
        "reset {read, error}",
        "writer {error}",
    ];
    assert_eq!(
        (told.as_slice(), rig.polls.woken.get()),
        (&all.map(String::from)[..], 1)
    );
    assert!(reset.get_ref().read(&mut [0]).is_err());
    assert!(matches!(half.get_ref().read(&mut [0]), Ok(0)));
    assert!(matches!(last.get_ref().read(&mut [0]), Ok(0)));
    for event in [reset, half] {
        event.set_flags(EMPTY);
    }
    writer.set_flags(EMPTY);
    last.set_flags(EMPTY);
    rig.polls.woken.set(0);
    rig.turn();
    rig.turn();
    assert_eq!((rig.polls.woken.get(), rig.registered()), (0, 0));
}

#[test]
fn b36_a_regular_file_is_ready_for_reading_and_writing_once_a_turn() {
    let rig = Rig::new();
    let file = File::open("/proc/self/exe").unwrap();
    let event = rig.logging("file", file, READ | ERROR);
    let null = File::options().write(true).open("/dev/null").unwrap();
    let null = rig.logging("null", null, WRITE);
    for _ in 0..3 {
        let turn = rig.wait();
        assert_eq!((turn.events, turn.more), (2, false));
        rig.log.expect(&["file {read}", "null {write}"]);
    }
    assert_eq!((rig.polls.sleeps.get(), rig.registered()), (0, 0));
    event.set_flags(ERROR);
    drop(null);
    assert_eq!(rig.turn().events, 0, "a file has no errors to tell");
    let (file, polls) = (
        FdEvent::new(&rig.context.handle(), event.into_inner()),
        &rig.polls,
    );
    let file = file.unwrap();
    rig.context.block_on(async {
        file.readable().await.unwrap();
        file.writable().await.unwrap();
    });
    assert_eq!(polls.sleeps.get(), 0);
}

#[test]
fn b36_a_file_that_is_always_ready_holds_up_nobody() {
    let rig = Rig::new();
    let _file = rig.logging("file", File::open("/proc/self/exe").unwrap(), READ);
    let other = rig.logging("other", readable(), READ);
    let wait = rig.context.handle().sleep(Duration::from_millis(2));
    rig.context.block_on(wait);
    let told = rig.log.0.take();
    assert!(told.contains(&String::from("other {read}")));
    drop(other);
}

#[test]
fn b36_one_descriptor_watched_twice_and_its_duplicate_are_all_told() {
    let rig = Rig::new();
    let shared = Rc::new(readable());
    let _one = rig.logging("one", Rc::clone(&shared), READ);
    let _two = rig.logging("two", Rc::clone(&shared), READ);
    let _dup = rig.logging("dup", shared.try_clone().unwrap(), READ);
    assert_eq!((rig.registered(), rig.turn().events), (2, 3));
}

#[test]
fn b39_more_than_a_poll_takes_are_all_told_within_four_turns() {
    let rig = Rig::new();
    let told = Rc::new(Cell::new(0));
    let events: Vec<_> = (0..as_many_as(3 * 1024))
        .map(|_| {
            let (told, mut first) = (Rc::clone(&told), true);
            let count =
                move |_: &_, _| told.set(told.get() + usize::from(std::mem::take(&mut first)));
            rig.context.handle().fd(readable(), READ, count).unwrap()
        })
        .collect();
    for _ in 0..4 {
        rig.turn();
    }
    assert_eq!(told.get(), events.len());
}

#[test]
fn b40_a_later_descriptor_of_the_batch_that_is_dropped_is_not_called() {
    let rig = Rig::new();
    let events = Slot::<Vec<FdEvent<OwnedFd>>>::default();
    let made = (0..100).map(|_| {
        let (all, log) = (Rc::clone(&events), rig.log.clone());
        let handler = move |_: &_, _| {
            log.say("called");
            drop(take(&all));
        };
        rig.context.handle().fd(readable(), READ, handler).unwrap()
    });
    let made = made.collect();
    *events.borrow_mut() = Some(made);
    rig.context.run().unwrap();
    rig.log.expect(&["called"]);
    assert_eq!(rig.registered(), 0);
}

#[test]
fn b40_a_later_watcher_whose_flags_are_emptied_is_not_called() {
    let rig = Rig::new();
    let shared = Rc::new(readable());
    let slot = Slot::<FdEvent<Rc<OwnedFd>>>::default();
    let (later, fd) = (Rc::clone(&slot), Rc::clone(&shared));
    let _first = rig.context.handle().fd(fd, READ, move |_, _| {
        later.borrow().as_ref().unwrap().set_flags(WRITE);
    });
    *slot.borrow_mut() = Some(rig.logging("later", shared, READ));
    rig.turn();
    rig.log.expect(&[]);
    rig.turn();
    rig.log.expect(&["later {write}"]);
}

#[test]
fn b14_a_handler_that_panics_harms_nobody_and_is_called_again() {
    let rig = Rig::new();
    let slot = Rc::new(Cell::new(0));
    let count = Rc::clone(&slot);
    let _panics = rig.context.handle().fd(readable(), READ, move |_, _| {
        count.set(count.get() + 1);
        assert!(count.get() > 2, "this handler panics");
    });
    let _other = rig.logging("other", readable(), READ);
    for told in 1..4 {
        let turn = catch_unwind(AssertUnwindSafe(|| rig.turn()));
        assert_eq!((turn.is_err(), slot.get()), (told < 3, told));
        rig.log.expect(&["other {read}"]);
    }
}

#[test]
fn ten_thousand_idle_descriptors_cost_a_turn_nothing() {
    let rig = Rig::new();
    let idle: Vec<_> = (0..as_many_as(10_000))
        .map(|_| rig.logging("idle", idle(), READ))
        .collect();
    rig.turn();
    let calls = rig.calls();
    let (near, mut far) = pair();
    let _busy = rig.logging("busy", near, READ);
    far.write_all(b"x").unwrap();
    for _ in 1..100 {
        assert_eq!(rig.turn().events, 1);
        assert_eq!(rig.calls(), calls + 1);
    }
    drop(idle);
    assert_eq!(rig.registered(), 1);
}

type Act = Rc<RefCell<Option<Box<dyn FnOnce()>>>>;

/// Does something when it lends its descriptor.
struct Lender(OwnedFd, Act);

impl AsFd for Lender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let act = self.1.borrow_mut().take();
        act.into_iter().for_each(|act| act());
        self.0.as_fd()
    }
}

#[test]
fn b14_who_panics_while_he_lends_his_descriptor_harms_nobody_and_is_watched() {
    let (rig, act) = (Rig::new(), Act::default());
    let lender = rig.logging("lender", Lender(readable(), Rc::clone(&act)), EMPTY);
    let other = rig.logging("other", readable(), EMPTY);
    *act.borrow_mut() = Some(Box::new(|| panic!("this loan panics")));
    lender.set_flags(READ);
    other.set_flags(READ);
    for _ in 0..2 {
        rig.turn();
        let mut told = rig.log.0.take();
        told.sort();
        assert_eq!(told, ["lender {read}", "other {read}"]);
    }
}

#[test]
fn b14_a_loan_that_panics_after_a_handler_has_does_not_abort() {
    let (rig, act) = (Rig::new(), Act::default());
    let lender = rig.logging("lender", Lender(readable(), Rc::clone(&act)), EMPTY);
    let event = rig.context.handle().fd(readable(), READ, move |this, _| {
        this.set_flags(EMPTY);
        *act.borrow_mut() = Some(Box::new(|| panic!("this loan panics")));
        lender.set_flags(READ);
        panic!("this handler panics");
    });
    assert!(catch_unwind(AssertUnwindSafe(|| rig.turn())).is_err());
    rig.turn();
    rig.log.expect(&["lender {read}"]);
    drop(event);
}

#[test]
fn b27_who_ends_his_event_while_he_lends_its_descriptor_leaves_nothing_to_the_next_of_its_number() {
    let (rig, act) = (Rig::new(), Act::default());
    let event = rig.logging("old", Lender(readable(), Rc::clone(&act)), EMPTY);
    let (old, next) = (Slot::default(), Slot::default());
    let (handle, log, place) = (rig.context.handle(), rig.log.clone(), Rc::clone(&next));
    event.set_close(move |Lender(fd, _)| {
        let number = fd.as_raw_fd();
        drop(fd);
        let fd = readable();
        assert_eq!(fd.as_raw_fd(), number);
        *place.borrow_mut() = handle.fd(fd, READ, move |_, _| log.say("next")).ok();
    });
    event.set_flags(READ);
    *old.borrow_mut() = Some(event);
    *act.borrow_mut() = Some(Box::new(move || drop(take(&old))));
    rig.turn();
    rig.turn();
    rig.log.expect(&["next", "next"]);
    assert_eq!(rig.registered(), 1);
    drop(next);
}

#[test]
fn flags_that_are_changed_while_a_descriptor_is_lent_count_before_the_loop_sleeps() {
    let (rig, act) = (Rig::new(), Act::default());
    let lender = rig.logging("lender", Lender(idle(), Rc::clone(&act)), EMPTY);
    let other = Rc::new(rig.logging("other", readable(), EMPTY));
    let log = rig.log.clone();
    rig.context.block_on(async {
        sleep(Duration::from_millis(1)).await; // rings are over
        let widened = Rc::clone(&other);
        *act.borrow_mut() = Some(Box::new(move || widened.set_flags(READ)));
        lender.set_flags(READ);
        sleep(Duration::from_millis(20)).await;
        assert!(!log.0.borrow().is_empty());
    });
}
