//! Places where one future after another is put, so that nobody allocates for it.

use std::future::Future;
use std::pin::Pin;

/// The place of a future.
pub(crate) trait Place: Default {
    type Future: Future;
    fn put(&mut self, future: Self::Future) -> Pin<&mut Self::Future>;
    fn clear(&mut self);
}

/// For a future that may be moved.
impl<F: Future + Unpin> Place for Option<F> {
    type Future = F;

    fn put(&mut self, future: F) -> Pin<&mut F> {
        Pin::new(self.insert(future))
    }

    fn clear(&mut self) {
        *self = None;
    }
}

/// For a future that has to stay where it is.
pub(crate) struct Pinned<F>(Pin<Box<Option<F>>>);

impl<F> Default for Pinned<F> {
    fn default() -> Self {
        Self(Box::pin(None))
    }
}

impl<F: Future> Place for Pinned<F> {
    type Future = F;

    fn put(&mut self, future: F) -> Pin<&mut F> {
        self.0.set(Some(future));
        let place = self.0.as_mut().as_pin_mut();
        place.expect("the future has been put there")
    }

    fn clear(&mut self) {
        self.0.set(None);
    }
}
