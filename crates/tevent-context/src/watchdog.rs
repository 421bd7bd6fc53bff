//! The watchdog: reports polls and handlers that held the loop for too long.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use tevent_core::observe::{self, Known, Names};
use tevent_executor::NextPoll;

use crate::clock::Clock;
use crate::events::TracedEvent;

/// A poll or a handler that took longer than it should: all other tasks and events of the loop waited meanwhile.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Slow {
    /// Who held the loop.
    pub culprit: Culprit,
    /// For how long, by the loop's clock.
    pub took: Duration,
}

/// Who held the loop.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Culprit {
    /// One poll of a task.
    Task {
        /// The name that it was given ([`Task::named`](crate::Task::named)).
        name: Option<Cow<'static, str>>,
        /// The line that spawned it; `None` for the future of `block_on`.
        spawned: Option<&'static Location<'static>>,
    },
    /// One call of a handler.
    Handler(TracedEvent),
}

/// Told of every slow poll and handler.
pub(crate) type Report = Box<dyn Fn(&Slow)>;

/// How long is too long, and who is told.
pub(crate) struct Watchdog {
    limit: Duration,
    report: Report,
    _names: Names,
}

impl Watchdog {
    pub(crate) fn new(limit: Duration, report: Report) -> Self {
        Self {
            limit,
            report,
            _names: observe::keep_names(),
        }
    }

    pub(crate) fn time_handler(&self, clock: &Clock, event: TracedEvent, handler: impl FnOnce()) {
        self.time(clock, handler, || Culprit::Handler(event));
    }

    pub(crate) fn time_poll(&self, clock: &Clock, poll: NextPoll<'_>) {
        let known = observe::known(poll.task());
        self.time(
            clock,
            || {
                poll.run();
            },
            || Culprit::Task {
                name: known.name,
                spawned: known.spawned,
            },
        );
    }

    fn time(&self, clock: &Clock, run: impl FnOnce(), culprit: impl FnOnce() -> Culprit) {
        let begin = clock.now();
        run();
        let took = clock.now().saturating_duration_since(begin);
        if took > self.limit {
            (self.report)(&Slow {
                culprit: culprit(),
                took,
            });
        }
    }
}

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} held the loop for {:?}", self.culprit, self.took)
    }
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task { name, spawned } => {
                let (name, spawned) = (name.clone(), *spawned);
                write!(f, "one poll of {}", Known { name, spawned })
            }
            Self::Handler(event) => write!(
                f,
                "the {:?} handler made at {} (tag {})",
                event.kind, event.place, event.tag
            ),
        }
    }
}
