//! The handle of a blocking job: await it, cancel it, or let it run on.

use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tevent_core::asked;

use super::desk::{Desk, Ticket};
use super::error::BlockingError;
use super::job::{Job, Seat, SeatFor};

/// A blocking job, as a future of its result. It is done whether this is awaited or not.
///
/// **Dropping it takes back a job that was not begun.** One that has begun runs to its end, as nobody can stop it; its
/// result is dropped on the loop's thread. [`detach`](Self::detach) lets also one run that was not begun. Cancel safe:
/// awaiting through `&mut task` may be given up and taken up again.
#[must_use = "a job that was not begun is cancelled when its handle is dropped: await it, or `detach` it"]
pub struct BlockingTask<T> {
    seat: Rc<SeatFor<T>>,
    /// Unless it was refused or detached.
    submitted: Option<(Rc<Desk>, Ticket)>,
    place: &'static Location<'static>,
}

impl<T: Send + 'static> BlockingTask<T> {
    #[track_caller]
    pub(super) fn submit(desk: &Rc<Desk>, work: impl FnOnce() -> T + Send + 'static) -> Self {
        let seat = Rc::<SeatFor<T>>::default();
        let shared = Rc::clone(&seat) as Rc<dyn Seat>;
        match desk.submit(shared, |place| Job::new(place, work)) {
            Ok(ticket) => Self {
                seat,
                submitted: Some((Rc::clone(desk), ticket)),
                place: Location::caller(),
            },
            Err(error) => Self::refused(error),
        }
    }

    /// One that is never done.
    #[track_caller]
    pub(super) fn refused(error: BlockingError) -> Self {
        let seat = Rc::<SeatFor<T>>::default();
        seat.deliver(Err(error));
        Self {
            seat,
            submitted: None,
            place: Location::caller(),
        }
    }
}

impl<T> BlockingTask<T> {
    /// Takes the job back if it was not begun; awaiting it gives [`BlockingError::Cancelled`] then. `false` if it has
    /// begun or is done.
    pub fn cancel(&self) -> bool {
        let submitted = self.submitted.as_ref();
        submitted.is_some_and(|(desk, ticket)| desk.cancel(*ticket))
    }

    /// Lets the job be done by itself. Its result is dropped on the loop's thread; a panic is reported by the panic
    /// hook only.
    pub fn detach(mut self) {
        self.submitted = None;
    }

    /// Whether the result has come, or an error instead of it.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.seat.is_finished()
    }
}

impl<T> Future for BlockingTask<T> {
    type Output = Result<T, BlockingError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(outcome) = self.seat.take() {
            return Poll::Ready(outcome);
        }
        let has_ended = |(desk, _): &(Rc<Desk>, Ticket)| desk.handle().has_ended();
        if self.is_finished() || self.submitted.as_ref().is_none_or(has_ended) {
            return Poll::Ready(Err(BlockingError::Cancelled));
        }
        self.seat.wait(cx.waker());
        asked::answer(|| format!("the blocking job given out at {}", self.place));
        Poll::Pending
    }
}

impl<T> Drop for BlockingTask<T> {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl<T> fmt::Debug for BlockingTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pool = self.submitted.as_ref().map(|(desk, _)| desk.name());
        f.debug_struct("BlockingTask")
            .field("pool", &pool)
            .field("place", &self.place)
            .field("finished", &self.is_finished())
            .finish()
    }
}
