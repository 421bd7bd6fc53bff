//! A child of a scope: what the loop drives, and what awaits its result.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tevent_core::asked;
use tevent_queue::{QueueEntry, QueueGuard};

use super::Leave;
use crate::{
    Canceller, Request, RequestError, Work,
    head::Label,
    promise::{Outcome, Slot},
};

/// The result of a child, awaited: from [`RequestScope::spawn`](crate::RequestScope::spawn).
///
/// Dropping it lets the child run on: it belongs to its scope. A panic of the child goes on in whoever awaits this; if
/// nobody does, the panic hook has reported it. If the scope drops the child, the result is
/// [`RequestError::Abandoned`].
///
/// # Cancel safety
/// Awaiting through `&mut child` may be given up and taken up again.
///
/// # Panics
/// With the panic of the child; and when polled after it was ready.
pub struct Child<T, E> {
    label: Label,
    canceller: Canceller,
    slot: Rc<Slot<T, E>>,
}

pin_project! {
    /// What the loop drives. Dropped in this order: the work, the turn, then whoever waits learns.
    pub(super) struct Run<T, E, W: Work<T, E>> {
        #[pin]
        request: Option<Request<T, E, W>>,
        turn: Turn,
        filler: Filler<T, E>,
        leave: Option<Leave>,
    }
}

/// Whether the child may work.
enum Turn {
    Waits(QueueEntry),
    Has { _turn: Option<QueueGuard> },
    Over,
}

/// Gives the result; dropped without, there is none.
struct Filler<T, E>(Rc<Slot<T, E>>);

pub(super) fn pair<T, E, W: Work<T, E>>(
    request: Request<T, E, W>,
    place: Option<QueueEntry>,
    leave: Leave,
) -> (Child<T, E>, Run<T, E, W>) {
    let child = Child {
        label: request.label().clone(),
        canceller: request.canceller(),
        slot: Slot::new(),
    };
    let run = Run {
        request: Some(request),
        turn: match place {
            Some(entry) => Turn::Waits(entry),
            None => Turn::Has { _turn: None },
        },
        filler: Filler(Rc::clone(&child.slot)),
        leave: Some(leave),
    };
    (child, run)
}

impl<T, E> Child<T, E> {
    pub(super) fn refused<W: Work<T, E>>(request: &Request<T, E, W>) -> Self {
        let slot = Slot::new();
        slot.abandon();
        Self {
            label: request.label().clone(),
            canceller: Canceller::deaf(),
            slot,
        }
    }

    /// Asks the child to end early; see [`Request::cancel`].
    pub fn cancel(&self) -> bool {
        self.canceller.cancel()
    }

    /// Whether the child has ended, one way or another.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        !self.slot.life.is_in_progress()
    }

    /// The name of the request.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.label.name
    }
}

impl<T, E> Future for Child<T, E> {
    type Output = Result<T, RequestError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.slot.poll(cx);
        if polled.is_pending() {
            asked::answer(|| self.label.to_string());
        }
        polled
    }
}

impl<T, E> Drop for Child<T, E> {
    fn drop(&mut self) {
        self.slot.give_up();
    }
}

impl<T, E> fmt::Debug for Child<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("name", &self.label.name)
            .field("created", &format_args!("{}", self.label.created))
            .field("state", &self.slot.life.state())
            .finish()
    }
}

impl<T, E, W: Work<T, E>> Run<T, E, W> {
    fn poll_request(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<T, E>> {
        let this = self.project();
        if let Turn::Waits(entry) = this.turn {
            match ready!(Pin::new(entry).poll(cx)) {
                Ok(turn) => *this.turn = Turn::Has { _turn: Some(turn) },
                // The scope's line is gone, and so is the scope.
                Err(_) => return Poll::Ready(Outcome::Result(Err(RequestError::Abandoned))),
            }
        }
        let request = this.request.as_pin_mut();
        let request = request.expect("the task of a child is not polled after its end");
        match catch_unwind(AssertUnwindSafe(|| request.poll(cx))) {
            Ok(polled) => polled.map(Outcome::Result),
            Err(panic) => Poll::Ready(Outcome::Panicked(panic)),
        }
    }
}

impl<T, E, W: Work<T, E>> Future for Run<T, E, W> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let outcome = ready!(self.as_mut().poll_request(cx));
        let mut this = self.project();
        this.request.set(None);
        *this.turn = Turn::Over;
        this.filler.0.fill(outcome);
        *this.leave = None;
        Poll::Ready(())
    }
}

impl<T, E> Drop for Filler<T, E> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
