//! A request that the loop drives.

use std::{
    fmt,
    panic::resume_unwind,
    pin::Pin,
    task::{Context, Poll},
};

use tevent_context::{Handle, Outcome, TaskError};
use tevent_core::asked;

use crate::{Canceller, Request, RequestError, Work, head::Label};

impl<T: 'static, E: 'static, W: Work<T, E> + 'static> Request<T, E, W> {
    /// Lets the loop that runs on this thread drive the request; see [`spawn_on`](Self::spawn_on).
    ///
    /// # Panics
    /// If no context runs on this thread.
    #[track_caller]
    pub fn spawn(self) -> RequestTask<T, E> {
        self.spawn_on(&Handle::current())
    }

    /// Lets a loop drive the request, whether anybody awaits it or not; its deadline ends it there. The task has the
    /// request's name.
    ///
    /// ```
    /// use tevent_context::Context;
    /// use tevent_request::RequestExt;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let context = Context::new()?;
    /// let read = async { Ok::<_, String>("data") }.request("read").spawn_on(&context.handle());
    /// context.run()?;
    /// assert!(read.is_finished());
    /// assert_eq!(context.block_on(read), Ok("data"));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn_on(self, handle: &Handle) -> RequestTask<T, E> {
        let label = self.label().clone();
        let canceller = self.canceller();
        let task = handle.spawn(self).named(label.name.clone());
        RequestTask {
            label,
            canceller,
            outcome: Some(task.outcome()),
        }
    }
}

/// A request that the loop drives, as a future of its result: from [`Request::spawn`].
///
/// - **Dropping it abandons the request**: it is dropped when its task's turn comes, never inside this drop.
///   [`detach`](Self::detach) lets it run on.
/// - A panic of the work goes on in the awaiter. If the loop ends first, the result is [`RequestError::Abandoned`].
///
/// # Cancel safety
/// Awaiting through `&mut` may be given up and taken up again.
///
/// # Panics
/// With the panic of the work; and when polled after it was ready.
#[must_use = "dropping it abandons the request: await it, or `detach` it"]
pub struct RequestTask<T, E> {
    label: Label,
    canceller: Canceller,
    /// `None` once it has been taken.
    outcome: Option<Outcome<Result<T, RequestError<E>>>>,
}

impl<T, E> RequestTask<T, E> {
    /// Asks the work to end early; see [`Request::cancel`].
    pub fn cancel(&self) -> bool {
        self.canceller.cancel()
    }

    /// What asks this request to end when somebody else awaits it.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Lets the request run on by itself. Its result is dropped where it ends; a panic is reported by the panic hook
    /// only.
    pub fn detach(self) {
        if let Some(outcome) = self.outcome {
            outcome.detach();
        }
    }

    /// Whether the request has ended, one way or another.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.outcome.as_ref().is_none_or(Outcome::is_finished)
    }

    /// The name of the request.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.label.name
    }
}

impl<T, E> Future for RequestTask<T, E> {
    type Output = Result<T, RequestError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(outcome) = &mut self.outcome else {
            panic!(
                "the task of {} was polled after it was ready: await it once, or drop it then",
                self.label
            );
        };
        let Poll::Ready(outcome) = Pin::new(outcome).poll(cx) else {
            asked::answer(|| self.label.to_string());
            return Poll::Pending;
        };
        self.outcome = None;
        Poll::Ready(match outcome {
            Ok(result) => result,
            Err(TaskError::Panicked(panic)) => resume_unwind(panic),
            Err(_) => Err(RequestError::Abandoned),
        })
    }
}

/// Nothing points into a handle.
impl<T, E> Unpin for RequestTask<T, E> {}

impl<T, E> fmt::Debug for RequestTask<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestTask")
            .field("name", &self.label.name)
            .field("created", &format_args!("{}", self.label.created))
            .field("finished", &self.is_finished())
            .finish()
    }
}
