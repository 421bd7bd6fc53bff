//! The search for tasks that wait for each other: from an entry to the guards that block it, to their tasks, and on.

use std::mem;

use tevent_core::{
    gate::State,
    observe::{Idle, TaskId},
};

use super::{
    CycleLink, Finding,
    tables::{Key, Report, Tables},
};

/// A task with more entries and guards than that is not looked at, so that a poll of it stays cheap.
const MANY: usize = 64;

/// A task that was met on the way, and how.
pub(super) struct Step {
    task: TaskId,
    /// `None` for the first.
    via: Option<Edge>,
}

/// An entry that is blocked by a guard.
#[derive(Clone, Copy)]
struct Edge {
    /// The step of the task that waits.
    from: usize,
    entry: Key,
    guard: Key,
}

impl Tables {
    /// A task has gone idle: has it closed a ring? The ring is found once, as no task of it is ever polled again.
    pub(super) fn find_cycle(&mut self, idle: Idle) -> Option<Report> {
        let is_stuck = self.is_stuck(idle);
        self.tasks.get_mut(&idle.task)?.is_stuck = is_stuck;
        if !is_stuck {
            return None;
        }
        let mut steps = mem::take(&mut self.steps);
        let closing = self.way_back(idle.task, &mut steps);
        let report = closing.and_then(|closing| self.report_cycle(&steps, closing));
        steps.clear();
        self.steps = steps;
        report
    }

    /// Whether the task holds and waits, and nothing but a turn can wake it: all its wakers are in the queues.
    fn is_stuck(&self, idle: Idle) -> bool {
        let Some(entries) = self.tasks.get(&idle.task) else {
            return false;
        };
        let keys = &entries.keys;
        if keys.len() < 2 || keys.len() > MANY {
            return false;
        }
        let holds = |key| self.state(key) == Some(State::Held) && self.holder(key).is_some();
        let waits = |key| self.state(key) == Some(State::Waiting);
        if !keys.iter().copied().any(holds) || !keys.iter().copied().any(waits) {
            return false;
        }
        let address = idle.task.address();
        let in_lines = keys.iter().filter(|(queue, place)| {
            self.look(*queue, |gate| gate.has_waker_of(*place, address)) == Some(true)
        });
        let in_lines = in_lines.count();
        // The spares last: there may be many queues.
        in_lines > 0
            && (in_lines == idle.wakers as usize
                || in_lines + self.spares(address) == idle.wakers as usize)
    }

    fn spares(&self, address: usize) -> usize {
        let has_spare = |queue| self.look(queue, |gate| gate.has_spare_of(address));
        self.queues()
            .filter(|&queue| has_spare(queue) == Some(true))
            .count()
    }

    /// Follows every way from the task; the edge that leads back to it. `None` also if one of the ways ends at somebody
    /// who may let go: then all on that way have hope.
    fn way_back(&self, start: TaskId, steps: &mut Vec<Step>) -> Option<Edge> {
        steps.push(Step {
            task: start,
            via: None,
        });
        let (mut closing, mut from) = (None, 0);
        while let Some(step) = steps.get(from) {
            self.each_blocker(step.task, |entry, guard, holder| {
                let edge = Edge { from, entry, guard };
                if holder == start {
                    closing.get_or_insert(edge);
                } else if steps.iter().all(|step| step.task != holder) {
                    steps.push(Step {
                        task: holder,
                        via: Some(edge),
                    });
                }
            })?;
            from += 1;
        }
        closing
    }

    /// Calls for every guard that blocks an entry of the task. `None` if the task or one of its entries is not blocked
    /// for good, as far as this looks.
    fn each_blocker(&self, task: TaskId, mut each: impl FnMut(Key, Key, TaskId)) -> Option<()> {
        let entries = self.tasks.get(&task).filter(|entries| entries.is_stuck)?;
        for &entry in &entries.keys {
            if self.state(entry) != Some(State::Waiting) {
                continue;
            }
            let queue = entry.0;
            self.look(queue, |gate| {
                let mut turns = 0;
                for (place, state, _) in gate.turns() {
                    let guard = (queue, place);
                    let holder = self.holder(guard).filter(|_| state == State::Held)?;
                    each(entry, guard, holder);
                    turns += 1;
                }
                (turns == gate.limits().permits).then_some(())
            })??;
        }
        Some(())
    }

    fn report_cycle(&self, steps: &[Step], closing: Edge) -> Option<Report> {
        let mut links = Vec::new();
        let mut edge = closing;
        loop {
            let step = steps.get(edge.from)?;
            links.push(self.link(step.task, edge)?);
            match step.via {
                Some(via) => edge = via,
                None => break,
            }
        }
        links.reverse();
        // By the policy of the queue in which the task waits that closed the ring: the first step's.
        let policy = self.policy(edge.entry)?;
        let finding = match <[CycleLink; 1]>::try_from(links) {
            Ok([only]) => Finding::SelfBlocked {
                queue: only.queue,
                entry: only.entry,
                guard: only.guard,
                task: only.task,
            },
            Err(links) => Finding::Cycle { links },
        };
        Some((finding, policy))
    }

    fn link(&self, task: TaskId, edge: Edge) -> Option<CycleLink> {
        let (queue, entry) = self.describe(edge.entry)?;
        let (_, guard) = self.describe(edge.guard)?;
        Some(CycleLink {
            task: self.name(task),
            queue,
            entry,
            guard,
        })
    }
}
