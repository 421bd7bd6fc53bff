//! The life of a cell as loom sees it: who touches the memory, and that it is freed once.

#[cfg(not(loom))]
pub(crate) struct Life;

#[cfg(not(loom))]
impl Life {
    pub(crate) fn new() -> Self {
        Self
    }

    #[inline]
    pub(crate) fn touch(&self) {}

    #[inline]
    pub(crate) fn end(&self) {}
}

/// Loom reports a touch that the end does not wait for, and a cell that is never freed.
#[cfg(loom)]
pub(crate) struct Life {
    memory: loom::cell::UnsafeCell<()>,
    _freed: loom::alloc::Track<()>,
}

#[cfg(loom)]
impl Life {
    pub(crate) fn new() -> Self {
        Self {
            memory: loom::cell::UnsafeCell::new(()),
            _freed: loom::alloc::Track::new(()),
        }
    }

    pub(crate) fn touch(&self) {
        self.memory.with(|_| ());
    }

    pub(crate) fn end(&self) {
        self.memory.with_mut(|_| ());
    }
}
