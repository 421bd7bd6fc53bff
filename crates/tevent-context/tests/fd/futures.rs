//! The futures: level-triggered, for many at a time, cancel safe, and cheap.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use futures::future::{join, join_all};
use futures::{FutureExt, poll};
use tevent_context::{Context, FdEvent, spawn, yield_now};
use tokio_test::task;

use crate::util::{Rig, alone, fill, idle, pair, readable, signal, tcp_pair};

fn event<F: AsFd + 'static>(rig: &Rig, fd: F) -> FdEvent<F> {
    FdEvent::new(&rig.context.handle(), fd).unwrap()
}

#[test]
fn f1_what_is_ready_now_counts_whatever_was_told_before() {
    let rig = Rig::new();
    let event = event(&rig, readable());
    rig.context.block_on(async {
        for _ in 0..5 {
            assert!(event.readable().now_or_never().is_none(), "not at once");
            event.readable().await.unwrap();
            event.writable().await.unwrap();
        }
        let mut counter = [0; 8];
        rustix::io::read(event.get_ref(), &mut counter).unwrap();
        let mut readable = Box::pin(event.readable());
        for _ in 0..5 {
            assert!(
                poll!(readable.as_mut()).is_pending(),
                "somebody has read it"
            );
            event.writable().await.unwrap();
        }
        signal(event.get_ref());
        readable.await.unwrap();
    });
}

#[test]
fn a_wait_costs_one_system_call_and_one_turn() {
    let rig = Rig::new();
    let event = event(&rig, readable());
    rig.context.block_on(async {
        event.readable().await.unwrap();
        for _ in 0..100 {
            let calls = rig.calls();
            event.readable().await.unwrap();
            assert_eq!(rig.calls(), calls + 1);
        }
    });
    assert_eq!(rig.polls.sleeps.get(), 101);
}

#[test]
fn what_was_told_to_a_task_that_has_not_run_yet_is_not_asked_again() {
    let rig = Rig::new();
    let event = event(&rig, readable());
    let mut wait = task::spawn(event.readable());
    assert!(wait.poll().is_pending());
    for _ in 0..5 {
        rig.turn();
    }
    assert!(wait.is_woken());
    assert_eq!(rig.calls(), 1);
    assert!(wait.poll().is_ready());
}

#[test]
fn a_wait_that_goes_on_over_many_turns_costs_one_system_call() {
    let rig = Rig::new();
    let (near, mut far) = pair();
    let event = event(&rig, near);
    rig.context.block_on(async {
        let mut readable = Box::pin(event.readable());
        for _ in 0..1000 {
            assert!(poll!(readable.as_mut()).is_pending());
            yield_now().await;
        }
        assert_eq!(rig.calls(), 1);
        far.write_all(b"x").unwrap();
        readable.await.unwrap();
    });
    assert_eq!(rig.calls(), 1);
}

#[test]
fn b32_all_who_wait_are_woken_each_for_its_own_direction() {
    let rig = Rig::new();
    let (near, mut far) = pair();
    fill(&near);
    let event = Rc::new(event(&rig, near));
    let tasks: Vec<_> = (0..20)
        .map(|index| {
            let (event, log) = (Rc::clone(&event), rig.log.clone());
            rig.context.spawn(async move {
                match index % 2 {
                    0 => event.readable().await.unwrap(),
                    _ => event.writable().await.unwrap(),
                }
                log.say(if index % 2 == 0 { "r" } else { "w" });
            })
        })
        .collect();
    rig.turn();
    far.write_all(b"x").unwrap();
    rig.wait();
    rig.turn();
    rig.log.expect(&["r"; 10]);
    while far.read(&mut [0; 4096]).is_ok() {}
    rig.wait();
    rig.turn();
    rig.log.expect(&["w"; 10]);
    rig.context.block_on(join_all(tasks));
}

#[test]
fn a_wait_that_is_dropped_leaves_nothing_and_wakes_the_loop_once_at_most() {
    let rig = Rig::new();
    let (near, mut far) = pair();
    let event = event(&rig, near);
    for _ in 0..100 {
        let mut wait = task::spawn(event.readable());
        assert!(wait.poll().is_pending());
        rig.turn();
    }
    assert_eq!((rig.calls(), rig.registered()), (1, 1), "registered still");
    for _ in 0..5 {
        far.write_all(b"x").unwrap();
        rig.turn();
    }
    assert_eq!((rig.polls.woken.get(), rig.registered()), (1, 0));
    rig.context
        .block_on(event.readable())
        .expect("it can be waited for again");
}

#[test]
fn a_future_that_changes_its_task_wakes_the_new_one() {
    let rig = Rig::new();
    let (near, mut far) = pair();
    let event = Rc::new(event(&rig, near));
    rig.context.block_on(async {
        let event = Rc::clone(&event);
        let mut moved = Box::pin(async move { event.readable().await });
        assert!(poll!(moved.as_mut()).is_pending());
        let task = spawn(moved);
        yield_now().await;
        far.write_all(b"x").unwrap();
        task.await.unwrap();
    });
}

#[test]
fn error_ends_with_a_half_close_of_the_peer_and_not_with_data() {
    let rig = Rig::new();
    let (near, far) = tcp_pair();
    let event = event(&rig, near);
    rig.context.block_on(async {
        let (told, ()) = join(event.error(), async {
            (&far).write_all(b"x").unwrap();
            event.readable().await.unwrap();
            far.shutdown(std::net::Shutdown::Write).unwrap();
        })
        .await;
        told.unwrap();
    });
}

#[test]
fn everything_that_has_a_descriptor_can_be_watched() {
    let rig = Rig::new();
    let null = rustix::stdio::stdin();
    assert!(FdEvent::new(&rig.context.handle(), null).is_ok());
    assert!(FdEvent::new(&rig.context.handle(), io::stdin()).is_ok());
    let (reader, mut writer) = io::pipe().unwrap();
    let reader = event(&rig, reader);
    let (controller, terminal) = terminal();
    let (controller, terminal) = (event(&rig, controller), event(&rig, terminal));
    rig.context.block_on(async {
        writer.write_all(b"x").unwrap();
        reader.readable().await.unwrap();
        rustix::io::write(controller.get_ref(), b"line\n").unwrap();
        terminal.readable().await.unwrap();
        controller.readable().await.unwrap(); // the echo
    });
}

/// The two ends of a terminal.
fn terminal() -> (OwnedFd, File) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap();
    let terminal = File::options()
        .read(true)
        .write(true)
        .open(name.to_str().unwrap());
    (controller, terminal.unwrap())
}

#[test]
fn the_end_of_a_context_ends_the_waits_with_an_error() {
    let _alone = alone();
    let outer = Context::new().unwrap();
    let inner = Context::new().unwrap();
    let event = FdEvent::new(&inner.handle(), idle()).unwrap();
    outer.block_on(async {
        let (ended, ()) = join(event.readable(), async {
            yield_now().await;
            drop(inner);
        })
        .await;
        assert!(ended.is_err());
        assert!(event.readable().await.is_err(), "and all later ones");
    });
    assert!(FdEvent::new(event.handle(), idle()).is_err());
}
