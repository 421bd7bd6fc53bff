//! A loop that waits for nothing that could come: finding out, and asking every task what it waits for.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::io;
use std::panic::Location;
use std::time::{Duration, Instant};

use tevent_core::asked;
use tevent_core::observe::{self, Known, Names};
use tevent_executor::NextPoll;

use crate::core_loop::Loop;

/// How long a loop on a virtual clock waits for a waker that is somewhere else, in real time: another thread may have
/// it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// On a virtual clock the tasks are asked after so long for the first time: an answer of another thread that is on its
/// way should come without.
const FIRST_LOOK: Duration = Duration::from_millis(10);

/// The loop waits, and nothing that it knows of could wake it: no timer is set, no descriptor is waited for, no signal
/// is listened to; nor has a waker come from elsewhere for as long as it had patience.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Stuck {
    /// The tasks that wait, in no particular order.
    pub tasks: Vec<StuckTask>,
}

/// A task that waits.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct StuckTask {
    /// The name that it was given ([`Task::named`](crate::Task::named)).
    pub name: Option<Cow<'static, str>>,
    /// The line that spawned it; `None` for the future of `block_on`.
    pub spawned: Option<&'static Location<'static>>,
    /// What it waits for; empty if for something that is not tevent's.
    pub waits_for: Vec<String>,
}

/// Told of a loop that is stuck.
type Report = Box<dyn Fn(&Stuck)>;

/// When a loop counts as stuck, and who is told.
pub(crate) struct Patience {
    limit: Duration,
    report: Option<Report>,
    /// Since when, in real time, nothing has come. Patience with the threads of this process.
    since: Cell<Option<Instant>>,
    stage: Cell<Stage>,
    _names: Names,
}

/// How far it has come since something came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    /// The tasks have been asked, and another thread may have a waker.
    Asked,
    Reported,
}

impl Patience {
    pub(crate) fn new(limit: Duration, report: Option<Report>) -> Self {
        Self {
            limit,
            report,
            since: Cell::new(None),
            stage: Cell::new(Stage::Waiting),
            _names: observe::keep_names(),
        }
    }

    /// Something has come.
    pub(crate) fn renew(&self) {
        self.since.set(None);
        self.stage.set(Stage::Waiting);
    }

    /// How long to wait before the tasks are asked.
    pub(crate) fn left(&self, is_virtual: bool) -> Duration {
        let now = Instant::now();
        let since = self.since.get().unwrap_or(now);
        self.since.set(Some(since));
        let limit = match self.stage.get() {
            Stage::Waiting if is_virtual => self.limit.min(FIRST_LOOK),
            _ => self.limit,
        };
        limit.saturating_sub(now - since)
    }

    pub(crate) fn has_reported(&self) -> bool {
        self.stage.get() == Stage::Reported
    }

    fn is_over(&self) -> bool {
        let waited = |since: Instant| since.elapsed() >= self.limit;
        self.since.get().is_some_and(waited)
    }

    fn report(&self, stuck: &Stuck) {
        self.stage.set(Stage::Reported);
        if let Some(report) = &self.report {
            report(stuck);
        }
    }
}

impl Loop {
    /// Whether the loop, which is about to sleep without an end, knows of nothing that could wake it.
    pub(crate) fn seems_stuck(&self) -> bool {
        self.executor.live() > 0
            && self.timers.borrow().is_empty()
            && !self.reactor.has_waiters()
            && !self.fds.is_watching()
            && !self.signals.is_listening()
            && !self.inboxes.is_open()
    }

    /// Asks the tasks, and reports what they answer: at once if nobody else can have a waker, else when the patience is
    /// over.
    ///
    /// # Errors
    /// On a virtual clock, if the report has changed nothing.
    pub(crate) fn complain(&self, patience: &Patience, is_virtual: bool) -> io::Result<()> {
        let Some(asked) = self.ask_tasks() else {
            patience.renew();
            return Ok(());
        };
        if is_virtual && asked.may_be_woken && !patience.is_over() {
            patience.stage.set(Stage::Asked);
            return Ok(());
        }
        patience.report(&asked.stuck);
        if is_virtual && self.is_still_stuck() {
            patience.renew();
            return Err(asked.stuck.into());
        }
        Ok(())
    }

    fn is_still_stuck(&self) -> bool {
        !self.has_work() && !self.is_stopped() && self.seems_stuck()
    }

    /// Asks every task what it waits for. `None` if one of them went on when it was polled: then the loop is not stuck,
    /// though a wake has been lost.
    fn ask_tasks(&self) -> Option<Asked> {
        let asked = RefCell::new(Asked::default());
        let before = self.executor.live();
        self.executor
            .run_live_around(|poll| asked.borrow_mut().ask(poll));
        let is_stuck = self.executor.live() == before && self.is_still_stuck();
        is_stuck.then(|| asked.into_inner())
    }
}

/// What the tasks have answered.
#[derive(Default)]
struct Asked {
    stuck: Stuck,
    /// Whether some waker lies where another thread may wake it.
    may_be_woken: bool,
}

impl Asked {
    fn ask(&mut self, poll: NextPoll<'_>) {
        let known = observe::known(poll.task());
        let (wakers, answers) = asked::ask(|| poll.run());
        let elsewhere = wakers.unwrap_or(0) as usize > answers.local_wakers;
        self.may_be_woken |= elsewhere;
        self.stuck.tasks.push(StuckTask {
            name: known.name,
            spawned: known.spawned,
            waits_for: answers.waits_for,
        });
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the loop is stuck: no timer is set, no descriptor or signal is waited for, and nobody has woken a task",
        )?;
        self.tasks
            .iter()
            .try_for_each(|task| write!(f, "\n  {task}"))
    }
}

impl fmt::Display for StuckTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, spawned) = (self.name.clone(), self.spawned);
        write!(f, "{}", Known { name, spawned })?;
        match &self.waits_for[..] {
            [] => f.write_str(" waits for something that is not tevent's"),
            waits => write!(f, " waits for {}", waits.join(", and for ")),
        }
    }
}

impl Error for Stuck {}

impl From<Stuck> for io::Error {
    fn from(stuck: Stuck) -> Self {
        Self::new(io::ErrorKind::Deadlock, stuck)
    }
}
