//! The bug classes of `reference/reliability.md` that a queue can have, by their numbers.
#![cfg(not(loom))]

mod common;

use std::{
    cell::Cell,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

use common::{enter, expect_closed, join, poll_with, wait};
use tevent_queue::{QueueExt, TeventQueue, TryEntryError};
use tokio_test::task::spawn;

/// Runs on a stack of 64 KiB.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    thread::Builder::new()
        .stack_size(64 * 1024)
        .spawn(test)
        .unwrap()
        .join()
        .unwrap();
}

/// Panics in its n-th poll, counted from 1.
struct Section {
    left: usize,
}

impl Future for Section {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        self.left -= 1;
        assert!(self.left > 0, "the section's own panic");
        Poll::Pending
    }
}

#[test]
fn b12_b52_a_panic_in_the_section_releases_the_turn() {
    for nth in 1..4 {
        let queue = TeventQueue::new("q");
        let mut section = spawn(Section { left: nth }.queued(&queue));
        let mut next = join(&queue);
        for _ in 1..nth {
            assert!(section.poll().is_pending());
        }
        assert!(next.poll().is_pending());
        catch_unwind(AssertUnwindSafe(|| section.poll())).unwrap_err();
        // The `QueuedFuture` has not even been dropped.
        assert!(next.is_woken());
        drop(enter(&mut next));
        assert!(queue.is_empty());
        drop(section);
    }
}

#[test]
fn b12_a_section_is_dropped_before_its_turn_passes_on() {
    struct Inside(TeventQueue, Rc<Cell<usize>>);
    impl Drop for Inside {
        fn drop(&mut self) {
            assert_eq!(self.0.try_entry().unwrap_err(), TryEntryError::Busy);
            self.1.set(self.1.get() + 1);
        }
    }
    impl Future for Inside {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            match self.1.get() {
                0 => Poll::Pending,
                1 => Poll::Ready(()),
                _ => panic!("the section's own panic"),
            }
        }
    }
    let (queue, drops) = (TeventQueue::new("q"), Rc::new(Cell::new(0)));
    let mut cancelled = spawn(Inside(queue.clone(), drops.clone()).queued(&queue));
    assert!(cancelled.poll().is_pending());
    drop(cancelled);
    let mut finished = spawn(Inside(queue.clone(), drops.clone()).queued(&queue));
    assert!(finished.poll().is_ready());
    let mut failed = spawn(Inside(queue.clone(), drops.clone()).queued(&queue));
    catch_unwind(AssertUnwindSafe(|| failed.poll())).unwrap_err();
    assert_eq!((drops.get(), queue.len()), (3, 0));
}

/// Says its number when woken; one of them panics.
struct Member {
    number: usize,
    panics: bool,
    woken: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Member {
    fn wake(self: Arc<Self>) {
        self.woken.lock().unwrap().push(self.number);
        if self.panics {
            std::panic::panic_any(self.number);
        }
    }
}

#[test]
fn b15_a_waker_that_panics_in_a_close_leaves_nobody_behind() {
    let total = if cfg!(miri) { 34 } else { 100 };
    for bad in (0..total).step_by(11) {
        let (queue, woken) = (TeventQueue::new("q"), Arc::default());
        let holder = queue.try_entry().unwrap();
        let mut entries: Vec<_> = (0..total)
            .map(|number| {
                let mut entry = queue.entry();
                let member = Member {
                    number,
                    panics: number == bad,
                    woken: Arc::clone(&woken),
                };
                assert!(poll_with(&mut entry, &Arc::new(member).into()).is_pending());
                entry
            })
            .collect();
        let panic = catch_unwind(AssertUnwindSafe(|| queue.close())).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&bad));
        assert_eq!(*woken.lock().unwrap(), (0..total).collect::<Vec<_>>());
        assert!(
            entries
                .iter_mut()
                .all(|entry| poll_with(entry, Waker::noop()).is_ready())
        );
        drop(holder);
        assert!(queue.is_empty());
    }
}

#[test]
fn b15_a_waker_that_panics_at_its_grant_leaves_the_line_in_order() {
    let queue = TeventQueue::new("q");
    let holder = queue.try_entry().unwrap();
    let mut granted = queue.entry();
    let member = Member {
        number: 7,
        panics: true,
        woken: Arc::default(),
    };
    assert!(poll_with(&mut granted, &Arc::new(member).into()).is_pending());
    let mut next = wait(&queue);
    catch_unwind(AssertUnwindSafe(|| drop(holder))).unwrap_err();
    assert_eq!(queue.len(), 2);
    drop(granted);
    assert!(next.is_woken());
    drop(enter(&mut next));
}

#[test]
fn b47_the_head_dropped_in_each_state_lets_the_next_through() {
    for state in ["granted", "granted and woken", "stopped", "held"] {
        let queue = TeventQueue::new("q");
        let mut head = join(&queue);
        let mut next = wait(&queue);
        match state {
            "granted and woken" => {
                queue.stop();
                assert!(head.poll().is_pending());
                queue.start();
                assert!(head.is_woken());
            }
            "stopped" => queue.stop(),
            "held" => drop(enter(&mut head)),
            _ => {}
        }
        drop(head);
        if state == "stopped" {
            queue.start();
        }
        assert!(next.is_woken(), "{state}");
        drop(enter(&mut next));
    }
}

#[test]
fn b48_a_section_frees_itself_the_next_all_others_and_the_queue() {
    for set in 0..16 {
        let queue = TeventQueue::new("q");
        let holder = queue.try_entry().unwrap();
        let mut others: Vec<_> = (0..3).map(|_| wait(&queue)).collect();
        let (mut holder, mut queue) = (Some(holder), Some(queue));
        let [itself, next, all, closes] = [1, 2, 4, 8].map(|bit| set & bit != 0);
        if itself {
            holder = None;
        }
        if next {
            drop(others.remove(0));
        }
        if all {
            others.clear();
        }
        if closes {
            queue = None;
        }
        drop(holder);
        for other in &mut others {
            assert!(other.is_woken(), "set {set}");
            if closes {
                expect_closed(other)
            } else {
                drop(enter(other))
            }
        }
        assert!(queue.is_none_or(|queue| queue.is_empty()), "set {set}");
    }
}

#[test]
fn b49_try_entry_never_overtakes() {
    let queue = TeventQueue::new("q");
    let holder = queue.try_entry().unwrap();
    let mut next = wait(&queue);
    drop(holder);
    assert_eq!(queue.try_entry().unwrap_err(), TryEntryError::Busy);
    let guard = enter(&mut next);
    assert_eq!(queue.try_entry().unwrap_err(), TryEntryError::Busy);
    drop(guard);
    assert!(queue.try_entry().is_ok());
}

#[test]
fn b50_stop_and_start_around_a_pending_grant() {
    let queue = TeventQueue::new("q");
    let holder = queue.try_entry().unwrap();
    let (mut first, mut second) = (wait(&queue), wait(&queue));
    drop(holder);
    assert!(first.is_woken());
    for _ in 0..3 {
        queue.stop();
        assert!(first.poll().is_pending());
        queue.start();
        queue.start();
        assert!(first.is_woken() && !second.is_woken());
    }
    let guard = enter(&mut first);
    queue.stop();
    queue.stop();
    drop(guard);
    assert!(!second.is_woken());
    queue.start();
    drop(enter(&mut second));
}

#[test]
fn b51_a_granted_entry_that_nobody_polls_has_the_turn_until_it_goes() {
    let queue = TeventQueue::new("q");
    let idle = queue.entry();
    let mut next = wait(&queue);
    assert!(next.poll().is_pending());
    drop(idle);
    drop(enter(&mut next));
}

#[test]
fn b52_b88_a_forgotten_guard_keeps_the_queue_held() {
    let queue = TeventQueue::new("q");
    // Forgotten as far as the queue can see, and freed at the end for the sake of leak checkers.
    let guard = mem::ManuallyDrop::new(enter(&mut join(&queue)));
    let mut next = wait(&queue);
    let granted_later = mem::ManuallyDrop::new(queue.entry());
    let mut section = spawn(Section { left: 9 }.queued(&queue));
    assert!(section.poll().is_pending() && next.poll().is_pending());
    assert_eq!(queue.len(), 4);
    assert_eq!(queue.try_entry().unwrap_err(), TryEntryError::Busy);
    queue.close();
    expect_closed(&mut next);
    assert_eq!(queue.len(), 1);
    drop((
        mem::ManuallyDrop::into_inner(granted_later),
        mem::ManuallyDrop::into_inner(guard),
    ));
    assert!(queue.is_empty());
}

#[test]
fn b88_a_forgotten_entry_keeps_its_place_and_a_forgotten_section_its_turn() {
    let queue = TeventQueue::new("q");
    let entry = mem::ManuallyDrop::new(queue.entry());
    let mut section = mem::ManuallyDrop::new(spawn(Section { left: 9 }.queued(&queue)));
    let mut next = wait(&queue);
    drop(mem::ManuallyDrop::into_inner(entry));
    assert!(section.poll().is_pending() && next.poll().is_pending());
    let handle = mem::ManuallyDrop::new(queue.clone());
    drop(queue);
    assert!(next.poll().is_pending() && !handle.is_closed());
    drop(mem::ManuallyDrop::into_inner(section));
    drop(enter(&mut next));
    drop(mem::ManuallyDrop::into_inner(handle));
}

/// Expects to be woken as number n of a row.
struct InOrder(usize, Arc<AtomicUsize>);

impl Wake for InOrder {
    fn wake(self: Arc<Self>) {
        assert_eq!(self.1.fetch_add(1, Ordering::Relaxed), self.0);
    }
}

#[test]
fn b54_a_million_waiters_are_closed_in_order_on_a_small_stack() {
    let total = if cfg!(miri) { 200 } else { 1_000_000 };
    on_a_small_stack(move || {
        let (queue, woken) = (TeventQueue::new("q"), Arc::new(AtomicUsize::new(0)));
        let holder = queue.try_entry().unwrap();
        let mut entries: Vec<_> = (0..total).map(|_| queue.entry()).collect();
        for (number, entry) in entries.iter_mut().enumerate() {
            let waker = Arc::new(InOrder(number, woken.clone())).into();
            assert!(poll_with(entry, &waker).is_pending());
        }
        drop(queue);
        assert_eq!(woken.load(Ordering::Relaxed), total);
        assert!(
            entries
                .iter_mut()
                .all(|entry| poll_with(entry, Waker::noop()).is_ready())
        );
        drop(holder);
    });
}

#[test]
fn b56_a_million_turns_in_a_row_need_no_stack() {
    let total = if cfg!(miri) { 200 } else { 1_000_000 };
    on_a_small_stack(move || {
        let queue = TeventQueue::new("q");
        for _ in 0..total {
            drop(queue.try_entry().unwrap());
        }
        let mut entries: Vec<_> = (0..total).map(|_| queue.entry()).collect();
        assert!(
            entries
                .iter_mut()
                .all(|entry| poll_with(entry, Waker::noop()).is_ready())
        );
        let entries: Vec<_> = (0..total).map(|_| queue.entry()).collect();
        drop(entries);
        assert!(queue.is_empty());
    });
}

#[test]
fn b85_debug_shows_every_state() {
    let queue = TeventQueue::new("printer");
    assert_eq!(
        format!("{queue:?}"),
        r#"TeventQueue { name: "printer", running: true, closed: false, len: 0, entries: [] }"#
    );
    let line = line!() + 1;
    let mut entry = join(&queue);
    let origin = format!("{}:{line}:21", file!());
    let shown = format!("{:?}", &*entry);
    assert_eq!(
        shown,
        format!(r#"QueueEntry {{ queue: "printer", state: Granted, origin: {origin} }}"#)
    );
    let guard = enter(&mut entry);
    assert_eq!(
        format!("{guard:?}"),
        format!(r#"QueueGuard {{ queue: "printer", state: Held, origin: {origin} }}"#)
    );
    assert_eq!(format!("{:?}", &*entry), "QueueEntry(over)");
    let mut queued = Box::pin(async {}.queued(&queue));
    assert!(format!("{queued:?}").contains("state: Waiting"));
    let crowd: Vec<_> = (0..8).map(|_| queue.entry()).collect();
    queue.stop();
    let shown = format!("{queue:?}");
    assert!(
        shown.contains("running: false") && shown.contains("len: 10"),
        "{shown}"
    );
    assert!(
        shown.contains(&format!("entries: [Held {origin}, Waiting ")) && shown.ends_with(", ..] }"),
        "{shown}"
    );
    queue.close();
    assert!(
        crowd
            .iter()
            .all(|entry| format!("{entry:?}").contains("state: Closed"))
    );
    let mut cx = Context::from_waker(Waker::noop());
    assert!(queued.as_mut().poll(&mut cx).is_ready());
    assert_eq!(format!("{queued:?}"), "QueuedFuture(Over)");
}
