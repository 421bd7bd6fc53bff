//! The typed cell: a header, and the future or its output in one place.

use std::alloc::Layout;
use std::cell::UnsafeCell;
use std::mem::{ManuallyDrop, needs_drop, offset_of};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::task::{Context, Poll};

use tevent_core::sync::Arc;

use super::guarded::guarded;
use super::header::{Flags, Header, Panic, Polled, VTable};
use super::pool;
use super::shared::{self, Shared};

/// One allocation. `repr(C)`: a pointer to the cell is a pointer to its header.
#[repr(C)]
struct TaskCell<F: Future> {
    header: Header,
    stage: UnsafeCell<Stage<F>>,
}

/// Which of the two stands here is told by the header's flags: `OUTPUT`, else the future unless `DONE`. `repr(C)`: both
/// begin where the stage does.
#[repr(C)]
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    output: ManuallyDrop<Result<F::Output, Panic>>,
}

/// Allocates the cell of `future`. The caller holds the owner's reference.
#[inline]
pub(super) fn allocate<F: Future>(future: F, shared: &Arc<Shared>) -> NonNull<Header> {
    let task = shared
        .take_memory(Layout::new::<TaskCell<F>>())
        .cast::<Header>();
    let stage = Stage {
        future: ManuallyDrop::new(future),
    };
    // SAFETY: the memory was taken for a cell of this type, and is nobody else's. Written part by part: as a whole, the
    // future would be copied once more.
    unsafe {
        task.write(Header::new(TaskCell::<F>::VTABLE, shared));
        TaskCell::<F>::stage(task).write(stage);
    }
    task
}

impl<F: Future> TaskCell<F> {
    const VTABLE: &'static VTable = &VTable {
        poll: Self::poll,
        drop_future: Self::drop_future,
        drop_output: Self::drop_output,
        output: offset_of!(Self, stage),
        free: Self::free,
    };

    /// # Safety
    /// `task` is the header of a live cell of this very type.
    unsafe fn stage(task: NonNull<Header>) -> *mut Stage<F> {
        // SAFETY: by the contract the cast is to the type it was allocated with; only the place is computed, through
        // the field's own UnsafeCell, no reference to the whole cell is made.
        unsafe { UnsafeCell::raw_get(&raw const (*task.cast::<Self>().as_ptr()).stage) }
    }

    /// # Safety
    /// As [`Self::stage`]; on the owner's thread; the stage holds the future and nobody else is in it (`RUNNING`).
    unsafe fn poll(task: NonNull<Header>, cx: &mut Context<'_>) -> Polled {
        // SAFETY: the contract of this function.
        let stage = unsafe { Self::stage(task) };
        let polled = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the stage holds the future, this is the only reference to it, and it stays in its allocation
            // until it is dropped in place: pinned.
            unsafe { Pin::new_unchecked(&mut *(*stage).future) }.poll(cx)
        }));
        let output = match polled {
            Ok(Poll::Pending) => return Polled::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(Box::new(payload)),
        };
        // SAFETY: the stage still holds the future; it is not touched again after this.
        let dropped = catch_unwind(AssertUnwindSafe(|| unsafe { Self::drop_future(task) }));
        let output = match dropped {
            Ok(()) => output,
            Err(payload) => {
                guarded(|| drop(output));
                Err(Box::new(payload))
            }
        };
        // SAFETY: the cell is alive; only the flags are read.
        let is_wanted = unsafe { task.as_ref() }.has(Flags::JOINT);
        if output.is_ok() && !is_wanted && !needs_drop::<F::Output>() {
            return Polled::Vacant;
        }
        // SAFETY: the place is ours, and vacant since the future was dropped.
        unsafe { (*stage).output = ManuallyDrop::new(output) };
        Polled::Output
    }

    /// # Safety
    /// As [`Self::poll`]; the stage is vacant afterwards, also if the destructor unwinds.
    unsafe fn drop_future(task: NonNull<Header>) {
        // SAFETY: the contract of this function.
        unsafe { ManuallyDrop::drop(&mut (*Self::stage(task)).future) }
    }

    /// # Safety
    /// As [`Self::stage`]; on the owner's thread; the stage holds the output and is vacant afterwards.
    unsafe fn drop_output(task: NonNull<Header>) {
        // SAFETY: the contract of this function.
        unsafe { ManuallyDrop::drop(&mut (*Self::stage(task)).output) }
    }

    /// # Safety
    /// As [`Self::stage`]; the stage is vacant and the caller gave back the last reference. Any thread.
    unsafe fn free(task: NonNull<Header>) {
        // SAFETY: alive until it is freed below.
        let header = unsafe { task.as_ref() };
        let is_home = shared::is_current(header);
        // SAFETY: the memory was taken for a cell of this type, and nobody else points to it any more. The stage drops
        // nothing by itself, and the header's joiner is gone: a joint takes it back before it lets the owner's
        // reference go. A thread with a current executor is inside `enter`.
        unsafe {
            header.let_go_of_shared();
            ptr::drop_in_place(task.as_ptr());
            if is_home {
                shared::put_memory(task.cast(), Layout::new::<Self>());
            } else {
                pool::free(task.cast(), Layout::new::<Self>());
            }
        }
    }
}
