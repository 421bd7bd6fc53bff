//! A bounded batch of wakers: collected under a borrow, woken after it.
//!
//! A waker is the code of somebody else: it may panic, and it may come back to whoever calls it. So wakers are first
//! moved into a batch, then the borrow or lock ends, then the batch is woken, in order and completely.

use std::{array, fmt, task::Waker};

use crate::panics::Panics;

/// Wakers that one batch takes.
const CAPACITY: usize = 32;

/// Up to [`WakeBatch::CAPACITY`] wakers in the order in which they are to be woken; needs no heap.
///
/// What has not been woken when the batch is dropped is dropped with it, unwoken.
///
/// ```
/// use std::task::Waker;
/// use tevent_core::wake::WakeBatch;
///
/// let mut batch = WakeBatch::new();
/// batch.push(Waker::noop().clone()).expect("an empty batch has room");
/// batch.wake_all();
/// assert!(batch.is_empty());
/// ```
pub struct WakeBatch {
    wakers: [Option<Waker>; CAPACITY],
    len: usize,
}

impl WakeBatch {
    /// Wakers that one batch takes.
    pub const CAPACITY: usize = CAPACITY;

    /// An empty batch.
    #[inline]
    #[must_use]
    pub fn new() -> Self {
        Self {
            wakers: array::from_fn(|_| None),
            len: 0,
        }
    }

    /// Adds a waker behind the others.
    ///
    /// # Errors
    /// Gives the waker back if the batch [is full](Self::is_full).
    #[inline]
    pub fn push(&mut self, waker: Waker) -> Result<(), Waker> {
        match self.wakers.get_mut(self.len) {
            Some(slot) => {
                *slot = Some(waker);
                self.len += 1;
                Ok(())
            }
            None => Err(waker),
        }
    }

    /// Whether the batch has to be woken before it takes another waker.
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len == CAPACITY
    }

    /// Whether there is nobody to wake.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Wakes all, in order, and leaves the batch empty for the next use.
    ///
    /// # Panics
    /// A waker that panics does not keep the others from being woken: the first panic goes on after the last waker (not
    /// if the thread is panicking already).
    pub fn wake_all(&mut self) {
        let mut panics = Panics::default();
        self.wake_and_keep(&mut panics);
        panics.resume();
    }

    fn wake_and_keep(&mut self, panics: &mut Panics) {
        for slot in &mut self.wakers[..self.len] {
            let Some(waker) = slot.take() else { continue };
            panics.guard(|| waker.wake());
        }
        self.len = 0;
    }
}

/// Wakes any number of wakers in order, a batch at a time: `fill` is called to fill the empty batch until it adds none.
///
/// `fill` takes its borrow or lock anew each time, so none is held while wakers run, and the stack does not grow.
///
/// # Panics
/// The first panic of a waker goes on after the last batch has been woken. A panic of `fill` ends it at once.
pub fn wake_in_batches(mut fill: impl FnMut(&mut WakeBatch)) {
    let mut batch = WakeBatch::new();
    let mut panics = Panics::default();
    loop {
        fill(&mut batch);
        if batch.is_empty() {
            break;
        }
        batch.wake_and_keep(&mut panics);
    }
    panics.resume();
}

impl Default for WakeBatch {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WakeBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakeBatch")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        sync::{Arc, Mutex},
        task::{Wake, Waker},
    };

    use super::{WakeBatch, wake_in_batches};

    type Trace = Arc<Mutex<Vec<usize>>>;

    struct Member {
        number: usize,
        panics: bool,
        trace: Trace,
    }

    impl Wake for Member {
        fn wake(self: Arc<Self>) {
            self.trace.lock().unwrap().push(self.number);
            if self.panics {
                std::panic::panic_any(self.number);
            }
        }
    }

    fn member(number: usize, panics: bool, trace: &Trace) -> Waker {
        Waker::from(Arc::new(Member {
            number,
            panics,
            trace: trace.clone(),
        }))
    }

    #[test]
    fn wakes_in_order_and_can_be_used_again() {
        let trace = Trace::default();
        let mut batch = WakeBatch::new();
        for round in 0..2 {
            for number in 0..WakeBatch::CAPACITY {
                assert!(!batch.is_full());
                batch
                    .push(member(number + 100 * round, false, &trace))
                    .unwrap();
            }
            assert!(batch.is_full());
            batch.push(member(0, true, &trace)).unwrap_err();
            batch.wake_all();
            assert!(batch.is_empty());
        }
        let expected: Vec<_> = (0..WakeBatch::CAPACITY)
            .chain(100..100 + WakeBatch::CAPACITY)
            .collect();
        assert_eq!(*trace.lock().unwrap(), expected);
    }

    #[test]
    fn b15_one_waker_that_panics_does_not_stop_the_others() {
        for bad in 0..WakeBatch::CAPACITY {
            let trace = Trace::default();
            let mut batch = WakeBatch::new();
            for number in 0..WakeBatch::CAPACITY {
                batch.push(member(number, number == bad, &trace)).unwrap();
            }
            let panic = catch_unwind(AssertUnwindSafe(|| batch.wake_all())).unwrap_err();
            assert_eq!(panic.downcast_ref(), Some(&bad));
            assert!(batch.is_empty());
            assert_eq!(
                *trace.lock().unwrap(),
                (0..WakeBatch::CAPACITY).collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn b15_the_first_panic_of_many_batches_goes_on_after_the_last() {
        let trace = Trace::default();
        let total = 3 * WakeBatch::CAPACITY + 1;
        let mut members = (0..total).map(|number| member(number, number % 40 == 7, &trace));
        let round = || {
            wake_in_batches(|batch| {
                while !batch.is_full() {
                    let Some(waker) = members.next() else { break };
                    batch.push(waker).unwrap();
                }
            });
        };
        let panic = catch_unwind(AssertUnwindSafe(round)).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&7_usize));
        assert_eq!(*trace.lock().unwrap(), (0..total).collect::<Vec<_>>());
    }
}
