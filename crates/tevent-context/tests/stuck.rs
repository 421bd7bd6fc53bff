//! A loop that can never be woken says what each task waits for; one that is merely idle is left alone.

mod util;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use futures::channel::oneshot;
use tevent_context::{Context, FdEvent, Signal, SignalKind, Stuck, VirtualClock, sleep, spawn};
use tevent_queue::{Policy, TeventQueue};
use util::{Rig, ms};

/// A context on a virtual clock that has no patience.
fn impatient() -> Context {
    Context::builder()
        .virtual_clock(&VirtualClock::new())
        .stuck_after(Duration::ZERO, |_| ())
        .build()
        .expect("descriptors for one loop")
}

fn message(run: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(run)).expect_err("it is stuck");
    panic.downcast_ref::<String>().expect("a text").clone()
}

#[test]
fn block_on_of_a_future_that_nobody_can_wake_is_an_error_at_once() {
    let rig = Rig::new();
    let text = message(|| rig.context.block_on(pending()));
    assert!(text.contains("the loop is stuck"), "{text}");
    assert!(
        text.contains("the future of `block_on` waits for something that is not tevent's"),
        "{text}"
    );
    rig.context.block_on(async { sleep(ms(1)).await });
}

#[test]
fn it_says_what_each_task_waits_for_with_names_and_lines() {
    let context = impatient();
    let text = message(|| {
        context.block_on(async {
            let queue = TeventQueue::builder("printer")
                .detector(Policy::Off)
                .build();
            let _guard = queue.entry().await.expect("open");
            let waiter = spawn(queue.entry()).named("waiter");
            drop(waiter.await);
        });
    });
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(
        text.contains("the future of `block_on` waits for the end of task `waiter` (spawned at "),
        "{text}"
    );
    assert!(text.contains("task `waiter` (spawned at "), "{text}");
    assert!(
        text.contains("waits for its turn in queue `printer`, asked for at "),
        "{text}"
    );
    assert!(text.contains("the turn is with who asked at "), "{text}");
    assert!(text.matches("stuck.rs:").count() >= 3, "{text}");
}

#[test]
fn a_queue_that_waits_for_itself_is_an_error_at_once() {
    // If the patience were needed, the test would hang.
    let context = Context::builder()
        .virtual_clock(&VirtualClock::new())
        .stuck_after(Duration::from_secs(1_000_000), |_| ())
        .build()
        .expect("descriptors for one loop");
    let text = message(|| {
        context.block_on(async {
            let queue = TeventQueue::builder("printer")
                .detector(Policy::Off)
                .build();
            let guard = queue.entry().await.expect("open");
            let waiter = spawn(queue.entry());
            drop(waiter.await);
            drop(guard);
        });
    });
    assert!(
        text.contains("waits for its turn in queue `printer`"),
        "{text}"
    );
}

#[test]
fn run_and_turn_return_it_as_an_error_that_can_be_looked_into() {
    let context = impatient();
    context.spawn(pending::<()>()).named("lost").detach();
    for _ in 0..2 {
        let error = context.run().expect_err("it is stuck");
        assert_eq!(error.kind(), io::ErrorKind::Deadlock);
        let stuck = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Stuck>());
        let stuck = stuck.expect("a `Stuck` is inside");
        assert_eq!(stuck.tasks.len(), 1);
        assert_eq!(stuck.tasks[0].name.as_deref(), Some("lost"));
    }
    assert!(context.turn(None).is_err());
    assert!(context.turn(Some(Duration::ZERO)).is_ok());
}

#[test]
fn a_wake_from_another_thread_is_waited_for() {
    let rig = Rig::new();
    let (sender, receiver) = oneshot::channel();
    let (begin, begun) = std::sync::mpsc::channel();
    let other = std::thread::spawn(move || {
        begun.recv().expect("told to begin");
        sender.send(1)
    });
    let received = rig.context.block_on(async {
        begin.send(()).expect("somebody listens");
        receiver.await
    });
    assert_eq!(received, Ok(1));
    other.join().expect("no panic").expect("received");
}

#[test]
fn a_timer_and_an_empty_loop_are_no_reason_to_complain() {
    let context = impatient();
    context.run().expect("nothing to wait for is no trouble");
    context.block_on(async { sleep(Duration::from_secs(1_000_000)).await });
    assert!(context.turn(Some(ms(5))).is_ok());
}

/// Does something once the loop has slept for a moment, from another thread that has a loop of its own.
fn soon(act: impl FnOnce() + Send + 'static) -> std::thread::JoinHandle<()> {
    std::thread::spawn(|| {
        let clock = Context::new().expect("descriptors for one loop");
        clock.block_on(async { sleep(ms(30)).await });
        act();
    })
}

#[test]
fn a_descriptor_that_somebody_waits_for_is_no_reason_to_complain() {
    let (near, mut far) = UnixStream::pair().expect("descriptors");
    let context = impatient();
    let near = FdEvent::new(&context.handle(), near).expect("registered");
    let other = soon(move || far.write_all(b"x").expect("room in the socket"));
    context.block_on(async { near.readable().await.expect("alive") });
    other.join().expect("no panic");
}

#[test]
fn a_signal_that_somebody_listens_to_is_no_reason_to_complain() {
    let context = impatient();
    let mut signal = Signal::new(&context.handle(), SignalKind::WINDOW_CHANGE).expect("listens");
    // SAFETY: a listener is installed.
    let other = soon(|| assert_eq!(unsafe { libc::raise(libc::SIGWINCH) }, 0));
    context.block_on(async { signal.recv().await.expect("alive") });
    other.join().expect("no panic");
}

#[test]
fn a_task_whose_wake_was_lost_goes_on_when_it_is_asked() {
    let context = impatient();
    let ready = Rc::new(Cell::new(false));
    let flag = Rc::clone(&ready);
    context.block_on(async {
        let lost = spawn(poll_fn(move |_| {
            if flag.replace(true) {
                Poll::Ready(7)
            } else {
                Poll::Pending
            }
        }));
        assert_eq!(lost.await, 7);
    });
}

#[test]
fn on_the_system_s_clock_the_report_comes_once_per_sleep_and_the_loop_waits_on() {
    let reports = Rc::new(RefCell::new(Vec::new()));
    let (sender, receiver) = oneshot::channel();
    let sender = Rc::new(Cell::new(Some(sender)));
    let (log, cell) = (Rc::clone(&reports), Rc::clone(&sender));
    let context = Context::builder()
        .stuck_after(ms(1), move |stuck| {
            log.borrow_mut().push(stuck.tasks.len());
            if let Some(sender) = cell.take() {
                std::thread::spawn(move || sender.send(()));
            }
        })
        .build()
        .expect("descriptors for one loop");
    context.block_on(async { receiver.await.expect("sent") });
    assert_eq!(*reports.borrow(), [1]);
}
