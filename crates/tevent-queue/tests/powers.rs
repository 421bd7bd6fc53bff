//! What a queue can do beyond first come, first served: hold, give back, limit, look, trace, end.
#![cfg(not(loom))]

mod common;

use std::{
    cell::Cell,
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    task::Poll,
};

use common::{Trace, enter, join, wait};
use futures::executor::block_on;
use tevent_queue::{
    EntryState, QueueError, QueueGuard, SyncTeventQueue, TeventQueue, Threads, TraceKind,
    TryEntryError,
};
use tokio_test::task::spawn;

#[test]
fn q11_an_untriggered_entry_is_granted_first_when_the_queue_starts() {
    let queue = TeventQueue::new("q");
    let guard = queue.try_entry().unwrap();
    let behind = wait(&queue);
    queue.stop();
    let mut same = spawn(guard.untrigger().unwrap());
    assert!(same.poll().is_pending() && !behind.is_woken());
    assert_eq!((same.position(), behind.position()), (Some(0), Some(1)));
    queue.start();
    assert!(same.is_woken() && !behind.is_woken());
    drop(enter(&mut same));
    assert!(behind.is_woken());
}

#[test]
fn q11_a_running_queue_gives_the_guard_back() {
    let queue = TeventQueue::new("q");
    let guard = enter(&mut join(&queue));
    let refused = guard.untrigger().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the queue is running: stop it before a turn is given back"
    );
    assert_eq!(queue.try_entry().unwrap_err(), TryEntryError::Busy);
    drop(refused);
    assert!(queue.is_empty());
}

#[test]
fn q11_untriggered_on_a_queue_that_is_closed_it_waits_in_vain() {
    let queue = TeventQueue::new("q");
    let guard = queue.try_entry().unwrap();
    queue.stop();
    queue.close_with("moved");
    let entry = guard.untrigger().unwrap();
    assert_eq!(queue.len(), 0);
    assert_eq!(
        block_on(entry).unwrap_err(),
        QueueError::ClosedWith("moved".into())
    );
}

#[test]
fn q12_a_block_holds_from_its_turn_until_it_is_dropped() {
    let queue = TeventQueue::new("q");
    let before = queue.try_entry().unwrap();
    let block = queue.block();
    let mut behind = wait(&queue);
    assert!(!block.holds());
    drop(before);
    assert!(block.holds() && !behind.is_woken());
    queue.stop();
    assert!(block.holds(), "a stop takes nothing back from it");
    queue.start();
    assert_eq!(
        queue.holder().map(|holder| holder.state),
        Some(EntryState::Held)
    );
    drop(block);
    drop(enter(&mut behind));
}

#[test]
fn q12_a_block_that_goes_before_its_turn_hinders_nobody() {
    let queue = TeventQueue::new("q");
    let before = queue.try_entry().unwrap();
    let block = queue.block();
    let mut behind = wait(&queue);
    drop((block, before));
    drop(enter(&mut behind));
}

#[test]
fn q13_a_wait_that_something_else_ended_has_left_and_is_never_granted() {
    let queue = TeventQueue::new("q");
    let holder = queue.try_entry().unwrap();
    let (stop, stopped) = futures::channel::oneshot::channel::<&str>();
    let mut limited = spawn(queue.entry().unless(stopped));
    let mut behind = wait(&queue);
    assert!(limited.poll().is_pending());
    stop.send("enough").unwrap();
    assert!(limited.is_woken());
    assert!(matches!(limited.poll(), Poll::Ready(Err(Ok("enough")))));
    // The future itself still lives.
    assert_eq!(queue.len(), 2);
    drop(holder);
    assert!(behind.is_woken());
    drop((enter(&mut behind), limited));
}

#[test]
fn q13_if_both_come_at_once_the_turn_wins_and_the_other_is_dropped() {
    let (queue, dropped) = (TeventQueue::new("q"), Rc::new(Cell::new(false)));
    struct Other(Rc<Cell<bool>>, TeventQueue);
    impl Future for Other {
        type Output = ();
        fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
    }
    impl Drop for Other {
        fn drop(&mut self) {
            assert_eq!(self.1.len(), 1, "the turn is held already");
            self.0.set(true);
        }
    }
    let guard = block_on(queue.entry().unless(Other(dropped.clone(), queue.clone())));
    assert!(dropped.get());
    assert!(matches!(guard, Ok(Ok(_))));
}

#[test]
fn q14_all_get_the_reason_and_so_do_those_who_come_later() {
    let queue = TeventQueue::new("q");
    let holder = queue.try_entry().unwrap();
    let mut tasks = [wait(&queue), wait(&queue), join(&queue)];
    queue.close_with("connection reset");
    queue.close_with("too late");
    let late = queue.entry();
    assert!(tasks[0].is_woken() && tasks[1].is_woken());
    let closed = QueueError::ClosedWith("connection reset".into());
    for task in &mut tasks {
        assert!(matches!(task.poll(), Poll::Ready(Err(error)) if error == closed));
    }
    let error = block_on(late).unwrap_err();
    assert!(error.is_closed());
    assert_eq!(
        error.to_string(),
        "the queue was closed before the entry's turn: connection reset"
    );
    assert_eq!(queue.len(), 1);
    drop(holder);
}

#[test]
fn a_full_queue_refuses_at_the_call_and_takes_again_when_somebody_has_left() {
    let queue = TeventQueue::builder("q").capacity(2).build();
    let holder = queue.try_entry().unwrap();
    let mut second = wait(&queue);
    assert_eq!(block_on(queue.entry()).unwrap_err(), QueueError::Full);
    assert!(queue.entry_if_fewer_than(3).is_none());
    let block = queue.block(); // does not count as too many
    assert_eq!(queue.len(), 3);
    drop(block);
    drop(holder);
    let mut third = wait(&queue);
    drop(enter(&mut second));
    drop(enter(&mut third));
}

#[test]
fn only_if_empty_and_only_if_fewer() {
    let queue = TeventQueue::new("q");
    let first = queue.entry_if_fewer_than(1).expect("empty");
    assert!(queue.entry_if_fewer_than(1).is_none());
    let second = queue.entry_if_fewer_than(2).expect("fewer than two");
    assert_eq!(second.position(), Some(1));
    drop(first);
    assert!(block_on(second).is_ok());
}

#[test]
fn permits_let_the_first_few_in_and_the_first_that_leaves_lets_the_next() {
    let queue = TeventQueue::builder("q").permits(2).build();
    let mut tasks: Vec<_> = (0..4).map(|_| join(&queue)).collect();
    let (first, second) = (enter(&mut tasks[0]), enter(&mut tasks[1]));
    assert!(tasks[2].poll().is_pending() && tasks[3].poll().is_pending());
    drop(second);
    assert!(tasks[2].is_woken() && !tasks[3].is_woken());
    // Taken back, the turn is the same entry's again.
    queue.stop();
    queue.start();
    let third = enter(&mut tasks[2]);
    drop((first, third));
    drop(enter(&mut tasks[3]));
    assert!(queue.is_empty());
}

#[test]
fn a_tag_goes_with_the_entry_and_its_guard() {
    let queue = TeventQueue::new("q");
    let entry = queue.entry().tagged(7);
    assert_eq!(entry.tag(), 7);
    let guard = block_on(entry).unwrap();
    assert_eq!((guard.tag(), guard.queue_name()), (7, "q"));
    let holder = queue.holder().expect("held");
    assert_eq!((holder.tag, holder.origin.file()), (7, file!()));
    assert!(format!("{queue:?}").contains("tag 7"));
}

/// C reports a detach with the head's request (Q22); here each entry speaks for itself, also on the fast path.
#[test]
fn q22_trace_points_are_the_entry_s_own_in_order_and_chained() {
    let (queue, trace) = (TeventQueue::new("disk"), Trace::default());
    for hook in ["a", "b"] {
        let trace = trace.clone();
        queue.on_trace(move |point| {
            let what = match point.kind {
                TraceKind::Attach => "attach",
                TraceKind::BeforeTrigger => "trigger",
                TraceKind::Detach => "detach",
                _ => "?",
            };
            trace.say(format!("{hook} {} {what} {}", point.queue, point.tag));
        });
    }
    let guard = queue.try_entry().unwrap();
    trace.expect(&[
        "a disk attach 0",
        "b disk attach 0",
        "a disk trigger 0",
        "b disk trigger 0",
    ]);
    let mut next = spawn(queue.entry().tagged(1));
    let gone = queue.entry().tagged(2);
    trace.expect(&[
        "a disk attach 0",
        "b disk attach 0",
        "a disk attach 0",
        "b disk attach 0",
    ]);
    drop(gone);
    trace.expect(&["a disk detach 2", "b disk detach 2"]);
    assert!(next.poll().is_pending());
    drop(guard);
    trace.expect(&["a disk detach 0", "b disk detach 0"]);
    let guard = enter(&mut next);
    trace.expect(&["a disk trigger 1", "b disk trigger 1"]);
    drop(guard);
    trace.expect(&["a disk detach 1", "b disk detach 1"]);
    drop(block_on(queue.entry()));
    trace.expect(&[
        "a disk attach 0",
        "b disk attach 0",
        "a disk trigger 0",
        "b disk trigger 0",
        "a disk detach 0",
        "b disk detach 0",
    ]);
}

#[test]
fn b16_a_trace_hook_may_use_the_queue_and_add_hooks() {
    let (queue, trace) = (TeventQueue::new("q"), Trace::default());
    // A hook that owns a handle keeps the queue for ever: this one gives it up after its use.
    let (handle, said) = (Cell::new(Some(queue.clone())), trace.clone());
    queue.on_trace(move |point| {
        if point.kind == TraceKind::BeforeTrigger
            && let Some(inner) = handle.take()
        {
            said.say(format!("{} in line", inner.len()));
            let later = said.clone();
            inner.on_trace(move |point| later.say(format!("later {:?}", point.kind)));
            drop(inner.entry());
        }
    });
    drop(block_on(queue.entry()));
    trace.expect(&["1 in line", "later Attach", "later Detach", "later Detach"]);
}

#[test]
fn drain_is_ready_when_the_last_has_left_however_it_left() {
    let queue = TeventQueue::new("q");
    assert!(spawn(queue.drain()).poll().is_ready(), "nobody is here");
    let holder = queue.try_entry().unwrap();
    let waiting = wait(&queue);
    let mut drains = [spawn(queue.drain()), spawn(queue.drain())];
    let given_up = {
        let mut drain = spawn(queue.drain());
        assert!(drain.poll().is_pending());
        drain
    };
    drop(given_up);
    drains
        .iter_mut()
        .for_each(|drain| assert!(drain.poll().is_pending()));
    drop(waiting);
    assert!(!drains[0].is_woken());
    drop(holder);
    assert!(drains.iter().all(|drain| drain.is_woken()));
    // Somebody came meanwhile: the second waits on.
    assert!(drains[0].poll().is_ready());
    let late = queue.try_entry().unwrap();
    assert!(drains[1].poll().is_pending());
    drop(late);
    assert!(drains[1].poll().is_ready());
}

#[test]
fn drain_of_a_closed_queue_waits_for_the_holder_alone() {
    let queue = TeventQueue::new("q");
    let holder = queue.try_entry().unwrap();
    let mut waiting = wait(&queue);
    let mut drain = spawn(queue.drain());
    assert!(drain.poll().is_pending());
    queue.close();
    assert!(!drain.is_woken());
    drop(holder);
    assert!(drain.is_woken() && drain.poll().is_ready());
    common::expect_closed(&mut waiting);
}

#[test]
fn numbers_tell_what_has_happened() {
    let queue = TeventQueue::new("q");
    let holder = queue.try_entry().unwrap();
    let mut tasks = [wait(&queue), wait(&queue)];
    drop(queue.entry().unless(pending::<()>()));
    drop(holder);
    drop(enter(&mut tasks[0]));
    let stats = queue.stats();
    assert_eq!(
        (
            stats.len,
            stats.high_water,
            stats.grants,
            stats.cancellations
        ),
        (1, 4, 2, 1)
    );
}

/// A hook that panics at one kind of point, once.
fn fragile(queue: &TeventQueue, at: TraceKind) {
    let armed = Cell::new(true);
    queue.on_trace(move |point| {
        if point.kind == at && armed.replace(false) {
            panic!("the hook's own panic");
        }
    });
}

#[test]
fn b12_a_hook_that_panics_when_an_entry_is_made_leaves_no_place_behind() {
    type Make = fn(&TeventQueue);
    let ways: [Make; 4] = [
        |queue| drop(queue.entry()),
        |queue| drop(queue.entry_if_fewer_than(9)),
        |queue| drop(queue.block()),
        |queue| drop(queue.try_entry()),
    ];
    for make in ways {
        let queue = TeventQueue::new("q");
        fragile(&queue, TraceKind::Attach);
        catch_unwind(AssertUnwindSafe(|| make(&queue))).unwrap_err();
        assert_eq!(queue.len(), 0);
        drop(queue.try_entry().unwrap());
    }
}

#[test]
fn b12_a_hook_that_panics_at_a_turn_or_a_leave_does_not_keep_the_turn() {
    for at in [TraceKind::BeforeTrigger, TraceKind::Detach] {
        let queue = TeventQueue::new("q");
        let mut first = join(&queue);
        let mut next = wait(&queue);
        let mut drain = spawn(queue.drain());
        assert!(drain.poll().is_pending());
        fragile(&queue, at);
        let turn = || drop(enter(&mut first));
        catch_unwind(AssertUnwindSafe(turn)).unwrap_err();
        drop(first);
        assert!(next.is_woken(), "{at:?}");
        drop(enter(&mut next));
        assert!(drain.is_woken());
    }
}

#[test]
fn b15_drains_are_told_also_if_a_waker_panics_in_the_close() {
    struct Panicking;
    impl std::task::Wake for Panicking {
        fn wake(self: std::sync::Arc<Self>) {
            panic!("the waker's own panic");
        }
    }
    let queue = TeventQueue::new("q");
    queue.stop();
    let mut entry = queue.entry();
    let waker = std::task::Waker::from(std::sync::Arc::new(Panicking));
    assert!(common::poll_with(&mut entry, &waker).is_pending());
    let mut drain = spawn(queue.drain());
    assert!(drain.poll().is_pending());
    catch_unwind(AssertUnwindSafe(|| queue.close())).unwrap_err();
    assert!(drain.is_woken() && drain.poll().is_ready());
}

#[test]
fn q11_giving_the_last_turn_back_to_a_closed_queue_empties_it() {
    let queue = TeventQueue::new("q");
    let guard = queue.try_entry().unwrap();
    let mut drain = spawn(queue.drain());
    assert!(drain.poll().is_pending());
    queue.stop();
    queue.close();
    let entry = guard.untrigger().unwrap();
    assert!(drain.is_woken() && drain.poll().is_ready());
    drop(entry);
}

#[test]
fn the_holder_is_found_behind_one_that_waits_again() {
    let queue = TeventQueue::builder("q").permits(2).build();
    let (first, second) = (queue.try_entry().unwrap(), queue.entry().tagged(2));
    let second = block_on(second).unwrap();
    queue.stop();
    let first = first.untrigger().unwrap();
    assert_eq!(queue.holder().map(|holder| holder.tag), Some(2));
    drop((first, second));
}

#[test]
fn b49_a_try_inside_a_wake_does_not_overtake() {
    /// Inside its wake a second permit becomes free, and somebody tries to take it.
    struct Greedy(std::sync::Mutex<Option<(SyncTeventQueue, QueueGuard<Threads>)>>);
    impl std::task::Wake for Greedy {
        fn wake(self: std::sync::Arc<Self>) {
            let Some((queue, guard)) = self.0.lock().unwrap().take() else {
                return;
            };
            drop(guard);
            assert_eq!(queue.try_entry().unwrap_err(), TryEntryError::Busy);
        }
    }
    let queue = TeventQueue::builder("q").permits(2).build_shared();
    let (first, second) = (queue.try_entry().unwrap(), queue.try_entry().unwrap());
    let greedy = Greedy(std::sync::Mutex::new(Some((queue.clone(), second))));
    let waker = std::task::Waker::from(std::sync::Arc::new(greedy));
    let mut third = queue.entry();
    let mut cx = std::task::Context::from_waker(&waker);
    assert!(std::pin::Pin::new(&mut third).poll(&mut cx).is_pending());
    let mut fourth = spawn(queue.entry());
    assert!(fourth.poll().is_pending());
    drop(first);
    assert!(fourth.is_woken(), "it was next");
}

#[test]
fn b55_a_queue_that_nobody_is_in_keeps_nobody_s_waker() {
    struct Idle;
    impl std::task::Wake for Idle {
        fn wake(self: std::sync::Arc<Self>) {}
    }
    let (queue, task) = (TeventQueue::new("q"), std::sync::Arc::new(Idle));
    let holder = queue.try_entry().unwrap();
    let mut entry = queue.entry();
    let waker = std::task::Waker::from(task.clone());
    assert!(common::poll_with(&mut entry, &waker).is_pending());
    drop((holder, entry, waker));
    assert_eq!(std::sync::Arc::strong_count(&task), 1);
}

#[test]
fn a_hundred_thousand_drains_are_told_in_no_time() {
    let total = if cfg!(miri) { 100 } else { 100_000 };
    let queue = TeventQueue::new("q");
    let holder = queue.try_entry().unwrap();
    let mut drains: Vec<_> = (0..total).map(|_| spawn(queue.drain())).collect();
    assert!(drains.iter_mut().all(|drain| drain.poll().is_pending()));
    drop(holder);
    assert!(drains.iter().all(|drain| drain.is_woken()));
    assert!(drains.iter_mut().all(|drain| drain.poll().is_ready()));
}
