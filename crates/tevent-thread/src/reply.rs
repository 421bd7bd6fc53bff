//! Work on its way to a loop, its outcome on the way back, and the wish that it end.
//!
//! ```text
//!   Asked --1--> Finished --2--> Over       1 finish, by the loop      2 taken, by who asked
//!     |              |
//!     +------3-------+--> Cancelled         3 who asked is gone, and wants no more of it
//!     +------4-------+--> Detached          4 he is gone, and lets it go on
//! ```
//!
//! Work that nobody wants is dropped by the loop, and an outcome that nobody wants, too; one that was not taken, by who
//! asked.

use std::mem;
use std::sync::PoisonError;
use std::task::{Poll, Waker};

use tevent_core::sync::{AtomicBool, Mutex, Ordering};

/// All of it is one allocation, which whoever asks makes and, as a rule, frees: what one thread makes and another frees
/// costs several times as much.
pub(crate) struct Reply<W, O> {
    slot: Mutex<Slot<W, O>>,
    /// The loop asks often, and mostly in vain: without the lock.
    cancelled: AtomicBool,
}

struct Slot<W, O> {
    /// Until the loop begins.
    work: Option<W>,
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

impl<W, O> Reply<W, O> {
    pub(crate) fn new(work: W) -> Self {
        Self {
            slot: Mutex::new(Slot {
                work: Some(work),
                state: State::Asked,
                asker: None,
                worker: None,
            }),
            cancelled: AtomicBool::new(false),
        }
    }

    /// The work, for the loop that is to do it, once. If nobody wants it any more, it is dropped here.
    pub(crate) fn begin(&self) -> Option<W> {
        let (work, is_cancelled) =
            self.with(|slot| (slot.work.take(), matches!(slot.state, State::Cancelled)));
        work.filter(|_| !is_cancelled)
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
        let polled = self.with(Slot::take);
        if polled.is_ready() {
            return polled;
        }
        // Cloned, and the old one dropped, outside of the lock: it is foreign code.
        let mut waker = Some(waker.clone());
        self.with(|slot| {
            let polled = slot.take();
            if polled.is_pending() {
                mem::swap(&mut slot.asker, &mut waker);
            }
            polled
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
            let is_cancelled = matches!(slot.state, State::Cancelled);
            self.cancelled.store(is_cancelled, Ordering::Relaxed);
            (state, slot.asker.take(), slot.worker.take())
        })
    }

    /// Whether nobody wants the work any more. It may be a moment late; [`Self::poll_cancelled`] is not.
    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        // Ordering: none needed. Nothing is concluded from it but that the work may be spared.
        self.cancelled.load(Ordering::Relaxed)
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
    fn with<R>(&self, act: impl FnOnce(&mut Slot<W, O>) -> R) -> R {
        // Nothing of the user's runs under this lock.
        act(&mut self.slot.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<W, O> Slot<W, O> {
    #[inline]
    fn take(&mut self) -> Poll<Option<O>> {
        match mem::replace(&mut self.state, State::Over) {
            State::Finished(outcome) => Poll::Ready(Some(outcome)),
            State::Asked => {
                self.state = State::Asked;
                Poll::Pending
            }
            _ => Poll::Ready(None),
        }
    }
}
