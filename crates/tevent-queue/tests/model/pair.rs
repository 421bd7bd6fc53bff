//! The real queue beside the model: every step is done to both, and both are compared after it.

use std::{collections::BTreeMap, task::Poll};

use tevent_queue::{
    EntryState, Face, Local, Policy, QueueBlock, QueueEntry, QueueError, QueueGuard, TeventQueue,
    TryEntryError,
};
use tokio_test::task::{Spawn, spawn};

use crate::rules::{Model, Op, Refused, State};

pub(crate) struct Pair<F: Face = Local> {
    pub(crate) model: Model,
    pub(crate) queue: TeventQueue<F>,
    waiting: BTreeMap<usize, Spawn<QueueEntry<F>>>,
    holding: BTreeMap<usize, QueueGuard<F>>,
    blocks: BTreeMap<usize, QueueBlock<F>>,
    /// Who has taken a turn, in order; once more if it was given back meanwhile.
    pub(crate) granted: Vec<usize>,
    next: usize,
}

impl Pair {
    pub(crate) fn new(permits: usize, capacity: usize) -> Self {
        // Unwatched, as in a release: who comes alone passes by the lane.
        let queue = TeventQueue::builder("model").detector(Policy::Off);
        let queue = queue.permits(permits).capacity(capacity).build();
        Self::over(queue, permits, capacity)
    }
}

impl<F: Face> Pair<F> {
    /// A queue with these limits beside its model.
    pub(crate) fn over(queue: TeventQueue<F>, permits: usize, capacity: usize) -> Self {
        Self {
            model: Model::new(permits, capacity),
            queue,
            waiting: BTreeMap::new(),
            holding: BTreeMap::new(),
            blocks: BTreeMap::new(),
            granted: Vec::new(),
            next: 0,
        }
    }

    pub(crate) fn step(&mut self, op: Op) {
        self.apply(op);
        self.compare();
    }

    /// Does the step, if there is somebody to do it.
    pub(crate) fn apply(&mut self, op: Op) {
        let chosen = |n: usize| {
            Some(n % self.model.entries.len().max(1)).filter(|_| !self.model.entries.is_empty())
        };
        match op {
            Op::Join => self.join(usize::MAX),
            Op::JoinIfFewerThan(limit) => self.join(limit),
            Op::TryEntry => self.try_entry(),
            Op::Block => {
                self.blocks.insert(self.next, self.queue.block());
                self.model.block(self.next);
                self.next += 1;
            }
            Op::Poll(n) => chosen(n).into_iter().for_each(|n| self.poll(n)),
            Op::Drop(n) => chosen(n).into_iter().for_each(|n| self.drop(n)),
            Op::Untrigger(n) => chosen(n).into_iter().for_each(|n| self.untrigger(n)),
            Op::Stop => {
                self.queue.stop();
                self.model.stop();
            }
            Op::Start => {
                self.queue.start();
                self.model.start();
            }
            Op::Close => {
                self.queue.close();
                self.model.close();
            }
        }
    }

    fn join(&mut self, limit: usize) {
        let has_room = self.model.join(self.next, limit);
        let entry = match limit {
            usize::MAX => Some(self.queue.entry()),
            limit => self.queue.entry_if_fewer_than(limit),
        };
        match entry {
            Some(entry) if has_room => {
                self.waiting.insert(self.next, spawn(entry));
                self.next += 1;
            }
            Some(entry) => {
                assert_eq!(limit, usize::MAX, "joined although there was no room");
                assert_eq!(entry.position(), None);
                let found = spawn(entry).poll().map(|turn| turn.map(drop));
                assert_eq!(found, Poll::Ready(Err(QueueError::Full)));
            }
            None => assert!(!has_room && limit != usize::MAX, "refused with room"),
        }
    }

    fn try_entry(&mut self) {
        let expected = self.model.try_entry(self.next);
        match self.queue.try_entry() {
            Ok(guard) => {
                assert_eq!(expected, Ok(()));
                self.holding.insert(self.next, guard);
                self.granted.push(self.next);
                self.next += 1;
            }
            Err(TryEntryError::Busy) => assert_eq!(expected, Err(Refused::Busy)),
            Err(TryEntryError::Stopped) => assert_eq!(expected, Err(Refused::Stopped)),
            Err(_) => assert_eq!(expected, Err(Refused::Closed)),
        }
    }

    fn poll(&mut self, n: usize) {
        let id = self.model.entries[n].id;
        let Some(task) = self.waiting.get_mut(&id) else {
            return;
        };
        match (self.model.poll(n), task.poll()) {
            (State::Held, Poll::Ready(Ok(guard))) => {
                self.waiting.remove(&id);
                self.holding.insert(id, guard);
                self.granted.push(id);
            }
            (State::Closed, Poll::Ready(Err(QueueError::Closed))) => drop(self.waiting.remove(&id)),
            (State::Waiting, Poll::Pending) => {}
            (state, found) => panic!("entry {id} is {state:?}, polled: {found:?}"),
        }
    }

    fn drop(&mut self, n: usize) {
        let id = self.model.entries[n].id;
        self.model.leave(n);
        let seats = (
            self.waiting.remove(&id),
            self.holding.remove(&id),
            self.blocks.remove(&id),
        );
        drop(seats);
    }

    fn untrigger(&mut self, n: usize) {
        let id = self.model.entries[n].id;
        let Some(guard) = self.holding.remove(&id) else {
            return;
        };
        match guard.untrigger() {
            Ok(entry) => {
                assert!(self.model.untrigger(n));
                self.waiting.insert(id, spawn(entry));
            }
            Err(refused) => {
                assert!(!self.model.untrigger(n));
                self.holding.insert(id, refused.0);
            }
        }
    }

    pub(crate) fn compare(&self) {
        let Self { model, queue, .. } = self;
        assert_eq!(
            (
                queue.len(),
                queue.is_empty(),
                queue.is_running(),
                queue.is_closed()
            ),
            (model.len(), model.len() == 0, model.running, model.closed)
        );
        let stats = queue.stats();
        assert_eq!(
            (stats.high_water, stats.grants, stats.cancellations),
            (model.high_water, model.grants, model.cancellations)
        );
        assert!(
            model.turns() <= model.permits,
            "never more than the permits"
        );
        self.compare_entries();
        let stranded = model
            .entries
            .iter()
            .any(|entry| entry.state == State::Waiting);
        let may_grant = model.running && !model.closed && model.turns() < model.permits;
        assert!(!(stranded && may_grant), "nobody is stranded");
    }

    fn compare_entries(&self) {
        let in_line = self
            .model
            .entries
            .iter()
            .filter(|entry| entry.state != State::Closed);
        let states: Vec<_> = in_line
            .map(|entry| match entry.state {
                State::Granted => EntryState::Granted,
                State::Held => EntryState::Held,
                _ => EntryState::Waiting,
            })
            .collect();
        let found = self.queue.entries(usize::MAX);
        assert!(found.iter().map(|entry| entry.state).eq(states));
        let mut entries = self.model.entries.iter();
        let is_held = entries.any(|entry| entry.state == State::Held);
        assert_eq!(self.queue.holder().is_some(), is_held);
        for (n, entry) in self.model.entries.iter().enumerate() {
            if let Some(task) = self.waiting.get(&entry.id) {
                assert_eq!(task.is_woken(), entry.woken, "{entry:?}");
                assert_eq!(task.position(), self.model.position(n), "{entry:?}");
            }
            if let Some(block) = self.blocks.get(&entry.id) {
                assert_eq!(block.holds(), entry.state == State::Held, "{entry:?}");
            }
        }
    }
}
