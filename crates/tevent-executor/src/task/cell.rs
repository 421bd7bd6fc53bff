//! The typed cell: a header, and the future or its output in one place.

use std::cell::UnsafeCell;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

use tevent_core::sync::Arc;

use super::guarded::guarded;
use super::header::{Header, Panic, VTable};
use super::shared::Shared;

/// One allocation. `repr(C)`: a pointer to the cell is a pointer to its header.
#[repr(C)]
struct TaskCell<F: Future> {
    header: Header,
    stage: UnsafeCell<Stage<F>>,
}

/// Which of the two stands here is told by the header's flags: `OUTPUT`, else the future unless `DONE`.
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    output: ManuallyDrop<Result<F::Output, Panic>>,
}

/// Allocates the cell of `future`. The caller holds the owner's reference.
pub(super) fn allocate<F: Future>(future: F, shared: &Arc<Shared>) -> NonNull<Header> {
    let cell = Box::new(TaskCell {
        header: Header::new(TaskCell::<F>::VTABLE, shared),
        stage: UnsafeCell::new(Stage {
            future: ManuallyDrop::new(future),
        }),
    });
    NonNull::from(Box::leak(cell)).cast()
}

impl<F: Future> TaskCell<F> {
    const VTABLE: &'static VTable = &VTable {
        poll: Self::poll,
        drop_future: Self::drop_future,
        drop_output: Self::drop_output,
        take_output: Self::take_output,
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
    unsafe fn poll(task: NonNull<Header>, cx: &mut Context<'_>) -> bool {
        // SAFETY: the contract of this function.
        let stage = unsafe { Self::stage(task) };
        let polled = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the stage holds the future, this is the only reference to it, and it stays in its allocation
            // until it is dropped in place: pinned.
            unsafe { Pin::new_unchecked(&mut *(*stage).future) }.poll(cx)
        }));
        let output = match polled {
            Ok(Poll::Pending) => return false,
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
        // SAFETY: the place is ours, and vacant since the future was dropped.
        unsafe { (*stage).output = ManuallyDrop::new(output) };
        true
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
    /// As [`Self::drop_output`]; `to` is vacant room for a `Result<F::Output, Panic>`.
    unsafe fn take_output(task: NonNull<Header>, to: NonNull<()>) {
        // SAFETY: the contract of this function.
        unsafe {
            let output = ManuallyDrop::take(&mut (*Self::stage(task)).output);
            to.cast().write(output);
        }
    }

    /// # Safety
    /// As [`Self::stage`]; the stage is vacant and the caller gave back the last reference. Any thread.
    unsafe fn free(task: NonNull<Header>) {
        // SAFETY: the cell came from a Box of this type, and nobody else points to it any more. The stage drops
        // nothing by itself, and the header's joiner is gone: a joint takes it back before it lets the owner's
        // reference go.
        unsafe {
            task.as_ref().let_go_of_shared();
            drop(Box::from_raw(task.cast::<Self>().as_ptr()));
        }
    }
}
