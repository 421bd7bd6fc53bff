//! One outcome on its way from the loop that works to whoever asked, and one wish on its way back.
//!
//! ```text
//!   Asked --1--> Finished --2--> Over       1 finish, by the loop      2 taken, by who asked
//!     |              |
//!     +------3-------+--> Cancelled         3 who asked is gone, and wants no more of it
//!     +------4-------+--> Detached          4 he is gone, and lets it go on
//! ```
//!
//! What is dropped on the way is dropped by who finds it: an outcome that nobody wants, by the loop; one that was not
//! taken, by who asked.

use std::mem;
use std::sync::PoisonError;
use std::task::{Poll, Waker};

use tevent_core::sync::Mutex;

pub(crate) struct Reply<O>(Mutex<Slot<O>>);

struct Slot<O> {
    state: State<O>,
    asker: Option<Waker>,
    worker: Option<Waker>,
}

enum State<O> {
    Asked,
    Finished(O),
    Over,
    Cancelled,
    Detached,
}

impl<O> Reply<O> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Slot {
            state: State::Asked,
            asker: None,
            worker: None,
        }))
    }

    /// Arrow 1. Once only.
    pub(crate) fn finish(&self, outcome: O) {
        let mut outcome = Some(outcome);
        let (asker, worker) = self.with(|slot| {
            if let State::Asked = slot.state {
                slot.state = outcome.take().map_or(State::Over, State::Finished);
            }
            (slot.asker.take(), slot.worker.take())
        });
        drop((outcome, worker));
        asker.into_iter().for_each(Waker::wake);
    }

    /// Arrow 2, or the waker for whom it will be; `None` if it was taken before.
    pub(crate) fn poll(&self, waker: &Waker) -> Poll<Option<O>> {
        // Cloned, and the old one dropped, outside of the lock: it is foreign code.
        let mut waker = Some(waker.clone());
        self.with(|slot| match mem::replace(&mut slot.state, State::Over) {
            State::Finished(outcome) => Poll::Ready(Some(outcome)),
            State::Asked => {
                slot.state = State::Asked;
                mem::swap(&mut slot.asker, &mut waker);
                Poll::Pending
            }
            _ => Poll::Ready(None),
        })
    }

    /// Arrow 3.
    pub(crate) fn cancel(&self) {
        let (_outcome, asker, worker) = self.give_up(State::Cancelled);
        drop(asker);
        worker.into_iter().for_each(Waker::wake);
    }

    /// Arrow 4.
    pub(crate) fn detach(&self) {
        drop(self.give_up(State::Detached));
    }

    fn give_up(&self, end: State<O>) -> (State<O>, Option<Waker>, Option<Waker>) {
        self.with(|slot| {
            let state = match slot.state {
                State::Asked | State::Finished(_) => mem::replace(&mut slot.state, end),
                _ => end,
            };
            (state, slot.asker.take(), slot.worker.take())
        })
    }

    /// Whether nobody wants the work any more.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.with(|slot| matches!(slot.state, State::Cancelled))
    }

    /// The same; if not yet, this waker is woken when.
    pub(crate) fn poll_cancelled(&self, waker: &Waker) -> bool {
        let mut waker = Some(waker.clone());
        self.with(|slot| match slot.state {
            State::Cancelled => true,
            State::Asked => {
                mem::swap(&mut slot.worker, &mut waker);
                false
            }
            _ => false,
        })
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.with(|slot| !matches!(slot.state, State::Asked))
    }

    #[inline]
    fn with<R>(&self, act: impl FnOnce(&mut Slot<O>) -> R) -> R {
        // Nothing of the user's runs under this lock.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
