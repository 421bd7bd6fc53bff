//! The joint: the typed end of a task through which its output is taken and its cancellation asked.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::task::{Context, Poll, Waker};

use tevent_core::asked;
use tevent_core::observe::{self, TaskId};

use super::guarded::guarded;
use super::header::{Flags, Panic};
use super::shared;
use super::task_ref::TaskRef;
use crate::TaskError;

/// One per task, on the owner's thread. Dropping it cancels the task and gives up its output.
pub(crate) struct Joint<T> {
    task: TaskRef,
    _output: PhantomData<T>,
}

/// The output is not in here.
impl<T> Unpin for Joint<T> {}

impl<T> Joint<T> {
    /// # Safety
    /// The task's output is a `T`, its `JOINT` flag is set, and this is its only joint.
    pub(super) unsafe fn new(task: TaskRef) -> Self {
        Self {
            task,
            _output: PhantomData,
        }
    }

    /// Waits for the end of the task.
    #[inline]
    pub(crate) fn poll_join(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, TaskError>> {
        if !self.is_finished() && !self.wait(cx.waker()) {
            return Poll::Pending;
        }
        Poll::Ready(self.take_output().unwrap_or(Err(TaskError::Cancelled)))
    }

    /// Whether the task has ended after all: cloning a foreign waker may have run it to its end.
    #[inline(never)]
    fn wait(&self, waker: &Waker) -> bool {
        self.register(waker);
        if !self.is_finished() {
            asked::answer_local(|| (format!("the end of {}", observe::known(self.id())), 1));
        }
        self.is_finished()
    }

    /// The result, if the task has finished by itself and nobody has taken it.
    pub(crate) fn take_output(&mut self) -> Option<Result<T, TaskError>> {
        let header = self.task.header();
        if !header.has(Flags::OUTPUT) {
            return None;
        }
        header.clear(Flags::OUTPUT);
        let output = header.vtable.output;
        // SAFETY: the output, a `Result<T, Panic>`, stood there, and moves here; the pointer is to the whole cell.
        let output: Result<T, Panic> = unsafe { self.task.raw().byte_add(output).cast().read() };
        Some(output.map_err(|payload| TaskError::Panicked(*payload)))
    }

    /// Arrow 6: asks the executor to drop the future at the task's next turn. No effect after the end.
    pub(crate) fn cancel(&self) {
        let header = self.task.header();
        if header.has(Flags::DONE) {
            return;
        }
        header.set(Flags::CANCELLED);
        if shared::is_current(header) {
            self.task.wake_local();
        } else {
            // Between two turns the loop has to be rung.
            // SAFETY: not DONE, on the owner's thread.
            unsafe { header.shared() }.wake_remote(header, self.task.raw());
        }
    }

    /// Gives up the output but lets the task run on.
    #[inline]
    pub(crate) fn detach(self) {
        let joint = ManuallyDrop::new(self);
        if joint.is_finished() || joint.has_joiner() {
            return joint.release();
        }
        joint.task.header().clear(Flags::JOINT);
    }

    /// Drops the future and the output before it returns.
    ///
    /// # Panics
    /// Aborts the process if the task is being polled: what it borrows could go away under it.
    pub(crate) fn end_now(&mut self) {
        if self.task.header().has(Flags::RUNNING) {
            std::process::abort();
        }
        self.task.cancel_now();
        self.task.drop_output();
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.task.header().has(Flags::DONE)
    }

    /// Right after the spawn: ids do not change.
    pub(crate) fn set_serial(&self, serial: u32) {
        self.task.header().serial.set(serial);
    }

    pub(crate) fn id(&self) -> TaskId {
        self.task.header().id()
    }

    pub(crate) fn flags(&self) -> Flags {
        self.task.header().flags.get()
    }

    /// Keeps the waker for the end. Cloning and dropping one is code of the user's: neither happens inside a borrow.
    fn register(&self, waker: &Waker) {
        let joiner = self.task.header().joiner.get();
        // SAFETY: owner's thread; the borrow ends in this line (`will_wake` only compares).
        if unsafe { &*joiner }
            .as_ref()
            .is_some_and(|known| known.will_wake(waker))
        {
            return;
        }
        let new = Some(waker.clone());
        // SAFETY: owner's thread; the borrow ends in this line.
        let old = std::mem::replace(unsafe { &mut *joiner }, new);
        drop(old);
    }

    /// Whether the task has ended, its output was taken, and only this points to it: so most joints end.
    #[inline]
    fn is_all_there_is(&self) -> bool {
        !self.has_joiner() && self.flags() == Flags::DONE.with(Flags::JOINT)
    }

    fn has_joiner(&self) -> bool {
        // SAFETY: owner's thread; the borrow ends in this line.
        unsafe { &*self.task.header().joiner.get() }.is_some()
    }

    #[inline(never)]
    fn give_up(&self) {
        self.cancel();
        self.release();
    }

    #[inline(never)]
    fn release(&self) {
        let header = self.task.header();
        // SAFETY: owner's thread; the borrow ends in this line.
        if let Some(joiner) = unsafe { &mut *header.joiner.get() }.take() {
            guarded(|| drop(joiner));
        }
        self.task.drop_output();
        header.clear(Flags::JOINT);
        self.task.settle();
    }
}

impl<T> Drop for Joint<T> {
    #[inline]
    fn drop(&mut self) {
        if self.is_all_there_is() {
            // SAFETY: the owner's reference, which `settle` would give back now.
            return unsafe { TaskRef::drop_ref(self.task.raw()) };
        }
        self.give_up();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::Executor;

    /// Runs in a child process: the count is one step before its limit, and cloning a waker must end the process.
    #[test]
    fn b10_the_reference_count_aborts_before_it_wraps() {
        if std::env::var_os("TEVENT_B10_CHILD").is_some() {
            let executor = Executor::for_tests();
            let joint = executor.owner().spawn(std::future::poll_fn(|cx| {
                let _one_too_many = cx.waker().clone();
                Poll::<()>::Ready(())
            }));
            joint.task.header().preset_refs(u32::MAX / 2 + 1);
            executor.enter(|| executor.run_ready(1));
            std::process::exit(0);
        }
        if cfg!(miri) {
            return;
        }
        let me = std::env::current_exe().expect("a test knows its own program");
        let child = std::process::Command::new(me)
            .args([
                "b10_the_reference_count_aborts_before_it_wraps",
                "--nocapture",
            ])
            .env("TEVENT_B10_CHILD", "1")
            .output()
            .expect("the test program can be started again");
        assert_eq!(
            child.status.code(),
            None,
            "the child should have been aborted by a signal"
        );
    }
}
