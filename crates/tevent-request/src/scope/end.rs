//! How a scope ends: its children dropped one after the other, the last one first, or an ordered shutdown.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
    task::Poll,
    time::Duration,
};

use tevent_context::Sleep;

use super::{Join, Report, RequestScope};
use crate::foreign::quietly;

impl RequestScope {
    /// Drops all children, the last one first, each at its own turn when the one after it is gone; none of them works
    /// on meanwhile. Whoever awaits one gets [`Abandoned`](crate::RequestError::Abandoned).
    ///
    /// It begins at the call. What is returned is ready when none is left; until that is dropped the scope takes no
    /// more, then it may be used again. Called by a child, it means the others.
    ///
    /// # Cancel safety
    /// Dropping it changes nothing: the children go all the same.
    #[must_use = "the children go at turns of their own: await it to know that none is left"]
    pub fn end(&self) -> Join {
        let join = self.join().refusing();
        self.inner.reap_all(self.inner.caller());
        join
    }

    /// Ends the scope in order, from the call on: takes no more children; waits for those it has, at most for `drain`;
    /// asks those that are left to end early, and waits again, at most for `cancel`; drops what is left then, the last
    /// one first, and waits until it is gone. The report says how each ended.
    ///
    /// Children that have no token cannot be asked, unless they have not begun: those end as cancelled. With zero for
    /// `cancel`, one turn of the loop is left for an answer. Called by a child, it means the others; the report does
    /// not count the caller.
    ///
    /// # Cancel safety
    /// If it is dropped, it goes no further than it has come: who has been asked stays asked, and if it had begun to
    /// drop them, all are dropped. The scope takes no more.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tevent_context::Context;
    /// use tevent_request::{RequestExt, RequestScope};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let report = Context::new()?.block_on(async {
    ///     let scope = RequestScope::new("clients");
    ///     scope.spawn(async { Ok::<_, String>(()) }.request("quick"));
    ///     scope.spawn(std::future::pending::<Result<(), String>>().request("silent"));
    ///     scope.shutdown(Duration::from_millis(1), Duration::ZERO).await
    /// });
    /// assert_eq!((report.drained, report.cancelled), (1, 0));
    /// assert_eq!(report.left[0].name, "silent");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "await it: nothing but the refusal of new children happens by itself"]
    pub fn shutdown(
        &self,
        drain: Duration,
        cancel: Duration,
    ) -> impl Future<Output = Report> + use<> {
        self.inner.is_closed.set(true);
        let (inner, caller) = (Rc::clone(&self.inner), self.inner.caller());
        let (mut join, before) = (self.join(), inner.ends.get());
        let drained = inner.handle.sleep(drain);
        async move {
            join_until(&mut join, drained).await;
            if !join.is_over() {
                quietly(|panics| {
                    panics.guard(|| {
                        inner.token.cancel();
                    });
                });
                join_until(&mut join, inner.handle.sleep(cancel)).await;
            }
            let mut left = inner.known(caller);
            left.reverse();
            inner.reap_all(caller);
            join.await;
            inner.ends.get().report(before, left)
        }
    }
}

/// Waits until no child is left, or the time is over.
async fn join_until(join: &mut Join, sleep: Sleep) {
    let mut sleep = pin!(sleep);
    poll_fn(|cx| match Pin::new(&mut *join).poll(cx) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => sleep.as_mut().poll(cx),
    })
    .await;
}
