//! What became of the children of a scope, and who they are.

use std::{array, borrow::Cow, fmt, panic::Location, time::Duration};

use crate::{State, error::state_of, promise::Outcome};

/// What an ordered shutdown came to: from [`RequestScope::shutdown`](crate::RequestScope::shutdown). Each child that
/// was there when it began is counted once, unless somebody else ended the scope meanwhile.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Children that gave a value, whether they had been asked to end or not.
    pub drained: usize,
    /// Children that ended with an error of their own.
    pub failed: usize,
    /// Children that timed out.
    pub timed_out: usize,
    /// Children that were asked to end early, and did; those included that had not begun.
    pub cancelled: usize,
    /// Children that nobody was left to finish.
    pub abandoned: usize,
    /// Children that panicked.
    pub panicked: usize,
    /// Children that were left and have been dropped, the last one first.
    pub left: Vec<ChildInfo>,
}

/// A child that has not ended, as its scope knows it: from [`RequestScope::children`](crate::RequestScope::children),
/// and in a [`Report`].
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChildInfo {
    /// The name of the request.
    pub name: Cow<'static, str>,
    /// The line that made it.
    pub created: &'static Location<'static>,
    /// Whether it works; if not, it waits for its place, or for its first poll.
    pub has_begun: bool,
    /// How long ago it was spawned.
    pub age: Duration,
}

/// How many have ended in each way, in the order of [`Report`]'s fields.
#[derive(Clone, Copy, Default)]
pub(super) struct Ends([usize; 6]);

impl Ends {
    pub(super) fn count<T, E>(&mut self, outcome: &Outcome<T, E>) {
        let index = match outcome {
            Outcome::Panicked(_) => 5,
            Outcome::Result(result) => match state_of(result) {
                State::UserError => 1,
                State::TimedOut => 2,
                State::Cancelled => 3,
                State::Abandoned => 4,
                State::InProgress | State::Done | State::Received => 0,
            },
        };
        self.0[index] += 1;
    }

    /// What has come since `before`.
    pub(super) fn report(self, before: Self, left: Vec<ChildInfo>) -> Report {
        let since = array::from_fn(|index| self.0[index] - before.0[index]);
        let [drained, failed, timed_out, cancelled, abandoned, panicked] = since;
        Report {
            drained,
            failed,
            timed_out,
            cancelled,
            abandoned,
            panicked,
            left,
        }
    }
}

/// For people: "12 drained, 3 cancelled, 1 left: request `read` (created at src/main.rs:7:5)"; what is zero is left
/// out.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [
            (self.drained, "drained"),
            (self.failed, "failed"),
            (self.timed_out, "timed out"),
            (self.cancelled, "cancelled"),
            (self.abandoned, "abandoned"),
            (self.panicked, "panicked"),
            (self.left.len(), "left"),
        ];
        let some = all.iter().filter(|(count, _)| *count > 0);
        let some: Vec<_> = some.map(|(count, how)| format!("{count} {how}")).collect();
        if some.is_empty() {
            return f.write_str("nobody was there");
        }
        f.write_str(&some.join(", "))?;
        for (index, ChildInfo { name, created, .. }) in self.left.iter().enumerate() {
            let sign = if index == 0 { ':' } else { ',' };
            write!(f, "{sign} request `{name}` (created at {created})")?;
        }
        Ok(())
    }
}
