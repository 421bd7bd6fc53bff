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
use tevent_queue::{QueueEntry, QueueGuard, TeventQueue};

use super::{Leave, Origin};
use crate::{
    Cancelled, Canceller, Request, RequestError, Work,
    foreign::quietly,
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
    origin: Origin,
    slot: Rc<Slot<T, E>>,
}

pin_project! {
    /// What the loop drives. Dropped in this order, at its end or before: the work; the turn; then whoever waits for
    /// the child learns; then the scope.
    pub(super) struct Run<T, E, W: Work<T, E>> {
        #[pin]
        request: Request<T, E, W>,
        turn: Turn,
        filler: Filler<T, E>,
        leave: Leave,
    }
}

/// Whether the child may work.
enum Turn {
    /// Not yet: it has not begun.
    Waits(Option<Wait>),
    Has {
        _turn: Option<QueueGuard>,
    },
}

/// The wait for a place among the children that work.
pub(super) struct Wait {
    place: QueueEntry,
    /// The work cannot listen yet; `None` if others work for it already.
    asked: Option<Cancelled>,
    /// Stays open as long as somebody waits, also if the scope has got another one meanwhile.
    _line: TeventQueue,
}

/// Gives the outcome when it is dropped; without one, the child has been abandoned.
struct Filler<T, E> {
    slot: Rc<Slot<T, E>>,
    outcome: Option<Outcome<T, E>>,
}

impl Wait {
    pub(super) fn new<T, E, W>(line: &TeventQueue, request: &mut Request<T, E, W>) -> Self
    where
        W: Work<T, E>,
    {
        let is_promise = request.is_promise();
        Self {
            place: line.entry(),
            asked: (!is_promise).then(|| request.listen().cancelled()),
            _line: line.clone(),
        }
    }

    /// Wakes the task when somebody asks.
    fn listen(&mut self, cx: &mut Context<'_>) {
        if let Some(asked) = &mut self.asked {
            let _is_looked_at_by_the_caller = Pin::new(asked).poll(cx);
        }
    }
}

pub(super) fn pair<T, E, W: Work<T, E>>(
    request: Request<T, E, W>,
    wait: Option<Wait>,
    leave: Leave,
) -> (Child<T, E>, Run<T, E, W>) {
    let child = Child {
        label: request.label().clone(),
        canceller: request.canceller(),
        origin: wait.as_ref().map(|_| leave.origin()).unwrap_or_default(),
        slot: Slot::new(),
    };
    let filler = Filler {
        slot: Rc::clone(&child.slot),
        outcome: None,
    };
    let run = Run {
        request,
        turn: Turn::Waits(wait),
        filler,
        leave,
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
            origin: Origin::default(),
            slot,
        }
    }

    /// Asks the child to end early; see [`Request::cancel`]. One that waits for its place
    /// ([`at_most`](crate::RequestScope::at_most)) always listens, and ends without having begun.
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
            asked::answer(|| match self.origin.waits_in() {
                Some(scope) => format!("{}, which waits for its place in {scope}", self.label),
                None => self.label.to_string(),
            });
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
        let mut shown = f.debug_struct("Child");
        shown
            .field("name", &self.label.name)
            .field("created", &format_args!("{}", self.label.created))
            .field("state", &self.slot.life.state());
        if let Some(scope) = self.origin.waits_in() {
            shown.field("waits for its place in", &format_args!("{scope}"));
        }
        shown.finish()
    }
}

impl<T, E, W: Work<T, E>> Run<T, E, W> {
    /// The request, once it may begin. Until then it may end by what is not its work, or because somebody asks.
    fn poll_request(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<T, RequestError<E>>> {
        let mut this = self.project();
        if let Turn::Waits(wait) = this.turn {
            if let Some(wait) = wait {
                if let Poll::Ready(result) = this.request.as_mut().poll_beside_work(cx) {
                    return Poll::Ready(result);
                }
                wait.listen(cx);
            }
            if !this.request.is_promise() && (this.request.is_asked() || this.leave.is_asked()) {
                return Poll::Ready(Err(this.request.end_early(RequestError::Cancelled)));
            }
            let turn = match wait {
                // The line is open as long as somebody waits.
                Some(wait) => ready!(Pin::new(&mut wait.place).poll(cx)).ok(),
                None => None,
            };
            this.leave.begin();
            *this.turn = Turn::Has { _turn: turn };
        }
        this.request.poll(cx)
    }
}

impl<T, E, W: Work<T, E>> Future for Run<T, E, W> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // A scope that drops its children lets none of them work on: each is dropped when the one after it is gone.
        if self.leave.is_doomed() {
            return Poll::Pending;
        }
        let polling = self.leave.poll();
        let polled = catch_unwind(AssertUnwindSafe(|| self.as_mut().poll_request(cx)));
        drop(polling);
        let outcome = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => Outcome::Result(result),
            Err(panic) => Outcome::Panicked(panic),
        };
        let this = self.project();
        this.leave.end(&outcome);
        this.filler.outcome = Some(outcome);
        Poll::Ready(())
    }
}

impl<T, E> Drop for Filler<T, E> {
    fn drop(&mut self) {
        let abandoned = Outcome::Result(Err(RequestError::Abandoned));
        let outcome = self.outcome.take().unwrap_or(abandoned);
        quietly(|panics| {
            panics.guard(|| {
                self.slot.fill(outcome);
            });
        });
    }
}
