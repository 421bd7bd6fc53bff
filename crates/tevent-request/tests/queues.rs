//! Requests in a line, against a model: deadlines, cancels and drops, while they wait and while they have the turn.

mod util;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;
use tevent_context::{sleep, spawn, timeout};
use tevent_queue::TeventQueue;
use tevent_request::{Request, RequestError, RequestExt, State};
use util::{Rig, ms};

/// What one request does; times in microseconds, counted from its arrival.
#[derive(Clone, Debug)]
struct Plan {
    arrives_after: u64,
    holds: u64,
    deadline: Option<u64>,
    cancel: Option<u64>,
    dropped: Option<u64>,
    spawned: bool,
}

/// What became of it: when it took its turn, the first state that its cleanup saw, and when.
type Fate = (Option<u64>, State, u64);

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let maybe = || prop::option::weighted(0.35, 1..3000u64);
    let plan = (
        1..500u64,
        1..1000u64,
        maybe(),
        maybe(),
        maybe(),
        any::<bool>(),
    );
    let plan = plan.prop_map(
        |(arrives_after, holds, deadline, cancel, dropped, spawned)| Plan {
            arrives_after,
            holds,
            deadline,
            cancel,
            dropped,
            spawned,
        },
    );
    prop::collection::vec(plan, 1..12)
}

/// The model: who arrives takes the permit that is free first, unless he is cut off before. `None` if two things happen
/// at the same time.
fn model(plans: &[Plan], permits: usize) -> Option<Vec<Fate>> {
    let mut free = vec![0; permits];
    let mut now = 0;
    let mut fates = Vec::new();
    for plan in plans {
        now += plan.arrives_after;
        let cuts = [
            (plan.deadline, State::TimedOut),
            (plan.cancel, State::Cancelled),
            (plan.dropped, State::Received),
        ];
        let cut = cuts
            .iter()
            .filter_map(|(after, state)| Some((now + (*after)?, *state)));
        let mut cuts: Vec<_> = cut.collect();
        cuts.sort();
        let (cut, state) = cuts.first().copied().unwrap_or((u64::MAX, State::Done));
        if cuts.get(1).is_some_and(|(second, _)| *second == cut) {
            return None;
        }
        let permit = free.iter_mut().min().expect("there are permits");
        let start = now.max(*permit);
        let end = start + plan.holds;
        if cut == start || cut == end || *permit == now {
            return None;
        }
        if cut < start {
            fates.push((None, state, cut));
        } else {
            *permit = end.min(cut);
            let state = if cut < end { state } else { State::Done };
            fates.push((Some(start), state, *permit));
        }
    }
    Some(fates)
}

fn us(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// What really happens, on a loop in virtual time.
fn run(plans: &[Plan], permits: usize) -> Vec<Fate> {
    let rig = Rig::new();
    let queue = TeventQueue::builder("q").permits(permits).build();
    let start = rig.clock.now();
    let clock = rig.clock.clone();
    let time = move || (clock.now() - start).as_micros() as u64;
    let fates = Rc::new(RefCell::new(vec![
        (None, State::InProgress, 0);
        plans.len()
    ]));
    rig.context.block_on(async {
        let mut drivers = Vec::new();
        for (index, plan) in plans.iter().cloned().enumerate() {
            sleep(us(plan.arrives_after)).await;
            let (at_turn, at_end) = (fates.clone(), fates.clone());
            let (turn_time, end_time) = (time.clone(), time.clone());
            let line = queue.clone();
            let work = async move {
                let _turn = line.entry().await;
                at_turn.borrow_mut()[index].0 = Some(turn_time());
                sleep(us(plan.holds)).await;
            };
            let line = queue.clone();
            let request: Request<(), String, _> = Request::new("r", |token| async move {
                token.unless(work).await.ok_or(RequestError::Cancelled)
            });
            let mut request = request
                .on_cleanup(move |state| {
                    let fate = &mut at_end.borrow_mut()[index];
                    if fate.1 == State::InProgress {
                        *fate = (fate.0, state, end_time());
                    }
                    assert!(line.len() < 100);
                })
                .boxed();
            if let Some(deadline) = plan.deadline {
                request = request.timeout(us(deadline));
            }
            if let Some(cancel) = plan.cancel {
                let canceller = request.canceller();
                let ask = async move {
                    sleep(us(cancel)).await;
                    canceller.cancel();
                };
                spawn(ask).detach();
            }
            let limit = us(plan.dropped.unwrap_or(1_000_000));
            drivers.push(match plan.spawned {
                true => {
                    let task = request.spawn();
                    spawn(async move { drop(timeout(limit, task).await) })
                }
                false => spawn(async move { drop(timeout(limit, request).await) }),
            });
        }
        for driver in drivers {
            driver.await;
        }
    });
    assert!(queue.is_empty(), "everybody has left");
    let fates = fates.borrow();
    fates.clone()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 1000 }, ..ProptestConfig::default() })]

    #[test]
    fn q13_r8_changed_every_end_leaves_the_line_as_the_model_does(plans in plans(), permits in 1..3usize) {
        let model = model(&plans, permits);
        prop_assume!(model.is_some());
        prop_assert_eq!(run(&plans, permits), model.expect("it is assumed"));
    }
}

/// Waits in the line, or has the turn, when it ends in one of three ways; the one behind it is served at once.
fn ended(holds: bool, way: &str) {
    let rig = Rig::new();
    let queue = TeventQueue::new("q");
    let holder = queue.try_entry().expect("it is free");
    rig.context.block_on(async {
        let line = queue.clone();
        let gone = rig.trace.on_drop("work dropped");
        let work = async move {
            let _turn = line.entry().await;
            let _gone = gone;
            std::future::pending::<Result<(), String>>().await
        };
        let line = queue.clone();
        let trace = rig.trace.clone();
        let request: Request<(), String, _> = Request::new("r", |token| async move {
            token.unless(work).await.ok_or(RequestError::Cancelled)??;
            Ok(())
        });
        let request =
            request.on_cleanup(move |state| trace.say(format!("{state:?} {}", line.len())));
        let request = request.timeout(ms(10)).spawn();
        sleep(ms(1)).await;
        let behind = queue.entry();
        let mut holder = Some(holder);
        if holds {
            holder = None;
            sleep(ms(1)).await;
        }
        match way {
            "timeout" => assert_eq!(request.await, Err(RequestError::TimedOut)),
            "cancel" => {
                assert!(request.cancel());
                assert_eq!(request.await, Err(RequestError::Cancelled));
            }
            _ => drop(request),
        }
        drop(holder);
        drop(behind.await.expect("the queue is open"));
        assert!(queue.is_empty());
    });
    // When the cleanup runs, the request has left: only those behind and before it are there.
    let others = if holds { 1 } else { 2 };
    let at = |way: &str| match way {
        "timeout" => 10,
        _ if holds => 2,
        _ => 1,
    };
    let states: &[&str] = match way {
        "timeout" => &["TimedOut", "Received"],
        "cancel" => &["Cancelled", "Received"],
        // Dropped at its own turn: if it waits, the holder leaves before that.
        _ => &["Received"],
    };
    let others = if way == "drop" && !holds { 1 } else { others };
    let mut expected = vec![format!("{}: work dropped", at(way))];
    expected.extend(
        states
            .iter()
            .map(|state| format!("{}: {state} {others}", at(way))),
    );
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    rig.trace.expect(&expected);
}

#[test]
fn q13_changed_a_request_that_ends_while_it_waits_has_left_the_line() {
    for way in ["timeout", "cancel", "drop"] {
        ended(false, way);
    }
}

#[test]
fn q13_changed_a_request_that_ends_with_the_turn_passes_it_on() {
    for way in ["timeout", "cancel", "drop"] {
        ended(true, way);
    }
}

#[test]
fn a_driven_entry_is_dropped_with_the_request_that_awaits_it_only_if_it_has_not_begun() {
    use tevent_context::TeventQueueExt;
    let rig = Rig::new();
    let queue = TeventQueue::new("q");
    rig.context.block_on(async {
        let work = queue.add(sleep(ms(100)));
        let waits = async { work.await.map_err(|error| error.to_string()) };
        let late = waits.request("r").timeout(ms(10));
        let behind = queue.add(async {});
        let never = async { behind.await.map_err(|error| error.to_string()) };
        let never = never.request("r").timeout(ms(20));
        assert_eq!(late.await, Err(RequestError::TimedOut));
        assert_eq!(queue.len(), 2, "work that has begun runs to its end");
        assert_eq!(never.await, Err(RequestError::TimedOut));
        assert_eq!(queue.len(), 1, "work that waits has left");
        queue.drain().await;
        assert_eq!(rig.clock.now(), rig.at(100));
    });
}
