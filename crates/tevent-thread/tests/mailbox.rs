//! Mailboxes: values in order, room, and who waits for it.
#![cfg(not(loom))]

mod util;

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Poll;
use std::thread;

use tevent_thread::{Bounded, Closed, MailSender, Mailbox, TrySendError};
use util::{Woken, Words, context, elsewhere, in_time, poll, settle, turn};

/// A mailbox with so much room that says what it is sent.
fn saying(context: &tevent_context::Context, room: usize) -> (Mailbox<u32, Bounded>, Words) {
    let words = Words::default();
    let said = words.clone();
    let handler = move |_: &_, number: u32| said.say(number.to_string());
    let mailbox = Mailbox::bounded(&context.handle(), room, handler);
    (mailbox.expect("a living loop"), words)
}

#[test]
fn room_is_taken_until_the_message_has_been_handled() {
    let context = context();
    let (mailbox, words) = saying(&context, 2);
    let sender = mailbox.sender();
    assert_eq!(sender.try_send(1), Ok(()));
    assert_eq!(sender.try_send(2), Ok(()));
    assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
    assert_eq!(sender.queued(), 2);
    turn(&context);
    words.expect(&["1", "2"]);
    assert_eq!(sender.try_send(3), Ok(()));
    drop(mailbox);
    assert_eq!(sender.try_send(4), Err(TrySendError::Closed(4)));
}

#[test]
fn who_waits_for_room_is_served_in_order_and_nobody_overtakes() {
    let context = context();
    let (mailbox, words) = saying(&context, 1);
    let sender = mailbox.sender();
    assert_eq!(sender.try_send(0), Ok(()));
    let mut waiting: Vec<_> = (1..=3).map(|number| sender.send_async(number)).collect();
    let wakers: Vec<_> = (0..3).map(|_| Woken::new()).collect();
    for (sending, (_, waker)) in waiting.iter_mut().zip(&wakers) {
        assert!(poll(sending, waker).is_pending());
    }
    turn(&context);
    let woken: Vec<_> = wakers.iter().map(|(woken, _)| woken.take()).collect();
    assert_eq!(woken, [true, false, false], "there is room for one");
    assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)), "it is his");
    assert!(poll(&mut waiting[1], &wakers[1].1).is_pending());
    assert_eq!(poll(&mut waiting[0], &wakers[0].1), Poll::Ready(Ok(())));
    turn(&context);
    assert!(wakers[1].0.take() && !wakers[2].0.take());
    assert_eq!(poll(&mut waiting[1], &wakers[1].1), Poll::Ready(Ok(())));
    settle(&context);
    assert_eq!(poll(&mut waiting[2], &wakers[2].1), Poll::Ready(Ok(())));
    settle(&context);
    words.expect(&["0", "1", "2", "3"]);
}

#[test]
fn b46_a_sender_that_gives_up_has_sent_nothing_and_passes_its_room_on() {
    let context = context();
    let (mailbox, words) = saying(&context, 1);
    let sender = mailbox.sender();
    assert_eq!(sender.try_send(0), Ok(()));
    let (woken, waker) = Woken::new();
    let [mut waits, mut granted, mut next] = [1, 2, 3].map(|number| sender.send_async(number));
    for sending in [&mut waits, &mut granted, &mut next] {
        assert!(poll(sending, &Woken::new().1).is_pending());
    }
    drop(waits); // while it waits
    assert!(poll(&mut next, &waker).is_pending());
    turn(&context);
    assert!(!woken.take());
    drop(granted); // with the room in hand
    assert!(woken.take());
    assert_eq!(poll(&mut next, &waker), Poll::Ready(Ok(())));
    settle(&context);
    words.expect(&["0", "3"]);
    assert_eq!(sender.try_send(4), Ok(()), "no room is lost");
}

#[test]
fn b57_the_close_wakes_who_waits_for_room_and_gives_the_value_back() {
    let context = context();
    let (mailbox, words) = saying(&context, 1);
    let sender = mailbox.sender();
    assert_eq!(sender.try_send(0), Ok(()));
    let (woken, waker) = Woken::new();
    let mut waiting = sender.send_async(1);
    assert!(poll(&mut waiting, &waker).is_pending());
    drop(context);
    assert!(woken.take());
    assert_eq!(poll(&mut waiting, &waker), Poll::Ready(Err(Closed(1))));
    words.expect(&[]);
    assert_eq!(mailbox.stats().dropped, 1);
}

#[test]
fn b57_room_that_comes_back_after_the_close_does_no_harm() {
    let context = context();
    let own: Rc<RefCell<Option<Mailbox<u32, Bounded>>>> = Rc::default();
    let this = Rc::clone(&own);
    let mailbox = Mailbox::bounded(&context.handle(), 1, move |_, number: u32| {
        if number == 1
            && let Some(mailbox) = this.borrow().as_ref()
        {
            mailbox.close();
        }
    });
    let mailbox = mailbox.expect("a living loop");
    let sender = mailbox.sender();
    *own.borrow_mut() = Some(mailbox);
    let [mut granted, mut waits] = [1, 2].map(|number| sender.send_async(number));
    let (woken, waker) = Woken::new();
    assert_eq!(sender.try_send(0), Ok(()));
    for sending in [&mut granted, &mut waits] {
        assert!(poll(sending, &waker).is_pending());
    }
    turn(&context);
    assert!(woken.take());
    assert_eq!(poll(&mut granted, &waker), Poll::Ready(Ok(())));
    let [mut third, mut fourth] = [3, 4].map(|number| sender.send_async(number));
    assert!(poll(&mut third, &waker).is_pending());
    turn(&context); // closes, and gives the room of its message back
    assert!(woken.take());
    drop(third); // was woken, and is gone before it looks
    assert_eq!(poll(&mut waits, &waker), Poll::Ready(Err(Closed(2))));
    assert_eq!(poll(&mut fourth, &waker), Poll::Ready(Err(Closed(4))));
}

#[test]
fn a_plain_thread_may_block_until_there_is_room() {
    in_time(|| {
        let context = context();
        let (mailbox, words) = saying(&context, 1);
        mailbox.keep_running(true);
        let sender = mailbox.sender();
        let handle = context.handle();
        let other = thread::spawn(move || {
            for number in 0..100 {
                assert_eq!(sender.send_blocking(number), Ok(()));
            }
        });
        let done = context.handle().spawn(async move {
            while words.take().last().is_none_or(|word| word != "99") {
                tevent_context::yield_now().await;
            }
            handle.stop();
        });
        context.run().expect("stopped");
        other.join().expect("no panic");
        assert!(done.is_finished());
        assert_eq!(mailbox.stats().received, 100);
    });
}

#[test]
fn a_thread_with_a_loop_is_told_instead_of_blocked() {
    let here = context();
    let (mailbox, _words) = saying(&here, 1);
    let sender = mailbox.sender();
    assert_eq!(sender.send_blocking(0), Ok(()));
    let full = Err(TrySendError::Full(1));
    assert_eq!(sender.send_blocking(1), full, "it would wait for itself");
    let told = elsewhere(move || context().block_on(async { sender.send_blocking(1) }));
    assert_eq!(told, full, "it would hold its own loop");
}

#[test]
#[should_panic(expected = "give the road room for one message at least")]
fn a_road_without_room_names_the_cure() {
    let context = context();
    drop(Mailbox::bounded(&context.handle(), 0, |_, _: u32| ()));
}

#[test]
fn b59_what_a_handler_sends_to_itself_comes_in_the_next_turn() {
    let context = context();
    let own: Rc<RefCell<Option<MailSender<u32>>>> = Rc::default();
    let (sender, words) = (Rc::clone(&own), Words::default());
    let said = words.clone();
    let mailbox = Mailbox::new(&context.handle(), move |_, number: u32| {
        said.say(number.to_string());
        if let Some(sender) = sender.borrow().as_ref().filter(|_| number < 10) {
            sender.send(number + 10).expect("it is open");
        }
    });
    let mailbox = mailbox.expect("a living loop");
    *own.borrow_mut() = Some(mailbox.sender());
    (1..=2).for_each(|number| mailbox.sender().send(number).expect("it is open"));
    assert_eq!(turn(&context).messages, 2);
    words.expect(&["1", "2"]);
    assert_eq!(turn(&context).messages, 2);
    words.expect(&["11", "12"]);
    assert!(!turn(&context).more);
}

#[test]
fn b60_a_message_that_takes_the_others_away_is_the_last() {
    let context = context();
    let own: Rc<RefCell<Option<Mailbox<u32>>>> = Rc::default();
    let (this, words) = (Rc::clone(&own), Words::default());
    let said = words.clone();
    let mailbox = Mailbox::new(&context.handle(), move |_, number: u32| {
        said.say(number.to_string());
        drop(this.borrow_mut().take());
    });
    let mailbox = mailbox.expect("a living loop");
    let sender = mailbox.sender();
    *own.borrow_mut() = Some(mailbox);
    (1..=3).for_each(|number| sender.send(number).expect("it is open"));
    assert!(!turn(&context).more);
    words.expect(&["1"]);
    assert_eq!(sender.send(4), Err(Closed(4)));
}

#[test]
fn b61_a_full_road_has_256_messages_of_a_turn_and_others_are_served() {
    let context = context();
    let (mailbox, words) = saying(&context, 100_000);
    let sender = mailbox.sender();
    (0..1000).for_each(|number| sender.try_send(number).expect("room for all"));
    let said = words.clone();
    let task = context.spawn(async move {
        loop {
            said.say("task");
            tevent_context::yield_now().await;
        }
    });
    let mut messages = Vec::new();
    while messages.iter().sum::<usize>() < 1000 {
        // A producer at full rate.
        sender.try_send(0).expect("room for all");
        messages.push(turn(&context).messages);
        let words = words.take();
        assert!(words.iter().any(|word| word == "task"), "it starves");
    }
    assert_eq!(messages, [256, 256, 256, 236], "four came meanwhile");
    drop(task);
    settle(&context);
    assert_eq!(mailbox.stats().received, 1004);
}

#[test]
fn b61_what_a_turn_has_left_comes_in_the_next_though_nobody_sends() {
    let context = context();
    let mailbox = Mailbox::new(&context.handle(), |_, _: u32| ()).expect("a living loop");
    let sender = mailbox.sender();
    (0..600).for_each(|number| sender.send(number).expect("it is open"));
    let turns = [(); 4].map(|()| turn(&context));
    assert_eq!(turns.map(|turn| turn.messages), [256, 256, 88, 0]);
}

#[test]
fn b62_each_sender_s_messages_come_in_its_order_also_the_loop_s_own() {
    in_time(|| {
        const EACH: u64 = 20_000;
        let context = context();
        let last: Rc<RefCell<[u64; 4]>> = Rc::default();
        let (seen, handle) = (Rc::clone(&last), context.handle());
        let mailbox = Mailbox::new(&handle, move |handle, (who, number): (usize, u64)| {
            let mut last = seen.borrow_mut();
            assert_eq!(last[who] + 1, number, "of sender {who}");
            last[who] = number;
            if *last == [EACH; 4] {
                handle.stop();
            }
        });
        let mailbox = mailbox.expect("a living loop");
        mailbox.keep_running(true);
        let threads: Vec<_> = (1..4)
            .map(|who| {
                let sender = mailbox.sender();
                thread::spawn(move || {
                    (1..=EACH).for_each(|number| sender.send((who, number)).expect("open"));
                })
            })
            .collect();
        let own = mailbox.sender();
        let local = context.spawn(async move {
            for number in 1..=EACH {
                own.send((0, number)).expect("open");
                if number % 64 == 0 {
                    tevent_context::yield_now().await;
                }
            }
        });
        context.run().expect("stopped");
        for thread in threads {
            thread.join().expect("no panic");
        }
        assert!(local.is_finished());
        let stats = mailbox.stats();
        assert_eq!((stats.received, stats.panicked), (4 * EACH, 0));
    });
}

#[test]
fn the_tag_is_told_to_those_who_trace() {
    let context = context();
    let (mailbox, _) = saying(&context, 1);
    mailbox.set_tag(7);
    assert_eq!(mailbox.tag(), 7);
    assert!(format!("{mailbox:?}").contains("room: 1"));
    assert!(!mailbox.handle().has_ended());
}
