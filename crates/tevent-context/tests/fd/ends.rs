//! Ends: drop, detach, the close function, `into_inner`, the end of the context.

use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use tevent_context::FdEvent;

use crate::util::{EMPTY, READ, Rig, Slot, idle, open_descriptors, readable, take};

#[test]
fn the_close_function_gets_the_descriptor_once_it_is_deregistered() {
    let rig = Rig::new();
    let event = rig.logging("it", readable(), READ);
    let kept = Slot::<OwnedFd>::default();
    let (place, handle) = (Rc::clone(&kept), rig.context.handle());
    event.set_close(|_| unreachable!("another takes its place"));
    event.set_close(move |fd| {
        let registered = format!("{:?}", handle.reactor().unwrap());
        assert!(registered.contains("sources: 0,"), "{registered}");
        *place.borrow_mut() = Some(fd);
    });
    drop(event);
    let fd = take(&kept).unwrap();
    rustix::io::fcntl_getfd(&fd).expect("it is open");
    let before = open_descriptors();
    drop(FdEvent::new(&rig.context.handle(), fd).unwrap());
    assert_eq!(open_descriptors(), before - 1, "without one it is closed");
}

#[test]
fn into_inner_gives_an_open_descriptor_that_nobody_watches() {
    let rig = Rig::new();
    let event = rig.logging("it", readable(), READ);
    event.set_close(|_| unreachable!("it is not closed"));
    rig.turn();
    rig.log.expect(&["it {read}"]);
    let fd = event.into_inner();
    assert_eq!((rig.registered(), rig.turn().events), (0, 0));
    let _again = rig.logging("again", fd, READ);
    rig.turn();
    rig.log.expect(&["again {read}"]);
}

#[test]
fn another_handler_of_the_batch_may_take_a_descriptor_out() {
    let rig = Rig::new();
    let slots: [Slot<FdEvent<OwnedFd>>; 2] = Default::default();
    let out = Slot::<OwnedFd>::default();
    for me in 0..2 {
        let (other, out) = (Rc::clone(&slots[1 - me]), Rc::clone(&out));
        let event = rig.context.handle().fd(readable(), READ, move |this, _| {
            let fd = take(&other).unwrap().into_inner();
            *out.borrow_mut() = Some(fd);
            this.set_flags(EMPTY);
        });
        *slots[me].borrow_mut() = Some(event.unwrap());
    }
    rig.context.run().unwrap();
    assert!(out.borrow().is_some());
}

#[test]
fn a_shared_descriptor_stays_registered_until_its_last_watcher_has_gone() {
    let rig = Rig::new();
    let shared = Rc::new(readable());
    let one = rig.logging("one", Rc::clone(&shared), READ);
    let two = rig.logging("two", Rc::clone(&shared), READ);
    drop(one);
    rig.turn();
    rig.log.expect(&["two {read}"]);
    assert_eq!(rig.registered(), 1);
    drop(two);
    assert_eq!((rig.registered(), Rc::strong_count(&shared)), (0, 1));
}

#[test]
fn a_detached_event_goes_on_until_it_empties_its_flags() {
    let rig = Rig::new();
    let before = open_descriptors();
    let (calls, guard) = (Rc::new(Cell::new(0)), Rc::new(()));
    let (count, inside) = (Rc::clone(&calls), Rc::clone(&guard));
    let event = rig.context.handle().fd(readable(), READ, move |this, _| {
        assert_eq!(Rc::strong_count(&inside), 2);
        count.set(count.get() + 1);
        if count.get() == 3 {
            this.set_flags(EMPTY);
        }
    });
    event.unwrap().detach();
    rig.context.run().unwrap();
    assert_eq!((calls.get(), Rc::strong_count(&guard)), (3, 1));
    assert_eq!((open_descriptors(), rig.registered()), (before, 0));
    rig.logging("never", readable(), EMPTY).detach();
    assert_eq!(
        open_descriptors(),
        before,
        "nobody could ever give it flags"
    );
}

#[test]
fn b14_a_detached_event_that_empties_its_flags_and_panics_is_over() {
    let rig = Rig::new();
    let before = open_descriptors();
    let event = rig.context.handle().fd(readable(), READ, |this, _| {
        this.set_flags(EMPTY);
        panic!("this handler panics");
    });
    event.unwrap().detach();
    let run = catch_unwind(AssertUnwindSafe(|| rig.context.run()));
    assert!(run.is_err());
    assert_eq!((open_descriptors(), rig.registered()), (before, 0));
    rig.context.run().unwrap();
}

#[test]
fn the_end_of_a_context_drops_handlers_uncalled_and_closes_what_nobody_owns() {
    let rig = Rig::new();
    let before = open_descriptors();
    let guard = Rc::new(());
    let inside = Rc::clone(&guard);
    let handle = rig.context.handle();
    let late = handle.clone();
    let detached = handle.fd(readable(), READ, move |_, _| drop(Rc::clone(&inside)));
    let detached = detached.unwrap();
    detached.set_close(move |fd| {
        assert!(late.fd(fd, READ, |_, _| {}).is_err(), "it is too late");
    });
    detached.detach();
    let owned = rig.logging("owned", readable(), READ);
    let Rig {
        context,
        log,
        alone,
        ..
    } = rig;
    drop(context);
    assert_eq!(Rc::strong_count(&guard), 1);
    owned.set_flags(EMPTY);
    owned.set_flags(READ);
    assert_eq!(owned.flags(), EMPTY);
    rustix::io::fcntl_getfd(owned.get_ref()).expect("its owner has it still");
    drop(owned.into_inner());
    assert_eq!(
        open_descriptors(),
        before - 3,
        "of four a handle keeps the bell"
    );
    drop(alone);
    log.expect(&[]);
    assert!(handle.fd(idle(), READ, |_, _| {}).is_err());
}

#[test]
fn an_event_lends_its_descriptor_and_can_be_printed() {
    let rig = Rig::new();
    let event = rig.logging("it", idle(), READ);
    assert_eq!(event.as_fd().as_raw_fd(), event.get_ref().as_raw_fd());
    assert!(format!("{event:?}").contains("read"));
}
