//! The header of a task cell: what every task has, whatever its future.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::ptr::{self, NonNull};
use std::task::{Context, Waker};

use tevent_core::observe::TaskId;
use tevent_core::sync::{Arc, AtomicBool, AtomicPtr, AtomicU32, Ordering};

use super::life::Life;
use super::shared::Shared;

/// What a panic threw, in one word.
pub(crate) type Panic = Box<Box<dyn Any + Send>>;

/// Fields without "any thread" belong to the owner's thread.
#[repr(C)]
pub(crate) struct Header {
    pub(crate) vtable: &'static VTable,
    /// Any thread: read only. See [`Header::shared`].
    shared: NonNull<Shared>,
    /// Any thread: the link on the remote stack, of whoever set `REMOTE`.
    pub(crate) remote_next: AtomicPtr<Header>,
    /// Who awaits the output.
    pub(crate) joiner: UnsafeCell<Option<Waker>>,
    /// Any thread: the owner's reference and one per waker, in units of `REF`; and the flag `REMOTE`. The cell is freed
    /// by whoever brings all of it to zero.
    refs: AtomicU32,
    /// The place in the table of live tasks.
    pub(crate) slot: Cell<u32>,
    /// Which of the executor's tasks this is, for [`Header::id`]; 0 if nobody observed when it was spawned.
    pub(crate) serial: Cell<u32>,
    pub(crate) flags: Cell<Flags>,
    /// Any thread: the task keeps its executor's shared part alive, as somebody has cloned its waker.
    keeps_shared: AtomicBool,
    life: Life,
}

/// A foreign wake is on its way, and with it the task on the remote stack: counts as a reference.
const REMOTE: u32 = 1;

/// One reference.
const REF: u32 = 2;

/// What a poll came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Polled {
    Pending,
    /// The future is finished and dropped, and the output stands in its place.
    Output,
    /// The same, but nothing stands there: nobody wants the output, and there is nothing to drop in it.
    Vacant,
}

/// The future's type, erased: what to do with the part of the cell behind the header.
pub(crate) struct VTable {
    /// Polls the future. Does not unwind.
    pub(crate) poll: unsafe fn(NonNull<Header>, &mut Context<'_>) -> Polled,
    /// Drops the future in place. Unwinds if its destructor does.
    pub(crate) drop_future: unsafe fn(NonNull<Header>),
    /// Drops the output in place. Unwinds if its destructor does.
    pub(crate) drop_output: unsafe fn(NonNull<Header>),
    /// How far behind the header's begin the output stands, a `Result<F::Output, Panic>`.
    pub(crate) output: usize,
    /// Frees the memory of a cell whose future and output are gone.
    pub(crate) free: unsafe fn(NonNull<Header>),
}

#[cfg(all(target_pointer_width = "64", not(loom)))]
const _: () = assert!(size_of::<Header>() <= 56, "the header of a task has grown");

impl Header {
    /// A header with the owner's reference, in the state after arrow 1.
    pub(crate) fn new(vtable: &'static VTable, shared: &Arc<Shared>) -> Self {
        Self {
            vtable,
            shared: NonNull::new(Arc::as_ptr(shared).cast_mut()).expect("an Arc points somewhere"),
            remote_next: AtomicPtr::new(ptr::null_mut()),
            joiner: UnsafeCell::new(None),
            refs: AtomicU32::new(REF),
            slot: Cell::new(0),
            serial: Cell::new(0),
            flags: Cell::new(Flags::QUEUED.with(Flags::JOINT)),
            keeps_shared: AtomicBool::new(false),
            life: Life::new(),
        }
    }

    /// The executor's shared part. It lives as long as the executor, and longer if a waker was cloned
    /// ([`Header::keep_shared`]); the end of the executor makes every task `DONE`.
    ///
    /// # Safety
    /// The caller holds a cloned waker, or is inside a poll of the task, or is on the owner's thread and the task is
    /// not `DONE`, or in the middle of becoming so.
    #[inline]
    pub(crate) unsafe fn shared(&self) -> &Shared {
        // SAFETY: each of the conditions keeps the shared part alive while the result is used.
        unsafe { self.shared.as_ref() }
    }

    /// Whether this is the task of that executor.
    #[inline]
    pub(crate) fn belongs_to(&self, shared: *const Shared) -> bool {
        ptr::eq(self.shared.as_ptr(), shared)
    }

    /// Before the first clone of the waker: from now on the task's memory keeps the shared part alive, for wakers may
    /// outlive the executor. A task whose waker nobody clones is spared the two atomic operations.
    ///
    /// Should two threads make first clones at once, through the borrowed waker of a poll, then the poll keeps the
    /// executor alive until both are done.
    ///
    /// # Safety
    /// As for [`Header::shared`].
    #[inline]
    pub(crate) unsafe fn keep_shared(&self) {
        if !self.keeps_shared.load(Ordering::Relaxed)
            && !self.keeps_shared.swap(true, Ordering::Relaxed)
        {
            // SAFETY: the pointer came from an Arc, which is alive by the caller's promise.
            unsafe { Arc::increment_strong_count(self.shared.as_ptr()) };
        }
    }

    /// The end of the header, on whatever thread.
    ///
    /// # Safety
    /// The shared part is not touched through this header again.
    #[inline]
    pub(crate) unsafe fn let_go_of_shared(&self) {
        self.life.end();
        if self.keeps_shared.load(Ordering::Relaxed) {
            // SAFETY: `keep_shared` took this count, and this is called once.
            unsafe { give_count_back(self.shared) };
        }
    }

    /// Takes one more reference. More than 2^30 of them can only be a leak in a loop; the count must not wrap.
    #[inline]
    pub(crate) fn add_ref(&self) {
        // Ordering: a new reference is made from one that exists, which orders all that matters (as in Arc).
        if self.refs.fetch_add(REF, Ordering::Relaxed) > u32::MAX / 2 {
            std::process::abort();
        }
    }

    /// Gives one reference back. `true`: it was the last, and the caller frees the cell.
    ///
    /// Takes a pointer: while the count goes down, another thread may free the cell, and no reference to the header may
    /// stand on this one's stack then, but for one to the count alone.
    ///
    /// # Safety
    /// The reference is the caller's, who does not touch the task through it again, unless to free it.
    #[inline]
    #[must_use]
    pub(crate) unsafe fn drop_ref(task: NonNull<Self>) -> bool {
        // SAFETY: the caller's reference keeps the cell alive until the count goes down.
        let (refs, life) = unsafe { (&(*task.as_ptr()).refs, &(*task.as_ptr()).life) };
        life.touch();
        // Ordering: Acquire pairs with the Release of all who gave theirs back. A count of one is ours, and new ones
        // are made only from ours, so nothing can change it: the common end of a task costs no read-modify-write.
        if refs.load(Ordering::Acquire) == REF {
            return true;
        }
        // Ordering: Release orders this thread's use before the free; the load pairs with it on the freeing side. Not a
        // fence: ThreadSanitizer does not know them.
        if refs.fetch_sub(REF, Ordering::Release) != REF {
            return false;
        }
        refs.load(Ordering::Acquire);
        true
    }

    /// A foreign wake begins. `true`: it is the first one since the owner looked, and has to push.
    ///
    /// Ordering: a read-modify-write with Release also when the flag was set already, so that the owner, who clears it
    /// with Acquire, sees what every waker wrote before its wake.
    #[inline]
    pub(crate) fn begin_remote_wake(&self) -> bool {
        self.life.touch();
        self.refs.fetch_or(REMOTE, Ordering::AcqRel) & REMOTE == 0
    }

    /// The foreign wakes so far have been taken note of; a later one pushes again. `true`: the flag was the last that
    /// kept the cell, and the caller frees it.
    ///
    /// # Safety
    /// The caller took the task off the stack, or could not push it; and does not touch it again, unless to free it or
    /// by another reference that it has.
    #[inline]
    #[must_use]
    pub(crate) unsafe fn end_remote_wake(task: NonNull<Self>) -> bool {
        // SAFETY: the flag keeps the cell alive until it is cleared.
        let (refs, life) = unsafe { (&(*task.as_ptr()).refs, &(*task.as_ptr()).life) };
        life.touch();
        refs.fetch_and(!REMOTE, Ordering::AcqRel) == REMOTE
    }

    pub(crate) fn has(&self, flag: Flags) -> bool {
        self.flags.get().intersects(flag)
    }

    pub(crate) fn set(&self, flag: Flags) {
        self.flags.set(self.flags.get().with(flag));
    }

    pub(crate) fn clear(&self, flag: Flags) {
        self.flags.set(self.flags.get().without(flag));
    }

    /// What observers know the task by.
    pub(crate) fn id(&self) -> TaskId {
        TaskId::new(ptr::from_ref(self).addr(), self.serial.get())
    }

    /// The living wakers of a task that is not `DONE`; `None` while a foreign wake is on its way.
    pub(crate) fn wakers(&self) -> Option<u32> {
        let refs = self.refs.load(Ordering::Acquire);
        (refs & REMOTE == 0).then(|| refs / REF - 1)
    }

    /// Presets the count, to test its limit without 2^31 leaks.
    #[cfg(test)]
    pub(crate) fn preset_refs(&self, refs: u32) {
        self.refs.store(refs, Ordering::Relaxed);
    }
}

/// Apart from what frees a task, which would have to save registers for it.
///
/// # Safety
/// As for [`Arc::decrement_strong_count`].
#[inline(never)]
unsafe fn give_count_back(shared: NonNull<Shared>) {
    // SAFETY: promised by the caller.
    unsafe { Arc::decrement_strong_count(shared.as_ptr()) };
}

/// Where a task stands. See the picture in [`super`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flags(u8);

impl Flags {
    /// In the ready queue.
    pub(crate) const QUEUED: Self = Self(1);
    /// Its future is being polled or dropped: nobody else may.
    pub(crate) const RUNNING: Self = Self(1 << 1);
    /// The future is gone, or going: never polled again.
    pub(crate) const DONE: Self = Self(1 << 2);
    /// The output is in the cell.
    pub(crate) const OUTPUT: Self = Self(1 << 3);
    /// A [`Joint`](super::Joint) exists.
    pub(crate) const JOINT: Self = Self(1 << 4);
    /// The next run drops the future instead of polling it.
    pub(crate) const CANCELLED: Self = Self(1 << 5);

    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// The names of the flags that are set: `QUEUED|JOINT`, or `idle`.
impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 6] = ["QUEUED", "RUNNING", "DONE", "OUTPUT", "JOINT", "CANCELLED"];
        let mut separator = "";
        for (bit, name) in NAMES.iter().enumerate() {
            if self.0 & (1 << bit) != 0 {
                write!(f, "{separator}{name}")?;
                separator = "|";
            }
        }
        if separator.is_empty() {
            f.write_str("idle")
        } else {
            Ok(())
        }
    }
}
