//! What travels to the loop of a proxy: a closure in a box that still knows its type.

use std::any::Any;

use tevent_context::Handle;

/// The messages of a proxy.
pub(super) type Jobs = Box<dyn Job>;

/// A closure for the loop.
pub(super) trait Job: Send {
    /// Runs it, on the loop's thread.
    fn run(self: Box<Self>, handle: &Handle);

    /// For [`unbox`].
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<F: FnOnce(&Handle) + Send + 'static> Job for F {
    #[inline]
    fn run(self: Box<Self>, handle: &Handle) {
        self(handle);
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// The closure that was boxed, for whom it is given back to.
#[cold]
pub(super) fn unbox<F: 'static>(job: Jobs) -> F {
    let closure = job.into_any().downcast::<F>();
    *closure.expect("a refused message is the one that was sent")
}
