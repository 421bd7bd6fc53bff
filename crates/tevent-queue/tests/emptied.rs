//! The moments at which a queue is empty again.
#![cfg(not(loom))]

mod common;

use std::cell::{Cell, RefCell};
use std::task::Poll;

use common::{enter, join, wait};
use futures::{FutureExt, Stream, StreamExt};
use tevent_queue::{Emptied, TeventQueue};
use tokio_test::task::{Spawn, spawn};

fn watch(queue: &TeventQueue) -> Spawn<Emptied> {
    spawn(queue.emptied())
}

/// Nothing now, and the waker is registered.
#[track_caller]
fn expect_nothing(emptied: &mut Spawn<Emptied>) {
    assert_eq!(emptied.poll_next(), Poll::Pending);
    assert!(!emptied.is_woken());
}

#[test]
fn an_item_for_each_time_the_last_has_left() {
    let queue = TeventQueue::new("q");
    let mut emptied = watch(&queue);
    for _ in 0..3 {
        expect_nothing(&mut emptied); // empty all the time is not empty again
        let (mut first, mut second) = (join(&queue), join(&queue));
        drop(enter(&mut first));
        drop(first);
        assert!(!emptied.is_woken());
        drop(enter(&mut second));
        assert!(emptied.is_woken());
        assert_eq!(emptied.poll_next(), Poll::Ready(Some(())));
    }
    // A block, a cancelled entry and a turn that was never taken count too.
    drop(queue.block());
    assert_eq!(emptied.poll_next(), Poll::Ready(Some(())));
    drop(join(&queue));
    assert_eq!(emptied.poll_next(), Poll::Ready(Some(())));
    expect_nothing(&mut emptied);
}

#[test]
fn what_happens_between_two_polls_is_one_item_and_only_if_the_queue_is_empty_then() {
    let queue = TeventQueue::new("q");
    let mut emptied = watch(&queue);
    for _ in 0..3 {
        drop(queue.try_entry());
    }
    assert_eq!(emptied.poll_next(), Poll::Ready(Some(())));
    expect_nothing(&mut emptied);
    drop(queue.try_entry());
    let holder = queue.try_entry();
    assert!(emptied.is_woken());
    assert_eq!(emptied.poll_next(), Poll::Pending);
    drop(holder);
    assert_eq!(emptied.poll_next(), Poll::Ready(Some(())));
}

#[test]
fn a_last_item_when_the_queue_is_closed_and_nobody_is_left() {
    let queue = TeventQueue::new("q");
    let mut emptied = watch(&queue);
    let holder = queue.try_entry();
    let waiting = wait(&queue);
    queue.close();
    expect_nothing(&mut emptied);
    drop(holder);
    assert_eq!(emptied.poll_next(), Poll::Ready(Some(())));
    drop(waiting);
    assert_eq!(emptied.poll_next(), Poll::Ready(None));
    assert_eq!(watch(&queue).poll_next(), Poll::Ready(None));
}

#[test]
fn it_does_not_keep_the_queue_open() {
    let queue = TeventQueue::new("q");
    let mut emptied = watch(&queue);
    expect_nothing(&mut emptied);
    drop(queue);
    assert!(emptied.is_woken());
    assert_eq!(emptied.poll_next(), Poll::Ready(Some(())));
    assert_eq!(emptied.poll_next(), Poll::Ready(None));
}

#[test]
fn dropping_it_unregisters_it() {
    let queue = TeventQueue::new("q");
    let (dropped, mut kept) = (watch(&queue), queue.emptied());
    drop(dropped);
    assert!(kept.next().now_or_never().is_none());
    drop(queue.try_entry());
    assert_eq!(kept.next().now_or_never(), Some(Some(())));
    assert!(queue.drain().now_or_never().is_some());
}

/// Polls the stream inside the wake, as an executor that runs tasks at once would.
struct Inline {
    emptied: RefCell<Option<std::pin::Pin<Box<Emptied>>>>,
    items: Cell<usize>,
    wakes: Cell<usize>,
}

thread_local! {
    static INLINE: Inline = const {
        Inline { emptied: RefCell::new(None), items: Cell::new(0), wakes: Cell::new(0) }
    };
}

fn poll_inline() {
    struct PollAgain;
    impl std::task::Wake for PollAgain {
        fn wake(self: std::sync::Arc<Self>) {
            INLINE.with(|inline| inline.wakes.set(inline.wakes.get() + 1));
            assert!(
                INLINE.with(|inline| inline.wakes.get()) < 10,
                "told again and again"
            );
            poll_inline();
        }
    }
    let waker = std::task::Waker::from(std::sync::Arc::new(PollAgain));
    let mut cx = std::task::Context::from_waker(&waker);
    INLINE.with(|inline| {
        let Some(mut emptied) = inline.emptied.take() else {
            return;
        };
        while let Poll::Ready(Some(())) = emptied.as_mut().poll_next(&mut cx) {
            inline.items.set(inline.items.get() + 1);
        }
        inline.emptied.replace(Some(emptied));
    });
}

#[test]
fn b62_one_emptying_tells_each_watcher_once_however_soon_it_looks() {
    let queue = TeventQueue::new("q");
    INLINE.with(|inline| inline.emptied.replace(Some(Box::pin(queue.emptied()))));
    poll_inline();
    for turns in 1..=3 {
        drop(queue.try_entry().expect("nobody is here"));
        let told = INLINE.with(|inline| (inline.items.get(), inline.wakes.get()));
        assert_eq!(told, (turns, turns));
    }
    INLINE.with(|inline| inline.emptied.take());
}
