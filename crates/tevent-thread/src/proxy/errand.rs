//! Errands: messages whose outcome somebody waits for. Whatever happens to one, he learns of it.

use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::task::{Poll, Waker};

use tevent_context::{Handle, TaskError};
use tevent_core::panics::Panics;

use super::work::Work;
use crate::reply::Reply;

/// What whoever asked is told.
pub(super) type Outcome<T> = Result<T, TaskError>;

/// A message; dropped before it was run, it says that it was cancelled.
pub(super) struct Errand(Option<Arc<dyn Run>>);

/// An errand as its message sees it.
trait Run: Send + Sync {
    fn run(self: Arc<Self>, handle: &Handle);

    fn abandon(&self);
}

/// An errand as whoever asked sees it.
pub(super) trait Replies<T>: Send + Sync {
    fn poll(&self, waker: &Waker) -> Poll<Option<Outcome<T>>>;

    fn is_finished(&self) -> bool;

    fn cancel(&self);

    fn detach(&self);
}

/// A function that is called.
struct Call<F, T>(Reply<F, Outcome<T>>);

/// A function that makes a future, which becomes a task.
pub(super) struct Spawn<M, T>(
    pub(super) Reply<M, Outcome<T>>,
    /// Where it was asked for.
    &'static Location<'static>,
);

impl Errand {
    /// Calls a function: the message, and what tells of its outcome.
    pub(super) fn call<F, T>(function: F) -> (Self, Arc<dyn Replies<T>>)
    where
        F: FnOnce(&Handle) -> T + Send + 'static,
        T: Send + 'static,
    {
        let call = Arc::new(Call(Reply::new(function)));
        (Self(Some(Arc::clone(&call) as _)), call)
    }

    /// Spawns what a function makes.
    pub(super) fn spawn<M, F>(
        make: M,
        place: &'static Location<'static>,
    ) -> (Self, Arc<dyn Replies<F::Output>>)
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output: Send + 'static> + 'static,
    {
        let spawn = Arc::new(Spawn(Reply::new(make), place));
        (Self(Some(Arc::clone(&spawn) as _)), spawn)
    }

    pub(super) fn run(mut self, handle: &Handle) {
        if let Some(errand) = self.0.take() {
            errand.run(handle);
        }
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        if let Some(errand) = &self.0 {
            errand.abandon();
        }
    }
}

impl<F, T> Run for Call<F, T>
where
    F: FnOnce(&Handle) -> T + Send + 'static,
    T: Send + 'static,
{
    fn run(self: Arc<Self>, handle: &Handle) {
        if let Some(function) = self.0.begin() {
            self.0.finish(caught(|| function(handle)));
        }
    }

    fn abandon(&self) {
        self.0.abandon();
    }
}

impl<M, F> Run for Spawn<M, F::Output>
where
    M: FnOnce() -> F + Send + 'static,
    F: Future<Output: Send + 'static> + 'static,
{
    fn run(self: Arc<Self>, handle: &Handle) {
        let Some(make) = self.0.begin() else {
            return;
        };
        match caught(make) {
            Ok(future) => {
                let place = self.1;
                let work = Work::new(future, self, handle.clone());
                handle.spawn_at(place, work).detach();
            }
            Err(error) => self.0.finish(Err(error)),
        }
    }

    fn abandon(&self) {
        self.0.abandon();
    }
}

impl<W, T> Reply<W, Outcome<T>> {
    fn abandon(&self) {
        // Who asked is told, whatever the destructor of the work does.
        let mut panics = Panics::default();
        panics.guard(|| drop(self.begin()));
        panics.guard(|| self.finish(Err(TaskError::Cancelled)));
        panics.resume();
    }
}

/// What `work` gives, or throws.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Outcome<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(TaskError::Panicked)
}

/// Both kinds pass on to their reply.
macro_rules! replies {
    ($errand:ident) => {
        impl<W: Send, T: Send> Replies<T> for $errand<W, T> {
            fn poll(&self, waker: &Waker) -> Poll<Option<Outcome<T>>> {
                self.0.poll(waker)
            }

            fn is_finished(&self) -> bool {
                self.0.is_finished()
            }

            fn cancel(&self) {
                self.0.cancel();
            }

            fn detach(&self) {
                self.0.detach();
            }
        }
    };
}

replies!(Call);
replies!(Spawn);
