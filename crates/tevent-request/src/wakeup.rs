//! A sleep as a request.

use std::{convert::Infallible, panic::Location, time::Instant};

use tevent_context::{Handle, Sleep};

use crate::{FutureWork, Request, work::Sure};

/// A request that is done once the loop's clock has reached a deadline; one in the past takes one turn.
/// C: `tevent_wakeup_send`, whose request ends as timed out; this one is done.
///
/// The plain way is [`sleep_until`](tevent_context::sleep_until).
///
/// # Panics
/// If no context runs on this thread. Polling panics if the context has ended, as a sleep does.
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
pub fn wakeup(deadline: Instant) -> Request<(), Infallible, FutureWork<Sleep, Sure>> {
    let sleep = Handle::current().sleep_until(deadline);
    Request::of(
        "wakeup".into(),
        Location::caller(),
        None,
        FutureWork::new(sleep),
    )
}
