//! What a proxy does beyond closures: tasks, calls, back-pressure, and how it tells of itself.
#![cfg(not(loom))]

mod util;

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

use futures::channel::oneshot;
use futures::executor::block_on;
use tevent_context::{TaskError, sleep, yield_now};
use tevent_core::{asked, observe};
use tevent_thread::{CallError, Closed, ProxySender, ThreadProxy, TrySendError};
use util::{Dropped, Woken, Words, context, elsewhere, in_time, poll, settle, turn};

#[test]
fn a_spawned_future_runs_on_the_loop_and_its_outcome_comes_back() {
    in_time(|| {
        let context = context();
        let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
        proxy.keep_running(true);
        let sender = proxy.sender();
        let loop_thread = thread::current().id();
        let other = thread::spawn(move || {
            let task = sender.spawn(async {
                yield_now().await;
                thread::current().id()
            });
            let ran_on = task.wait().expect("it ends well");
            assert_eq!(ran_on, loop_thread);
            assert!(sender.schedule(|handle| handle.stop()).is_ok());
        });
        context.run().expect("stopped");
        other.join().expect("no panic");
    });
}

#[test]
fn a_spawned_future_is_known_by_the_line_that_asked_for_it() {
    let context = context();
    let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
    let sender = proxy.sender();
    let _names = observe::keep_names();
    let (mut task, line) = elsewhere(move || {
        let spawned = || {
            let task = observe::current_task().expect("this is a task");
            observe::known(task).to_string()
        };
        (sender.spawn(async move { spawned() }), line!())
    });
    let place = format!("{}:{line}", file!());
    let ((), answers) = asked::ask(|| assert!(poll(&mut task, Waker::noop()).is_pending()));
    assert!(
        answers.waits_for[0].starts_with(&format!("the work given to another loop at {place}:"))
    );
    settle(&context);
    let Poll::Ready(Ok(known)) = poll(&mut task, Waker::noop()) else {
        panic!("it has run");
    };
    assert!(
        known.starts_with(&format!("the task spawned at {place}:")),
        "{known}"
    );
}

#[test]
fn what_spawn_with_makes_may_stay_on_its_thread() {
    let context = context();
    let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
    let sender = proxy.sender();
    let mut task = elsewhere(move || {
        sender.spawn_with(|| {
            let local = Rc::new(RefCell::new(1));
            async move {
                yield_now().await;
                *local.borrow_mut() += 1;
                *local.borrow()
            }
        })
    });
    let (woken, waker) = Woken::new();
    assert!(poll(&mut task, &waker).is_pending());
    settle(&context);
    assert!(woken.take() && task.is_finished());
    assert!(matches!(poll(&mut task, &waker), Poll::Ready(Ok(2))));
}

#[test]
fn b12_a_task_s_panic_comes_out_of_its_handle() {
    let context = context();
    let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
    let sender = proxy.sender();
    let at_once = sender.spawn(async { panic!("at once") });
    let later = sender.spawn(async {
        yield_now().await;
        panic!("later")
    });
    let never_made = sender.spawn_with(|| -> std::future::Ready<()> { panic!("never made") });
    settle(&context);
    for (task, message) in [(at_once, "at once"), (later, "later")] {
        let error: Result<(), TaskError> = task.wait();
        let error = error.expect_err("it panicked");
        assert_eq!(error.panic_message(), Some(message));
    }
    let error = never_made.wait().expect_err("it panicked");
    assert_eq!(error.panic_message(), Some("never made"));
    assert_eq!(proxy.stats().panicked, 0, "whoever asked was told");
}

#[test]
fn b12_a_message_that_panics_costs_the_others_nothing() {
    let context = context();
    let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
    let (words, told) = (Words::default(), Words::default());
    let hook = told.clone();
    let proxy = proxy.on_panic(move |thrown| {
        let message = thrown.downcast_ref::<&str>();
        hook.say(*message.expect("a literal"));
    });
    let sender = proxy.sender();
    for word in ["one", "two", "three"] {
        let words = words.clone();
        let sent = sender.schedule(move |_| {
            assert_ne!(word, "two", "{}", "never printed by the hook of this test");
            words.say(word);
        });
        assert!(sent.is_ok());
    }
    assert!(sender.schedule(|_| std::panic::panic_any("thrown")).is_ok());
    let proxy = proxy.on_panic({
        let told = told.clone();
        move |thrown| {
            let is_literal = thrown.downcast_ref::<&str>().is_some();
            told.say(if is_literal { "literal" } else { "text" });
        }
    });
    settle(&context);
    words.expect(&["one", "three"]);
    told.expect(&["text", "literal"]);
    assert_eq!((proxy.stats().received, proxy.stats().panicked), (4, 2));
}

#[test]
fn a_task_that_is_dropped_elsewhere_ends_at_its_next_turn_and_a_detached_one_goes_on() {
    let context = context();
    let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
    let (sender, words) = (proxy.sender(), Words::default());
    let spawn = |word: &'static str| {
        let (go, gone) = oneshot::channel::<()>();
        let words = words.clone();
        let task = sender.spawn(async move {
            words.say(format!("{word} begins"));
            gone.await.ok();
            words.say(format!("{word} ends"));
        });
        (task, go)
    };
    let (dropped, _never) = spawn("dropped");
    let (detached, go) = spawn("detached");
    let (unbegun, _) = spawn("unbegun");
    drop(unbegun);
    detached.detach();
    settle(&context);
    words.expect(&["dropped begins", "detached begins"]);
    elsewhere(move || drop(dropped));
    settle(&context);
    assert_eq!(go.send(()), Ok(()));
    settle(&context);
    words.expect(&["detached ends"]);
    context.run().expect("no task is left");
}

#[test]
fn a_call_is_a_request_and_a_reply_between_two_loops() {
    in_time(|| {
        let master = context();
        let proxy = ThreadProxy::new(&master.handle()).expect("a living loop");
        proxy.keep_running(true);
        let sender = proxy.sender();
        let child = thread::spawn(move || {
            let child = context();
            let answers = child.block_on(async {
                let first = sender.call(|_| 1);
                let second = sender.call(|_| 2);
                futures::join!(first, second)
            });
            assert!(matches!(answers, (Ok(1), Ok(2))), "{answers:?}");
            let panicked = child.block_on(sender.call(|_| panic!("no answer")));
            let error: Result<(), CallError> = panicked;
            let error = error.expect_err("it panicked");
            assert_eq!(error.panic_message(), Some("no answer"));
            assert!(sender.schedule(|handle| handle.stop()).is_ok());
        });
        master.run().expect("stopped");
        child.join().expect("no panic");
        assert_eq!(proxy.stats().panicked, 0, "whoever called was told");
    });
}

#[test]
fn a_call_that_is_given_up_is_not_made() {
    let context = context();
    let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
    let (sender, words) = (proxy.sender(), Words::default());
    let said = words.clone();
    let mut call = Box::pin(sender.call(move |_| said.say("called")));
    let (_, waker) = Woken::new();
    assert!(poll(&mut call, &waker).is_pending());
    assert_eq!(proxy.queued(), 1);
    drop(call);
    settle(&context);
    words.expect(&[]);
    assert_eq!(proxy.stats().received, 1, "the message came, and was empty");
}

#[test]
fn a_call_whose_loop_ends_first_is_abandoned() {
    in_time(|| {
        let context = context();
        let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
        let sender = proxy.sender();
        let mut call = Box::pin(sender.call(|_| ()));
        let (woken, waker) = Woken::new();
        assert!(poll(&mut call, &waker).is_pending());
        drop(context);
        assert!(woken.take());
        let answer = block_on(call);
        assert!(matches!(answer, Err(CallError::Abandoned)), "{answer:?}");
    });
}

#[test]
fn a_task_whose_loop_ends_first_is_cancelled() {
    let context = context();
    let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
    let begun = proxy.sender().spawn(pending::<()>());
    turn(&context);
    let unbegun = proxy.sender().spawn(pending::<()>());
    drop(context);
    for task in [begun, unbegun] {
        assert!(matches!(task.wait(), Err(TaskError::Cancelled)));
    }
}

#[test]
fn dropping_the_proxy_leaves_its_tasks_alone() {
    let context = context();
    let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
    let task = proxy.sender().spawn_with(|| async {
        sleep(std::time::Duration::from_millis(1)).await;
        7
    });
    turn(&context);
    drop(proxy);
    assert!(matches!(context.block_on(task), Ok(7)));
}

#[test]
fn a_bounded_proxy_gives_back_what_it_has_no_room_for() {
    let context = context();
    let proxy = ThreadProxy::bounded(&context.handle(), 2).expect("a living loop");
    let (sender, words) = (proxy.sender(), Words::default());
    let closure = |word: &'static str| {
        let words = words.clone();
        move |_: &_| words.say(word)
    };
    assert!(sender.try_schedule(closure("one")).is_ok());
    assert!(sender.try_schedule(closure("two")).is_ok());
    let Err(TrySendError::Full(third)) = sender.try_schedule(closure("three")) else {
        panic!("there was no room");
    };
    let (woken, waker) = Woken::new();
    let mut waiting = sender.schedule_async(third);
    assert!(poll(&mut waiting, &waker).is_pending());
    assert_eq!(turn(&context).messages, 2);
    assert!(woken.take());
    assert!(matches!(poll(&mut waiting, &waker), Poll::Ready(Ok(()))));
    turn(&context);
    words.expect(&["one", "two", "three"]);
    let mut late = [closure("four"), closure("five"), closure("six")]
        .map(|closure| sender.schedule_async(closure));
    let polled = late.each_mut().map(|late| poll(late, &waker).is_ready());
    assert_eq!(polled, [true, true, false]);
    drop(proxy);
    let Poll::Ready(Err(Closed(sixth))) = poll(&mut late[2], &waker) else {
        panic!("it is closed");
    };
    sixth(&context.handle());
    words.expect(&["six"]);
}

#[test]
fn a_call_waits_for_room() {
    let context = context();
    let proxy = ThreadProxy::bounded(&context.handle(), 1).expect("a living loop");
    let sender = proxy.sender();
    assert!(sender.try_schedule(|_| ()).is_ok());
    let answer = context.block_on(async { sender.call(|_| 5).await });
    assert!(matches!(answer, Ok(5)), "{answer:?}");
}

#[test]
fn run_goes_on_while_the_proxy_is_asked_to_keep_it() {
    in_time(|| {
        let context = context();
        let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
        let sender = proxy.sender();
        context.run().expect("ends at once");
        proxy.keep_running(true);
        let other = thread::spawn(move || sender.schedule(|handle| handle.stop()).is_ok());
        context.run().expect("stopped");
        assert!(other.join().expect("no panic"));
        proxy.keep_running(false);
        context.run().expect("ends at once");
    });
}

#[test]
#[should_panic(expected = "await the task instead")]
fn waiting_for_a_task_inside_a_loop_names_the_cure() {
    let context = context();
    let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
    let task = proxy.sender().spawn(pending::<()>());
    context.block_on(async { task.wait().map_err(drop) }).ok();
}

#[test]
fn debug_tells_the_name_the_place_and_what_is_queued() {
    let context = context();
    let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
    let proxy = proxy.named("disk");
    let sender: ProxySender = proxy.sender();
    assert!(sender.schedule(|_| ()).is_ok());
    for told in [format!("{proxy:?}"), format!("{sender:?}")] {
        for part in ["disk", file!(), "queued: 1", "open: true"] {
            assert!(told.contains(part), "{part} in {told}");
        }
    }
    drop(proxy);
    assert!(format!("{sender:?}").contains("open: false"));
}

#[test]
fn errors_say_what_to_do() {
    let context = context();
    let proxy = ThreadProxy::bounded(&context.handle(), 1).expect("a living loop");
    let sender = proxy.sender();
    assert!(sender.try_schedule(|_| ()).is_ok());
    let full = sender.try_schedule(|_| ()).expect_err("no room");
    assert!(full.is_full() && full.to_string().contains("try again"));
    drop(proxy);
    let closed = sender.try_schedule(|_| ()).expect_err("closed");
    assert!(!closed.is_full() && closed.to_string().contains("keep both alive"));
    let called = block_on(sender.call(|_| ())).expect_err("closed");
    assert!(called.to_string().contains("keep it"));
    let error = std::io::Error::from(called);
    assert!(error.to_string().contains("keep it"));
}

#[test]
fn b18_a_task_s_future_is_polled_and_dropped_on_the_loop_s_thread_only() {
    in_time(|| {
        let context = context();
        let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
        let here = thread::current().id();
        let drops = Arc::new(Mutex::new(Vec::new()));
        let spawn = |turns: usize| {
            let drops = Arc::clone(&drops);
            proxy.sender().spawn_with(move || {
                // A future that must not leave its thread.
                let local = (Rc::new(()), Dropped(drops));
                async move {
                    assert_eq!(thread::current().id(), here);
                    for _ in 0..turns {
                        yield_now().await;
                    }
                    drop(local);
                }
            })
        };
        // Dropped elsewhere: before it begins, while it runs, when it has ended.
        let (unbegun, running, ended) = (spawn(9), spawn(1_000_000), spawn(0));
        elsewhere(move || drop(unbegun));
        context.block_on(yield_now());
        elsewhere(move || drop((running, ended)));
        settle(&context);
        // And one that its loop's end drops.
        let last = spawn(1_000_000);
        turn(&context);
        drop(context);
        elsewhere(move || drop(last));
        assert_eq!(*drops.lock().expect("no panic"), [here; 3]);
    });
}

#[test]
fn b20_an_output_is_dropped_by_who_asked_or_by_the_loop() {
    let context = context();
    let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
    let here = thread::current().id();
    let drops = Arc::new(Mutex::new(Vec::new()));
    let spawn = || {
        let output = Dropped(Arc::clone(&drops));
        proxy.sender().spawn(async move {
            yield_now().await;
            output
        })
    };
    let (detached, untaken, taken) = (spawn(), spawn(), spawn());
    detached.detach();
    settle(&context);
    assert_eq!(*drops.lock().expect("no panic"), [here], "by the loop");
    let there = elsewhere(move || {
        drop(untaken);
        drop(taken.wait());
        thread::current().id()
    });
    assert_eq!(*drops.lock().expect("no panic"), [here, there, there]);
}

#[test]
fn b21_a_destructor_that_panics_at_the_end_keeps_no_asker_waiting() {
    /// Dropped with what was asked for.
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    let context = context();
    let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
    let (called, made) = (Bad, Bad);
    let mut call = Box::pin(proxy.sender().call(move |_| drop(called)));
    let mut task = proxy.sender().spawn_with(move || async move { drop(made) });
    let (_, waker) = Woken::new();
    assert!(poll(&mut call, &waker).is_pending());
    let closed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| proxy.close()));
    assert!(closed.is_err(), "the first panic goes on");
    let answer = poll(&mut call, &waker);
    assert!(
        matches!(answer, Poll::Ready(Err(CallError::Abandoned))),
        "{answer:?}"
    );
    let outcome = poll(&mut task, &waker);
    assert!(
        matches!(outcome, Poll::Ready(Err(TaskError::Cancelled))),
        "{outcome:?}"
    );
}

#[test]
#[should_panic(expected = "run the loop")]
fn waiting_for_a_task_on_the_loop_s_own_thread_names_the_cure() {
    let context = context();
    let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
    let task = proxy.sender().spawn(async {});
    drop(task.wait());
}
