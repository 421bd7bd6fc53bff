//! Classes of bugs of what comes from other threads: ends that race, destructors that send, wakes too many.
#![cfg(not(loom))]

mod util;

use std::cell::RefCell;
use std::fs;
use std::os::fd::AsFd;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use tevent_context::Context;
use tevent_thread::{MailSender, Mailbox, ProxySender, ThreadProxy};
use util::{Words, context, elsewhere, in_time, settle, turn};

#[test]
fn b08_a_sender_touches_nothing_that_the_end_has_freed() {
    in_time(|| {
        for round in 0..300 {
            let context = context();
            let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
            let start = Arc::new(Barrier::new(3));
            let senders: Vec<_> = (0..2)
                .map(|_| {
                    let (sender, start) = (proxy.sender(), Arc::clone(&start));
                    thread::spawn(move || {
                        start.wait();
                        // The last use of a sender that may be the last owner.
                        let sent = sender.schedule(|_| ()).is_ok();
                        drop(sender);
                        sent
                    })
                })
                .collect();
            start.wait();
            if round % 2 == 0 {
                proxy.close();
            }
            drop(context);
            let (stats, mut accepted) = (proxy.stats(), 0);
            drop(proxy);
            for sender in senders {
                accepted += u64::from(sender.join().expect("no panic"));
            }
            assert_eq!(stats.dropped, accepted);
        }
    });
}

#[test]
fn b21_destructors_at_the_end_may_send_and_are_told_that_it_is_closed() {
    struct Sends {
        own: ProxySender,
        other: ProxySender,
        words: Words,
        depth: u32,
    }
    impl Drop for Sends {
        fn drop(&mut self) {
            self.words.say(format!("dropped at {}", self.depth));
            let told = self.own.schedule(|_| ()).is_err();
            assert!(told, "the own proxy is closed");
            assert!(self.own.spawn(async {}).wait().is_err());
            if self.depth < 10 {
                let next = Sends {
                    own: self.other.clone(),
                    other: self.own.clone(),
                    words: self.words.clone(),
                    depth: self.depth + 1,
                };
                // Taken by a proxy that is still open, or given back: dropped in either case.
                drop(self.other.schedule(move |_| drop(next)));
            }
        }
    }
    let context = context();
    let [first, second] =
        [(); 2].map(|()| ThreadProxy::new(&context.handle()).expect("a living loop"));
    let words = Words::default();
    let sends = Sends {
        own: first.sender(),
        other: second.sender(),
        words: words.clone(),
        depth: 0,
    };
    assert!(first.sender().schedule(move |_| drop(sends)).is_ok());
    drop(context);
    let expected: Vec<_> = (0..=10)
        .map(|depth| format!("dropped at {depth}"))
        .collect();
    assert_eq!(words.take(), expected);
    assert_eq!((first.stats().dropped, second.stats().dropped), (1, 1));
}

#[test]
fn b21_a_destructor_that_panics_at_the_end_costs_the_others_nothing() {
    struct Panics(Words);
    impl Drop for Panics {
        fn drop(&mut self) {
            self.0.say("dropped");
            panic!("on purpose");
        }
    }
    let context = context();
    let mailbox = Mailbox::new(&context.handle(), |_, _: Panics| ()).expect("a living loop");
    let (sender, words) = (mailbox.sender(), Words::default());
    for _ in 0..3 {
        assert!(sender.send(Panics(words.clone())).is_ok());
    }
    let closed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| mailbox.close()));
    assert!(closed.is_err(), "the first panic goes on");
    words.expect(&["dropped"; 3]);
    assert_eq!(mailbox.stats().dropped, 3);
    assert!(sender.is_closed());
}

#[test]
fn b21_a_handler_and_a_message_whose_destructors_panic_end_one_after_the_other() {
    struct Panics(Words);
    impl Drop for Panics {
        fn drop(&mut self) {
            self.0.say("dropped");
            panic!("on purpose");
        }
    }
    let context = context();
    let words = Words::default();
    let held = Panics(words.clone());
    let mailbox = Mailbox::new(&context.handle(), move |_, _: Panics| {
        let _held = &held;
    });
    let mailbox = mailbox.expect("a living loop");
    assert!(mailbox.sender().send(Panics(words.clone())).is_ok());
    let closed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| mailbox.close()));
    assert!(closed.is_err(), "the first panic goes on");
    words.expect(&["dropped"; 2]);
    assert_eq!(mailbox.stats().dropped, 1);
}

#[test]
fn b22_roads_in_thread_locals_end_with_their_thread() {
    /// Ends in the destructor of a thread-local.
    struct Local {
        sender: ProxySender,
        mail: MailSender<u32>,
        remote: MailSender<&'static str>,
        _owners: (Option<Context>, ThreadProxy, Mailbox<u32>),
    }
    impl Drop for Local {
        fn drop(&mut self) {
            // The loop is not running, but it is there.
            assert!(self.sender.schedule(|_| ()).is_ok());
            assert!(self.mail.send(1).is_ok());
            drop(self._owners.0.take());
            assert!(self.sender.schedule(|_| ()).is_err());
            assert!(self.mail.send(2).is_err());
            assert_eq!(self._owners.1.stats().dropped, 1);
            self.remote.send("ended").expect("the other loop lives");
        }
    }
    thread_local! {
        static LOCAL: RefCell<Option<Local>> = const { RefCell::new(None) };
    }
    in_time(|| {
        let context = context();
        let words = Words::default();
        let said = words.clone();
        let ends = Mailbox::new(&context.handle(), move |_, word| said.say(word));
        let ends = ends.expect("a living loop");
        let remote = ends.sender();
        elsewhere(move || {
            let own = util::context();
            let handle = own.handle();
            let proxy = ThreadProxy::new(&handle).expect("a living loop");
            let mailbox = Mailbox::new(&handle, |_, _| ()).expect("a living loop");
            LOCAL.with_borrow_mut(|local| {
                *local = Some(Local {
                    sender: proxy.sender(),
                    mail: mailbox.sender(),
                    remote,
                    _owners: (Some(own), proxy, mailbox),
                });
            });
        });
        settle(&context);
        words.expect(&["ended"]);
    });
}

#[test]
fn b57_what_was_accepted_before_the_end_is_dropped_once_by_the_loop() {
    let context = context();
    let proxy = ThreadProxy::new(&context.handle()).expect("a living loop");
    let threads = Arc::new(Mutex::new(Vec::new()));
    let (sender, drops) = (proxy.sender(), Arc::clone(&threads));
    let back = elsewhere(move || {
        let dropped = util::Dropped(drops);
        assert!(sender.schedule(move |_| drop(dropped)).is_ok());
        sender
    });
    drop(context);
    assert_eq!(*threads.lock().expect("no panic"), [thread::current().id()]);
    assert!(back.schedule(|_| ()).is_err());
    drop((proxy, back));
    assert_eq!(threads.lock().expect("no panic").len(), 1);
}

#[test]
fn b63_a_loop_that_sleeps_is_woken_by_one_write_for_all_messages() {
    let context = context();
    let _lent = context.as_fd(); // a host may sleep on it
    let mailbox = Mailbox::new(&context.handle(), |_, _: u32| ()).expect("a living loop");
    for _ in 0..3 {
        let sender = mailbox.sender();
        let writes = elsewhere(move || {
            let before = writes_of_this_thread();
            (0..1000).for_each(|number| sender.send(number).expect("it is open"));
            writes_of_this_thread() - before
        });
        assert_eq!(writes, 1);
        settle(&context);
        assert!(!turn(&context).more);
    }
    assert_eq!(mailbox.stats().received, 3000);
}

fn writes_of_this_thread() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/io").expect("Linux counts system calls");
    let writes = text.lines().find_map(|line| line.strip_prefix("syscw: "));
    writes
        .expect("a count of writes")
        .parse()
        .expect("a number")
}
