//! What the detector must not find: scenes that come to their end, and what cannot be told for certain.

use super::*;

#[test]
fn an_entry_in_a_group_with_wakers_of_its_own_is_not_observed() {
    assert_silent(async |found| {
        let queue = queue_to(&found, "q");
        let holder = spawn(hold(queue.clone(), TICK));
        yield_now().await;
        let mut group = FuturesUnordered::new();
        group.push(async { queue.entry().await.map(drop) }.boxed_local());
        group.push(async { Ok(()) }.boxed_local());
        assert_eq!(group.next().await, Some(Ok(())));
        // The group may move to another task at any time: whose the entry is, cannot be told.
        sleep(5 * TICK).await;
        assert_eq!(group.next().await, Some(Ok(())));
        holder.await;
    });
}

#[test]
fn a_ring_with_a_deadline_in_it_is_not_reported() {
    assert_silent(async |found| {
        let (one, two) = (queue_to(&found, "q1"), queue_to(&found, "q2"));
        let there = {
            let (one, two) = (one.clone(), two.clone());
            spawn(async move {
                let _first = one.entry().await;
                yield_now().await;
                let _second = two.entry().await;
            })
        };
        let back = spawn(async move {
            let _second = two.entry().await;
            yield_now().await;
            timeout(TICK, one.entry()).await.map(drop)
        });
        assert!(back.await.is_err());
        there.await;
    });
}

#[test]
fn an_entry_beside_a_deadline_is_not_reported() {
    assert_silent(async |found| {
        let queue = queue_to(&found, "q");
        let task = spawn(async move {
            let _turn = queue.entry().await;
            let late = timeout(TICK, queue.entry()).await;
            assert!(late.is_err());
            let late = queue.entry().unless(sleep(TICK)).await;
            assert!(late.is_err());
        });
        task.await;
    });
}

#[test]
fn two_sections_of_one_task_are_not_reported() {
    assert_silent(async |found| {
        let queue = queue_to(&found, "q");
        let task = spawn(async move {
            join(hold(queue.clone(), TICK), hold(queue.clone(), TICK)).await;
            let mut group: FuturesUnordered<_> =
                (0..4).map(|_| hold(queue.clone(), TICK)).collect();
            while group.next().await.is_some() {}
        });
        task.await;
    });
}

#[test]
fn an_entry_that_moves_to_another_task_is_not_reported() {
    assert_silent(async |found| {
        let queue = queue_to(&found, "q");
        let holder = queue.try_entry().unwrap();
        let (send, mut entries) = mpsc::unbounded::<QueueEntry>();
        let taker = spawn(async move {
            while let Some(entry) = entries.next().await {
                assert!(entry.await.is_ok());
            }
        });
        let mut entry = queue.entry();
        let giver = spawn(async move {
            assert!(must_wait(&mut entry).await);
            yield_now().await;
            // Granted by now, and this task was woken for it.
            send.unbounded_send(entry).expect("the taker lives");
            drop(send);
            pending::<()>().await;
        });
        yield_now().await;
        drop(holder);
        taker.await;
        drop(giver);
    });
}

#[test]
fn an_entry_that_another_task_polled_last_is_that_ones() {
    assert_silent(async |found| {
        let queue = queue_to(&found, "q");
        let holder = queue.try_entry().unwrap();
        let mut entry = queue.entry();
        let (send, take) = oneshot::channel();
        let first = spawn(async move {
            assert!(must_wait(&mut entry).await);
            assert!(send.send(entry).is_ok());
            pending::<()>().await;
        });
        let second = spawn(async move { take.await.expect("sent").await.map(drop) });
        sleep(TICK).await;
        drop(holder);
        assert_eq!(second.await, Ok(()));
        drop(first);
    });
}

#[test]
fn guards_that_move_into_spawned_tasks_are_not_the_spawners() {
    for permits in [1, 4] {
        assert_silent(async |found| {
            let queue = queue_with_permits(&found, "q", permits);
            let main = spawn(async move {
                for _ in 0..8 {
                    let guard = queue.entry().await.expect("open");
                    let work = spawn(async move {
                        sleep(TICK).await;
                        drop(guard);
                    });
                    work.detach();
                }
                // The last have to end, too.
                queue.drain().await;
            });
            main.await;
        });
    }
}

#[test]
fn a_guard_that_is_handed_over_is_not_the_takers() {
    let scene = |is_said: bool| {
        run(async move |found| {
            let queue = queue_to(&found, "q");
            let (send, mut guards) = mpsc::unbounded::<QueueGuard>();
            let worker = spawn(async move {
                while let Some(guard) = guards.next().await {
                    sleep(TICK).await;
                    drop(guard);
                }
            });
            let task = spawn(async move {
                let mut guard = queue.entry().await.expect("open");
                if is_said {
                    guard = guard.handed_over();
                }
                send.unbounded_send(guard).expect("the worker lives");
                assert!(queue.entry().await.is_ok());
            });
            task.await;
            worker.await;
        })
    };
    assert_eq!(scene(true), (vec![], true));
    let (found, has_ended) = scene(false);
    assert!(has_ended && matches!(found[..], [Finding::SelfBlocked { .. }]));
}

/// An entry that its task polls once goes from task to task until the last one awaits it.
async fn hand_on(found: Findings, hops: usize, is_busy: bool) {
    let queue = queue_to(&found, "q");
    let holder = queue.try_entry().expect("free");
    let (send, mut take) = oneshot::channel::<QueueEntry>();
    let mut routers = Vec::new();
    for _ in 0..hops {
        let (next, from_next) = oneshot::channel();
        let from = mem::replace(&mut take, from_next);
        routers.push(spawn(async move {
            assert!(next.send(from.await.expect("sent")).is_ok());
        }));
    }
    let user = spawn(async move { take.await.expect("sent").await.map(drop) });
    let mut entry = queue.entry();
    let giver = spawn(async move {
        assert!(must_wait(&mut entry).await);
        yield_now().await;
        // Granted by now, and this task was woken for it.
        assert!(send.send(entry).is_ok());
        pending::<()>().await;
    });
    let _others: Vec<_> = (0..3)
        .map(|_| spawn(busy(if is_busy { 1000 } else { 0 })))
        .collect();
    yield_now().await;
    drop(holder);
    assert_eq!(user.await, Ok(()));
    drop(giver);
}

#[test]
fn an_entry_that_takes_several_hops_to_its_user_is_not_reported() {
    for hops in [1, 2, 20] {
        assert_silent(async move |found| hand_on(found, hops, false).await);
        assert_silent(async move |found| hand_on(found, hops, true).await);
    }
}

#[test]
fn with_two_loops_on_the_thread_one_at_rest_proves_nothing() {
    let found = Findings::default();
    let (one, two) = (context(), context());
    let queue = queue_to(&found, "q");
    let holder = queue.try_entry().expect("free");
    let (send, take) = oneshot::channel::<QueueEntry>();
    let user = two.spawn(async move { take.await.expect("sent").await.map(drop) });
    let mut entry = queue.entry();
    let giver = one.spawn(async move {
        assert!(must_wait(&mut entry).await);
        assert!(send.send(entry).is_ok());
        pending::<()>().await;
    });
    let turn = |context: &Context| context.turn(Some(Duration::ZERO)).expect("polls");
    turn(&two);
    turn(&one);
    drop(holder);
    for _ in 0..100 {
        turn(&one);
    }
    assert_eq!(*found.borrow(), []);
    turn(&two);
    turn(&two);
    assert!(user.is_finished() && !giver.is_finished());
    assert_eq!(*found.borrow(), []);
}

#[test]
fn an_entry_that_a_foreign_executor_polls_inside_a_task_is_not_observed() {
    assert_silent(async |found| {
        let queue = queue_to(&found, "q");
        let task = spawn(async move {
            let mut pool = LocalPool::new();
            let work = {
                let queue = queue.clone();
                async move {
                    let _turn = queue.entry().await.expect("open");
                    yield_now().await;
                }
            };
            let holder = queue.try_entry().expect("free");
            pool.spawner().spawn_local(work).expect("the pool runs");
            pool.run_until_stalled();
            drop(holder);
            // Idle, while the pool's entry has the turn.
            sleep(TICK).await;
            pool.run();
            assert!(queue.is_empty());
        });
        task.await;
    });
}

#[test]
fn tasks_that_are_busy_are_not_reported() {
    assert_silent(async |found| {
        let queue = queue_to(&found, "q");
        let holder = queue.try_entry().unwrap();
        let mut entry = queue.entry();
        let task = spawn(async move {
            assert!(must_wait(&mut entry).await);
            busy(100).await; // granted meanwhile
            assert!(entry.await.is_ok());
        });
        let others: Vec<_> = (0..5).map(|_| spawn(busy(300))).collect();
        yield_now().await;
        drop(holder);
        task.await;
        for other in others {
            other.await;
        }
    });
}

#[test]
fn a_task_that_was_idle_and_is_busy_now_is_not_reported() {
    assert_silent(async |found| {
        let queue = queue_to(&found, "q");
        let holder = queue.try_entry().expect("free");
        let mut entry = queue.entry();
        let (news, mut are_there) = oneshot::channel();
        let task = spawn(async move {
            assert!(must_wait(&mut entry).await);
            (&mut are_there).await.expect("sent");
            busy(100).await;
            assert!(entry.await.is_ok());
        });
        let _others: Vec<_> = (0..3).map(|_| spawn(busy(1000))).collect();
        yield_now().await;
        drop(holder);
        busy(5).await; // the task has been woken by its turn, and is idle
        news.send(()).expect("the task lives");
        task.await;
    });
}

#[test]
fn a_grant_that_is_taken_back_is_not_reported() {
    assert_silent(async |found| {
        let queue = queue_to(&found, "q");
        let holder = queue.try_entry().unwrap();
        let mut entry = queue.entry();
        let task = spawn(async move {
            assert!(must_wait(&mut entry).await);
            pending::<()>().await;
            drop(entry);
        });
        yield_now().await;
        drop(holder);
        queue.stop();
        sleep(TICK).await;
        drop(task);
    });
}

#[test]
fn with_a_permit_that_somebody_may_give_back_nothing_is_certain() {
    assert_silent(async |found| {
        let queue = queue_with_permits(&found, "q", 2);
        let other = spawn(hold(queue.clone(), TICK));
        yield_now().await;
        let task = spawn(async move {
            let _one = queue.entry().await;
            let _two = queue.entry().await;
        });
        task.await;
        other.await;
    });

    let found = findings(async |found| {
        let queue = queue_with_permits(&found, "q", 2);
        let task = spawn(async move {
            let (_one, _two) = (queue.entry().await, queue.entry().await);
            let _three = queue.entry().await;
        });
        task.await;
    });
    assert!(matches!(found[..], [Finding::SelfBlocked { .. }]));
}

#[test]
fn with_a_turn_that_is_free_or_nobodys_nothing_is_certain() {
    assert_silent(async |found| {
        let queue = queue_with_permits(&found, "q", 2);
        let task = spawn({
            let queue = queue.clone();
            async move {
                let _one = queue.entry().await;
                queue.stop();
                // A turn is free, but not granted until somebody starts the queue.
                let _two = queue.entry().await;
            }
        });
        sleep(TICK).await;
        queue.start();
        task.await;
    });

    assert_silent(async |found| {
        let queue = queue_with_permits(&found, "q", 2);
        let task = spawn(async move {
            let guard = queue.entry().await.expect("open").handed_over();
            let work = spawn(async move {
                sleep(TICK).await;
                drop(guard);
            });
            let _one = queue.entry().await;
            let _two = queue.entry().await;
            work.await;
        });
        task.await;
    });
}

#[test]
fn a_task_that_was_stuck_and_is_busy_now_is_not_reported() {
    assert_silent(async |found| {
        let [a, b, c] = ["a", "b", "c"].map(|name| queue_to(&found, name));
        let b_holder = spawn(hold(b.clone(), TICK));
        yield_now().await;
        let busy = spawn({
            let (a, c) = (a.clone(), c.clone());
            async move {
                let a_turn = a.entry().await;
                let b_turn = b.entry().await; // stuck, until it is granted
                let mut c_entry = c.entry();
                for _ in 0..50 {
                    assert!(must_wait(&mut c_entry).await);
                    yield_now().await;
                }
                drop((a_turn, b_turn, c_entry));
            }
        });
        let other = spawn(async move {
            let c_turn = c.entry().await;
            sleep(TICK).await;
            yield_now().await;
            yield_now().await;
            assert!(a.entry().await.is_ok());
            drop(c_turn);
        });
        b_holder.await;
        busy.await;
        other.await;
    });
}
