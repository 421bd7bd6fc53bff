//! The waker of a task: a counted pointer to its header.

use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::header::Header;
use super::shared;
use super::task_ref::TaskRef;

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop);

/// The waker for one poll: borrows the task, takes no reference. A clone takes one.
///
/// # Safety
/// The task outlives the returned waker.
pub(super) unsafe fn borrowed(task: NonNull<Header>) -> ManuallyDrop<Waker> {
    // SAFETY: the vtable keeps RawWaker's contract; without a reference of its own the waker must not be dropped, which
    // ManuallyDrop sees to, and must not outlive the task, which the caller promises.
    ManuallyDrop::new(unsafe { Waker::new(task.as_ptr().cast_const().cast(), &VTABLE) })
}

fn task(data: *const ()) -> NonNull<Header> {
    NonNull::new(data.cast_mut().cast()).expect("a waker of ours points to a task")
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the cloned waker keeps the task alive.
    unsafe { task(data).as_ref() }.add_ref();
    RawWaker::new(data, &VTABLE)
}

/// Keeps its own reference until the wake is done: once the task is pushed, the loop may give back the stack's.
unsafe fn wake(data: *const ()) {
    // SAFETY: the waker holds a reference, which the second call gives back.
    unsafe {
        wake_by_ref(data);
        drop(data);
    }
}

unsafe fn wake_by_ref(data: *const ()) {
    let task = task(data);
    // SAFETY: the waker keeps the task alive for the whole call.
    let header = unsafe { task.as_ref() };
    if shared::is_current(&header.shared) {
        // SAFETY: this thread is inside the executor's run, so it is the owner's; the waker keeps the task alive.
        unsafe { TaskRef::new(task) }.wake_local();
    } else {
        header.shared.wake_remote(header, task);
    }
}

unsafe fn drop(data: *const ()) {
    // SAFETY: the reference given back is the waker's; the task is not touched afterwards.
    unsafe { TaskRef::drop_ref(task(data)) }
}
