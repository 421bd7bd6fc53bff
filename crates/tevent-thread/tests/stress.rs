//! Eight threads send while contexts are made and dropped: nothing is lost, nothing twice, each order is kept.
//!
//! `TEVENT_STRESS_MESSAGES` says how many messages each thread sends; `scripts/stress.sh` asks for a million.
#![cfg(not(loom))]

mod util;

use std::cell::RefCell;
use std::env;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tevent_thread::{
    Bounded, Closed, MailSender, Mailbox, MailboxStats, ProxySender, ThreadProxy, TrySendError,
};
use util::{context, within};

const THREADS: usize = 8;

fn messages() -> u64 {
    let asked = env::var("TEVENT_STRESS_MESSAGES").ok();
    asked.map_or(3_000, |text| text.parse().expect("a number"))
}

/// A message, which counts itself.
struct Message {
    who: usize,
    number: u64,
    alive: Arc<AtomicU64>,
}

impl Message {
    fn new(who: usize, number: u64, alive: &Arc<AtomicU64>) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        let alive = Arc::clone(alive);
        Self { who, number, alive }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The roads into the context that lives now.
#[derive(Clone)]
struct Roads {
    plain: MailSender<Message>,
    bounded: MailSender<Message, Bounded>,
    proxy: ProxySender,
}

/// What the loop's thread has seen of each sender.
type Seen = Rc<RefCell<[u64; THREADS]>>;

thread_local! {
    /// For closures, which cannot bring it along.
    static SEEN: Seen = Rc::default();
}

fn see(message: &Message) {
    SEEN.with(|seen| {
        let last = &mut seen.borrow_mut()[message.who];
        assert!(message.number > *last, "twice, or out of order");
        *last = message.number;
    });
}

/// Sends one message by the road of its sender; it comes back if the road has been closed.
fn send(roads: &Roads, message: Message) -> Result<(), Message> {
    match message.who % 4 {
        0 | 1 => roads.plain.send(message).map_err(Closed::into_inner),
        2 => roads.bounded.send_blocking(message).map_err(|error| {
            assert!(
                matches!(error, TrySendError::Closed(_)),
                "it waits for room"
            );
            error.into_inner()
        }),
        _ => {
            // Shared, to get it back from a closure that is refused.
            let held = Arc::new(Mutex::new(Some(message)));
            let taken = Arc::clone(&held);
            let take = |held: &Mutex<Option<Message>>| held.lock().expect("no panic").take();
            let sent = roads.proxy.schedule(move |_| {
                see(&take(&taken).expect("nobody else takes it"));
            });
            sent.map_err(|_| take(&held).expect("it was refused"))
        }
    }
}

/// One context: some turns, then the end. Returns what became of its messages.
fn generation(roads: &Mutex<Option<Roads>>, turns: usize, at_work: &AtomicUsize) -> MailboxStats {
    let context = context();
    let handle = context.handle();
    let handler = |_: &_, message: Message| see(&message);
    let plain = Mailbox::new(&handle, handler).expect("a living loop");
    let bounded = Mailbox::bounded(&handle, 64, handler).expect("a living loop");
    let proxy = ThreadProxy::new(&handle).expect("a living loop");
    let current = Roads {
        plain: plain.sender(),
        bounded: bounded.sender(),
        proxy: proxy.sender(),
    };
    *roads.lock().expect("no panic") = Some(current);
    for _ in 0..turns {
        if at_work.load(Ordering::Acquire) > 0 {
            let limit = Some(Duration::from_millis(1));
            context.turn(limit).expect("the poll works");
        }
    }
    if turns.is_multiple_of(3) {
        drop((plain.close(), context)); // in this order, or in the other
    } else {
        drop(context);
    }
    let mut sum = MailboxStats::default();
    for stats in [plain.stats(), bounded.stats(), proxy.stats()] {
        sum.received += stats.received;
        sum.dropped += stats.dropped;
        sum.panicked += stats.panicked;
    }
    sum
}

#[test]
fn b57_eight_threads_send_while_contexts_are_made_and_dropped() {
    let limit = Duration::from_secs(120) + Duration::from_millis(messages());
    within(limit, send_while_contexts_are_made_and_dropped);
}

fn send_while_contexts_are_made_and_dropped() {
    let alive = Arc::new(AtomicU64::new(0));
    let at_work = AtomicUsize::new(THREADS);
    let roads = Mutex::new(None::<Roads>);
    let (mut received, mut dropped) = (0, 0);
    thread::scope(|scope| {
        for who in 0..THREADS {
            let (alive, roads, at_work) = (&alive, &roads, &at_work);
            scope.spawn(move || {
                for number in 1..=messages() {
                    let mut message = Message::new(who, number, alive);
                    loop {
                        let current = roads.lock().expect("no panic").clone();
                        let Some(current) = current else { continue };
                        match send(&current, message) {
                            Ok(()) => break,
                            Err(back) => message = back,
                        }
                        thread::yield_now();
                    }
                }
                at_work.fetch_sub(1, Ordering::Release);
            });
        }
        let mut number = 0;
        while at_work.load(Ordering::Acquire) > 0 {
            number += 1;
            let stats = generation(&roads, number % 64, &at_work);
            assert_eq!(stats.panicked, 0, "a message came twice or out of order");
            received += stats.received;
            dropped += stats.dropped;
        }
    });
    drop(roads);
    assert_eq!(
        received + dropped,
        THREADS as u64 * messages(),
        "lost, or twice"
    );
    assert_eq!(alive.load(Ordering::Relaxed), 0, "leaked");
    assert!(received > 0, "nothing was received at all");
}
