//! Numbers of requests that survive, and profiles that say where the time went; with the feature `profile`.
#![cfg(feature = "profile")]

mod util;

use std::future::pending;
use std::pin::Pin;
use std::thread;

use tevent_context::{Context, TeventQueueExt, sleep, spawn, yield_now};
use tevent_queue::TeventQueue;
use tevent_request::{
    ProfileKind, Request, RequestError, RequestExt, RequestScope, State, carry, carry_call,
    profile_waits, request, request_id,
};
use util::{Rig, ms};

#[test]
fn the_number_survives_awaits_tasks_queues_and_callbacks() {
    let rig = Rig::new();
    let queue = TeventQueue::new("q");
    rig.context.block_on(async {
        assert_eq!(request_id(), None);
        let line = queue.clone();
        let work = async move {
            let id = request_id();
            assert!(id.is_some());
            sleep(ms(1)).await;
            assert_eq!(request_id(), id, "an await");
            drop(line.entry().await);
            assert_eq!(request_id(), id, "a turn");
            let inner = async { Ok::<_, String>(request_id()) }.request("inner");
            assert_eq!(inner.await, Ok(id), "a request inside");
            let spawned = async { Ok::<_, String>(request_id()) }.request("spawned");
            assert_eq!(spawned.spawn().await, Ok(id), "a spawned request");
            let scope = RequestScope::new("s").at_most(1);
            let child = async { Ok::<_, String>(request_id()) }.request("child");
            assert_eq!(scope.spawn(child).await, Ok(id), "a child");
            assert_eq!(
                line.add(carry(async { request_id() })).await,
                Ok(id),
                "driven"
            );
            assert_eq!(
                spawn(async { request_id() }).await,
                None,
                "a plain task has none"
            );
            let (completer, answer) = request::<_, String>("answer");
            let callback = carry_call(move || completer.done(request_id()));
            spawn(async move { callback() }).detach();
            assert_eq!(answer.await, Ok(id), "a callback");
            Ok::<_, String>(id)
        };
        let (one, two) = (work.request("one"), async { Ok::<_, String>(request_id()) });
        let two = two.request("two");
        assert_ne!(one.id(), two.id());
        let id = one.id();
        let one = one.on_cleanup(move |_| assert_eq!(request_id(), Some(id)));
        let (one, two) = (one.spawn(), two.spawn());
        assert_eq!(two.await.map(|two| two == Some(id)), Ok(false));
        assert_eq!(one.await, Ok(Some(id)));
        assert_eq!(request_id(), None);
    });
}

#[test]
fn a_panic_leaves_no_number_behind() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let work = async {
            yield_now().await;
            if true {
                panic!("boom");
            }
            Ok::<u32, String>(1)
        };
        assert!(work.request("r").spawn().catch().await);
        assert_eq!(request_id(), None);
    });
}

trait Catch: Future + Sized + 'static {
    async fn catch(self) -> bool {
        spawn(async move { drop(self.await) })
            .outcome()
            .await
            .is_err()
    }
}

impl<F: Future + 'static> Catch for F {}

#[test]
fn a_profile_has_a_node_for_each_request_and_each_wait() {
    let rig = Rig::new();
    let queue = TeventQueue::new("disk");
    profile_waits(&queue);
    rig.context.block_on(async {
        let holder = queue.try_entry().expect("it is free");
        let line = queue.clone();
        let serve = async move {
            let read = async move {
                let _turn = line.entry().await.map_err(|error| error.to_string())?;
                sleep(ms(3)).await;
                Ok::<_, String>(1)
            };
            let read = read.request("read").spawn().await?;
            let late = pending::<Result<u32, String>>().request("late").timeout(ms(2));
            assert_eq!(late.await, Err(RequestError::TimedOut));
            Ok::<_, RequestError<String>>(read)
        };
        let mut serve = serve.request("serve");
        let profile = serve.profile();
        let serve = serve.spawn();
        sleep(ms(5)).await;
        assert_eq!(profile.state(), State::InProgress);
        drop(holder);
        assert_eq!(serve.await, Ok(1));
        assert_eq!(
            profile.to_string(),
            "serve: Done, 10ms\n  read: Done, 8ms\n    queue `disk`: Done, 5ms\n  late: TimedOut, 2ms"
        );
        let wait = &profile.parts()[0].parts()[0];
        assert_eq!((wait.kind(), wait.duration()), (ProfileKind::QueueWait, ms(5)));
    });
}

#[test]
fn a_wait_is_known_by_its_entry_not_by_the_name_of_its_queue() {
    let rig = Rig::new();
    let (one, two) = (TeventQueue::new("disk"), TeventQueue::new("disk"));
    profile_waits(&one);
    profile_waits(&two);
    rig.context.block_on(async {
        let holders = (one.try_entry(), two.try_entry());
        let lines = (one.clone(), two.clone());
        let read = async move {
            let (first, second, third) = (lines.0.entry(), lines.1.entry(), lines.1.entry());
            sleep(ms(1)).await;
            drop(third);
            let turn = second.await;
            sleep(ms(1)).await;
            // Whoever takes the turn: the wait is of the request that came for it.
            let other = spawn(async move { drop(first.await) });
            other.await;
            drop(turn);
            Ok::<_, String>(1)
        };
        let mut read = read.request("read");
        let profile = read.profile();
        let read = read.spawn();
        sleep(ms(3)).await;
        drop(holders.1);
        sleep(ms(4)).await;
        drop(holders.0);
        assert_eq!(read.await, Ok(1));
        assert_eq!(
            profile.to_string(),
            "read: Done, 7ms\n  queue `disk`: Done, 7ms\n  queue `disk`: Done, 3ms\n  queue `disk`: Received, 1ms"
        );
    });
}

#[test]
fn a_wait_that_was_given_up_ends_as_received() {
    let rig = Rig::new();
    let queue = TeventQueue::new("disk");
    profile_waits(&queue);
    let holder = queue.try_entry().expect("it is free");
    rig.context.block_on(async {
        let line = queue.clone();
        let read = async move {
            let _turn = line.entry().await;
            Ok::<_, String>(1)
        };
        let mut read = read.request("read").timeout(ms(4));
        let profile = read.profile();
        assert_eq!(read.await, Err(RequestError::TimedOut));
        assert_eq!(
            profile.to_string(),
            "read: TimedOut, 4ms\n  queue `disk`: Received, 4ms"
        );
    });
    drop(holder);
}

#[test]
fn children_of_a_scope_are_parts_of_the_profile() {
    let rig = Rig::new();
    let mut root = async {
        let scope = RequestScope::new("s");
        for _ in 0..1000 {
            scope.spawn(async { Ok::<u32, String>(1) }.request("part"));
        }
        scope.join().await;
        Ok::<u32, String>(1)
    }
    .request("root");
    let profile = root.profile();
    assert_eq!(rig.context.block_on(root), Ok(1));
    assert_eq!(profile.to_string().lines().count(), 1001);
}

#[test]
fn a_deep_profile_is_dropped_on_a_flat_stack() {
    const LEVELS: u32 = if cfg!(miri) { 50 } else { 100_000 };
    fn level(left: u32) -> Pin<Box<dyn Future<Output = Result<u32, RequestError<String>>>>> {
        Box::pin(async move {
            match left {
                0 => Ok(0),
                _ => Request::new("level", |_| level(left - 1)).spawn().await,
            }
        })
    }
    let thread = thread::Builder::new().stack_size(256 * 1024);
    let thread = thread.spawn(|| {
        let context = Context::new().expect("a context");
        let mut root: Request<u32, String, _> = Request::new("root", |_| level(LEVELS));
        let profile = root.profile();
        assert_eq!(context.block_on(root), Ok(0));
        assert_eq!(profile.parts()[0].state(), State::Done);
        drop(profile);
    });
    let joined = thread.expect("a thread can be made").join();
    joined.expect("the stack stays flat");
}
