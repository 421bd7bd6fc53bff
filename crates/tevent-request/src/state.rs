//! The state of a request, and the one function that says which steps are legal.

use std::cell::Cell;

/// Where a request stands. The order is the order of life: a request only ever goes to a higher state.
///
/// ```text
///                  1   +-> Done ------+
///                  2   +-> UserError -+  6
///   InProgress --------+-> TimedOut --+-----> Received
///        |         3   +-> Cancelled -+          ^
///        |         4   +-> Abandoned -+          |
///        |         5                             |
///        +--------------------7------------------+
///
///   1 the work gave a value     4 the work gave in to a cancel              6 the result was taken
///   2 the work gave an error    5 nobody is left who could finish it        7 dropped, or the work panicked
///   3 the deadline came first
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum State {
    /// The work has not ended. Whether it has begun at all depends on whether anybody has polled the request.
    /// C: `TEVENT_REQ_IN_PROGRESS`.
    InProgress,
    /// The work gave a value, which waits to be taken. A cancel that was asked for and not followed ends here as well:
    /// the state says what came of it, not what was wanted. C: `TEVENT_REQ_DONE`.
    Done,
    /// The work gave an error of its own, which waits to be taken. Every error counts, there is no "error 0".
    /// C: `TEVENT_REQ_USER_ERROR`.
    UserError,
    /// The deadline was reached first. The work has been dropped: it stands in no queue any more and holds no turn.
    /// Also the state of a request whose work passed the timeout of another one on. C: `TEVENT_REQ_TIMED_OUT`.
    TimedOut,
    /// The work was asked to end early, and did; or it was a child that had not begun. C has no such state; its
    /// requests end with a user error.
    Cancelled,
    /// Nobody is left who could finish it: the completer was dropped, the scope took it no more or has dropped it, or
    /// the loop has ended that ran the work or kept the deadline. In C such a request stays in progress for ever.
    Abandoned,
    /// The result has been taken, or nobody will take it: the request was dropped, or its work panicked. Nothing comes
    /// after this. C: `TEVENT_REQ_RECEIVED`.
    Received,
}

impl State {
    /// The table of legal steps, as drawn above.
    const fn may_become(self, next: Self) -> bool {
        match (self, next) {
            (Self::InProgress, Self::InProgress) | (Self::Received, _) => false,
            (Self::InProgress, _) => true,
            (_, next) => matches!(next, Self::Received),
        }
    }
}

/// The state of one request. It changes by [`step`](Life::step) alone.
#[derive(Debug)]
pub(crate) struct Life(Cell<State>);

impl Life {
    pub(crate) fn new() -> Self {
        Self(Cell::new(State::InProgress))
    }

    #[inline]
    pub(crate) fn state(&self) -> State {
        self.0.get()
    }

    #[inline]
    pub(crate) fn is_in_progress(&self) -> bool {
        self.state() == State::InProgress
    }

    /// Goes to `next` if that is legal; else nothing changes, and whoever asked tells nobody.
    #[inline]
    #[must_use = "whoever was refused tells nobody"]
    pub(crate) fn step(&self, next: State) -> bool {
        let is_legal = self.state().may_become(next);
        if is_legal {
            self.0.set(next);
        }
        is_legal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [State; 7] = [
        State::InProgress,
        State::Done,
        State::UserError,
        State::TimedOut,
        State::Cancelled,
        State::Abandoned,
        State::Received,
    ];

    #[test]
    fn r4_changed_every_end_comes_once_and_every_step_goes_up() {
        for from in ALL {
            for to in ALL {
                let is_end = from == State::InProgress && to > from;
                let is_taken = from < State::Received && to == State::Received;
                let life = Life(Cell::new(from));
                assert_eq!(life.step(to), is_end || is_taken, "{from:?} to {to:?}");
                let after = if is_end || is_taken { to } else { from };
                assert_eq!(life.state(), after);
            }
        }
    }
}
