//! What the detector remembers: whose an entry is, and which grants have not been polled.

use std::{
    collections::HashMap,
    mem,
    rc::{Rc, Weak},
};

use tevent_core::{
    gate::{Gate, Origin, State},
    line::Place,
    observe::{self, Polled, TaskId},
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

/// So many complete rounds of the ready queue without a poll are taken for an executor at rest, as one that has always
/// something to do never rests. An entry that is handed from task to task takes a round for each.
const ROUNDS: u64 = 64;

/// All that the detector of one thread knows. The states of the entries are not in here: the gates are asked.
#[derive(Default)]
pub(super) struct Tables {
    queues: HashMap<QueueId, Watched>,
    owners: HashMap<Key, Owner>,
    pub(super) tasks: HashMap<TaskId, Entries>,
    granted: Vec<Granted>,
    /// Complete rounds of the ready queue, counted while there are grants to be watched.
    rounds: u64,
    /// Polls until all that were ready when the round began have been polled.
    polls_left: usize,
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
    /// How many tasks the task had spawned when it took the turn. `None`: it has not taken it, or handed it over.
    taken: Option<u32>,
}

/// The entries and guards of a task.
#[derive(Default)]
pub(super) struct Entries {
    pub(super) keys: Vec<Key>,
    /// When it went idle last, all its wakers were in the lines; and it has not touched an entry since.
    pub(super) is_stuck: bool,
    /// Tasks that it has spawned. What it held then may have moved into them.
    spawns: u32,
}

/// An entry that was granted, and not polled since.
struct Granted {
    key: Key,
    task: TaskId,
    /// Its task has been polled since, and is idle: from this round on.
    idle_since: Option<u64>,
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
        let owner = current.filter(|&task| self.polls_itself(task, moment, key));
        self.note(moment, key, owner);
    }

    fn note(&mut self, moment: Moment, key: Key, owner: Option<TaskId>) {
        match moment {
            Moment::Attached => {}
            Moment::Granted => self.watch_grant(key),
            Moment::Waits => {
                self.forget_grant(key);
                self.assign(key, owner);
            }
            Moment::Triggered => {
                self.forget_grant(key);
                self.assign(key, owner);
                self.take_turn(key);
            }
            Moment::GivenBack | Moment::Detached => {
                self.forget_grant(key);
                self.forget(key);
            }
        }
    }

    /// A task was polled.
    pub(super) fn polled(&mut self, polled: &Polled) -> Vec<Report> {
        let mut reports = Vec::new();
        if self.count_round(polled.round) {
            let rounds = self.rounds;
            reports = self.report_grants(|since| rounds - since > ROUNDS);
        }
        self.excuse_grants(polled.busy);
        if let Some(idle) = polled.idle {
            self.suspect_grants(idle.task);
            reports.extend(self.find_cycle(idle));
        }
        reports
    }

    /// Nothing is ready: who has not been polled now, had every chance.
    pub(super) fn out_of_work(&mut self) -> Vec<Report> {
        if is_alone() {
            self.report_grants(|_| true)
        } else {
            Vec::new()
        }
    }

    /// The task spawns another: the guards that it has may move there.
    pub(super) fn spawns(&mut self, task: TaskId) {
        if let Some(entries) = self.tasks.get_mut(&task) {
            entries.spawns = entries.spawns.wrapping_add(1);
        }
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

    /// The guard is nobody's, but its entry stays with the task for the waker that it keeps.
    pub(super) fn hand_over(&mut self, key: Key) {
        if let Some(owner) = self.owners.get_mut(&key) {
            owner.taken = None;
        }
    }

    /// The entry is nobody's.
    fn forget(&mut self, key: Key) {
        let Some(Owner { task, index, .. }) = self.owners.remove(&key) else {
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

    fn owner(&self, key: Key) -> Option<TaskId> {
        self.owners.get(&key).map(|owner| owner.task)
    }

    /// The task that took the turn of an entry, unless it may have given the guard away.
    pub(super) fn holder(&self, key: Key) -> Option<TaskId> {
        let owner = self.owners.get(&key)?;
        let spawns = self.tasks.get(&owner.task)?.spawns;
        (owner.taken == Some(spawns)).then_some(owner.task)
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

    /// Whether it is the task itself that polls the entry: not another executor inside of it, or a group of futures
    /// with wakers of its own. If the entry never had to wait, there is no waker to tell that by.
    fn polls_itself(&self, task: TaskId, moment: Moment, (queue, place): Key) -> bool {
        let is_own = self.look(queue, |gate| {
            gate.has_waker_of(place, task.address())
                || (moment == Moment::Triggered && !gate.has_waker(place))
        });
        is_own == Some(true)
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
            Owner {
                task,
                index,
                taken: None,
            }
        });
    }

    fn take_turn(&mut self, key: Key) {
        if let Some(owner) = self.owners.get_mut(&key) {
            owner.taken = self.tasks.get(&owner.task).map(|entries| entries.spawns);
        }
    }

    fn watch_grant(&mut self, key: Key) {
        self.forget_grant(key);
        if let Some(task) = self.owner(key) {
            self.granted.push(Granted {
                key,
                task,
                idle_since: None,
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

    /// Counts a poll; whether it has completed a round. `None` if the order is not by age.
    fn count_round(&mut self, ready: Option<usize>) -> bool {
        if self.granted.is_empty() || !is_alone() {
            return false;
        }
        self.polls_left = self.polls_left.saturating_sub(1);
        let (0, Some(ready)) = (self.polls_left, ready) else {
            return false;
        };
        self.polls_left = ready;
        self.rounds += 1;
        true
    }

    fn suspect_grants(&mut self, task: TaskId) {
        let rounds = self.rounds;
        for granted in self.granted_to(task) {
            granted.idle_since.get_or_insert(rounds);
        }
    }

    /// This task was woken again, and may come to its entry yet.
    fn excuse_grants(&mut self, busy: Option<TaskId>) {
        if let Some(task) = busy {
            self.granted_to(task)
                .for_each(|granted| granted.idle_since = None);
        }
    }

    fn granted_to(&mut self, task: TaskId) -> impl Iterator<Item = &mut Granted> {
        let granted = self.granted.iter_mut();
        granted.filter(move |granted| granted.task == task)
    }

    /// Reports the suspects of which it is certain, each once.
    fn report_grants(&mut self, is_certain: impl Fn(u64) -> bool) -> Vec<Report> {
        let mut granted = mem::take(&mut self.granted);
        let certain = granted.extract_if(.., |granted| granted.idle_since.is_some_and(&is_certain));
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

/// Whether one executor is all there is on the thread: with a second one, an entry may be on its way to a task there.
fn is_alone() -> bool {
    observe::executors() == 1
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
            tables.note(Moment::Waits, key, Some(task));
            tables.note(Moment::Granted, key, None);
        }
        assert_eq!(tables.granted.len(), keys.len());
        for &key in &keys {
            tables.note(Moment::Triggered, key, Some(task));
            assert_eq!(tables.owner(key), Some(task));
            tables.note(Moment::Detached, key, Some(task));
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
            tables.note(Moment::Waits, key, Some(one));
        }
        // Another has it now; and what stood last among the entries has moved to its place.
        tables.note(Moment::Waits, first, Some(two));
        tables.note(Moment::Detached, third, Some(one));
        tables.ended(one);
        assert_eq!(tables.owners.len(), 1);
        assert_eq!(tables.owner(first), Some(two));
    }

    #[test]
    fn a_guard_is_the_takers_until_it_spawns_or_hands_it_over() {
        let (mut tables, mut line) = (Tables::default(), Line::new());
        let task = TaskId::new(8, 1);
        let [first, second] = [0, 1].map(|n| (16, line.join(n)));
        tables.note(Moment::Triggered, first, Some(task));
        assert_eq!(tables.holder(first), Some(task));
        tables.spawns(task);
        assert_eq!(tables.holder(first), None);
        // The entry is still the task's, and so is what it takes later.
        assert_eq!(tables.owner(first), Some(task));
        tables.note(Moment::Triggered, second, Some(task));
        assert_eq!(tables.holder(second), Some(task));
        tables.hand_over(second);
        assert_eq!(tables.holder(second), None);
    }
}
