//! A job and its result, which travel between the threads, and the seat at which the result is waited for.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

use tevent_core::line::Place;
use tevent_core::panics::Panics;

use super::error::BlockingError;

/// The result of a job, whatever its type.
pub(super) type Returned = Box<dyn Any + Send>;

/// What a worker is to do.
pub(super) struct Job {
    seat: Place,
    work: Box<dyn FnOnce() -> Returned + Send>,
}

/// What a worker hands in.
pub(super) struct Done {
    pub(super) seat: Place,
    pub(super) outcome: Result<Returned, BlockingError>,
}

impl Job {
    pub(super) fn new<T: Send + 'static>(
        seat: Place,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Self {
        let work = Box::new(move || Box::new(work()) as Returned);
        Self { seat, work }
    }

    /// What is told instead of a result.
    pub(super) fn cancelled(&self) -> Done {
        Done {
            seat: self.seat,
            outcome: Err(BlockingError::Cancelled),
        }
    }

    /// Does it; a panic is an outcome, too.
    pub(super) fn run(self) -> Done {
        let Self { seat, work } = self;
        let outcome = catch_unwind(AssertUnwindSafe(work)).map_err(BlockingError::Panicked);
        Done { seat, outcome }
    }
}

/// Where a result is waited for, whatever its type.
pub(super) trait Seat {
    /// Takes the outcome and wakes who waits.
    fn deliver(&self, outcome: Result<Returned, BlockingError>);
}

/// Where a `T` is waited for.
pub(super) struct SeatFor<T> {
    outcome: Cell<Option<Result<T, BlockingError>>>,
    waker: Cell<Option<Waker>>,
    is_finished: Cell<bool>,
}

impl<T: 'static> Seat for SeatFor<T> {
    fn deliver(&self, outcome: Result<Returned, BlockingError>) {
        let outcome = outcome.map(|returned| {
            let typed = returned.downcast();
            *typed.expect("a job returns what its own seat waits for")
        });
        self.is_finished.set(true);
        let (former, waker) = (self.outcome.replace(Some(outcome)), self.waker.take());
        let mut panics = Panics::default();
        panics.guard(|| drop(former));
        panics.guard(|| waker.into_iter().for_each(Waker::wake));
        panics.resume();
    }
}

impl<T> SeatFor<T> {
    pub(super) fn take(&self) -> Option<Result<T, BlockingError>> {
        self.outcome.take()
    }

    pub(super) fn is_finished(&self) -> bool {
        self.is_finished.get()
    }

    pub(super) fn wait(&self, waker: &Waker) {
        // A waker's clone and drop are foreign code: the cell is empty meanwhile, and nobody looks.
        match self.waker.take() {
            Some(known) if known.will_wake(waker) => self.waker.set(Some(known)),
            known => {
                self.waker.set(Some(waker.clone()));
                drop(known);
            }
        }
    }
}

impl<T> Default for SeatFor<T> {
    fn default() -> Self {
        Self {
            outcome: Cell::new(None),
            waker: Cell::new(None),
            is_finished: Cell::new(false),
        }
    }
}
