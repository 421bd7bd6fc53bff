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

/// # Safety
/// `data` points to a task and a waker, borrowed or owned, keeps it alive. So it is for all four: RawWaker's contract.
unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the cloned waker keeps the task alive; it is a clone itself, or the borrowed one of a poll.
    unsafe {
        let task = task(data);
        task.as_ref().keep_shared();
        task.as_ref().add_ref();
    }
    RawWaker::new(data, &VTABLE)
}

/// Keeps its own reference until the wake is done: once the task is pushed, the loop may give back the stack's.
///
/// # Safety
/// As for `drop`.
unsafe fn wake(data: *const ()) {
    // SAFETY: the waker holds a reference, which the second call gives back.
    unsafe {
        wake_by_ref(data);
        drop(data);
    }
}

/// # Safety
/// As for `clone`.
unsafe fn wake_by_ref(data: *const ()) {
    let task = task(data);
    // SAFETY: the waker keeps the task alive for the whole call.
    let header = unsafe { task.as_ref() };
    if shared::is_current(header) {
        // SAFETY: this thread is inside the executor's run, so it is the owner's; the waker keeps the task alive.
        unsafe { TaskRef::new(task) }.wake_local();
    } else {
        // SAFETY: the waker is a clone, or the borrowed one of a poll (in which another executor runs).
        unsafe { header.shared() }.wake_remote(header, task);
    }
}

/// # Safety
/// As for `clone`; the waker is an owned one, and its reference is given back.
unsafe fn drop(data: *const ()) {
    // SAFETY: the reference given back is the waker's; the task is not touched afterwards.
    unsafe { TaskRef::drop_ref(task(data)) }
}
