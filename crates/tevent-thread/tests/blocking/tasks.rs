//! The handle of a job: results, panics, cancelling, letting go.

use std::cell::RefCell;
use std::error::Error;
use std::io;
use std::panic::panic_any;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::{self, Waker};
use std::thread::{self, ThreadId};

use tevent_context::{Handle, spawn, yield_now};
use tevent_thread::{BlockingError, BlockingPool, BlockingTask, Event, Posted, spawn_blocking};

use crate::util::{Held, context, pool};

/// Notes on which thread it was dropped.
struct Noted(Arc<Mutex<Vec<ThreadId>>>);

impl Drop for Noted {
    fn drop(&mut self) {
        let noted = self.0.lock();
        noted.expect("no panic").push(thread::current().id());
    }
}

#[test]
fn a_result_comes_from_another_thread() {
    let context = context();
    let (elsewhere, name) = context.block_on(async {
        let task = spawn_blocking(|| {
            let thread = thread::current();
            (thread.id(), thread.name().map(str::to_owned))
        });
        task.await.expect("it is done")
    });
    assert_ne!(elsewhere, thread::current().id());
    assert_eq!(name.as_deref(), Some("tevent-blocking"));
}

#[test]
fn each_context_has_one_pool_of_its_own_and_it_ends_with_it() {
    let context = context();
    let noted = Arc::default();
    let value = Noted(Arc::clone(&noted));
    let handle = context.handle();
    let own = || handle.extension(BlockingPool::new).expect("a living loop");
    assert!(Rc::ptr_eq(&own(), &own()), "it is made once");
    assert_eq!(own().threads(), 0);
    context.block_on(async {
        spawn_blocking(move || drop(value)).detach();
    });
    assert_eq!(own().threads(), 1);
    context.run().expect("ends with the last job");
    drop(context);
    let kept = handle.extension::<()>(|_| Ok(()));
    assert!(kept.is_err(), "nothing is kept with a loop that has ended");
    assert_eq!(noted.lock().expect("no panic").len(), 1);
}

#[test]
#[should_panic(expected = "no tevent context runs on this thread")]
fn without_a_running_context_there_is_no_pool() {
    drop(spawn_blocking(|| ()));
}

#[test]
fn b12_a_panic_comes_out_of_the_handle_and_the_worker_lives_on() {
    let context = context();
    let pool = pool(&context, 1);
    let caught = |task| match context.block_on::<BlockingTask<()>>(task) {
        Err(error @ BlockingError::Panicked(_)) => error,
        other => panic!("{other:?}"),
    };
    let worker = context.block_on(pool.spawn(|| thread::current().id())).ok();
    let literal = caught(pool.spawn(|| panic!("on purpose")));
    assert_eq!(literal.panic_message(), Some("on purpose"));
    assert_eq!(literal.to_string(), "the blocking job panicked: on purpose");
    assert_eq!(format!("{literal:?}"), "Panicked(Some(\"on purpose\"))");
    let odd = caught(pool.spawn(|| panic_any(7)));
    assert_eq!(odd.panic_message(), None);
    let BlockingError::Panicked(payload) = odd else {
        unreachable!("looked at above")
    };
    assert_eq!(payload.downcast_ref(), Some(&7));
    let again = context.block_on(pool.spawn(|| thread::current().id())).ok();
    assert_eq!((pool.threads(), again), (1, worker));
}

#[test]
fn a_job_that_was_not_begun_can_be_cancelled() {
    let context = context();
    let pool = pool(&context, 1);
    let held = Held::begun(&pool);
    let (noted, ran) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
    let (value, runs) = (Noted(Arc::clone(&noted)), Arc::clone(&ran));
    let waiting = pool.spawn(move || {
        runs.fetch_add(1, Ordering::Relaxed);
        drop(value);
    });
    assert_eq!(pool.waiting(), 1);
    assert!(!held.task.cancel(), "it has begun");
    assert!(waiting.cancel());
    assert!(!waiting.cancel(), "once is enough");
    assert!(waiting.is_finished());
    assert_eq!(pool.waiting(), 0);
    assert_eq!(*noted.lock().expect("no panic"), [thread::current().id()]);
    assert!(matches!(
        context.block_on(waiting),
        Err(BlockingError::Cancelled)
    ));
    assert_eq!(context.block_on(held.let_go()).ok(), Some("held"));
    assert_eq!(ran.load(Ordering::Relaxed), 0);
}

#[test]
fn who_awaits_a_job_that_another_task_cancels_is_told() {
    let context = context();
    let pool = pool(&context, 1);
    let held = Held::begun(&pool);
    let waiting = Rc::new(RefCell::new(pool.spawn(|| ())));
    let awaited = Rc::clone(&waiting);
    let told = context.block_on(async move {
        let awaiting = spawn(std::future::poll_fn(move |cx| {
            let task = &mut *awaited.borrow_mut();
            std::pin::Pin::new(task).poll(cx)
        }));
        yield_now().await;
        assert!(waiting.borrow().cancel());
        awaiting.await
    });
    assert!(matches!(told, Err(BlockingError::Cancelled)));
    drop(held);
}

#[test]
fn a_handle_that_is_dropped_takes_its_job_back_unless_it_has_begun() {
    let context = context();
    let pool = pool(&context, 1);
    let held = Held::begun(&pool);
    let (done, dones) = mpsc::channel();
    let others = ["dropped", "detached", "cancelled"].map(|name| {
        let done = done.clone();
        pool.spawn(move || done.send(name).is_ok())
    });
    let [dropped, detached, cancelled] = others;
    drop((dropped, done));
    detached.detach();
    assert!(cancelled.cancel());
    drop(held.let_go());
    context.run().expect("ends when the last job is done");
    assert_eq!(dones.iter().collect::<Vec<_>>(), ["detached"]);
}

#[test]
fn b20_a_result_that_nobody_takes_is_dropped_on_the_loop_s_thread() {
    let context = context();
    let pool = pool(&context, 2);
    let noted = Arc::default();
    let result = |result| pool.spawn(move || result);
    // Detached, dropped while it runs, never awaited.
    result(Noted(Arc::clone(&noted))).detach();
    let (begin, began) = mpsc::channel();
    let value = Noted(Arc::clone(&noted));
    let running = pool.spawn(move || {
        let _ = begin.send(());
        value
    });
    began.recv().expect("it begins");
    drop(running);
    let kept = result(Noted(Arc::clone(&noted)));
    context.run().expect("ends when all are done");
    assert!(kept.is_finished());
    drop(kept);
    let here = thread::current().id();
    assert_eq!(*noted.lock().expect("no panic"), [here; 3]);
}

#[test]
fn an_outstanding_job_keeps_run_going_and_an_idle_pool_does_not() {
    let context = context();
    let pool = pool(&context, 1);
    context.run().expect("ends at once");
    let (done, dones) = mpsc::channel();
    pool.spawn(move || done.send(()).is_ok()).detach();
    context.run().expect("ends with the job");
    assert_eq!(dones.try_recv(), Ok(()), "not before it was done");
    context.run().expect("ends at once");
    assert_eq!(pool.threads(), 1);
}

#[test]
fn l1_results_come_with_the_messages_of_a_turn() {
    let context = context();
    let pool = pool(&context, 1);
    let held = Held::begun(&pool);
    let order = Rc::new(RefCell::new(Vec::new()));
    let say = |word| {
        let order = Rc::clone(&order);
        move || order.borrow_mut().push(word)
    };
    let (task, event) = (say("result"), say("event"));
    let event = Event::new(&context.handle(), move |_| event()).expect("a living loop");
    let (timer, immediate) = (say("timer"), say("immediate"));
    let handle = context.handle();
    let _timer = handle.timer(handle.now(), move |_, _| timer());
    let joined = held.let_go();
    // Until the worker has handed it in and rests again.
    while !format!("{pool:?}").contains("idle: 1") {
        thread::yield_now();
    }
    handle.immediate(move |_| immediate());
    handle
        .spawn(async move {
            joined.await.expect("it is done");
            task();
        })
        .detach();
    assert_eq!(event.post(), Posted::Queued);
    let turned = context.turn(None).expect("the poll works");
    assert_eq!(turned.messages, 2);
    assert_eq!(*order.borrow(), ["event", "immediate", "result", "timer"]);
}

#[test]
fn b01_awaiting_may_be_given_up_and_taken_up_by_another_task() {
    let context = context();
    let pool = pool(&context, 1);
    let mut held = Held::begun(&pool);
    let mut nobody = task::Context::from_waker(Waker::noop());
    let first = std::pin::Pin::new(&mut held.task).poll(&mut nobody);
    assert!(first.is_pending());
    let got = context.block_on(async {
        assert!(futures::poll!(&mut held.task).is_pending());
        spawn(held.let_go()).await
    });
    assert_eq!(got.ok(), Some("held"));
}

#[test]
fn a_result_is_taken_once() {
    let context = context();
    let pool = pool(&context, 1);
    let mut task = pool.spawn(|| 1);
    assert_eq!(context.block_on(&mut task).ok(), Some(1));
    let again = context.block_on(&mut task);
    assert!(matches!(again, Err(BlockingError::Cancelled)));
}

#[test]
fn errors_become_errors_of_input_and_output() {
    let context = context();
    let pool = pool(&context, 1);
    let panicked = context
        .block_on(pool.spawn(|| panic!("on purpose")))
        .map_err(io::Error::from);
    assert!(panicked.is_err_and(|error: io::Error| error.to_string().contains("on purpose")));
    let none = BlockingError::NoThread(io::ErrorKind::WouldBlock.into());
    assert!(none.source().is_some() && none.to_string().contains("no thread"));
    assert_eq!(io::Error::from(none).kind(), io::ErrorKind::WouldBlock);
    assert!(BlockingError::Cancelled.source().is_none());
}

#[test]
fn b34_without_a_thread_the_task_has_an_error_and_the_pool_is_whole() {
    let context = context();
    let huge = BlockingPool::builder().stack_size(1 << 46);
    let pool = huge.build(&context.handle()).expect("a living loop");
    for _ in 0..10 {
        let refused = context.block_on(pool.spawn(|| ()));
        assert!(
            matches!(refused, Err(BlockingError::NoThread(_))),
            "{refused:?}"
        );
    }
    assert_eq!((pool.threads(), pool.waiting()), (0, 0));
    context.run().expect("nothing is counted");
}

#[test]
fn z1_pools_and_tasks_say_what_they_are() {
    let context = context();
    let pool = pool(&context, 1);
    let held = Held::begun(&pool);
    let waiting = pool.spawn(|| ());
    let text = format!("{pool:?}");
    assert!(
        text.contains("\"test\"") && text.contains("threads: 1"),
        "{text}"
    );
    assert!(
        text.contains("idle: 0") && text.contains("waiting: 1"),
        "{text}"
    );
    let text = format!("{waiting:?}");
    assert!(
        text.contains(file!()) && text.contains("finished: false"),
        "{text}"
    );
    let mut waiting = waiting;
    let ((), answers) = tevent_core::asked::ask(|| {
        let mut cx = task::Context::from_waker(Waker::noop());
        assert!(std::pin::Pin::new(&mut waiting).poll(&mut cx).is_pending());
    });
    let text = format!("{answers:?}");
    assert!(text.contains("the blocking job given out at"), "{text}");
    drop(held);
    assert!(Handle::try_current().is_err());
}
