//! The rules of the C library's thread proxy, X1 to X9: which are kept, which are changed.
#![cfg(not(loom))]

mod util;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use futures::executor::block_on;
use tevent_context::{Context, Handle};
use tevent_queue::SyncTeventQueue;
use tevent_thread::{CallError, Closed, MailSender, Mailbox, ProxySender, ThreadProxy};
use util::{Dropped, Words, context, elsewhere, in_time, settle, turn};

fn schedule(sender: &ProxySender, words: &Words, word: &'static str) {
    let words = words.clone();
    let sent = sender.schedule(move |_| words.say(word));
    assert!(sent.is_ok(), "{word} was refused");
}

#[test]
fn x1_changed_messages_of_one_batch_run_first_in_first_out() {
    let context = context();
    let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
    let (sender, words) = (proxy.sender(), Words::default());
    let said = words.clone();
    elsewhere(move || {
        for word in ["p0", "p1", "p2", "p3", "p4"] {
            schedule(&sender, &said, word);
        }
    });
    words.expect(&[]);
    assert_eq!(turn(&context).messages, 5);
    words.expect(&["p0", "p1", "p2", "p3", "p4"]);
}

#[test]
fn x2_kept_batches_follow_each_other_in_order() {
    let context = context();
    let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
    let (sender, words) = (proxy.sender(), Words::default());
    for round in [["a", "b"], ["c", "d"]] {
        for word in round {
            schedule(&sender, &words, word);
        }
        turn(&context);
    }
    words.expect(&["a", "b", "c", "d"]);
}

#[test]
fn x3_changed_messages_come_before_immediates_tasks_and_timers() {
    let context = context();
    let handle = context.handle();
    let proxy = ThreadProxy::new(&handle).expect("a living loop");
    let words = Words::default();
    let [task, immediate, timer] = [(); 3].map(|()| words.clone());
    handle.spawn(async move { task.say("task") }).detach();
    handle.immediate(move |_| immediate.say("immediate"));
    handle
        .timer_after(Duration::ZERO, move |_, _| timer.say("timer"))
        .detach();
    schedule(&proxy.sender(), &words, "message");
    settle(&context);
    words.expect(&["message", "immediate", "task", "timer"]);
}

#[test]
fn x4_changed_messages_left_at_the_end_are_counted_and_dropped_on_the_loop_s_thread() {
    let context = context();
    let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
    let (sender, threads) = (proxy.sender(), Arc::new(Mutex::default()));
    let drops = Arc::clone(&threads);
    elsewhere(move || {
        for _ in 0..3 {
            let dropped = Dropped(Arc::clone(&drops));
            assert!(sender.schedule(move |_| drop(dropped)).is_ok());
        }
    });
    assert_eq!(proxy.queued(), 3);
    proxy.close();
    assert_eq!((proxy.stats().received, proxy.stats().dropped), (0, 3));
    assert_eq!(proxy.queued(), 0);
    assert_eq!(*threads.lock().unwrap(), [thread::current().id(); 3]);
    settle(&context);
    assert_eq!(proxy.stats().received, 0);
}

#[test]
fn x4_changed_messages_taken_and_not_run_count_as_dropped_too() {
    let context = context();
    let own: Rc<RefCell<Option<Mailbox<u32>>>> = Rc::default();
    let (this, words) = (Rc::clone(&own), Words::default());
    let said = words.clone();
    let mailbox = Mailbox::new(&context.handle(), move |_, number: u32| {
        said.say(number.to_string());
        if number == 2
            && let Some(mailbox) = this.borrow().as_ref()
        {
            mailbox.close();
        }
    });
    let mailbox = mailbox.expect("a living loop");
    let sender = mailbox.sender();
    *own.borrow_mut() = Some(mailbox);
    (1..=5).for_each(|number| sender.send(number).expect("it is open"));
    settle(&context);
    words.expect(&["1", "2"]);
    let stats = own.borrow_mut().take().map(|mailbox| mailbox.stats());
    let stats = stats.expect("it was put there");
    assert_eq!((stats.received, stats.dropped), (2, 3));
}

#[test]
fn x5_changed_scheduling_after_the_proxy_is_gone_gives_the_closure_back() {
    let context = context();
    let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
    let (sender, words) = (proxy.sender(), Words::default());
    assert!(!sender.is_closed());
    drop(proxy);
    assert!(sender.is_closed());
    let said = words.clone();
    let refused = sender.schedule(move |_| said.say("run by hand"));
    let Err(Closed(closure)) = refused else {
        panic!("nobody is there to run it");
    };
    closure(&context.handle());
    words.expect(&["run by hand"]);
    assert!(sender.spawn(async {}).wait().is_err());
    let called = block_on(sender.call(|_| ()));
    assert!(matches!(called, Err(CallError::Closed)), "{called:?}");
}

#[test]
fn x6_changed_scheduling_after_the_context_is_gone_gives_the_closure_back() {
    let context = context();
    let handle = context.handle();
    let proxy = ThreadProxy::new(&handle).expect("a living loop");
    let mailbox = Mailbox::new(&handle, |_, _: String| ()).expect("a living loop");
    let (sender, mail) = (proxy.sender(), mailbox.sender());
    drop(context);
    elsewhere(move || {
        assert!(sender.schedule(|_| ()).is_err());
        let Err(Closed(word)) = mail.send("back".to_owned()) else {
            panic!("nobody is there to read it");
        };
        assert_eq!(word, "back");
    });
    assert!(ThreadProxy::new(&handle).is_err(), "and no new one is made");
}

#[test]
fn x7_kept_a_message_that_races_with_the_end_is_run_counted_or_given_back() {
    in_time(|| {
        for _ in 0..200 {
            let context = context();
            let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
            let sender = proxy.sender();
            let sending = thread::spawn(move || {
                let mut accepted = 0;
                while sender.schedule(|_| ()).is_ok() {
                    accepted += 1;
                }
                accepted
            });
            turn(&context);
            drop(context);
            let stats = proxy.stats();
            let accepted: u64 = sending.join().expect("no panic");
            assert_eq!(stats.received + stats.dropped, accepted);
        }
    });
}

#[test]
fn x8_kept_sending_does_not_wait_for_a_loop_that_does_not_run() {
    let context = context();
    let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
    let sender = proxy.sender();
    elsewhere(move || {
        for _ in 0..10_000 {
            assert!(sender.schedule(|_| ()).is_ok());
        }
    });
    settle(&context);
    assert_eq!(proxy.stats().received, 10_000);
    assert_eq!(proxy.stats().high_water, 10_000);
}

#[test]
fn x9_changed_the_types_say_what_may_cross_a_thread() {
    fn crosses<T: Send + Sync>() {}
    crosses::<ProxySender>();
    crosses::<MailSender<std::cell::Cell<u32>>>();
    crosses::<tevent_thread::RemoteTask<u32>>();
    crosses::<SyncTeventQueue>();

    /// Holds for each `T` by the first, and for those that are `Send` by the second, too: then nobody knows which.
    trait AmbiguousIfSend<A> {
        fn check() {}
    }
    impl<T: ?Sized> AmbiguousIfSend<()> for T {}
    impl<T: ?Sized + Send> AmbiguousIfSend<u8> for T {}
    <ThreadProxy as AmbiguousIfSend<_>>::check();
    <Mailbox<u32> as AmbiguousIfSend<_>>::check();
    <Handle as AmbiguousIfSend<_>>::check();
    <Context as AmbiguousIfSend<_>>::check();
}
