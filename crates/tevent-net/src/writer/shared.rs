//! What the handles, the futures and the task of one writer share.
//!
//! This file alone borrows the state, always for one call: whatever is foreign code (wakers, records, streams) runs
//! after it.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};

use tevent_core::line::Place;
use tevent_core::panics::Panics;
use tevent_core::wake::wake_in_batches;

use super::WriteError;
use super::state::{Finished, Found, State};

pub(super) struct Shared {
    state: RefCell<State>,
    /// Living `QueuedWriter`s; futures do not count.
    pub(super) handles: Cell<usize>,
    bell: Bell,
}

/// Wakes the writer's task if it has nothing to do.
#[derive(Default)]
struct Bell {
    waker: Cell<Option<Waker>>,
    is_idle: Cell<bool>,
}

impl Shared {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            state: RefCell::new(State::new(limit)),
            handles: Cell::new(1),
            bell: Bell::default(),
        }
    }

    /// Looks at the state or changes it; `act` calls no foreign code.
    #[inline]
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        act(&mut self.state.borrow_mut())
    }

    /// Changes the state, and wakes the writer's task if it has nothing to do.
    #[inline]
    pub(super) fn hand_over<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let result = self.with(act);
        if self.bell.is_idle.get() {
            self.bell.ring();
        }
        result
    }

    /// Polls on behalf of a future.
    pub(super) fn poll(&self, place: Place, cx: &Context<'_>) -> Poll<Result<(), WriteError>> {
        let mut found = self.with(|state| state.poll(place, cx.waker()));
        let displaced;
        if let Found::WakerNeeded = found {
            let waker = cx.waker().clone();
            (found, displaced) = self.with(|state| state.register(place, waker));
            drop(displaced);
        }
        match found {
            Found::Done(result) => Poll::Ready(result),
            Found::Waiting | Found::WakerNeeded => Poll::Pending,
        }
    }

    /// Gives up the place of a future. It may have been what the task waits with, for a stream that is not ready, while
    /// what is first now needs something else. And it may have stood before others that can be accepted.
    ///
    /// # Panics
    /// What it leaves behind is foreign, and dropped last: the first panic goes on when all the rest is done.
    pub(super) fn leave(&self, place: Place) {
        let (was_first, (node, waker)) = self.with(|state| {
            let was_first = state.line.front() == Some(place);
            (was_first, state.leave(place))
        });
        if was_first && node.is_some() {
            self.bell.ring();
        }
        let mut panics = Panics::default();
        panics.guard(|| self.accept());
        panics.guard(|| drop(waker));
        if let Some(node) = node {
            panics.guard(|| drop(node.waker));
            panics.guard(|| drop(node.body));
        }
        panics.resume();
    }

    /// Closes without waiting for it.
    pub(super) fn close(&self) {
        self.hand_over(State::close);
    }

    /// Takes away what is over and wakes who waited for it, then who can be accepted in its place.
    ///
    /// A panic of foreign code ends here: the writer goes on for the others.
    pub(super) fn settle(&self, finished: &mut Finished) {
        self.with(|state| state.finish(finished));
        let mut panics = Panics::default();
        if !finished.wakers.is_empty() {
            panics.guard(|| wake(&mut finished.wakers));
        }
        panics.drop_all(&mut finished.records);
        if self.with(|state| state.can_accept()) {
            panics.guard(|| self.accept());
        }
        panics.discard();
    }

    /// Ends it all, if that has not been done, and wakes everybody who waits, in order.
    ///
    /// # Panics
    /// The first panic of foreign code goes on when all is done.
    pub(super) fn end(&self, end: impl FnOnce(u64) -> Result<(), WriteError>) {
        let is_first = self.with(|state| {
            let is_first = state.end().is_none();
            if is_first {
                state.set_end(end(state.stats().bytes));
            }
            is_first
        });
        let mut panics = Panics::default();
        if is_first {
            let mut records = Vec::new();
            let dismiss = |batch: &mut _| self.with(|state| state.dismiss(batch, &mut records));
            panics.guard(|| wake_in_batches(dismiss));
            panics.drop_all(&mut records);
        }
        self.bell.silence();
        panics.resume();
    }

    /// Makes the waker of the writer's task known.
    pub(super) fn register_task(&self, waker: &Waker) {
        self.bell.register(waker);
    }

    /// From now on the writer's task waits for somebody to [hand over](Self::hand_over) something.
    pub(super) fn set_idle(&self) {
        self.bell.is_idle.set(true);
    }

    fn accept(&self) {
        if self.with(|state| state.can_accept()) {
            wake_in_batches(|batch| self.with(|state| state.accept(batch)));
        }
    }
}

fn wake(wakers: &mut Vec<Waker>) {
    let mut wakers = wakers.drain(..);
    wake_in_batches(|batch| {
        while !batch.is_full()
            && let Some(waker) = wakers.next()
        {
            let refused = batch.push(waker);
            debug_assert!(refused.is_ok(), "the batch had room");
        }
    });
}

impl Bell {
    fn register(&self, waker: &Waker) {
        self.is_idle.set(false);
        let known = self.waker.take();
        match known {
            Some(known) if known.will_wake(waker) => self.waker.set(Some(known)),
            _ => self.waker.set(Some(waker.clone())),
        }
    }

    #[cold]
    fn ring(&self) {
        self.is_idle.set(false);
        if let Some(waker) = self.waker.take() {
            waker.wake_by_ref();
            // Back for the next time, unless the wake has led to another one.
            let newer = self.waker.replace(Some(waker));
            if newer.is_some() {
                self.waker.set(newer);
            }
        }
    }

    fn silence(&self) {
        self.is_idle.set(false);
        self.waker.set(None);
    }
}
