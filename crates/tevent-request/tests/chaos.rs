//! Scopes under random orders: whatever is asked of them, in whatever order, every child ends once and in its order.

mod util;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::pending;
use std::rc::Rc;

use proptest::prelude::*;
use tevent_context::{sleep, yield_now};
use tevent_queue::TeventQueue;
use tevent_request::{
    Child, Completer, Join, Report, Request, RequestError, RequestExt, RequestScope, State, request,
};
use util::{Rig, ms};

#[derive(Clone, Debug)]
enum Step {
    /// A child of a kind, with a deadline in milliseconds, if it is not 0.
    Spawn(Kind, u64),
    Cancel(usize),
    Complete(usize),
    DropChild(usize),
    AtMost(usize),
    CancelAll,
    End,
    DropEnd,
    Pass(u64),
    Yield,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Quick,
    Sleeps,
    Listens,
    Busy,
    Promised,
    Queued,
    Panics,
    Spawns,
    EndsAll,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = prop_oneof![
        Just(Kind::Quick),
        Just(Kind::Sleeps),
        Just(Kind::Listens),
        Just(Kind::Busy),
        Just(Kind::Promised),
        Just(Kind::Queued),
        Just(Kind::Panics),
        Just(Kind::Spawns),
        Just(Kind::EndsAll),
    ];
    let step = prop_oneof![
        8 => (kind, 0..6u64).prop_map(|(kind, deadline)| Step::Spawn(kind, deadline)),
        1 => (0..9usize).prop_map(Step::Cancel),
        1 => (0..9usize).prop_map(Step::Complete),
        1 => (0..9usize).prop_map(Step::DropChild),
        1 => (1..4usize).prop_map(Step::AtMost),
        1 => Just(Step::CancelAll),
        1 => Just(Step::End),
        1 => Just(Step::DropEnd),
        2 => (0..4u64).prop_map(Step::Pass),
        3 => Just(Step::Yield),
    ];
    prop::collection::vec(step, 1..40)
}

/// What is known of all children that were spawned.
#[derive(Default)]
struct Log {
    spawned: Cell<usize>,
    /// The states that each one's cleanup saw.
    seen: RefCell<BTreeMap<usize, Vec<State>>>,
    /// Whom a scope that was being ended dropped, in order.
    is_ending: Cell<bool>,
    polls_while_ending: Cell<usize>,
    dropped: RefCell<Vec<usize>>,
}

struct World {
    scope: Rc<RefCell<Option<Rc<RequestScope>>>>,
    children: Vec<Option<Child<u32, String>>>,
    completers: Vec<Completer<u32, String>>,
    ends: Vec<Join>,
    queue: TeventQueue,
    log: Rc<Log>,
}

impl World {
    fn child(&mut self, kind: Kind) -> Request<u32, String> {
        let (log, queue) = (self.log.clone(), self.queue.clone());
        let scope = self.scope.clone();
        let own = self.scope.borrow().as_ref().map(|scope| scope.handle());
        match kind {
            Kind::Quick => async { Ok(1) }.request("quick").boxed(),
            Kind::Sleeps => async {
                sleep(ms(2)).await;
                Ok(1)
            }
            .request("sleeps")
            .boxed(),
            Kind::Listens => Request::new("listens", |token| async move {
                token.cancelled().await;
                Err(RequestError::Cancelled)
            })
            .boxed(),
            Kind::Busy => async move {
                loop {
                    if log.is_ending.get() {
                        log.polls_while_ending.set(log.polls_while_ending.get() + 1);
                    }
                    sleep(ms(1)).await;
                }
            }
            .request("busy")
            .boxed(),
            Kind::Promised => {
                let (completer, promised) = request("promised");
                self.completers.push(completer);
                promised.boxed()
            }
            Kind::Queued => async move {
                let _turn = queue.entry().await;
                sleep(ms(3)).await;
                Ok(1)
            }
            .request("queued")
            .boxed(),
            Kind::Panics => async {
                yield_now().await;
                std::panic::resume_unwind(Box::new("boom"))
            }
            .request("panics")
            .boxed(),
            Kind::Spawns => async move {
                if let Some(own) = own {
                    drop(own.spawn(async { Ok::<u32, String>(1) }.request("grandchild")));
                }
                pending().await
            }
            .request("spawns")
            .boxed(),
            Kind::EndsAll => async move {
                let own = scope.borrow().clone();
                if let Some(own) = own {
                    own.end().await;
                }
                Ok(1)
            }
            .request("ends all")
            .boxed(),
        }
    }

    fn spawn(&mut self, kind: Kind, deadline: u64) {
        let Some(scope) = self.scope.borrow().clone() else {
            return;
        };
        let mut request = self.child(kind);
        if deadline > 0 {
            request = request.timeout(ms(deadline));
        }
        let (log, number) = (self.log.clone(), self.log.spawned.get());
        self.log.spawned.set(number + 1);
        let request = request.on_cleanup(move |state| {
            let is_end = state == State::Received;
            log.seen.borrow_mut().entry(number).or_default().push(state);
            if is_end && log.is_ending.get() {
                log.dropped.borrow_mut().push(number);
            }
        });
        self.children.push(Some(scope.spawn(request)));
    }

    fn with_scope(&self, act: impl FnOnce(&RequestScope)) {
        let scope = self.scope.borrow().clone();
        if let Some(scope) = scope {
            act(&scope);
        }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Spawn(kind, deadline) => self.spawn(kind, deadline),
            Step::Cancel(index) => {
                if let Some(Some(child)) = self.children.get(index) {
                    child.cancel();
                }
            }
            Step::Complete(index) if index < self.completers.len() => {
                self.completers[index].done(1);
            }
            Step::DropChild(index) if index < self.children.len() => self.children[index] = None,
            Step::AtMost(bound) => {
                let scope = self.scope.borrow_mut().take();
                let scope = scope.map(Rc::try_unwrap);
                let scope = scope.map(|scope| scope.map(|scope| Rc::new(scope.at_most(bound))));
                *self.scope.borrow_mut() = scope.map(|scope| scope.unwrap_or_else(|same| same));
            }
            Step::CancelAll => self.with_scope(|scope| drop((scope.cancel(), scope.children()))),
            Step::End => {
                let mut ends = None;
                self.with_scope(|scope| ends = Some(scope.end()));
                self.ends.extend(ends);
            }
            Step::DropEnd => drop(self.ends.pop()),
            Step::Pass(millis) => sleep(ms(millis)).await,
            Step::Yield => yield_now().await,
            Step::Complete(_) | Step::DropChild(_) => {}
        }
    }
}

/// Each child that was there is counted once, unless another one has ended the scope meanwhile.
fn total(report: &Report) -> usize {
    let ended = report.drained + report.failed + report.timed_out + report.cancelled;
    ended + report.abandoned + report.panicked + report.left.len()
}

/// Does the steps, and then ends the scope in one of three ways.
fn run(steps: Vec<Step>, way: u8) -> Result<(), TestCaseError> {
    let rig = Rig::new();
    let log = Rc::new(Log::default());
    let queue = TeventQueue::new("q");
    let ends_all = |step: &Step| matches!(step, Step::Spawn(Kind::EndsAll, _));
    let ends_all = steps.iter().any(ends_all);
    let ended = rig.context.block_on(async {
        let scope = Rc::new(RequestScope::new("s"));
        let mut world = World {
            scope: Rc::new(RefCell::new(Some(scope))),
            children: Vec::new(),
            completers: Vec::new(),
            ends: Vec::new(),
            queue: queue.clone(),
            log: log.clone(),
        };
        for step in steps {
            world.step(step).await;
        }
        // What was being ended before is gone first: its order is its own.
        sleep(ms(0)).await;
        let scope = world.scope.take().expect("it is there");
        let listed = scope.children().len();
        prop_assert_eq!(listed, scope.len());
        log.is_ending.set(true);
        match way {
            0 => scope.end().await,
            1 => {
                let report = scope.shutdown(ms(0), ms(0)).await;
                let counted = total(&report);
                prop_assert!(counted <= listed, "{report}");
                prop_assert!(counted == listed || ends_all, "{report}");
            }
            _ => {
                let join = scope.join();
                drop(scope);
                join.await;
            }
        }
        for child in world.children.iter().flatten() {
            prop_assert!(child.is_finished());
        }
        Ok(())
    });
    ended?;
    if way != 1 {
        // A shutdown lets them work for a turn, and end by themselves.
        let dropped = log.dropped.borrow();
        prop_assert!(dropped.is_sorted_by(|one, next| one > next), "{dropped:?}");
        prop_assert_eq!(log.polls_while_ending.get(), 0);
    }
    prop_assert!(queue.is_empty(), "every turn is given back");
    prop_assert_eq!(rig.context.handle().next_deadline(), None);
    let seen = log.seen.borrow();
    prop_assert_eq!(seen.len(), log.spawned.get(), "each has ended");
    for states in seen.values() {
        prop_assert!(states.is_sorted_by(|one, next| one < next), "{states:?}");
        prop_assert_eq!(states.last(), Some(&State::Received));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 500 }, ..ProptestConfig::default() })]

    #[test]
    fn every_child_ends_once_and_in_its_order(steps in steps(), way in 0..3u8) {
        run(steps, way)?;
    }
}
