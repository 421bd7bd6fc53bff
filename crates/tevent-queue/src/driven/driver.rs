//! The task that drives an entry: polls it until its turn, then the work until its end.

use std::{
    any::Any,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    ptr,
    rc::{Rc, Weak},
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tevent_core::panics::Panics;

use super::job::{Job, Outcome};
use crate::{Local, QueueGuard, inside::Shared};

/// What an entry is taken for.
pub(super) trait Begin: 'static {
    type Work: Future + 'static;

    /// Makes the work, at its turn. The guard comes back if the work does not want it.
    fn begin(self, guard: QueueGuard) -> (Self::Work, Option<QueueGuard>);
}

type Output<B> = <<B as Begin>::Work as Future>::Output;

/// Work that runs under a guard it does not see.
pub(super) struct Plain<W>(pub(super) W);

/// Work that receives its guard.
pub(super) struct With<F>(pub(super) F);

impl<W: Future + 'static> Begin for Plain<W> {
    type Work = W;

    fn begin(self, guard: QueueGuard) -> (W, Option<QueueGuard>) {
        (self.0, Some(guard))
    }
}

impl<F, W> Begin for With<F>
where
    F: FnOnce(QueueGuard) -> W + 'static,
    W: Future + 'static,
{
    type Work = W;

    fn begin(self, guard: QueueGuard) -> (W, Option<QueueGuard>) {
        ((self.0)(guard), None)
    }
}

pin_project! {
    /// The future that is spawned for a driven entry. It never panics because of the work, so it is safe with every
    /// executor.
    pub(super) struct Driver<B: Begin> {
        queue: Rc<Shared<Local>>,
        job: Rc<Job<Output<B>>>,
        #[pin]
        work: Work<B, B::Work>,
    }

    impl<B: Begin> PinnedDrop for Driver<B> {
        // Not over: the executor has ended, or has refused the task.
        fn drop(this: Pin<&mut Self>) {
            if !this.job.is_over() {
                let why = this.job.why_unfinished();
                this.finish(Outcome::Failed(why));
            }
        }
    }
}

pin_project! {
    #[project = WorkProj]
    enum Work<B, W> {
        Unstarted { begin: Option<B> },
        Started { #[pin] future: W },
        Gone,
    }
}

impl<B: Begin> Driver<B> {
    pub(super) fn new(queue: Rc<Shared<Local>>, job: Rc<Job<Output<B>>>, begin: B) -> Self {
        let work = Work::Unstarted { begin: Some(begin) };
        Self { queue, job, work }
    }

    /// One poll of the entry or the work, without a panic.
    fn drive(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<Output<B>>> {
        let polled = catch_unwind(AssertUnwindSafe(|| {
            if !self.job.is_started() {
                match self.job.poll_turn(cx) {
                    Poll::Ready(Ok(guard)) => self.as_mut().start(guard),
                    Poll::Ready(Err(error)) => return Poll::Ready(Outcome::Failed(error)),
                    Poll::Pending => return Poll::Pending,
                }
            }
            self.as_mut().poll_work(cx)
        }));
        polled.unwrap_or_else(|panic| Poll::Ready(Outcome::Panicked(panic)))
    }

    fn start(self: Pin<&mut Self>, guard: QueueGuard) {
        let mut this = self.project();
        let WorkProj::Unstarted { begin } = this.work.as_mut().project() else {
            return;
        };
        let Some(begin) = begin.take() else { return };
        this.job.start();
        let (future, guard) = begin.begin(guard);
        let is_kept = guard.is_some();
        this.job.keep_guard(guard);
        this.work.set(Work::Started { future });
        if is_kept {
            let holder: Weak<Job<Output<B>>> = Rc::downgrade(this.job);
            this.queue.driven.borrow_mut().push(holder);
        }
    }

    /// A cancellation is seen before the poll, and after it: the work may have cancelled itself.
    fn poll_work(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<Output<B>>> {
        let this = self.project();
        if let WorkProj::Started { future } = this.work.project()
            && !this.job.is_cancelled()
        {
            if let Poll::Ready(output) = future.poll(cx) {
                return Poll::Ready(Outcome::Output(output));
            }
            this.job.keep_driver(cx);
            if !this.job.is_cancelled() {
                return Poll::Pending;
            }
        }
        Poll::Ready(Outcome::Failed(this.job.why_unfinished()))
    }

    /// Drops the work first, then gives the turn back, then tells the outcome.
    fn finish(self: Pin<&mut Self>, outcome: Outcome<Output<B>>) {
        let mut this = self.project();
        let dropped = catch_unwind(AssertUnwindSafe(|| this.work.set(Work::Gone)));
        let job: *const Job<Output<B>> = Rc::as_ptr(this.job);
        let mut driven = this.queue.driven.borrow_mut();
        driven.retain(|holder| !ptr::addr_eq(holder.as_ptr(), job));
        drop(driven);
        this.job.end(match dropped {
            Ok(()) => outcome,
            Err(panic) => outcome.after(panic),
        });
    }
}

impl<B: Begin> Future for Driver<B> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.job.is_over() {
            return Poll::Ready(());
        }
        self.as_mut().drive(cx).map(|outcome| self.finish(outcome))
    }
}

impl<T> Outcome<T> {
    /// The first panic is the one to be seen; what it displaces is dropped with all care.
    fn after(self, panic: Box<dyn Any + Send>) -> Self {
        let (seen, unseen) = match self {
            Self::Panicked(first) => (first, Self::Panicked(panic)),
            displaced => (panic, displaced),
        };
        let mut panics = Panics::default();
        panics.guard(|| drop(unseen));
        panics.discard();
        Self::Panicked(seen)
    }
}
