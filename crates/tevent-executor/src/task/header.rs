//! The header of a task cell: what every task has, whatever its future.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::ptr::{self, NonNull};
use std::task::{Context, Waker};

use tevent_core::sync::{Arc, AtomicBool, AtomicPtr, AtomicU32, Ordering, fence};

use super::shared::Shared;

/// What a panic threw, in one word.
pub(crate) type Panic = Box<Box<dyn Any + Send>>;

/// Fields without "any thread" belong to the owner's thread.
#[repr(C)]
pub(crate) struct Header {
    pub(crate) vtable: &'static VTable,
    /// Any thread: read only. Keeps the remote stack and the doorbell alive for wakers.
    pub(crate) shared: Arc<Shared>,
    /// Any thread: the link on the remote stack, of whoever set `remote`.
    pub(crate) remote_next: AtomicPtr<Header>,
    /// Who awaits the output.
    pub(crate) joiner: UnsafeCell<Option<Waker>>,
    /// Any thread: the owner's reference, one per waker, one while on the remote stack.
    refs: AtomicU32,
    /// The place in the table of live tasks.
    pub(crate) slot: Cell<u32>,
    pub(crate) flags: Cell<Flags>,
    /// Any thread: a foreign wake is on its way. See [`Header::begin_remote_wake`].
    remote: AtomicBool,
}

/// The future's type, erased: what to do with the part of the cell behind the header.
pub(crate) struct VTable {
    /// Polls the future. `true`: it is finished and dropped, and the output stands in its place. Does not unwind.
    pub(crate) poll: unsafe fn(NonNull<Header>, &mut Context<'_>) -> bool,
    /// Drops the future in place. Unwinds if its destructor does.
    pub(crate) drop_future: unsafe fn(NonNull<Header>),
    /// Drops the output in place. Unwinds if its destructor does.
    pub(crate) drop_output: unsafe fn(NonNull<Header>),
    /// Moves the output to the given place, a `Result<F::Output, Panic>`.
    pub(crate) take_output: unsafe fn(NonNull<Header>, NonNull<()>),
    /// Frees the memory of a cell whose future and output are gone.
    pub(crate) free: unsafe fn(NonNull<Header>),
}

#[cfg(all(target_pointer_width = "64", not(loom)))]
const _: () = assert!(size_of::<Header>() <= 56, "the header of a task has grown");

impl Header {
    /// A header with the owner's reference, in the state after arrow 1.
    pub(crate) fn new(vtable: &'static VTable, shared: Arc<Shared>) -> Self {
        Self {
            vtable,
            shared,
            remote_next: AtomicPtr::new(ptr::null_mut()),
            joiner: UnsafeCell::new(None),
            refs: AtomicU32::new(1),
            slot: Cell::new(0),
            flags: Cell::new(Flags::QUEUED.with(Flags::JOINT)),
            remote: AtomicBool::new(false),
        }
    }

    /// Takes one more reference. More than 2^31 of them can only be a leak in a loop; the count must not wrap.
    #[inline]
    pub(crate) fn add_ref(&self) {
        // Ordering: a new reference is made from one that exists, which orders all that matters (as in Arc).
        if self.refs.fetch_add(1, Ordering::Relaxed) > u32::MAX / 2 {
            std::process::abort();
        }
    }

    /// Gives one reference back. `true`: it was the last, and the caller frees the cell.
    #[inline]
    #[must_use]
    pub(crate) fn drop_ref(&self) -> bool {
        // Ordering: Acquire pairs with the Release of all who gave theirs back. A count of one is ours, and new ones are
        // made only from ours, so nothing can change it: the common end of a task costs no read-modify-write.
        if self.refs.load(Ordering::Acquire) == 1 {
            return true;
        }
        // Ordering: Release orders this thread's use before the free; the fence pairs with it on the freeing side.
        if self.refs.fetch_sub(1, Ordering::Release) != 1 {
            return false;
        }
        fence(Ordering::Acquire);
        true
    }

    /// A foreign wake begins. `true`: it is the first one since the owner looked, and has to push.
    ///
    /// Ordering: a read-modify-write with Release also when the flag was set already, so that the owner, who clears it
    /// with Acquire, sees what every waker wrote before its wake.
    #[inline]
    pub(crate) fn begin_remote_wake(&self) -> bool {
        !self.remote.swap(true, Ordering::AcqRel)
    }

    /// The owner takes note of the foreign wakes so far; a later one pushes again.
    #[inline]
    pub(crate) fn end_remote_wake(&self) {
        self.remote.swap(false, Ordering::AcqRel);
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

    /// Presets the count, to test its limit without 2^31 leaks.
    #[cfg(test)]
    pub(crate) fn preset_refs(&self, refs: u32) {
        self.refs.store(refs, Ordering::Relaxed);
    }
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
