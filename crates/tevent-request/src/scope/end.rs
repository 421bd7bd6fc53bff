//! How a scope ends: its children dropped one after the other, the last one first, or an ordered shutdown.

use std::{
    borrow::Cow,
    fmt,
    future::poll_fn,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    task::Poll,
    time::{Duration, Instant},
};

use tevent_context::Sleep;
use tevent_core::panics::Panics;

use super::{Inner, Record, RequestScope};

/// What an ordered shutdown came to: from [`RequestScope::shutdown`].
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Children that ended by themselves before the deadline.
    pub drained: usize,
    /// Children that ended after they had been asked, within the grace.
    pub cancelled: usize,
    /// Children that were left and have been dropped, the last one first.
    pub left: Vec<Left>,
}

/// A child that had not ended when its time was over.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Left {
    /// The name of the request.
    pub name: Cow<'static, str>,
    /// The line that made it.
    pub created: &'static Location<'static>,
}

impl RequestScope {
    /// Drops all children, the last one first, each when the one after it is gone; ready when none is left. Whoever
    /// awaits one gets [`Abandoned`](crate::RequestError::Abandoned). The scope may be used again.
    ///
    /// # Cancel safety
    /// If it is dropped, the scope's own drop goes on where it was.
    pub async fn end(&self) {
        while let Some(record) = self.take_last() {
            reap(record).await;
        }
        // Those that are gone already but for their last step.
        self.join().await;
    }

    /// Ends the scope in order: takes no more children; waits for those it has, until the deadline; asks those that are
    /// left to end early, and waits again, at most for `grace`; drops what is left then, the last one first, and waits
    /// until it is gone. The report says how each ended.
    ///
    /// Children without a token cannot be asked: with a zero grace, nobody has time to answer.
    ///
    /// # Cancel safety
    /// If it is dropped, the children are as they were, and the scope takes no more.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tevent_context::{Context, Handle};
    /// use tevent_request::{RequestExt, RequestScope};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let report = Context::new()?.block_on(async {
    ///     let scope = RequestScope::new("clients");
    ///     scope.spawn(async { Ok::<_, String>(()) }.request("quick"));
    ///     scope.spawn(std::future::pending::<Result<(), String>>().request("silent"));
    ///     let deadline = Handle::current().now() + Duration::from_millis(1);
    ///     scope.shutdown(deadline, Duration::ZERO).await
    /// });
    /// assert_eq!((report.drained, report.cancelled), (1, 0));
    /// assert_eq!(report.left[0].name, "silent");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn shutdown(&self, deadline: Instant, grace: Duration) -> Report {
        self.inner.accepts.set(false);
        let handle = &self.inner.handle;
        let mut report = Report::default();
        let before = self.len();
        self.join_until(handle.sleep_until(deadline)).await;
        report.drained = before - self.len();
        if self.is_empty() {
            return report;
        }
        let before = self.len();
        self.cancel();
        self.join_until(handle.sleep(grace)).await;
        report.cancelled = before - self.len();
        while let Some(record) = self.take_last() {
            report.left.push(Left {
                name: record.label.name.clone(),
                created: record.label.created,
            });
            reap(record).await;
        }
        self.join().await;
        report
    }

    fn take_last(&self) -> Option<Record> {
        let last = self.inner.children.borrow_mut().pop_last();
        last.map(|(_, record)| record)
    }

    /// Waits until no child is left, or the time is over.
    async fn join_until(&self, sleep: Sleep) {
        let (mut join, mut sleep) = (pin!(self.join()), pin!(sleep));
        poll_fn(|cx| match join.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => sleep.as_mut().poll(cx),
        })
        .await;
    }
}

/// Drops one child at its own turn, and waits until it is gone. A panic of its destructors has been reported by the
/// panic hook, and ends here.
async fn reap(record: Record) {
    let mut gone = record.task.cancel();
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut gone).poll(cx)));
        polled.map_or(Poll::Ready(()), |polled| polled.map(drop))
    })
    .await;
}

/// Lets a task of the loop drop them all; if there is one only, its own will do. The scope's line stays open meanwhile:
/// those that wait in it would otherwise end out of order.
pub(super) fn let_go(scope: &Rc<Inner>, mut records: Vec<Record>, panics: &mut Panics) {
    if records.len() > 1 && !scope.handle.has_ended() {
        let line = scope.line.borrow().clone();
        let reaper = scope.handle.spawn(async move {
            let _open = line;
            while let Some(record) = records.pop() {
                reap(record).await;
            }
        });
        reaper.detach();
        return;
    }
    records.reverse();
    panics.drop_all(&mut records);
}

/// For people: "12 drained, 3 cancelled, 1 left: request `read` (created at src/main.rs:7:5)".
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (drained, cancelled) = (self.drained, self.cancelled);
        write!(
            f,
            "{drained} drained, {cancelled} cancelled, {} left",
            self.left.len()
        )?;
        for (index, Left { name, created }) in self.left.iter().enumerate() {
            let sign = if index == 0 { ':' } else { ',' };
            write!(f, "{sign} request `{name}` (created at {created})")?;
        }
        Ok(())
    }
}
