//! Where one driven entry stands: what the task that drives it shares with the [`Queued`](crate::Queued).
//!
//! ```text
//!            1             2             3
//!   (new) -----> Waiting -----> Running -----> Over    1 add_on  the place in the line is taken
//!                 |  |           |             ^ ^     2 start   the turn has come; the driver starts the work
//!                 |  +-----5-----|-------------+ |     3 end     the work has finished, panicked or been abandoned
//!                 4              6               |     4 leave   cancelled: out of the line at once
//!                 v              v               |     5 end     closed, full or abandoned before the turn
//!               Left           Asked -----7------+     6 ask     cancelled: the driver is to drop the work
//!                 +--------------------7---------+     7 end     the driver has dropped the work, or it had finished
//! ```
//!
//! Before the arrows 3, 5 and 7 the work has been dropped and the turn, if the job had it, has passed on. The work
//! itself is the driver's alone: no other ever polls or drops it, so it is never dropped inside somebody's call.

use std::{
    any::Any,
    cell::RefCell,
    mem,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tevent_core::panics::Panics;

use crate::{QueueEntry, QueueError, QueueGuard};

/// What the driver and the `Queued` of one entry share.
pub(super) struct Job<T> {
    state: RefCell<State<T>>,
}

struct State<T> {
    stage: Stage,
    is_started: bool,
    /// Somebody may still ask for the outcome.
    is_wanted: bool,
    tag: u64,
    /// While it waits; in the driver's hand while it is polled.
    entry: Option<QueueEntry>,
    /// While it runs, unless the work has got it.
    guard: Option<QueueGuard>,
    outcome: Option<Outcome<T>>,
    driver: Option<Waker>,
    reader: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Waiting,
    Left,
    Running,
    Asked,
    Over,
}

/// What has become of the work.
pub(super) enum Outcome<T> {
    Output(T),
    Failed(QueueError),
    Panicked(Box<dyn Any + Send>),
}

/// A job without its type: what its queue knows of driven work that has the turn.
pub trait Holder {
    /// As [`QueueEntry::position`].
    fn position(&self) -> Option<usize>;

    /// As [`Queued::cancel`](crate::Queued::cancel).
    fn cancel(&self);
}

impl<T> Job<T> {
    pub(super) fn new(entry: QueueEntry) -> Self {
        Self {
            state: RefCell::new(State {
                stage: Stage::Waiting,
                is_started: false,
                is_wanted: true,
                tag: entry.tag(),
                entry: Some(entry),
                guard: None,
                outcome: None,
                driver: None,
                reader: None,
            }),
        }
    }

    pub(super) fn is_started(&self) -> bool {
        self.state.borrow().is_started
    }

    pub(super) fn is_over(&self) -> bool {
        self.state.borrow().stage == Stage::Over
    }

    /// What the work ends with if it ends now, unfinished: somebody wanted it, or its driver was dropped.
    pub(super) fn why_unfinished(&self) -> QueueError {
        if self.is_cancelled() {
            QueueError::Cancelled
        } else {
            QueueError::Abandoned
        }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        matches!(self.state.borrow().stage, Stage::Left | Stage::Asked)
    }

    pub(super) fn tag(&self) -> u64 {
        self.state.borrow().tag
    }

    /// Tags the entry, or the guard, unless it is with the work.
    pub(super) fn set_tag(&self, tag: u64) {
        let mut state = self.state.borrow_mut();
        state.tag = tag;
        state.entry = state.entry.take().map(|entry| entry.tagged(tag));
        if let Some(guard) = &state.guard {
            guard.set_tag(tag);
        }
    }

    /// For the driver: the turn, or why there is none.
    pub(super) fn poll_turn(&self, cx: &mut Context<'_>) -> Poll<Result<QueueGuard, QueueError>> {
        let Some(mut entry) = self.state.borrow_mut().entry.take() else {
            return Poll::Ready(Err(self.why_unfinished()));
        };
        // In hand, out of the borrow: whoever is called from here may cancel.
        let turn = Pin::new(&mut entry).poll(cx);
        if turn.is_pending() {
            self.keep_driver(cx);
        }
        if self.is_cancelled() {
            return Poll::Ready(Err(QueueError::Cancelled));
        }
        if turn.is_pending() {
            self.state.borrow_mut().entry = Some(entry);
        }
        turn
    }

    /// Keeps the driver's waker for a cancellation.
    pub(super) fn keep_driver(&self, cx: &Context<'_>) {
        let is_known = |state: &State<T>| wakes(&state.driver, cx);
        if !is_known(&self.state.borrow()) {
            let waker = cx.waker().clone();
            let displaced = self.state.borrow_mut().driver.replace(waker);
            drop(displaced);
        }
    }

    /// The work starts (arrow 2), with the guard in its own hands or here.
    pub(super) fn start(&self) {
        let mut state = self.state.borrow_mut();
        state.stage = Stage::Running;
        state.is_started = true;
    }

    pub(super) fn keep_guard(&self, guard: Option<QueueGuard>) {
        self.state.borrow_mut().guard = guard;
    }

    /// The work is gone: passes the turn on and tells the reader (arrows 3, 5 and 7).
    ///
    /// A panic of a waker, or of the destructor of an outcome that nobody wants, ends here: it is not the executor's.
    pub(super) fn end(&self, outcome: Outcome<T>) {
        let mut panics = Panics::default();
        let seats = {
            let mut state = self.state.borrow_mut();
            (state.entry.take(), state.guard.take())
        };
        panics.guard(|| drop(seats));
        let (unwanted, driver, reader) = {
            let mut state = self.state.borrow_mut();
            state.stage = Stage::Over;
            let unwanted = if state.is_wanted {
                state.outcome.replace(outcome)
            } else {
                Some(outcome)
            };
            (unwanted, state.driver.take(), state.reader.take())
        };
        panics.guard(|| drop(unwanted));
        panics.guard(|| drop(driver));
        panics.guard(|| reader.into_iter().for_each(Waker::wake));
        panics.discard();
    }

    /// For the reader: the outcome, once.
    ///
    /// # Panics
    /// If it was taken already.
    pub(super) fn poll_outcome(&self, cx: &Context<'_>) -> Poll<Outcome<T>> {
        if !self.is_over() && !wakes(&self.state.borrow().reader, cx) {
            let waker = cx.waker().clone();
            let displaced = self.state.borrow_mut().reader.replace(waker);
            drop(displaced);
        }
        // Asked after the clone, which is foreign code: it may have been the loop.
        if !self.is_over() {
            return Poll::Pending;
        }
        let outcome = self.state.borrow_mut().outcome.take();
        Poll::Ready(outcome.expect("a `Queued` was polled after it was ready"))
    }

    /// Nobody will ask for the outcome. `false` if that was known.
    pub(super) fn give_outcome_up(&self) -> bool {
        let (was_wanted, outcome, reader) = {
            let mut state = self.state.borrow_mut();
            let was_wanted = mem::replace(&mut state.is_wanted, false);
            (was_wanted, state.outcome.take(), state.reader.take())
        };
        drop(reader);
        drop(outcome);
        was_wanted
    }

    /// Out of the line at once, if it still waits (arrow 4); the driver drops the work at its next turn.
    pub(super) fn leave(&self) -> bool {
        let (entry, driver) = {
            let mut state = self.state.borrow_mut();
            if state.stage != Stage::Waiting {
                return false;
            }
            state.stage = Stage::Left;
            (state.entry.take(), state.driver.take())
        };
        let mut panics = Panics::default();
        panics.guard(|| drop(entry));
        panics.guard(|| driver.into_iter().for_each(Waker::wake));
        panics.resume();
        true
    }

    /// Asks the driver to drop work that has started (arrow 6).
    fn ask(&self) {
        let driver = {
            let mut state = self.state.borrow_mut();
            if state.stage != Stage::Running {
                return;
            }
            state.stage = Stage::Asked;
            state.driver.take()
        };
        driver.into_iter().for_each(Waker::wake);
    }

    /// One word for `Debug`, if nobody is at work here.
    pub(super) fn stage_name(&self) -> &'static str {
        let Ok(state) = self.state.try_borrow() else {
            return "?";
        };
        match state.stage {
            Stage::Waiting => "Waiting",
            Stage::Left => "Left",
            Stage::Running => "Running",
            Stage::Asked => "Asked",
            Stage::Over => "Over",
        }
    }
}

impl<T> Holder for Job<T> {
    fn position(&self) -> Option<usize> {
        let state = self.state.borrow();
        let of_entry = state.entry.as_ref().and_then(QueueEntry::position);
        of_entry.or_else(|| state.guard.as_ref().and_then(QueueGuard::position))
    }

    fn cancel(&self) {
        if !self.leave() {
            self.ask();
        }
    }
}

fn wakes(known: &Option<Waker>, cx: &Context<'_>) -> bool {
    known
        .as_ref()
        .is_some_and(|known| known.will_wake(cx.waker()))
}
