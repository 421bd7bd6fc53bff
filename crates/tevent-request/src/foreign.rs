//! Calls of foreign code, whose panics neither abort the process nor cost a value.

use tevent_core::panics::Panics;

/// Calls what is foreign to whoever calls, as the wakers of those who listen: a panic of theirs is no affair of his. It
/// ends here; the panic hook has reported it.
#[inline]
pub(crate) fn quietly(call: impl FnOnce(&mut Panics)) {
    let mut panics = Panics::default();
    call(&mut panics);
    panics.discard();
}

/// A value of the user's, held over a call of foreign code. If that panics, the value is dropped, and a panic of its
/// own destructor ends there: a second one would abort the process.
pub(crate) struct Held<T>(Option<T>);

impl<T> Held<T> {
    #[inline]
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    #[inline]
    pub(crate) fn release(mut self) -> T {
        self.0.take().expect("a value is held until it is released")
    }
}

impl<T> Drop for Held<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            let mut panics = Panics::default();
            panics.guard(|| drop(value));
            panics.resume();
        }
    }
}
