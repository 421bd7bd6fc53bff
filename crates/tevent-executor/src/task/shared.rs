//! The shared part of an executor: what wakers reach, and the owner's own part behind it.

use std::alloc::Layout;
use std::cell::{Cell, UnsafeCell};
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use tevent_core::doorbell::Doorbell;
use tevent_core::observe::{self, Idle, Polled, TaskId};
use tevent_core::sync::Arc;

use super::header::{Flags, Header};
use super::joint::Joint;
use super::life::Life;
use super::live::LiveTable;
use super::pool::Pool;
use super::ready::ReadyQueue;
use super::remote::{Pushed, RemoteStack};
use super::task_ref::TaskRef;

/// One per executor, alive as long as that or any task whose waker was cloned.
pub(crate) struct Shared {
    remote: RemoteStack,
    doorbell: Arc<Doorbell>,
    local: Local,
    life: Life,
}

/// What only the owner's thread touches. Every borrow ends within one line: no code of the user's runs in between.
struct Local {
    ready: UnsafeCell<ReadyQueue>,
    live: UnsafeCell<LiveTable>,
    pool: UnsafeCell<Pool>,
    /// Spawned after the end, and to be dropped unpolled.
    doomed: UnsafeCell<VecDeque<NonNull<Header>>>,
    closed: Cell<bool>,
    /// Somebody is in [`Owner::cancel_all`], and will see to what is doomed meanwhile.
    cancelling: Cell<bool>,
    polling: Cell<bool>,
    /// While polling: the task whose turn it is. Null, or stale but alive, between a run and the next.
    running: Cell<*const Header>,
    /// Tasks spawned so far while somebody observed.
    spawned: Cell<u32>,
    /// How often in a row the loop went to sleep with much more memory than it had needed.
    roomy_rests: Cell<u32>,
    /// What [`ReadyQueue::put`] was then.
    put_before: Cell<usize>,
}

/// So often memory is kept for the next burst.
const ROOMY_RESTS: u32 = 16;

// SAFETY: threads other than the owner's use only `remote` and `doorbell`, which are Sync. `local` is reached through
// `Owner`, `Joint` and `TaskRef`, which are not Send, and by a waker only after `is_current` has shown that this is the
// owner's thread. When the last waker drops it elsewhere, the owner has gone and left nothing in `local` but memory.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

#[cfg(not(loom))]
std::thread_local! {
    static CURRENT: Cell<*const Shared> = const { Cell::new(ptr::null()) };
}
#[cfg(loom)]
loom::thread_local! {
    static CURRENT: Cell<*const Shared> = Cell::new(ptr::null());
}

/// Whether this thread is inside [`enter`] for the task's executor, and innermost so: then it is the owner's thread,
/// and a wake may use the plain path. The key needs no destructor, so it also answers while the thread ends.
#[inline]
pub(super) fn is_current(task: &Header) -> bool {
    task.belongs_to(CURRENT.with(Cell::get))
}

/// Runs `f` with this executor as the thread's current one.
pub(crate) fn enter<R>(owner: &Owner, f: impl FnOnce() -> R) -> R {
    struct Restore(*const Shared);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.with(|current| current.set(self.0));
        }
    }
    let previous = CURRENT.with(|current| current.replace(Arc::as_ptr(&owner.shared)));
    let _restore = Restore(previous);
    f()
}

/// Memory of a task that is gone, for the next ones of this thread's current executor. Found by the thread's pointer,
/// not the task's: the task's own executor may be gone, and this another one at its address.
///
/// # Safety
/// As for [`Pool::put`]; and this thread is inside [`enter`].
#[inline]
pub(super) unsafe fn put_memory(memory: NonNull<u8>, layout: Layout) {
    let shared = CURRENT.with(Cell::get);
    // SAFETY: inside `enter`, whose caller keeps the executor alive; so this is the owner's thread, and the borrow ends
    // in this line. The rest is promised by the caller.
    unsafe { (*(*shared).local.pool.get()).put(memory, layout) };
}

/// The task that the innermost executor of this thread is polling.
fn current_task() -> Option<TaskId> {
    let shared = CURRENT.with(Cell::get);
    // SAFETY: not null, so this thread is inside `enter`, whose caller keeps the executor alive.
    let local = &unsafe { shared.as_ref() }?.local;
    if !local.polling.get() {
        return None;
    }
    // SAFETY: while the executor polls, foreign code runs inside a task's run, during which the task is alive, and
    // inside an observer's call, before which the pointer is set to null; owner's thread.
    unsafe { local.running.get().as_ref() }.map(Header::id)
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.life.end();
    }
}

impl Shared {
    /// A wake from another thread, or from outside the run. `task` is the pointer to `header`.
    ///
    /// Apart from the wake on the owner's thread, which would have to save registers for it.
    #[inline(never)]
    pub(super) fn wake_remote(&self, header: &Header, task: NonNull<Header>) {
        self.life.touch();
        if !header.begin_remote_wake() {
            return;
        }
        // SAFETY: `begin_remote_wake` set the flag, and the caller's waker keeps the task alive.
        match unsafe { self.remote.push(task) } {
            Pushed::Quietly => {}
            Pushed::Parked => self.doorbell.ring_if_parked(),
            // SAFETY: not pushed, so the flag is ours to clear.
            Pushed::Refused => unsafe { TaskRef::end_remote_wake(task) },
        }
    }

    /// Puts a task at the tail of the ready queue. Owner's thread.
    #[inline]
    pub(super) fn push_ready(&self, task: NonNull<Header>) {
        // SAFETY: owner's thread (callers are not Send, or have asked `is_current`); the borrow ends in this line.
        unsafe { &mut *self.local.ready.get() }.push(task);
    }

    /// Memory for a task. Owner's thread.
    #[inline]
    pub(super) fn take_memory(&self, layout: Layout) -> NonNull<u8> {
        // SAFETY: owner's thread: so says who spawns, as he holds an `Owner`; the borrow ends in this line.
        unsafe { &mut *self.local.pool.get() }.take(layout)
    }

    /// Takes a finished task off the table of live ones. Owner's thread.
    #[inline]
    pub(super) fn forget_live(&self, slot: u32) {
        // SAFETY: as in `push_ready`.
        unsafe { &mut *self.local.live.get() }.remove(slot);
    }
}

/// The owner's face of the shared part. Not `Send`: whoever has it is on the owner's thread.
pub(crate) struct Owner {
    shared: Arc<Shared>,
    _not_send: PhantomData<*const ()>,
}

impl Clone for Owner {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            _not_send: PhantomData,
        }
    }
}

impl Owner {
    pub(crate) fn new(doorbell: Arc<Doorbell>) -> Self {
        let local = Local {
            ready: UnsafeCell::default(),
            live: UnsafeCell::default(),
            pool: UnsafeCell::default(),
            doomed: UnsafeCell::default(),
            closed: Cell::new(false),
            cancelling: Cell::new(false),
            polling: Cell::new(false),
            running: Cell::new(ptr::null()),
            spawned: Cell::new(0),
            roomy_rests: Cell::new(0),
            put_before: Cell::new(0),
        };
        observe::set_teller(current_task);
        let shared = Shared {
            remote: RemoteStack::new(),
            doorbell,
            local,
            life: Life::new(),
        };
        Self {
            shared: Arc::new(shared),
            _not_send: PhantomData,
        }
    }

    /// Spawns a task. On an executor that has ended the future is dropped, unpolled, before this returns; if that
    /// happens inside another such drop, soon after it.
    #[inline]
    pub(crate) fn spawn<F: Future + 'static>(&self, future: F) -> Joint<F::Output> {
        // SAFETY: the future is 'static, so it may live as long as the task does.
        unsafe { self.spawn_scoped(future) }
    }

    /// Spawns a task whose future may borrow.
    ///
    /// # Safety
    /// The caller calls [`Joint::end_now`] before anything that the future or its output borrows goes away.
    #[inline]
    pub(crate) unsafe fn spawn_scoped<F: Future>(&self, future: F) -> Joint<F::Output> {
        let task = TaskRef::spawn(future, &self.shared);
        self.begin(task);
        // SAFETY: the task is fresh and has no other joint.
        unsafe { Joint::new(task) }
    }

    /// What comes after arrow 1, the same for tasks of all types.
    #[inline]
    fn begin(&self, task: TaskRef) {
        if self.local().closed.get() {
            self.doom(task);
        } else {
            // SAFETY: owner's thread; the borrow ends in this line.
            let slot = unsafe { &mut *self.local().live.get() }.insert(task.raw());
            task.header().slot.set(slot);
            self.shared.push_ready(task.raw());
            if !is_current(task.header()) {
                // Between two turns the host has to learn that there is work.
                self.shared.doorbell.ring_if_parked();
            }
        }
    }

    /// A task that was spawned after the end.
    #[cold]
    #[inline(never)]
    fn doom(&self, task: TaskRef) {
        // SAFETY: owner's thread; the borrow ends in this line.
        unsafe { &mut *self.local().doomed.get() }.push_back(task.raw());
        task.header().slot.set(LiveTable::NO_SLOT);
        task.leave_queue();
        self.cancel_all();
    }

    /// Runs the task at the head of the ready queue. `false`: there is none.
    ///
    /// # Panics
    /// If called from inside a task of this executor.
    #[inline]
    pub(crate) fn run_next(&self) -> bool {
        // SAFETY: owner's thread; the borrow ends in this line.
        let Some(task) = (unsafe { &mut *self.local().ready.get() }).pop() else {
            return false;
        };
        let running = &self.local().running;
        running.set(task.as_ptr());
        // SAFETY: the ready queue holds live tasks: `settle` waits for QUEUED to be cleared.
        if !unsafe { TaskRef::new(task) }.run() {
            running.set(ptr::null());
        }
        true
    }

    /// The task whose turn is next.
    pub(crate) fn next_task(&self) -> Option<TaskId> {
        // SAFETY: owner's thread; the borrow ends in this line.
        let task = unsafe { &*self.local().ready.get() }.first()?;
        // SAFETY: the ready queue holds live tasks.
        Some(unsafe { task.as_ref() }.id())
    }

    /// What the run that has just ended came to, for an observer. No task is the current one any more.
    pub(crate) fn polled(&self) -> Polled {
        let task = self.local().running.replace(ptr::null());
        // SAFETY: null if the task has ended; otherwise it is alive, as nothing has run since; owner's thread.
        let task = unsafe { task.as_ref() };
        let idle = task.and_then(|task| {
            let wakers = task.wakers().filter(|_| !task.has(Flags::QUEUED))?;
            Some(Idle {
                task: task.id(),
                wakers,
            })
        });
        Polled {
            idle,
            busy: task.filter(|_| idle.is_none()).map(Header::id),
            round: Some(self.ready()),
        }
    }

    /// No task is the current one: before an observer is called.
    pub(crate) fn rest(&self) {
        self.local().running.set(ptr::null());
    }

    /// A number for a task that is observed from its beginning; 0 is for the others.
    pub(crate) fn next_serial(&self) -> u32 {
        let serial = self.local().spawned.get().wrapping_add(1);
        self.local().spawned.set(serial);
        serial
    }

    /// Lets a task of the ready queue change places with its head.
    pub(crate) fn bring_forward(&self, index: usize) {
        // SAFETY: owner's thread; the borrow ends in this line.
        unsafe { &mut *self.local().ready.get() }.bring_forward(index);
    }

    /// Does the local wake for every task that was woken from elsewhere, in order of arrival.
    pub(crate) fn accept_remote(&self) {
        for task in self.shared.remote.take_all() {
            // SAFETY: the chain hands over a live task and its flag; its link has been read already.
            let is_done = unsafe { task.as_ref() }.has(Flags::DONE);
            // SAFETY: as above. If the task is not done, the owner's reference keeps it alive.
            unsafe { TaskRef::end_remote_wake(task) };
            if !is_done {
                // SAFETY: not done, so alive; owner's thread.
                unsafe { TaskRef::new(task) }.wake_local();
            }
        }
    }

    /// Parks: from now on the first wake from elsewhere rings. `false` if there are such wakes already.
    pub(crate) fn park(&self) -> bool {
        self.give_memory_back();
        self.shared.doorbell.park();
        self.shared.remote.park()
    }

    /// Gives back what a burst of tasks has left behind, once it has not been needed for a while: the next one would
    /// only ask for it again.
    #[inline]
    pub(crate) fn give_memory_back(&self) {
        let local = self.local();
        // SAFETY: owner's thread; nobody else's code runs here, and the borrow ends before `shrink`.
        let (ready, live) = unsafe { (&*local.ready.get(), &*local.live.get()) };
        // Each task that comes or is woken is put into the queue.
        let woken = ready
            .put()
            .wrapping_sub(local.put_before.replace(ready.put()));
        let is_roomy = ready.is_roomy() || live.is_roomy();
        let is_needed = woken >= ready.room().max(live.room()) / 4;
        let rests = if is_roomy && !is_needed {
            local.roomy_rests.get() + 1
        } else {
            0
        };
        local.roomy_rests.set(rests);
        if rests > ROOMY_RESTS && !local.cancelling.get() {
            self.shrink();
        }
        // SAFETY: owner's thread; the borrow ends in this line.
        unsafe { &mut *local.pool.get() }.rest(woken);
    }

    #[cold]
    fn shrink(&self) {
        self.local().roomy_rests.set(0);
        // SAFETY: owner's thread; the borrow ends in this line.
        unsafe { &mut *self.local().ready.get() }.shrink();
        // SAFETY: as above. No walk over the table is under way: a loop does not sleep in the middle of one, and the
        // one at the end says so.
        unsafe { &mut *self.local().live.get() }.shrink();
    }

    pub(crate) fn unpark(&self) {
        self.shared.doorbell.unpark();
    }

    pub(crate) fn has_remote(&self) -> bool {
        !self.shared.remote.is_empty()
    }

    pub(crate) fn ready(&self) -> usize {
        // SAFETY: owner's thread; the borrow ends in this line.
        unsafe { &*self.local().ready.get() }.len()
    }

    pub(crate) fn live(&self) -> usize {
        // SAFETY: owner's thread; the borrow ends in this line.
        unsafe { &*self.local().live.get() }.len()
    }

    /// Wakes the first live task at `from` or behind it; returns where to look next.
    pub(crate) fn wake_live(&self, from: usize) -> Option<usize> {
        // SAFETY: owner's thread; the borrow ends in this line.
        let (task, next) = unsafe { &*self.local().live.get() }.next(from)?;
        // SAFETY: tasks in the table are alive; owner's thread.
        unsafe { TaskRef::new(task) }.wake_local();
        Some(next)
    }

    /// Marks the executor as polling; `false` if it was already.
    pub(crate) fn begin_polling(&self) -> bool {
        !self.local().polling.replace(true)
    }

    pub(crate) fn end_polling(&self) {
        self.local().polling.set(false);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.local().closed.get()
    }

    /// Ends the executor: refuses remote wakes, drops every future on this thread, empties the ready queue.
    pub(crate) fn close(&self) {
        self.local().closed.set(true);
        for task in self.shared.remote.close() {
            // SAFETY: the chain hands over a live task and its flag.
            unsafe { TaskRef::end_remote_wake(task) };
        }
        self.cancel_all();
    }

    /// Drops the futures of all live tasks, and then of those which destructors spawned meanwhile: in a loop, not in a
    /// recursion, and not for ever.
    fn cancel_all(&self) {
        if self.local().cancelling.replace(true) {
            return;
        }
        let mut from = 0;
        // SAFETY: owner's thread; the borrow ends in this line.
        while let Some((task, next)) = unsafe { &*self.local().live.get() }.next(from) {
            from = next;
            // SAFETY: tasks in the table are alive. One that is being polled right now ends itself after that.
            unsafe { TaskRef::new(task) }.cancel_now();
        }
        self.cancel_doomed();
        self.empty_ready();
        // SAFETY: owner's thread; the borrow ends in this line.
        unsafe { &mut *self.local().pool.get() }.end();
        self.local().cancelling.set(false);
    }

    fn cancel_doomed(&self) {
        let mut drops_left = Self::SPAWNS_AT_THE_END;
        // SAFETY: owner's thread; the borrow ends in this line.
        while let Some(task) = unsafe { &mut *self.local().doomed.get() }.pop_front() {
            // SAFETY: a task stays alive until its future is dropped.
            let task = unsafe { TaskRef::new(task) };
            if drops_left == 0 {
                task.abandon();
                continue;
            }
            drops_left -= 1;
            task.cancel_now();
        }
    }

    /// How many tasks destructors may spawn while the executor ends. A destructor that always spawns a task with the
    /// same destructor would never let it end; what exceeds this is leaked, not dropped.
    const SPAWNS_AT_THE_END: usize = 10_000;

    fn empty_ready(&self) {
        loop {
            // SAFETY: owner's thread; the borrow ends in this line.
            let Some(task) = (unsafe { &mut *self.local().ready.get() }).pop() else {
                return;
            };
            // SAFETY: the ready queue holds live tasks.
            unsafe { TaskRef::new(task) }.leave_queue();
        }
    }

    fn local(&self) -> &Local {
        &self.shared.local
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::future::pending;

    use super::ROOMY_RESTS;
    use crate::Executor;

    #[test]
    fn b55_the_memory_of_a_burst_comes_back_when_the_loop_has_rested_and_not_before() {
        let executor = Executor::for_tests();
        let burst: Vec<_> = (0..5_000)
            .map(|_| executor.spawn(pending::<()>()))
            .collect();
        executor.enter(|| {
            drop(burst);
            executor.run_ready(u32::MAX)
        });
        let local = executor.owner().local();
        let is_roomy = || {
            // SAFETY: owner's thread; each borrow ends in its line.
            let ready = unsafe { &*local.ready.get() }.is_roomy();
            // SAFETY: as above.
            let live = unsafe { &*local.live.get() }.is_roomy();
            (ready, live)
        };
        // The first rest comes after the burst, which needed the room.
        for _ in 0..=ROOMY_RESTS {
            assert!(executor.park());
            assert_eq!(is_roomy(), (true, true));
        }
        assert!(executor.park());
        assert_eq!(is_roomy(), (false, false));
    }

    #[test]
    fn b55_the_memory_of_finished_tasks_is_used_again_and_comes_back_at_rest_and_at_the_end() {
        if cfg!(miri) {
            return;
        }
        let executor = Executor::for_tests();
        let pool = &executor.owner().local().pool;
        // SAFETY: owner's thread; the borrow ends in this line.
        unsafe { &mut *pool.get() }.keep();
        // SAFETY: as above.
        let kept = || unsafe { &*pool.get() }.kept();
        let spawn = || (0..900).for_each(|_| executor.spawn(async {}).detach());
        for _ in 0..2 {
            spawn();
            assert_eq!(kept(), 0);
            executor.enter(|| executor.run_ready(u32::MAX));
            assert_eq!(kept(), 900);
        }
        // The first rest comes after the burst, which needed them.
        for left in [900, 675, 507, 381, 286, 215, 215] {
            assert_eq!((executor.park(), kept()), (true, left));
        }
        spawn();
        let late = executor.spawn(async {});
        executor.enter(|| {
            executor.close();
            assert_eq!(kept(), 0);
            drop(late);
        });
        assert_eq!(kept(), 0, "nothing comes after an executor's end");
    }
}
