//! Foreign code that may panic, one call after another: none keeps the next from being made.
//!
//! Wakers and destructors that are called in one go belong to different people. A panic of one is caught, so that the
//! others get theirs, and goes on after the last, or ends here: the panic hook has reported it.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

/// The first panic of a round of foreign calls.
///
/// ```
/// use tevent_core::panics::Panics;
///
/// let (mut panics, mut called) = (Panics::default(), 0);
/// for _ in 0..3 {
///     panics.guard(|| {
///         called += 1;
///         panic!("number {called}");
///     });
/// }
/// assert_eq!(called, 3);
/// panics.discard(); // or `resume`: the first goes on
/// ```
#[derive(Debug, Default)]
#[must_use = "resume the panic or discard it"]
pub struct Panics {
    first: Option<Box<dyn Any + Send>>,
}

impl Panics {
    /// Makes one call; a panic is kept if it is the first.
    #[inline]
    pub fn guard(&mut self, act: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(act)) {
            self.keep(panic);
        }
    }

    #[cold]
    fn keep(&mut self, panic: Box<dyn Any + Send>) {
        match self.first {
            None => self.first = Some(panic),
            Some(_) => discard(panic),
        }
    }

    /// Drops all, in order; one that panics does not keep the others from being dropped.
    pub fn drop_all<T>(&mut self, things: &mut Vec<T>) {
        let mut things = things.drain(..);
        while things.len() > 0 {
            self.guard(|| things.by_ref().for_each(drop));
        }
    }

    /// Lets the first panic go on, now that the round is over.
    ///
    /// While the thread panics already, the panic ends here: a second one would abort the process, and the first one is
    /// the one to be seen.
    ///
    /// # Panics
    /// That is what it is for.
    #[inline(always)] // hardly ever is there one
    pub fn resume(self) {
        if let Some(panic) = self.first {
            go_on(panic);
        }
    }

    /// Lets the first panic end here.
    pub fn discard(self) {
        self.first.into_iter().for_each(discard);
    }
}

/// What a panic has thrown, as text: what `panic!` was called with.
#[must_use]
pub fn message(thrown: &(dyn Any + Send)) -> Option<&str> {
    let literal = thrown.downcast_ref::<&'static str>().copied();
    literal.or_else(|| thrown.downcast_ref::<String>().map(String::as_str))
}

#[cold]
fn go_on(panic: Box<dyn Any + Send>) {
    if thread::panicking() {
        discard(panic);
    } else {
        resume_unwind(panic);
    }
}

/// Drops what a panic has thrown; if even that panics, what is thrown then is left alone.
#[cold]
fn discard(panic: Box<dyn Any + Send>) {
    if let Err(stubborn) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        mem::forget(stubborn);
    }
}
