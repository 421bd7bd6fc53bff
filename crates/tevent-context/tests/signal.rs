//! Signals as handlers and as streams of one loop: who is told, in which order, and what may happen meanwhile.
//!
//! The tests of a binary share their process, so each has signals of its own.

mod util;

use std::cell::{Cell, RefCell};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::thread;

use futures::StreamExt;
use tevent_context::{
    Context, Delivery, EventKind, Handle, Signal, SignalHandler, SignalKind, TracePoint, spawn,
    yield_now,
};
use util::{Rig, ms};

const NOW: Option<std::time::Duration> = Some(std::time::Duration::ZERO);

fn raise(kind: SignalKind) {
    // SAFETY: the signal has a handler; it has run when this returns.
    assert_eq!(unsafe { libc::raise(kind.as_raw()) }, 0);
}

/// The handler that is installed in the process.
fn installed(kind: SignalKind) -> usize {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: nothing is installed, and the answer has a valid place.
    unsafe {
        let asked = libc::sigaction(kind.as_raw(), std::ptr::null(), action.as_mut_ptr());
        assert_eq!(asked, 0);
        action.assume_init().sa_sigaction
    }
}

/// A place for the registration of a handler that drops it itself.
type Slot = Rc<RefCell<Option<SignalHandler>>>;

/// A handler that notes its name and the count.
fn noting(trace: &util::Trace, name: &'static str) -> impl FnMut(&Handle, Delivery) + 'static {
    let trace = trace.clone();
    move |_, delivery| trace.say(format!("{name} {}", delivery.count))
}

#[test]
fn s1_ascending_signals_then_first_registered_first() {
    let (low, high) = (SignalKind::real_time(0), SignalKind::real_time(1));
    let rig = Rig::new();
    let handle = rig.context.handle();
    let _handlers = [
        handle.signal(high, noting(&rig.trace, "high, first")),
        handle.signal(low, noting(&rig.trace, "low, first")),
        handle.signal(high, noting(&rig.trace, "high, second")),
        handle.signal(low, noting(&rig.trace, "low, second")),
    ]
    .map(Result::unwrap);
    raise(high);
    raise(low);
    raise(low);
    assert_eq!(rig.context.turn(NOW).unwrap().signals, 4);
    rig.trace.expect(&[
        "0: low, first 2",
        "0: low, second 2",
        "0: high, first 1",
        "0: high, second 1",
    ]);
    assert_eq!(rig.context.turn(NOW).unwrap().signals, 0);
}

#[test]
fn s1_signals_are_the_first_phase_of_a_turn() {
    let kind = SignalKind::real_time(2);
    let rig = Rig::new();
    let handle = rig.context.handle();
    let word = |word: &'static str| {
        let trace = rig.trace.clone();
        move || trace.say(word)
    };
    let (immediate, task) = (word("immediate"), word("task"));
    handle.immediate(move |_| immediate());
    handle.spawn(async move { task() }).detach();
    let _signal = handle.signal(kind, noting(&rig.trace, "signal")).unwrap();
    raise(kind);
    rig.context.turn(NOW).unwrap();
    rig.trace
        .expect(&["0: signal 1", "0: immediate", "0: task"]);
}

#[test]
fn s2_deliveries_between_two_turns_are_one_call_with_their_number() {
    let kind = SignalKind::real_time(3);
    let rig = Rig::new();
    let _signal = rig
        .context
        .handle()
        .signal(kind, noting(&rig.trace, "signal"))
        .unwrap();
    for count in [5, 1] {
        (0..count).for_each(|_| raise(kind));
        assert_eq!(rig.context.turn(NOW).unwrap().signals, 1);
    }
    rig.trace.expect(&["0: signal 5", "0: signal 1"]);
}

#[test]
fn s2_with_siginfo_each_delivery_is_a_call() {
    let kind = SignalKind::real_time(4);
    let context = Context::new().unwrap();
    let told = Rc::new(RefCell::new(Vec::new()));
    let note = Rc::clone(&told);
    let _signal = context
        .handle()
        .signal_with_info(kind, move |_, delivery| note.borrow_mut().push(delivery))
        .unwrap();
    (0..3).for_each(|_| raise(kind));
    assert_eq!(context.turn(NOW).unwrap().signals, 1);
    assert_eq!(told.borrow().len(), 3);
    // SAFETY: can neither fail nor harm.
    let pid = unsafe { libc::getpid() };
    for delivery in &*told.borrow() {
        assert_eq!((delivery.count, delivery.lost), (1, 0));
        assert_eq!(delivery.info.unwrap().pid, pid);
    }
}

#[test]
fn s3_a_handler_for_one_call_is_called_once_and_gone() {
    let kind = SignalKind::real_time(5);
    let original = installed(kind);
    let rig = Rig::new();
    let once = rig
        .context
        .handle()
        .signal_once(kind, {
            let mut note = noting(&rig.trace, "once");
            move |handle, delivery| note(handle, delivery)
        })
        .unwrap();
    raise(kind);
    raise(kind);
    rig.context.run().unwrap();
    rig.trace.expect(&["0: once 2"]);
    assert!(!once.is_active() && !once.cancel());
    assert_eq!(installed(kind), original);
}

#[test]
fn s4_a_turn_calls_no_handler_of_another_context() {
    let kind = SignalKind::real_time(6);
    let (here, there) = (Rig::new(), Rig::new());
    let listen = |rig: &Rig| {
        rig.context
            .handle()
            .signal(kind, noting(&rig.trace, "told"))
            .unwrap()
    };
    let _handlers = [listen(&here), listen(&there)];
    raise(kind);
    here.context.turn(NOW).unwrap();
    here.trace.expect(&["0: told 1"]);
    there.trace.expect(&[]);
    raise(kind);
    there.context.turn(NOW).unwrap();
    there.trace.expect(&["0: told 2"]);
    here.trace.expect(&[]);
}

#[test]
fn s5_a_handler_that_asks_second_for_siginfos_gets_real_ones() {
    let kind = SignalKind::real_time(7);
    let context = Context::new().unwrap();
    let handle = context.handle();
    let _plain = handle.signal(kind, |_, delivery| assert!(delivery.info.is_none()));
    let codes = Rc::new(RefCell::new(Vec::new()));
    let note = Rc::clone(&codes);
    let _with_info = handle
        .signal_with_info(kind, move |_, delivery| {
            note.borrow_mut()
                .extend(delivery.info.map(|info| info.code));
        })
        .unwrap();
    raise(kind);
    context.turn(NOW).unwrap();
    assert_eq!(*codes.borrow(), [libc::SI_TKILL]);
}

#[test]
fn s6_more_than_256_pending_lose_their_siginfo_and_are_counted() {
    let kind = SignalKind::real_time(8);
    let context = Context::new().unwrap();
    let told = Rc::new(RefCell::new(Vec::new()));
    let note = Rc::clone(&told);
    let _signal = context
        .handle()
        .signal_with_info(kind, move |_, delivery| note.borrow_mut().push(delivery))
        .unwrap();
    (0..300).for_each(|_| raise(kind));
    context.turn(NOW).unwrap();
    let told = told.borrow();
    assert_eq!((told.len(), told[0].lost), (256, 44));
    assert_eq!(told.iter().map(|told| told.count).sum::<u64>(), 300);
}

#[test]
fn b77_a_listener_dropped_before_its_call_takes_nothing_from_the_next() {
    let kind = SignalKind::real_time(9);
    let rig = Rig::new();
    let handle = rig.context.handle();
    let second: Slot = Slot::default();
    let drops = Rc::clone(&second);
    let _first = handle.signal(kind, move |_, _| drop(drops.take())).unwrap();
    *second.borrow_mut() = Some(handle.signal(kind, noting(&rig.trace, "second")).unwrap());
    let stream = Signal::new(&handle, kind).unwrap();
    let _third = handle.signal(kind, noting(&rig.trace, "third")).unwrap();
    raise(kind);
    drop(stream);
    rig.context.turn(NOW).unwrap();
    rig.trace.expect(&["0: third 1"]);
}

#[test]
fn b78_a_handler_drops_itself_in_the_middle_of_its_siginfos() {
    let kind = SignalKind::real_time(10);
    let original = installed(kind);
    let context = Context::new().unwrap();
    let this: Slot = Slot::default();
    let (own, calls) = (Rc::clone(&this), Rc::new(Cell::new(0)));
    let count = Rc::clone(&calls);
    let handler = context.handle().signal_with_info(kind, move |_, delivery| {
        count.set(count.get() + 1);
        drop(own.take());
        assert_eq!(installed(kind), original, "put back at once");
        assert!(delivery.info.is_some());
    });
    *this.borrow_mut() = Some(handler.unwrap());
    (0..3).for_each(|_| raise(kind));
    context.run().unwrap();
    assert_eq!(calls.get(), 1);
}

#[test]
fn b78_a_handler_that_registers_and_raises_gets_its_turn_in_the_next_one() {
    let kind = SignalKind::real_time(11);
    let rig = Rig::new();
    let (new, trace): (Slot, _) = (Slot::default(), rig.trace.clone());
    let _signal = rig
        .context
        .handle()
        .signal(kind, move |handle, delivery| {
            trace.say(format!("old {}", delivery.count));
            if new.borrow().is_none() {
                *new.borrow_mut() = Some(handle.signal(kind, noting(&trace, "new")).unwrap());
                raise(kind);
            }
        })
        .unwrap();
    raise(kind);
    assert!(rig.context.turn(NOW).unwrap().more);
    rig.trace.expect(&["0: old 1"]);
    rig.context.turn(NOW).unwrap();
    rig.trace.expect(&["0: old 1", "0: new 1"]);
}

#[test]
fn b12_a_handler_that_panics_keeps_nobody_from_being_told() {
    let kind = SignalKind::real_time(12);
    let rig = Rig::new();
    let handle = rig.context.handle();
    let trace = rig.trace.clone();
    let _first = handle
        .signal_with_info(kind, move |_, _| {
            trace.say("first");
            panic!("on purpose");
        })
        .unwrap();
    let _second = handle.signal(kind, noting(&rig.trace, "second")).unwrap();
    raise(kind);
    raise(kind);
    let turn = catch_unwind(AssertUnwindSafe(|| rig.context.turn(NOW).map(drop)));
    assert_eq!(turn.unwrap_err().downcast_ref(), Some(&"on purpose"));
    rig.trace.expect(&["0: first", "0: first", "0: second 2"]);
}

#[test]
fn a_stream_gets_what_came_while_nobody_awaited() {
    let kind = SignalKind::real_time(13);
    let context = Context::new().unwrap();
    let mut signal = Signal::new(&context.handle(), kind).unwrap();
    let mut other = Signal::with_info(&context.handle(), kind).unwrap();
    raise(kind);
    raise(kind);
    context.block_on(async {
        assert_eq!(signal.recv().await.unwrap().count, 2);
        assert_eq!(other.next().await.unwrap().count, 1);
        assert_eq!(other.next().await.unwrap().count, 1);
        let task = spawn(async move { (signal.recv().await, other.recv().await) });
        yield_now().await;
        raise(kind);
        let (count, info) = task.await;
        assert_eq!(count.unwrap().count, 1);
        assert!(info.unwrap().info.is_some());
    });
}

#[test]
fn a_sleeping_loop_is_woken_by_the_signal_of_another_thread() {
    let kind = SignalKind::real_time(14);
    let context = Context::new().unwrap();
    let mut signal = Signal::new(&context.handle(), kind).unwrap();
    for _ in 0..10 {
        let sender = thread::spawn(move || raise(kind));
        assert_eq!(context.block_on(signal.recv()).unwrap().count, 1);
        sender.join().unwrap();
    }
}

#[test]
fn a_recv_that_is_dropped_loses_nothing() {
    let kind = SignalKind::real_time(15);
    let context = Context::new().unwrap();
    let mut signal = Signal::new(&context.handle(), kind).unwrap();
    context.block_on(async {
        let handle = Handle::current();
        assert!(handle.timeout(ms(1), signal.recv()).await.is_err());
        raise(kind);
        yield_now().await;
        assert_eq!(signal.recv().await.unwrap().count, 1);
    });
}

#[test]
fn run_goes_on_while_a_handler_is_registered() {
    let kind = SignalKind::real_time(16);
    let context = Context::new().unwrap();
    let (this, calls) = (Slot::default(), Rc::new(Cell::new(0)));
    let (own, count): (Slot, _) = (Rc::clone(&this), Rc::clone(&calls));
    let handler = context.handle().signal(kind, move |_, _| {
        count.set(count.get() + 1);
        if count.get() == 3 {
            drop(own.take());
        } else {
            raise(kind);
        }
    });
    *this.borrow_mut() = Some(handler.unwrap());
    raise(kind);
    context.run().unwrap();
    assert_eq!(calls.get(), 3);

    let watching = context.handle().signal(kind, |_, _| ()).unwrap();
    watching.keep_running(false);
    context.run().unwrap();
    assert!(watching.is_active());
}

#[test]
fn a_host_learns_of_a_signal_by_the_descriptor() {
    let kind = SignalKind::real_time(17);
    let rig = Rig::new();
    let _signal = rig
        .context
        .handle()
        .signal(kind, noting(&rig.trace, "signal"))
        .unwrap();
    raise(kind);
    let mut polled = [rustix::event::PollFd::new(
        &rig.context,
        rustix::event::PollFlags::IN,
    )];
    assert_eq!(rustix::event::poll(&mut polled, None), Ok(1));
    while rig.context.turn(NOW).unwrap().more {}
    rig.trace.expect(&["0: signal 1"]);
}

#[test]
fn a_virtual_clock_does_not_jump_over_a_signal() {
    let kind = SignalKind::real_time(18);
    let rig = Rig::new();
    let handle = rig.context.handle();
    let _signal = handle.signal(kind, noting(&rig.trace, "signal")).unwrap();
    rig.context.block_on(async {
        handle.sleep(ms(5)).await;
        raise(kind);
        handle.sleep(ms(5)).await;
    });
    rig.trace.expect(&["5: signal 1"]);
}

#[test]
fn a_loop_on_a_virtual_clock_that_listens_is_not_stuck() {
    let kind = SignalKind::real_time(21);
    let rig = Rig::new();
    let mut signal = Signal::new(&rig.context.handle(), kind).unwrap();
    let sender = thread::spawn(move || raise(kind));
    assert_eq!(rig.context.block_on(signal.recv()).unwrap().count, 1);
    sender.join().unwrap();
    drop(signal);
    let stuck = catch_unwind(AssertUnwindSafe(|| {
        rig.context.block_on(std::future::pending::<()>());
    }));
    assert!(stuck.is_err(), "nobody listens any more");
}

#[test]
fn trace_points_tell_place_and_tag() {
    let kind = SignalKind::real_time(19);
    let context = Context::new().unwrap();
    let points = Rc::new(RefCell::new(Vec::new()));
    let note = Rc::clone(&points);
    let _hook = context.handle().on_trace(move |point| {
        let (word, event) = match point {
            TracePoint::Attach(event) => ("attach", event),
            TracePoint::BeforeHandler(event) => ("before", event),
            TracePoint::AfterHandler(event) => ("after", event),
            TracePoint::Detach(event) => ("detach", event),
            _ => return,
        };
        assert_eq!(event.kind, EventKind::Signal);
        assert_eq!(event.place.file(), file!());
        note.borrow_mut().push((word, event.tag));
    });
    let handler = context.handle().signal_once(kind, |_, _| ()).unwrap();
    handler.set_tag(7);
    assert_eq!((handler.tag(), handler.kind()), (7, kind));
    raise(kind);
    context.run().unwrap();
    assert_eq!(
        *points.borrow(),
        [("attach", 0), ("before", 7), ("after", 7), ("detach", 7)]
    );
}

/// Says when it is dropped.
struct Noted(Rc<Cell<bool>>);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

#[test]
fn the_end_drops_handlers_uncalled_ends_streams_and_puts_back() {
    let kind = SignalKind::real_time(20);
    let original = installed(kind);
    let context = Context::new().unwrap();
    let handle = context.handle();
    let dropped = Rc::new(Cell::new(false));
    let noted = Noted(Rc::clone(&dropped));
    handle
        .signal(kind, move |_, _| {
            let _kept = &noted;
            unreachable!("the context has ended");
        })
        .unwrap()
        .detach();
    let kept = handle.signal(kind, |_, _| ()).unwrap();
    let mut signal = Signal::new(&handle, kind).unwrap();
    let mut task = tokio_test::task::spawn(async { signal.recv().await });
    assert!(task.poll().is_pending());
    raise(kind);
    drop(context);
    assert!(dropped.get() && !kept.is_active());
    assert!(task.is_woken());
    assert!(matches!(task.poll(), std::task::Poll::Ready(None)));
    drop(task);
    assert_eq!(futures::executor::block_on(signal.recv()), None);
    assert_eq!(installed(kind), original, "though a stream is still held");
    assert!(handle.signal(kind, |_, _| ()).is_err());
    assert!(Signal::new(&handle, kind).is_err());
}

#[test]
fn a_signal_that_cannot_be_handled_is_refused() {
    let context = Context::new().unwrap();
    for number in [libc::SIGKILL, libc::SIGSEGV, 0, 1000] {
        let kind = SignalKind::from_raw(number);
        let refused = context.handle().signal(kind, |_, _| ()).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
    }
    context.run().unwrap();
}
