//! A task as its owner's thread sees it: the arrows of the picture in the module's head.

use std::ptr::NonNull;
use std::task::{Context, Waker};

use tevent_core::observe;
use tevent_core::sync::Arc;

use super::cell;
use super::guarded::guarded;
use super::header::{Flags, Header, Polled};
use super::shared::Shared;
use super::waker;

/// A pointer to a live task, on its owner's thread (it is not `Send`). Holds no reference of its own.
#[derive(Clone, Copy)]
pub(super) struct TaskRef(NonNull<Header>);

impl TaskRef {
    /// Arrow 1: a new task, `QUEUED`. The caller puts it into the table of live tasks and the ready queue.
    #[inline]
    pub(super) fn spawn<F: Future>(future: F, shared: &Arc<Shared>) -> Self {
        Self(cell::allocate(future, shared))
    }

    /// # Safety
    /// The task is alive while the result is used, and this is its owner's thread.
    pub(super) unsafe fn new(task: NonNull<Header>) -> Self {
        Self(task)
    }

    pub(super) fn raw(self) -> NonNull<Header> {
        self.0
    }

    pub(super) fn header(&self) -> &Header {
        // SAFETY: by the contract of `new` the task is alive while `self` is used.
        unsafe { self.0.as_ref() }
    }

    /// Arrow 5: a wake on the owner's thread.
    #[inline]
    pub(super) fn wake_local(self) {
        let header = self.header();
        if !header.has(Flags::QUEUED.with(Flags::DONE)) {
            header.set(Flags::QUEUED);
            // SAFETY: not DONE, on the owner's thread.
            unsafe { header.shared() }.push_ready(self.0);
        }
    }

    /// Arrows 2 to 4, for a task just taken off the ready queue. Does not unwind. `true`: the task lives on.
    #[inline]
    pub(super) fn run(self) -> bool {
        let header = self.header();
        let flags = header.flags.get().without(Flags::QUEUED);
        if flags.intersects(Flags::DONE.with(Flags::CANCELLED)) {
            header.flags.set(flags);
            self.cancel_now();
            return false;
        }
        header.flags.set(flags.with(Flags::RUNNING));
        // SAFETY: the task outlives the waker: the owner's reference is not given back while RUNNING.
        let waker = unsafe { waker::borrowed(self.0) };
        // SAFETY: not DONE, so the stage holds the future; RUNNING keeps everybody else out; owner's thread.
        let polled = unsafe { (header.vtable.poll)(self.0, &mut Context::from_waker(&waker)) };
        if polled != Polled::Pending {
            if polled == Polled::Output {
                header.set(Flags::OUTPUT);
            }
            self.finish();
        } else if header.has(Flags::CANCELLED) {
            self.drop_future();
            self.finish();
        } else {
            header.clear(Flags::RUNNING);
            return true;
        }
        header.clear(Flags::RUNNING);
        self.settle();
        false
    }

    /// Drops the future, unless it is gone or somebody is in it: then that one will. Does not unwind.
    pub(super) fn cancel_now(self) {
        let header = self.header();
        if header.has(Flags::RUNNING) {
            return header.set(Flags::CANCELLED);
        }
        if !header.has(Flags::DONE) {
            header.set(Flags::RUNNING);
            self.drop_future();
            self.finish();
            header.clear(Flags::RUNNING);
        }
        self.settle();
    }

    /// Gives a task up whose executor cannot end otherwise: the future is leaked. `DONE`, so nobody polls it or takes
    /// it for living; `RUNNING` for ever, so nobody frees it.
    pub(super) fn abandon(self) {
        self.header().set(Flags::DONE.with(Flags::RUNNING));
    }

    /// The executor has ended and empties its ready queue.
    pub(super) fn leave_queue(self) {
        self.header().clear(Flags::QUEUED);
        self.settle();
    }

    /// `DONE` comes first: what the destructor wakes, finds the task finished.
    fn drop_future(self) {
        self.header().set(Flags::DONE);
        // SAFETY: the stage holds the future (it was not DONE), RUNNING keeps everybody else out; owner's thread.
        guarded(|| unsafe { (self.header().vtable.drop_future)(self.0) });
    }

    /// The future is gone: leave the table, tell the joiner; without a joint nobody will take the output.
    #[inline]
    fn finish(self) {
        let header = self.header();
        header.set(Flags::DONE);
        // SAFETY: becoming DONE right now, by the executor's own hand.
        unsafe { header.shared() }.forget_live(header.slot.get());
        if header.has(Flags::JOINT) {
            // SAFETY: owner's thread; the borrow ends in this line.
            let joiner = unsafe { &mut *header.joiner.get() }.take();
            if let Some(joiner) = joiner {
                wake_guarded(joiner);
            }
        } else {
            self.drop_output();
        }
        // Last: the destructor of the output runs in the task's name.
        if observe::keeps_names() {
            observe::ended(header.id());
        }
    }

    /// Drops the output if it is still there. A panic of its destructor ends here.
    #[inline]
    pub(super) fn drop_output(self) {
        if self.header().has(Flags::OUTPUT) {
            self.drop_unwanted();
        }
    }

    #[inline(never)]
    fn drop_unwanted(self) {
        let header = self.header();
        header.clear(Flags::OUTPUT);
        // SAFETY: the stage held the output, and the flag that said so is gone; owner's thread.
        guarded(|| unsafe { (header.vtable.drop_output)(self.0) });
    }

    /// Gives back the owner's reference once future and output are gone and neither the ready queue nor a joint points
    /// here. Every path that clears one of these flags ends here, and `RUNNING` is cleared last, so it happens once.
    #[inline]
    pub(super) fn settle(self) {
        const BUSY: Flags = Flags::QUEUED
            .with(Flags::RUNNING)
            .with(Flags::OUTPUT)
            .with(Flags::JOINT);
        let header = self.header();
        if header.has(Flags::DONE) && !header.has(BUSY) {
            // SAFETY: the owner's reference; nothing of the owner's points here any more.
            unsafe { Self::drop_ref(self.0) };
        }
    }

    /// Gives back a reference and frees the memory if it was the last. Any thread.
    ///
    /// # Safety
    /// The reference is the caller's, who does not touch the task through it again.
    #[inline]
    pub(super) unsafe fn drop_ref(task: NonNull<Header>) {
        // SAFETY: the reference keeps the task alive up to `drop_ref`. If that was the last one, the owner's is gone,
        // and with it the future and the output: only memory is left.
        unsafe {
            let free = (*task.as_ptr()).vtable.free;
            if Header::drop_ref(task) {
                free(task);
            }
        }
    }

    /// Clears the flag `REMOTE` and frees the memory if nothing else kept it. Any thread.
    ///
    /// # Safety
    /// As for [`Header::end_remote_wake`].
    #[inline]
    pub(super) unsafe fn end_remote_wake(task: NonNull<Header>) {
        // SAFETY: as in `drop_ref`, with the flag in the place of the reference.
        unsafe {
            let free = (*task.as_ptr()).vtable.free;
            if Header::end_remote_wake(task) {
                free(task);
            }
        }
    }
}

/// Apart from what calls it, which would have to save registers for it.
#[inline(never)]
fn wake_guarded(waker: Waker) {
    guarded(|| waker.wake());
}
