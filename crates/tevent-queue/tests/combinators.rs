//! Futures, streams and sinks that work in their turn.
#![cfg(not(loom))]

mod common;

use std::{
    cell::RefCell,
    collections::VecDeque,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
};

use common::{Trace, wait};
use futures::{
    FutureExt, Sink, SinkExt, Stream, StreamExt,
    executor::{LocalPool, block_on},
    future::join,
    stream::{self, FusedStream},
    task::LocalSpawnExt,
};
use tevent_queue::{
    QueueError, QueueExt, QueuedFuture, QueuedSink, QueuedSinkError, QueuedStream, SinkQueueExt,
    StreamQueueExt, TeventQueue, Threads,
};
use tokio_test::task::spawn;

/// Gives way once.
async fn give_way() {
    let mut is_first = true;
    std::future::poll_fn(|cx| {
        if std::mem::take(&mut is_first) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

/// Says a word when it is dropped.
struct Last(Trace, &'static str);

impl Last {
    fn touch(&self) {}
}

impl Drop for Last {
    fn drop(&mut self) {
        self.0.say(self.1);
    }
}

/// A stream of so many items, each made in two steps, and told.
fn steps(trace: &Trace, name: &'static str, items: u32) -> impl Stream<Item = u32> + use<> {
    let trace = trace.clone();
    stream::iter(1..=items).then(move |item| {
        let trace = trace.clone();
        async move {
            trace.say(format!("{name}{item} begins"));
            give_way().await;
            trace.say(format!("{name}{item} ends"));
            item
        }
    })
}

#[test]
fn all_are_send_on_a_shared_queue() {
    fn assert_send<T: Send>(_: &T) {}
    let queue = TeventQueue::shared("q");
    let future: QueuedFuture<_, Threads> = async { 1 }.queued(&queue);
    let stream: QueuedStream<_, Threads> = stream::iter([1]).queued(&queue);
    let sink: QueuedSink<_, Threads> = SinkQueueExt::<u32>::queued(Vec::new(), &queue);
    assert_send(&(&future, &stream, &sink));
    assert_eq!(block_on(future), Ok(1));
    assert_eq!(block_on(stream.collect::<Vec<_>>()), [Ok(1)]);
}

#[test]
fn streams_take_turns_item_by_item_and_never_mix() {
    let (queue, trace, mut pool) = (TeventQueue::new("q"), Trace::default(), LocalPool::new());
    for name in ["a", "b"] {
        let items = steps(&trace, name, 2).queued(&queue);
        let all = items.for_each(|item| async move { assert!(item.is_ok()) });
        pool.spawner().spawn_local(all).unwrap();
    }
    pool.run();
    trace.expect(&[
        "a1 begins",
        "a1 ends",
        "b1 begins",
        "b1 ends", //
        "a2 begins",
        "a2 ends",
        "b2 begins",
        "b2 ends",
    ]);
    assert_eq!(queue.len(), 0);
}

#[test]
fn a_stream_is_in_the_line_only_while_it_is_asked_for_an_item() {
    let queue = TeventQueue::new("q");
    let mut items = pin!(stream::iter([1, 2]).queued(&queue));
    assert_eq!(queue.len(), 0);
    assert_eq!(block_on(items.next()), Some(Ok(1)));
    assert_eq!(queue.len(), 0);

    let holder = queue.try_entry().unwrap();
    assert_eq!(items.next().now_or_never(), None);
    assert_eq!(queue.len(), 2, "its place is kept");
    assert!(items.as_mut().leave());
    assert_eq!(queue.len(), 1, "and can be given up");
    assert!(!items.as_mut().leave());
    drop(holder);
    assert_eq!(block_on(items.next()), Some(Ok(2)));
    assert_eq!(block_on(items.next()), None);
    assert!(items.is_terminated());
}

#[test]
fn a_next_that_is_dropped_halfway_loses_no_item_and_keeps_the_turn() {
    let (queue, trace) = (TeventQueue::new("q"), Trace::default());
    let mut items = Box::pin(steps(&trace, "a", 2).queued(&queue));
    assert_eq!(items.next().now_or_never(), None); // begun
    let mut other = wait(&queue);
    assert!(!items.as_mut().leave(), "it is in the middle of its turn");
    assert_eq!(block_on(items.next()), Some(Ok(1)));
    assert!(other.is_woken());
    assert_eq!(items.next().now_or_never(), None);
    assert!(
        other.poll().is_ready(),
        "the second item has not come before"
    );
    drop(items);
    trace.expect(&["a1 begins", "a1 ends"]);
}

#[test]
fn a_stream_that_is_dropped_in_its_turn_passes_it_on_after_its_work() {
    let (queue, trace) = (TeventQueue::new("q"), Trace::default());
    let watcher = queue.clone();
    let last = Last(trace.clone(), "dropped");
    let work = stream::pending::<()>().map(move |()| last.touch());
    let mut items = Box::pin(work.queued(&queue));
    assert_eq!(items.next().now_or_never(), None);
    let mut other = wait(&queue);
    watcher.on_trace({
        let trace = trace.clone();
        move |point| trace.say(format!("{:?}", point.kind))
    });
    drop(items);
    trace.expect(&["dropped", "Detach"]);
    assert!(other.poll().is_ready());
}

#[test]
fn a_stream_that_ends_is_dropped_in_its_turn() {
    let (queue, trace) = (TeventQueue::new("q"), Trace::default());
    queue.on_trace({
        let trace = trace.clone();
        move |point| trace.say(format!("{:?}", point.kind))
    });
    let last = Last(trace.clone(), "dropped");
    let mut items = pin!(
        stream::empty::<()>()
            .map(move |()| last.touch())
            .queued(&queue)
    );
    assert_eq!(block_on(items.next()), None);
    trace.expect(&["Attach", "BeforeTrigger", "dropped", "Detach"]);
    assert_eq!(block_on(items.next()), None, "and stays at its end");
    trace.expect(&[]);
}

#[test]
fn a_stream_that_panics_is_dropped_and_its_turn_passes_on() {
    let queue = TeventQueue::new("q");
    let bad = stream::iter([1]).map(|_| -> u32 { panic!("the work failed") });
    let mut items = Box::pin(bad.queued(&queue));
    let next = std::panic::AssertUnwindSafe(|| block_on(items.next()));
    assert!(std::panic::catch_unwind(next).is_err());
    assert!(queue.try_entry().is_ok());
    assert!(items.is_terminated());
}

#[test]
fn a_stream_on_a_closed_queue_says_so_once_and_one_on_a_full_queue_tries_again() {
    let queue = TeventQueue::builder("q").capacity(1).build();
    let mut items = pin!(stream::iter([1, 2]).queued(&queue));
    let holder = queue.try_entry().unwrap();
    assert_eq!(block_on(items.next()), Some(Err(QueueError::Full)));
    drop(holder);
    assert_eq!(block_on(items.next()), Some(Ok(1)));
    queue.close();
    assert_eq!(block_on(items.next()), Some(Err(QueueError::Closed)));
    assert_eq!(block_on(items.next()), None);
}

#[test]
fn a_stream_keeps_its_queue_open() {
    let queue = TeventQueue::new("q");
    let items = stream::iter([1]).queued(&queue);
    drop(queue);
    assert_eq!(block_on(items.collect::<Vec<_>>()), [Ok(1)]);
}

/// The other kind of stream: its items come by themselves, and the work on them belongs in the line.
#[test]
fn requests_take_their_places_when_they_come_and_an_idle_stream_holds_up_nobody() {
    let (queue, trace, mut pool) = (TeventQueue::new("q"), Trace::default(), LocalPool::new());
    let (idle, nothing) = futures::channel::mpsc::unbounded::<u32>();
    let (busy, requests) = futures::channel::mpsc::unbounded::<u32>();
    for (name, requests) in [("idle", nothing), ("busy", requests)] {
        let (queue, trace) = (queue.clone(), trace.clone());
        let answers = requests.then(move |request| {
            let trace = trace.clone();
            async move { trace.say(format!("{name} {request}")) }.queued(&queue)
        });
        let all = answers.for_each(|answer| async move { answer.unwrap() });
        pool.spawner().spawn_local(all).unwrap();
    }
    for request in [1, 2] {
        busy.unbounded_send(request).unwrap();
    }
    pool.run_until_stalled();
    trace.expect(&["busy 1", "busy 2"]);
    drop((idle, busy));
}

/// A resource under several sinks: each item is two steps, and a flush is one more.
#[derive(Clone, Default)]
struct Wire {
    trace: Trace,
    blocked: Rc<RefCell<VecDeque<&'static str>>>,
    broken: Rc<RefCell<Option<&'static str>>>,
}

struct Port {
    wire: Wire,
    name: &'static str,
}

impl Wire {
    fn port(&self, name: &'static str) -> Port {
        Port {
            wire: self.clone(),
            name,
        }
    }

    /// The next time somebody does this, it is not ready.
    fn block(&self, what: &'static str) {
        self.blocked.borrow_mut().push_back(what);
    }

    fn act(&self, name: &str, what: &'static str) -> Poll<Result<(), &'static str>> {
        if self
            .broken
            .borrow_mut()
            .take_if(|bad| *bad == what)
            .is_some()
        {
            return Poll::Ready(Err("broken"));
        }
        let mut blocked = self.blocked.borrow_mut();
        if blocked.front() == Some(&what) {
            blocked.pop_front();
            return Poll::Pending;
        }
        self.trace.say(format!("{name} {what}"));
        Poll::Ready(Ok(()))
    }
}

impl Sink<u32> for Port {
    type Error = &'static str;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        self.wire.act(self.name, "ready")
    }

    fn start_send(self: Pin<&mut Self>, item: u32) -> Result<(), &'static str> {
        self.wire.trace.say(format!("{} {item}", self.name));
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        self.wire.act(self.name, "flush")
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        self.wire.act(self.name, "close")
    }
}

#[test]
fn sinks_take_turns_item_by_item_and_flush_before_the_turn_ends() {
    let (queue, wire) = (TeventQueue::new("q"), Wire::default());
    let send = |name| {
        let items = stream::iter([Ok(1), Ok(2)]);
        items.forward(wire.port(name).queued(&queue))
    };
    let holder = queue.try_entry().unwrap();
    let mut both = spawn(join(send("a"), send("b")));
    assert!(both.poll().is_pending());
    drop(holder); // both are in the line
    assert!(both.poll().is_pending());
    assert_eq!(both.poll(), Poll::Ready((Ok(()), Ok(()))));
    wire.trace.expect(&[
        "a ready", "a 1", "a flush", "b ready", "b 1", "b flush", //
        "a ready", "a 2", "a close", "b ready", "b 2", "b close",
    ]);
    assert_eq!(queue.len(), 0);
}

#[test]
fn a_sink_that_cannot_flush_keeps_the_turn_until_it_has() {
    let (queue, wire) = (TeventQueue::new("q"), Wire::default());
    let mut sink = pin!(wire.port("a").queued(&queue));
    wire.block("flush");
    let mut sending = spawn(sink.send(1));
    assert!(sending.poll().is_pending());
    let mut other = wait(&queue);
    assert!(!other.is_woken());
    wire.trace.expect(&["a ready", "a 1"]);
    assert_eq!(sending.poll(), Poll::Ready(Ok(())));
    assert!(other.is_woken() && other.poll().is_ready());
    wire.trace.expect(&["a flush"]);
}

#[test]
fn the_next_item_flushes_the_one_before_and_goes_to_the_end_of_the_line() {
    let (queue, wire) = (TeventQueue::new("q"), Wire::default());
    let mut sink = pin!(wire.port("a").queued(&queue));
    block_on(sink.feed(1)).unwrap();
    assert_eq!(queue.len(), 1, "it has the turn until the item is flushed");
    let mut other = wait(&queue);
    assert!(sink.feed(2).now_or_never().is_none());
    wire.trace.expect(&["a ready", "a 1", "a flush"]);
    drop(common::enter(&mut other));
    block_on(sink.send(2)).unwrap();
    wire.trace.expect(&["a ready", "a 2", "a flush"]);
}

#[test]
fn a_flush_of_nothing_touches_nothing() {
    let (queue, wire) = (TeventQueue::new("q"), Wire::default());
    let mut sink = pin!(wire.port("a").queued(&queue));
    let holder = queue.try_entry().unwrap();
    assert_eq!(block_on(sink.flush()), Ok(()));
    wire.trace.expect(&[]);

    assert!(sink.send(1).now_or_never().is_none());
    assert_eq!(queue.len(), 2, "its place is kept");
    assert!(sink.as_mut().leave());
    assert_eq!(queue.len(), 1, "and can be given up");
    assert!(!sink.as_mut().leave());
    drop(holder);
}

#[test]
fn an_error_of_the_sink_ends_its_turn() {
    let (queue, wire) = (TeventQueue::new("q"), Wire::default());
    let mut sink = pin!(wire.port("a").queued(&queue));
    for bad in ["ready", "flush", "close"] {
        *wire.broken.borrow_mut() = Some(bad);
        let failed = block_on(async {
            sink.send(1).await?;
            sink.close().await
        });
        assert_eq!(failed, Err(QueuedSinkError::Sink("broken")), "{bad}");
        assert_eq!(queue.len(), 0, "{bad}");
    }
    assert_eq!(block_on(sink.send(2)), Ok(()));
}

#[test]
fn a_sink_without_a_turn_says_why_and_is_not_touched() {
    let queue = TeventQueue::builder("q").capacity(1).build();
    let wire = Wire::default();
    let mut sink = pin!(wire.port("a").queued(&queue));
    let holder = queue.try_entry().unwrap();
    let full = Err(QueuedSinkError::Queue(QueueError::Full));
    assert_eq!(block_on(sink.send(1)), full);
    drop(holder);
    queue.close();
    let closed = Err(QueuedSinkError::Queue(QueueError::Closed));
    assert_eq!(block_on(sink.send(1)), closed);
    assert_eq!(block_on(sink.close()), closed);
    wire.trace.expect(&[]);
}

#[test]
fn a_sink_that_panics_passes_its_turn_on() {
    let queue = TeventQueue::new("q");
    let bad = futures::sink::drain().with(async |item: u32| {
        assert_eq!(item, 0, "the work failed");
        Ok::<u32, std::convert::Infallible>(item)
    });
    let mut sink = Box::pin(bad.queued(&queue));
    let send = std::panic::AssertUnwindSafe(|| block_on(sink.send(1)));
    assert!(std::panic::catch_unwind(send).is_err());
    assert!(queue.try_entry().is_ok());
    assert_eq!(queue.len(), 0);
}

#[test]
fn the_entries_of_a_stream_and_of_a_sink_bear_the_line_that_queued_them() {
    let queue = TeventQueue::new("q");
    let mut stream = pin!(stream::iter([1]).queued(&queue));
    let mut sink = pin!(SinkQueueExt::<u32>::queued(Vec::new(), &queue));
    let line = line!() - 2;
    let holder = queue.try_entry().unwrap();
    assert!(stream.next().now_or_never().is_none());
    assert!(sink.send(1).now_or_never().is_none());
    let origins = queue.entries(3).into_iter().map(|entry| entry.origin);
    let found: Vec<_> = origins
        .map(|origin| (origin.file(), origin.line()))
        .collect();
    assert_eq!(found[1..], [(file!(), line), (file!(), line + 1)]);
    drop(holder);
}
