//! What the detector remembers: whose an entry is, and which grants have not been polled.

use std::{
    collections::HashMap,
    mem,
    rc::{Rc, Weak},
};

use tevent_core::{
    gate::{Gate, Origin, State},
    line::Place,
    observe::{self, ExecutorId, Polled, TaskId},
};

use super::{Finding, Policy, TaskName, cycle::Step};
use crate::{Local, inside::Shared, watch::Moment};

/// The address of a living queue.
pub(super) type QueueId = usize;

/// One entry.
pub(super) type Key = (QueueId, Place);

/// What is to be told, and how.
pub(super) type Report = (Finding, Policy);

/// Places that an empty table keeps room for.
const KEPT: usize = 64;

/// All that the detector of one thread knows. The states of the entries are not in here: the gates are asked.
#[derive(Default)]
pub(super) struct Tables {
    queues: HashMap<QueueId, Watched>,
    owners: HashMap<Key, Owner>,
    pub(super) tasks: HashMap<TaskId, Entries>,
    granted: Vec<Granted>,
    /// Room for the search of cycles, kept from one to the next.
    pub(super) steps: Vec<Step>,
}

/// A queue under observation.
pub(super) struct Watched {
    shared: Weak<Shared<Local>>,
    policy: Policy,
}

/// Whose an entry is.
struct Owner {
    task: TaskId,
    /// Where it stands among the task's.
    index: usize,
}

/// The entries and guards of a task.
#[derive(Default)]
pub(super) struct Entries {
    pub(super) keys: Vec<Key>,
    /// When it went idle last, all its wakers were in the lines; and it has not touched an entry since.
    pub(super) is_stuck: bool,
}

/// An entry that was granted, and not polled since.
struct Granted {
    key: Key,
    task: TaskId,
    suspect: Option<Suspect>,
}

/// Its task has been polled since, and is idle.
struct Suspect {
    executor: ExecutorId,
    /// Polls until all that were ready then have been polled; `None` if that cannot be told.
    polls_left: Option<usize>,
}

impl Tables {
    pub(super) fn add_queue(&mut self, id: QueueId, shared: Weak<Shared<Local>>, policy: Policy) {
        self.queues.insert(id, Watched { shared, policy });
    }

    pub(super) fn has_only(&self, id: QueueId) -> bool {
        self.queues.len() == 1 && self.queues.contains_key(&id)
    }

    /// All its entries have left before. The last queue takes what is known of the tasks with it: their ends are not
    /// told any more.
    pub(super) fn remove_queue(&mut self, id: QueueId) -> Option<Watched> {
        let removed = self.queues.remove(&id);
        if self.queues.is_empty() {
            *self = Self::default();
        }
        removed
    }

    /// An entry has come to a moment, inside a poll of this task.
    pub(super) fn tell(&mut self, moment: Moment, key: Key, current: Option<TaskId>) {
        match moment {
            Moment::Attached => {}
            Moment::Granted => self.watch_grant(key),
            Moment::Waits | Moment::Triggered => {
                self.forget_grant(key);
                self.assign(key, current);
            }
            Moment::Detached => {
                self.forget_grant(key);
                self.forget(key);
            }
        }
    }

    /// A task was polled.
    pub(super) fn polled(&mut self, polled: &Polled) -> Vec<Report> {
        let mut reports = self.report_grants(|suspect| {
            if suspect.executor != polled.executor {
                return false;
            }
            suspect.polls_left = suspect.polls_left.map(|left| left.saturating_sub(1));
            suspect.polls_left == Some(0)
        });
        if let Some(idle) = polled.idle {
            self.suspect_grants(idle.task, polled);
            reports.extend(self.find_cycle(idle));
        }
        reports
    }

    /// Nothing is ready: who has not been polled now, had every chance.
    pub(super) fn out_of_work(&mut self, executor: ExecutorId) -> Vec<Report> {
        self.report_grants(|suspect| suspect.executor == executor)
    }

    pub(super) fn ended(&mut self, task: TaskId) {
        if let Some(entries) = self.tasks.remove(&task) {
            for key in entries.keys {
                self.owners.remove(&key);
            }
            self.granted.retain(|granted| granted.task != task);
        }
        if self.tasks.is_empty() && self.tasks.capacity() > KEPT {
            self.tasks = HashMap::new();
        }
    }

    /// The entry is nobody's.
    pub(super) fn forget(&mut self, key: Key) {
        let Some(Owner { task, index }) = self.owners.remove(&key) else {
            return;
        };
        if let Some(entries) = self.tasks.get_mut(&task) {
            entries.keys.swap_remove(index);
            if let Some(moved) = entries.keys.get(index)
                && let Some(owner) = self.owners.get_mut(moved)
            {
                owner.index = index;
            }
            if entries.keys.is_empty() && entries.keys.capacity() > KEPT {
                entries.keys = Vec::new();
            }
        }
        if self.owners.is_empty() && self.owners.capacity() > KEPT {
            self.owners = HashMap::new();
        }
    }

    pub(super) fn owner(&self, key: Key) -> Option<TaskId> {
        self.owners.get(&key).map(|owner| owner.task)
    }

    /// Looks at the gate of a queue, unless it is gone.
    pub(super) fn look<R>(&self, queue: QueueId, look: impl FnOnce(&Gate) -> R) -> Option<R> {
        self.shared(queue)?.try_look(look)
    }

    pub(super) fn state(&self, (queue, place): Key) -> Option<State> {
        self.look(queue, |gate| gate.state(place))?
    }

    /// The name of the queue and the line that asked for the entry.
    pub(super) fn describe(&self, (queue, place): Key) -> Option<(String, Origin)> {
        let shared = self.shared(queue)?;
        let (_, ticket) = shared.try_look(|gate| gate.entry(place))??;
        Some((shared.name.to_string(), ticket.origin))
    }

    pub(super) fn policy(&self, (queue, _): Key) -> Option<Policy> {
        Some(self.queues.get(&queue)?.policy.clone())
    }

    pub(super) fn queues(&self) -> impl Iterator<Item = QueueId> {
        self.queues.keys().copied()
    }

    /// Never the last owner of the queue: nobody else runs while it lives.
    fn shared(&self, queue: QueueId) -> Option<Rc<Shared<Local>>> {
        self.queues.get(&queue)?.shared.upgrade()
    }

    fn assign(&mut self, key: Key, task: Option<TaskId>) {
        if self.owner(key) != task {
            self.forget(key);
        }
        let Some(task) = task else {
            return;
        };
        let entries = self.tasks.entry(task).or_default();
        entries.is_stuck = false;
        self.owners.entry(key).or_insert_with(|| {
            entries.keys.push(key);
            let index = entries.keys.len() - 1;
            Owner { task, index }
        });
    }

    fn watch_grant(&mut self, key: Key) {
        self.forget_grant(key);
        if let Some(task) = self.owner(key) {
            self.granted.push(Granted {
                key,
                task,
                suspect: None,
            });
        }
    }

    fn forget_grant(&mut self, key: Key) {
        if let Some(index) = self.granted.iter().position(|granted| granted.key == key) {
            self.granted.swap_remove(index);
            self.shrink_granted();
        }
    }

    fn shrink_granted(&mut self) {
        if self.granted.is_empty() && self.granted.capacity() > KEPT {
            self.granted = Vec::new();
        }
    }

    fn suspect_grants(&mut self, task: TaskId, polled: &Polled) {
        let fresh = self.granted.iter_mut();
        for granted in fresh.filter(|granted| granted.task == task && granted.suspect.is_none()) {
            granted.suspect = Some(Suspect {
                executor: polled.executor,
                polls_left: polled.round,
            });
        }
    }

    /// Reports the suspects of which it is certain, each once.
    fn report_grants(&mut self, mut is_certain: impl FnMut(&mut Suspect) -> bool) -> Vec<Report> {
        let mut granted = mem::take(&mut self.granted);
        let certain = granted.extract_if(.., |granted| {
            granted.suspect.as_mut().is_some_and(&mut is_certain)
        });
        let reports = certain.filter_map(|granted| self.report_grant(&granted));
        let reports = reports.collect();
        self.granted = granted;
        self.shrink_granted();
        reports
    }

    /// `None` if the grant has been taken back.
    fn report_grant(&self, granted: &Granted) -> Option<Report> {
        if self.state(granted.key) != Some(State::Granted) {
            return None;
        }
        let (queue, entry) = self.describe(granted.key)?;
        let finding = Finding::NotPolled {
            queue,
            entry,
            task: self.name(granted.task),
            awaits: self
                .awaited(granted)
                .and_then(|awaited| self.describe(awaited)),
        };
        Some((finding, self.policy(granted.key)?))
    }

    /// What the task awaits instead; in the same queue, if it does.
    fn awaited(&self, granted: &Granted) -> Option<Key> {
        let keys = &self.tasks.get(&granted.task)?.keys;
        let waiting = || {
            let keys = keys.iter().copied();
            keys.filter(|&key| self.state(key) == Some(State::Waiting))
        };
        let same_queue = waiting().find(|key| key.0 == granted.key.0);
        same_queue.or_else(|| waiting().next())
    }

    pub(super) fn name(&self, task: TaskId) -> TaskName {
        observe::known(task).into()
    }
}

#[cfg(test)]
mod tests {
    use tevent_core::line::Line;

    use super::*;

    #[test]
    fn b55_entries_that_have_left_leave_nothing_behind() {
        let (mut tables, mut line) = (Tables::default(), Line::new());
        let task = TaskId::new(8, 1);
        let keys: Vec<Key> = (0..10_000).map(|n| (16, line.join(n))).collect();
        for &key in &keys {
            tables.tell(Moment::Waits, key, Some(task));
            tables.tell(Moment::Granted, key, None);
        }
        assert_eq!(tables.granted.len(), keys.len());
        for &key in &keys {
            tables.tell(Moment::Triggered, key, Some(task));
            assert_eq!(tables.owner(key), Some(task));
            tables.tell(Moment::Detached, key, Some(task));
            assert_eq!(tables.owner(key), None);
        }
        let entries = &tables.tasks[&task];
        assert!(entries.keys.is_empty() && entries.keys.capacity() <= KEPT);
        assert!(tables.owners.capacity() <= KEPT && tables.granted.capacity() <= KEPT);
        tables.ended(task);
        assert!(tables.tasks.is_empty());
    }

    #[test]
    fn a_task_that_ends_takes_its_entries_along() {
        let (mut tables, mut line) = (Tables::default(), Line::new());
        let [one, two] = [1, 2].map(|serial| TaskId::new(8, serial));
        let [first, second, third] = [0, 1, 2].map(|n| (16, line.join(n)));
        for key in [first, second, third] {
            tables.tell(Moment::Waits, key, Some(one));
        }
        // Another has it now; and what stood last among the entries has moved to its place.
        tables.tell(Moment::Waits, first, Some(two));
        tables.tell(Moment::Detached, third, Some(one));
        tables.ended(one);
        assert_eq!(tables.owners.len(), 1);
        assert_eq!(tables.owner(first), Some(two));
    }
}
