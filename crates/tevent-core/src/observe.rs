//! A seam through which somebody may learn which task is polled, which goes idle and which has ended.
//!
//! Our executor writes it, the detector of hung queues reads it. Everything here belongs to one thread. Nobody observes
//! unless [`start`] was called: then the executor pays one look per poll, spawn and end of a task, and nothing else.
//! Names of tasks are kept for the observer, and for whoever asks by [`keep_names`].
//! On a foreign executor there is no [`current_task`], and nothing is told: "not observed".

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt,
    marker::PhantomData,
    panic::Location,
    thread_local,
};

/// A task of our executor. The serial tells tasks apart that lived at the same address one after the other; it is 0 if
/// nobody wanted names when the task was spawned. Good until the task's end is told.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskId {
    address: usize,
    serial: u32,
}

/// Who wants to be told. The functions are called by the executor outside of a task's poll, but for `ended`.
#[derive(Clone, Copy, Debug)]
pub struct Observer {
    /// A task was polled. May unwind: through the loop.
    pub polled: fn(&Polled),
    /// This task spawns another right now, in the middle of its poll. Must neither unwind nor call foreign code.
    pub spawns: fn(TaskId),
    /// A task has ended: nothing runs in its name any more. Also told in the middle of another's poll. Must neither
    /// unwind nor call foreign code.
    pub ended: fn(TaskId),
    /// No task of an executor is ready: its loop looks for events now, or sleeps. May unwind: through the loop.
    pub out_of_work: fn(),
}

/// What a poll came to.
#[derive(Clone, Copy, Debug)]
pub struct Polled {
    /// The task, if it waits now: it is not finished, and nobody has woken it since the poll began.
    pub idle: Option<Idle>,
    /// The task, if it is not finished and has been woken since the poll began.
    pub busy: Option<TaskId>,
    /// After so many further polls all tasks that are ready now have been polled; `None` if the order is not by age.
    pub round: Option<usize>,
}

/// A task that waits.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// The task.
    pub task: TaskId,
    /// How many wakers of it there are, wherever they are.
    pub wakers: u32,
}

/// What a task is known by to people.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Known {
    /// The name that it was given.
    pub name: Option<Cow<'static, str>>,
    /// The line that spawned it.
    pub spawned: Option<&'static Location<'static>>,
}

/// For people: "task `reader` (spawned at src/main.rs:7:5)". Whoever wants names gets those of all tasks that were
/// spawned, so one without is the future that the loop itself was given.
impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, self.spawned) {
            (Some(name), Some(place)) => write!(f, "task `{name}` (spawned at {place})"),
            (Some(name), None) => write!(f, "task `{name}`"),
            (None, Some(place)) => write!(f, "the task spawned at {place}"),
            (None, None) => f.write_str("the future of `block_on`"),
        }
    }
}

/// A function that tells the task that is being polled right now.
pub type Teller = fn() -> Option<TaskId>;

/// Entries that an empty table of names keeps room for.
const KEPT: usize = 64;

thread_local! {
    static OBSERVER: Cell<Option<&'static Observer>> = const { Cell::new(None) };
    /// The names that the observer asks for.
    static FOR_OBSERVER: Cell<Option<Names>> = const { Cell::new(None) };
    static TELLER: Cell<Option<Teller>> = const { Cell::new(None) };
    /// How many want names and spawn places to be kept.
    static KEEPERS: Cell<u32> = const { Cell::new(0) };
    /// Executors of ours that live on this thread.
    static EXECUTORS: Cell<usize> = const { Cell::new(0) };
    /// Names and spawn places: of tasks that were spawned or named while somebody wanted them.
    static KNOWN: RefCell<HashMap<TaskId, Known>> = RefCell::default();
}

impl TaskId {
    /// The task at this address, the executor's so-and-so-many-th.
    #[must_use]
    pub fn new(address: usize, serial: u32) -> Self {
        Self { address, serial }
    }

    /// What a waker of the task, but of nothing in between, has as its [data](std::task::Waker::data).
    #[must_use]
    pub fn address(self) -> usize {
        self.address
    }
}

/// Begins to tell on this thread; whoever was told before is no longer. Names are kept meanwhile.
pub fn start(observer: &'static Observer) {
    OBSERVER.set(Some(observer));
    FOR_OBSERVER.set(Some(keep_names()));
}

/// Ends it.
pub fn stop() {
    OBSERVER.set(None);
    let _ = FOR_OBSERVER.try_with(Cell::take);
}

/// Keeps the names and spawn places of tasks of this thread until the returned value is dropped. With the last one all
/// names are forgotten.
pub fn keep_names() -> Names {
    KEEPERS.set(KEEPERS.get() + 1);
    Names(PhantomData)
}

/// As long as this lives, names of tasks are kept.
#[derive(Debug)]
#[must_use = "names are kept as long as this lives"]
pub struct Names(PhantomData<*const ()>);

impl Drop for Names {
    fn drop(&mut self) {
        KEEPERS.set(KEEPERS.get().saturating_sub(1));
        if !keeps_names() {
            // While the thread ends, the table may be gone already.
            let _ = KNOWN.try_with(|known| known.take());
        }
    }
}

/// Whether anybody wants names and spawn places.
#[inline]
#[must_use]
pub fn keeps_names() -> bool {
    KEEPERS.get() > 0
}

/// Who is told, if anybody is.
#[inline]
#[must_use]
pub fn observer() -> Option<&'static Observer> {
    OBSERVER.get()
}

/// The task that is being polled on this thread: the innermost, and only if its executor is ours. Exact whether
/// somebody observes or not.
#[must_use]
pub fn current_task() -> Option<TaskId> {
    TELLER.get().and_then(|teller| teller())
}

/// For executors: who answers [`current_task`].
pub fn set_teller(teller: Teller) {
    TELLER.set(Some(teller));
}

/// For executors: one lives on this thread from now on.
pub fn executor_begins() {
    EXECUTORS.set(EXECUTORS.get() + 1);
}

/// For executors: one of this thread has ended.
pub fn executor_ends() {
    EXECUTORS.set(EXECUTORS.get().saturating_sub(1));
}

/// How many executors of ours live on this thread. With more than one, what one of them does says nothing about tasks
/// of the others.
#[must_use]
pub fn executors() -> usize {
    EXECUTORS.get()
}

/// For executors: a task was spawned at this line, by the [current task](current_task) if there is one. Nothing happens
/// unless somebody observes or wants names.
pub fn spawned(task: TaskId, place: &'static Location<'static>) {
    if let (Some(observer), Some(spawner)) = (observer(), current_task()) {
        (observer.spawns)(spawner);
    }
    note(task, |known| known.spawned = Some(place));
}

/// Gives a task a name. Nothing happens unless somebody wants names.
pub fn name(task: TaskId, name: Cow<'static, str>) {
    note(task, |known| known.name = Some(name));
}

/// What a task is known by; nothing if nobody wanted names when it was spawned.
#[must_use]
pub fn known(task: TaskId) -> Known {
    let known = KNOWN.try_with(|table| table.borrow().get(&task).cloned());
    known.ok().flatten().unwrap_or_default()
}

/// For executors: a task has ended.
#[cold]
pub fn ended(task: TaskId) {
    if let Some(observer) = observer() {
        (observer.ended)(task);
    }
    let _ = KNOWN.try_with(|table| {
        let mut table = table.borrow_mut();
        table.remove(&task);
        if table.is_empty() && table.capacity() > KEPT {
            *table = HashMap::new();
        }
    });
}

fn note(task: TaskId, note: impl FnOnce(&mut Known)) {
    if keeps_names() {
        let _ = KNOWN.try_with(|table| note(table.borrow_mut().entry(task).or_default()));
    }
}

/// `0x55d0c0ffee00#7`.
impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}#{}", self.address, self.serial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static DEAF: Observer = Observer {
        polled: |_| (),
        spawns: |_| (),
        ended: |_| (),
        out_of_work: || (),
    };

    #[test]
    fn names_are_kept_only_while_somebody_observes_and_the_task_lives() {
        let (one, two) = (TaskId::new(8, 1), TaskId::new(8, 2));
        name(one, "early".into());
        assert_eq!(known(one), Known::default());

        start(&DEAF);
        name(one, "reader".into());
        spawned(two, Location::caller());
        assert_eq!(known(one).name.as_deref(), Some("reader"));
        assert!(known(two).spawned.is_some());
        ended(one);
        assert_eq!(known(one), Known::default());
        stop();
        assert_eq!(known(two), Known::default());
    }

    #[test]
    fn b55_the_memory_of_many_names_comes_back() {
        start(&DEAF);
        let many = if cfg!(miri) { 300 } else { 10_000 };
        let tasks = (0..many).map(|n| TaskId::new(n, 0));
        tasks.clone().for_each(|task| name(task, "one".into()));
        tasks.for_each(ended);
        KNOWN.with(|known| assert!(known.borrow().capacity() <= KEPT));
        stop();
    }

    #[test]
    fn without_an_executor_of_ours_there_is_no_current_task() {
        assert_eq!(current_task(), None);
    }
}
