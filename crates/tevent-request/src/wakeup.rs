//! A sleep as a request.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use tevent_context::Handle;

use crate::{Request, RequestError, Work};

/// A request that is done once the loop's clock has reached a deadline; one in the past takes one turn.
/// C: `tevent_wakeup_send`, whose request ends as timed out; this one is done.
///
/// If its context ends first, the result is [`RequestError::Abandoned`]. The plain way is
/// [`sleep_until`](tevent_context::sleep_until).
///
/// # Panics
/// If no context runs on this thread.
///
/// ```
/// use std::time::Duration;
/// use tevent_context::{Context, Handle};
/// use tevent_request::wakeup;
///
/// # fn main() -> std::io::Result<()> {
/// let woken = Context::new()?.block_on(async {
///     let deadline = Handle::current().now() + Duration::from_millis(1);
///     wakeup(deadline).await
/// });
/// assert_eq!(woken, Ok(()));
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn wakeup(deadline: Instant) -> Request<(), Infallible, impl Work<(), Infallible>> {
    let handle = Handle::current();
    let mut sleep = handle.sleep_until(deadline);
    let work = poll_fn(move |cx: &mut Context<'_>| match handle.has_ended() {
        true => Poll::Ready(Err(RequestError::Abandoned)),
        false => Pin::new(&mut sleep).poll(cx).map(Ok),
    });
    Request::full("wakeup", work)
}
