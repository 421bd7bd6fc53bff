//! Operations: tried first, waited for when they are refused, cancel safe, and fair.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::net::Shutdown;
use std::rc::Rc;
use std::task::Poll;

use futures::FutureExt;
use futures::future::{join, join_all};
use tevent_context::{FdEvent, yield_now};
use tokio_test::task;

use crate::util::{Rig, idle, pair, readable};

fn pipe(rig: &Rig) -> (FdEvent<PipeReader>, PipeWriter) {
    let (reader, writer) = io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&reader, true).unwrap();
    let reader = FdEvent::new(&rig.context.handle(), reader).unwrap();
    (reader, writer)
}

async fn byte(reader: &FdEvent<PipeReader>) -> Option<u8> {
    let mut byte = [0];
    let read = reader.read_with(|mut pipe| pipe.read(&mut byte)).await;
    (read.unwrap() == 1).then_some(byte[0])
}

#[test]
fn what_is_there_is_read_at_once_and_costs_no_wait() {
    let rig = Rig::new();
    let (reader, mut writer) = pipe(&rig);
    writer.write_all(b"ab").unwrap();
    for expected in *b"ab" {
        assert_eq!(byte(&reader).now_or_never(), Some(Some(expected)));
    }
    drop(writer);
    assert_eq!(byte(&reader).now_or_never(), Some(None), "the end");
    assert_eq!((rig.calls(), rig.polls.sleeps.get()), (0, 0));
}

#[test]
fn a_refusal_says_that_the_next_will_be_told_and_costs_no_asking() {
    let rig = Rig::new();
    let (reader, mut writer) = pipe(&rig);
    let reading = rig.context.spawn(async move {
        let mut bytes = 0;
        while byte(&reader).await.is_some() {
            bytes += 1;
        }
        bytes
    });
    rig.turn();
    for number in 0..100 {
        writer.write_all(&[number]).unwrap();
        rig.wait();
        rig.turn();
    }
    assert_eq!(rig.calls(), 1);
    drop(writer);
    assert_eq!(rig.context.block_on(reading), 100);
}

#[test]
fn what_is_left_by_an_operation_is_told_to_a_wait() {
    let rig = Rig::new();
    let (reader, mut writer) = pipe(&rig);
    rig.context.block_on(async {
        for _ in 0..10 {
            let mut reading = task::spawn(byte(&reader));
            assert!(reading.poll().is_pending());
            writer.write_all(b"ab").unwrap();
            yield_now().await;
            yield_now().await;
            reader.readable().await.unwrap();
            assert!(matches!(reading.poll(), Poll::Ready(Some(b'a'))));
            reader.readable().await.unwrap();
            assert_eq!(byte(&reader).await, Some(b'b'));
        }
    });
}

#[test]
fn a_refused_operation_waits_an_interrupted_one_does_not_and_an_error_is_the_result() {
    let rig = Rig::new();
    let event = FdEvent::new(&rig.context.handle(), readable()).unwrap();
    let log = rig.log.clone();
    let mut answers = [
        Err(ErrorKind::Interrupted),
        Err(ErrorKind::WouldBlock),
        Err(ErrorKind::Interrupted),
        Ok(7),
    ]
    .into_iter();
    let mut reading = task::spawn(event.read_with(|_| {
        let answer = answers.next().unwrap();
        log.say(format!("{answer:?}"));
        answer.map_err(io::Error::from)
    }));
    assert!(reading.poll().is_pending());
    rig.log.expect(&["Err(Interrupted)", "Err(WouldBlock)"]);
    rig.turn();
    assert!(reading.is_woken());
    assert!(matches!(reading.poll(), Poll::Ready(Ok(7))));
    rig.log.expect(&["Err(Interrupted)", "Ok(7)"]);

    let refuse = |_: &_| io::Result::<()>::Err(ErrorKind::BrokenPipe.into());
    let refused = event.write_with(refuse).now_or_never().unwrap();
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn b32_two_tasks_that_read_one_pipe_get_each_byte_once_and_both_the_end() {
    let rig = Rig::new();
    let (reader, mut writer) = pipe(&rig);
    let (reader, got) = (Rc::new(reader), Rc::new(Cell::new(0)));
    let tasks: Vec<_> = (0..2)
        .map(|_| {
            let (reader, got) = (Rc::clone(&reader), Rc::clone(&got));
            rig.context.spawn(async move {
                while let Some(byte) = byte(&reader).await {
                    assert_eq!(byte, got.get(), "in order, none lost");
                    got.set(byte + 1);
                }
            })
        })
        .collect();
    rig.turn();
    for number in 0..100 {
        writer.write_all(&[number]).unwrap();
        while got.get() <= number {
            rig.wait();
        }
    }
    drop(writer);
    rig.context.block_on(join_all(tasks));
    assert_eq!(got.get(), 100);
}

#[test]
fn a_writer_waits_for_room_and_a_reader_for_what_it_writes() {
    const LENGTH: usize = 1 << 20;
    let rig = Rig::new();
    let handle = rig.context.handle();
    let (near, far) = pair();
    let near = FdEvent::new(&handle, near).unwrap();
    let far = FdEvent::new(&handle, far).unwrap();
    let write = async {
        let (text, mut done) = (vec![b'x'; LENGTH], 0);
        while done < LENGTH {
            let write = near.write_with(|mut socket| socket.write(&text[done..]));
            done += write.await.unwrap();
        }
        near.get_ref().shutdown(Shutdown::Write)
    };
    let read = async {
        let (mut piece, mut all) = ([0; 4096], 0);
        loop {
            let read = far.read_with(|mut socket| socket.read(&mut piece)).await;
            match read.unwrap() {
                0 => return all,
                length => all += length,
            }
        }
    };
    let (written, read) = rig.context.block_on(join(write, read));
    written.unwrap();
    assert_eq!(read, LENGTH);
    assert!(rig.polls.woken.get() > 0, "a socket's buffer is smaller");
}

#[test]
fn b30_a_fire_hose_leaves_the_others_their_turn() {
    const ENOUGH: u32 = 100_000;
    let rig = Rig::new();
    let zeros = File::open("/dev/zero").unwrap();
    let zeros = FdEvent::new(&rig.context.handle(), zeros).unwrap();
    let reads = Rc::new(Cell::new(0));
    let count = Rc::clone(&reads);
    let hose = rig.context.spawn(async move {
        let mut piece = [1; 8];
        while count.get() < ENOUGH {
            let read = zeros.read_with(|mut zeros| zeros.read(&mut piece));
            assert_eq!(read.await.unwrap(), 8);
            count.set(count.get() + 1);
        }
    });
    rig.context.block_on(async {
        for round in 1..=100 {
            yield_now().await;
            assert!(reads.get() <= 64 * (round + 1), "more than its budget");
        }
    });
    assert!(reads.get() >= 64 * 99, "it is not held up either");
    assert!(!hose.is_finished());
}

#[test]
fn b30_between_two_operations_of_a_trickle_are_64_of_a_fire_hose_and_its_last_poll() {
    let rig = Rig::new();
    let handle = rig.context.handle();
    let zeros = File::open("/dev/zero").unwrap();
    let zeros = Rc::new(FdEvent::new(&handle, zeros).unwrap());
    let reads = Rc::new(Cell::new(0));
    let hoses: Vec<_> = (0..10)
        .map(|_| {
            let (zeros, reads) = (Rc::clone(&zeros), Rc::clone(&reads));
            rig.context.spawn(async move {
                loop {
                    for _ in 0..10 {
                        let read = zeros.read_with(|mut zeros| zeros.read(&mut [1; 8]));
                        assert_eq!(read.await.unwrap(), 8);
                        reads.set(reads.get() + 1);
                    }
                    yield_now().await;
                }
            })
        })
        .collect();
    for _ in 0..10 {
        let before = reads.replace(0);
        assert!(before <= 70, "{before} operations in one turn");
        assert_eq!(rig.turn().polls, 7);
    }
    drop(hoses);
}

#[test]
fn b30_each_operation_is_charged_once() {
    let rig = Rig::new();
    let event = FdEvent::new(&rig.context.handle(), readable()).unwrap();
    let task = rig.context.spawn(async move {
        for _ in 0..128 {
            event.read_with(|_| Ok(())).await.unwrap();
        }
    });
    let turns = [rig.turn(), rig.turn()];
    assert!(task.is_finished());
    assert_eq!(turns.map(|turn| turn.polls), [1, 1]);
}

#[test]
fn dropped_while_it_waits_or_once_it_is_woken_it_has_taken_nothing() {
    let rig = Rig::new();
    let (reader, mut writer) = pipe(&rig);
    {
        let mut reading = task::spawn(byte(&reader));
        assert!(reading.poll().is_pending());
    }
    let mut reading = task::spawn(byte(&reader));
    assert!(reading.poll().is_pending());
    rig.turn();
    writer.write_all(b"x").unwrap();
    rig.turn();
    assert!(reading.is_woken());
    drop(reading);
    assert_eq!(rig.context.block_on(byte(&reader)), Some(b'x'));
    rig.turn();
    assert_eq!(rig.turn().events, 0, "nobody is told any more");
}

#[test]
fn once_the_context_has_ended_nothing_is_tried() {
    let rig = Rig::new();
    let event = FdEvent::new(&rig.context.handle(), idle()).unwrap();
    let refuse = |_: &_| io::Result::<()>::Err(ErrorKind::WouldBlock.into());
    let mut waiting = task::spawn(event.read_with(refuse));
    assert!(waiting.poll().is_pending());
    let Rig { context, alone, .. } = rig;
    drop(context);
    assert!(waiting.is_woken());
    let waited = futures::executor::block_on(waiting);
    assert!(waited.unwrap_err().to_string().contains("has ended"));
    let late = event.write_with(|_| -> io::Result<()> { unreachable!("it is too late") });
    let late = late.now_or_never().unwrap();
    assert!(late.unwrap_err().to_string().contains("has ended"));
    drop(alone);
}
