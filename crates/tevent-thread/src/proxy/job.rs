//! What travels to the loop of a proxy: a closure in a box that still knows its type, or an errand.

use std::any::Any;

use tevent_context::Handle;

use super::errand::Errand;

/// A message of a proxy.
pub(super) enum Job {
    /// Nobody is told of its end.
    Closure(Box<dyn Closure>),
    /// Somebody waits for the outcome.
    Errand(Errand),
}

impl Job {
    pub(super) fn boxed<F: FnOnce(&Handle) + Send + 'static>(closure: F) -> Self {
        Self::Closure(Box::new(closure))
    }

    /// On the loop's thread.
    #[inline]
    pub(super) fn run(self, handle: &Handle) {
        match self {
            Self::Closure(closure) => closure.run(handle),
            Self::Errand(errand) => errand.run(handle),
        }
    }

    /// The closure that was boxed, for whom it is given back to.
    #[cold]
    pub(super) fn unbox<F: 'static>(self) -> F {
        let closure = match self {
            Self::Closure(closure) => closure.into_any().downcast::<F>().ok(),
            Self::Errand(_) => None,
        };
        *closure.expect("a refused message is the one that was sent")
    }
}

/// A closure for the loop.
pub(super) trait Closure: Send {
    fn run(self: Box<Self>, handle: &Handle);

    /// For [`Job::unbox`].
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<F: FnOnce(&Handle) + Send + 'static> Closure for F {
    #[inline]
    fn run(self: Box<Self>, handle: &Handle) {
        self(handle);
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
