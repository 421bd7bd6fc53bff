//! A burst of posts into a loop that sleeps: what they cost, and what is kept of their memory afterwards.

use std::cell::Cell;
use std::hint::black_box;
use std::io;
use std::rc::Rc;
use std::time::Instant;

use tevent::Context;
use tevent::thread::Mailbox;

use crate::allocator::Taken;
use crate::row::{Aim, Contestant, Load, Row, Unit, nanos_per_op};

const POSTS: u64 = 10_000_000;

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row("burst of 10 M posts", Unit::NanosPerOp, timed)
            .aims([Aim::Of("crossbeam", 1.5)])
            .note(
                "10 million numbers are posted to a loop that does not run, and then it takes them all; no memory is \
                 warm. --quick: an eighth of them.",
            ),
        row("burst of 10 M posts, kept", Unit::Megabytes, kept)
            .aims([Aim::Absolute(1.0)])
            .note("What is not given back to the allocator when all have been taken; each number has 8 bytes.")
            .pairs(3),
    ]
}

/// Measures a burst of so many: posts them and takes them.
type Figure = fn(u64, &mut dyn FnMut()) -> f64;

fn timed(posts: u64, burst: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    burst();
    nanos_per_op(start, posts)
}

fn kept(_: u64, burst: &mut dyn FnMut()) -> f64 {
    let before = Taken::so_far();
    burst();
    Taken::since(before).bytes as f64 / 1e6
}

fn row(name: &str, unit: Unit, figure: Figure) -> Row {
    let posts = |load: Load| load.ops(POSTS);
    Row::new(
        name,
        unit,
        Contestant::new("tevent", move |load| to_tevent(posts(load), figure)),
    )
    .beside([
        Contestant::new("crossbeam", move |load| {
            let (sender, receiver) = crossbeam_channel::unbounded();
            let post = |value| sender.send(value).is_ok();
            Ok(to_channel(posts(load), figure, post, || {
                receiver.recv().is_ok()
            }))
        }),
        Contestant::new("kanal", move |load| {
            let (sender, receiver) = kanal::unbounded();
            let post = |value| sender.send(value).is_ok();
            Ok(to_channel(posts(load), figure, post, || {
                receiver.recv().is_ok()
            }))
        }),
        Contestant::new("flume", move |load| {
            let (sender, receiver) = flume::unbounded();
            let post = |value| sender.send(value).is_ok();
            Ok(to_channel(posts(load), figure, post, || {
                receiver.recv().is_ok()
            }))
        }),
        Contestant::new("tokio mpsc", move |load| {
            let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
            let runtime = tokio::runtime::Builder::new_current_thread().build()?;
            Ok(figure(posts(load), &mut || {
                assert!((0..posts(load)).all(|value| sender.send(value).is_ok()));
                runtime.block_on(async {
                    for _ in 0..posts(load) {
                        black_box(receiver.recv().await);
                    }
                });
            }))
        }),
    ])
}

fn to_channel(
    posts: u64,
    figure: Figure,
    post: impl Fn(u64) -> bool,
    take: impl Fn() -> bool,
) -> f64 {
    figure(posts, &mut || {
        assert!((0..posts).all(&post));
        assert!((0..posts).all(|_| take()));
    })
}

fn to_tevent(posts: u64, figure: Figure) -> io::Result<f64> {
    let (context, left) = (Context::new()?, Rc::new(Cell::new(posts)));
    let mailbox = Mailbox::new(&context.handle(), move |handle, value: u64| {
        black_box(value);
        left.set(left.get() - 1);
        if left.get() == 0 {
            handle.stop();
        }
    })?;
    mailbox.keep_running(true);
    let sender = mailbox.sender();
    Ok(figure(posts, &mut || {
        assert!((0..posts).all(|value| sender.send(value).is_ok()));
        context.run().expect("the poll works");
    }))
}
