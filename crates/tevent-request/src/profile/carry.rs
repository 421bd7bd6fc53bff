//! Taking the number of a request along, to work that somebody else runs.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::{Mark, current};

/// The same future, polled for the request that is worked for now, whoever polls it and when.
///
/// ```
/// use futures::executor::block_on;
/// use tevent_request::{RequestExt, carry, request_id};
///
/// let outer = async { Ok::<_, String>(carry(async { request_id() })) }.request("outer");
/// let id = outer.id();
/// let driven = block_on(outer).unwrap(); // by a task of a queue, say
/// assert_eq!(block_on(driven), Some(id));
/// ```
pub fn carry<F: Future>(future: F) -> Carried<F> {
    Carried {
        future,
        mark: current(),
    }
}

/// The same function, called for the request that is worked for now: for callbacks.
///
/// ```
/// use futures::executor::block_on;
/// use tevent_request::{RequestExt, carry_call, request_id};
///
/// let outer = async { Ok::<_, String>(carry_call(request_id)) }.request("outer");
/// let id = outer.id();
/// let callback = block_on(outer).unwrap();
/// assert_eq!(callback(), Some(id));
/// ```
pub fn carry_call<R>(call: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let mark = current();
    move || {
        let _entered = mark.as_ref().map(Mark::enter);
        call()
    }
}

pin_project! {
    /// The future of [`carry`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Carried<F> {
        #[pin]
        future: F,
        mark: Option<Mark>,
    }
}

impl<F: Future> Future for Carried<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.mark.as_ref().map(Mark::enter);
        this.future.poll(cx)
    }
}

impl<F> fmt::Debug for Carried<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carried")
            .field("id", &self.mark.as_ref().map(Mark::id))
            .finish_non_exhaustive()
    }
}
