//! Wakers and formatters that come back to the queue that calls them (B16, B85).
#![cfg(not(loom))]

mod common;

use std::{
    cell::{Cell, RefCell},
    fmt::{self, Write},
    mem,
    rc::Rc,
    task::{RawWaker, RawWakerVTable, Waker},
};

use common::{expect_closed, poll_with, wait};
use tevent_queue::{QueueExt, QueuedFuture, TeventQueue};

type Hook = Rc<dyn Fn(&'static str, usize)>;

thread_local! {
    /// What a hooked waker does in each of its functions, with its number.
    static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
}

fn set_hook(hook: impl Fn(&'static str, usize) + 'static) {
    HOOK.set(Some(Rc::new(hook)));
}

fn call_hook(function: &'static str, waker: *const ()) {
    let hook = HOOK.with_borrow(Clone::clone);
    if let Some(hook) = hook {
        hook(function, waker.addr());
    }
}

static HOOKED: RawWakerVTable = RawWakerVTable::new(
    |waker| {
        call_hook("clone", waker);
        RawWaker::new(waker, &HOOKED)
    },
    |waker| call_hook("wake", waker),
    |waker| call_hook("wake_by_ref", waker),
    |waker| call_hook("drop", waker),
);

/// A waker whose clone, wake and drop are the test's.
fn hooked_waker(number: usize) -> Waker {
    // SAFETY: the functions use the data pointer as a number alone and refer to nothing but a thread-local of the
    // thread they run on, so they may be called at any time, on any thread, any number of times.
    unsafe { Waker::new(std::ptr::without_provenance(number), &HOOKED) }
}

/// Calls everything a queue offers, once (not again from inside itself), and says from where it was called.
fn reenter(queue: &TeventQueue) -> Rc<RefCell<Vec<&'static str>>> {
    let called = Rc::new(RefCell::new(Vec::new()));
    let (queue, log, inside) = (queue.clone(), called.clone(), Cell::new(false));
    set_hook(move |function, _| {
        if inside.replace(true) {
            return;
        }
        log.borrow_mut().push(function);
        let mut entry = queue.entry();
        let _ = poll_with(&mut entry, Waker::noop());
        drop((queue.try_entry(), queue.clone()));
        queue.stop();
        queue.start();
        let _ = (
            queue.len(),
            queue.is_empty(),
            queue.is_running(),
            queue.is_closed(),
            queue.name(),
        );
        write!(Sink, "{queue:?} {entry:?}").unwrap();
        drop(entry);
        inside.set(false);
    });
    called
}

struct Sink;

impl Write for Sink {
    fn write_str(&mut self, _: &str) -> fmt::Result {
        Ok(())
    }
}

#[test]
fn b16_a_waker_may_come_back_to_the_queue_from_clone_wake_and_drop() {
    let queue = TeventQueue::new("q");
    let holder = queue.try_entry().unwrap();
    let called = reenter(&queue);
    let mut entry = queue.entry();
    assert!(poll_with(&mut entry, &hooked_waker(1)).is_pending());
    assert!(poll_with(&mut entry, &hooked_waker(2)).is_pending());
    drop(holder);
    let mut late = queue.entry();
    assert!(poll_with(&mut late, &hooked_waker(3)).is_pending());
    assert!(poll_with(&mut entry, &hooked_waker(3)).is_ready());
    drop(entry);
    drop(late);
    HOOK.set(None);
    let called = called.borrow();
    assert!(
        ["clone", "wake_by_ref", "drop"]
            .iter()
            .all(|function| called.contains(function)),
        "{called:?}"
    );
    assert!(queue.is_empty() && queue.try_entry().is_ok());
}

#[test]
fn b16_a_waker_may_close_the_queue_from_clone_wake_and_drop() {
    for when in ["clone", "wake_by_ref", "drop"] {
        let queue = TeventQueue::new("q");
        let holder = queue.try_entry().unwrap();
        let (mut first, mut second) = (queue.entry(), wait(&queue));
        let closing = queue.clone();
        set_hook(move |function, _| {
            if function == when {
                closing.close();
            }
        });
        let waker = mem::ManuallyDrop::new(hooked_waker(1));
        let mut polled = poll_with(&mut first, &waker);
        assert_eq!(polled.is_ready(), when == "clone");
        match when {
            "wake_by_ref" => drop(holder),
            "drop" => assert!(poll_with(&mut first, Waker::noop()).is_pending()),
            _ => {}
        }
        HOOK.set(None);
        assert!(queue.is_closed(), "closed from {when}");
        if polled.is_pending() {
            polled = poll_with(&mut first, Waker::noop());
        }
        assert!(polled.is_ready());
        expect_closed(&mut second);
    }
}

#[test]
fn b16_the_last_handle_may_go_from_inside_a_wake() {
    let queue = TeventQueue::new("q");
    let holder = queue.try_entry().unwrap();
    let (mut first, mut second) = (queue.entry(), wait(&queue));
    let last = Cell::new(Some(queue));
    set_hook(move |function, _| {
        if function == "wake_by_ref" {
            drop(last.take());
        }
    });
    assert!(poll_with(&mut first, &hooked_waker(1)).is_pending());
    drop(holder);
    assert!(second.is_woken());
    expect_closed(&mut second);
    assert!(poll_with(&mut first, Waker::noop()).is_ready());
    HOOK.set(None);
}

#[test]
fn b16_a_close_inside_a_close_keeps_the_order() {
    let (queue, order) = (TeventQueue::new("q"), Rc::new(RefCell::new(Vec::new())));
    let holder = queue.try_entry().unwrap();
    let mut entries: Vec<_> = (0..100).map(|_| queue.entry()).collect();
    for (number, entry) in entries.iter_mut().enumerate() {
        assert!(poll_with(entry, &hooked_waker(number)).is_pending());
    }
    let (again, woken) = (queue.clone(), order.clone());
    set_hook(move |function, number| {
        if function == "wake" {
            woken.borrow_mut().push(number);
            again.close();
        }
    });
    queue.close();
    HOOK.set(None);
    assert_eq!(*order.borrow(), (0..100).collect::<Vec<_>>());
    drop(holder);
}

#[test]
fn a_waiting_entry_clones_its_waker_once_and_a_granted_one_never() {
    let clones = Rc::new(Cell::new(0));
    let count = clones.clone();
    set_hook(move |function, _| count.set(count.get() + usize::from(function == "clone")));
    let queue = TeventQueue::new("q");
    let (mut granted, mut waiting) = (queue.entry(), queue.entry());
    let (first, second) = (hooked_waker(1), hooked_waker(2));
    assert!((0..3).all(|_| poll_with(&mut waiting, &second).is_pending()));
    assert_eq!(clones.get(), 1);
    assert!(poll_with(&mut granted, &first).is_ready());
    assert!(poll_with(&mut waiting, &second).is_ready());
    assert_eq!(clones.get(), 1);
    HOOK.set(None);
}

#[test]
fn b85_a_formatter_may_use_the_queue_it_shows() {
    struct Busy(TeventQueue);
    impl Write for Busy {
        fn write_str(&mut self, _: &str) -> fmt::Result {
            drop(self.0.entry());
            Ok(())
        }
    }
    let queue = TeventQueue::new("q");
    let (guard, entry) = (queue.try_entry().unwrap(), queue.entry());
    let queued: QueuedFuture<_> = async {}.queued(&queue);
    write!(
        Busy(queue.clone()),
        "{queue:?} {guard:?} {entry:?} {queued:?}"
    )
    .unwrap();
    assert_eq!(queue.len(), 3);
}
