//! Waiting for children.

use std::{
    fmt,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use tevent_core::asked;

use super::inner::Inner;

/// The future of [`RequestScope::join`](crate::RequestScope::join) and [`end`](crate::RequestScope::end).
#[must_use = "await it to know that no child is left"]
pub struct Join {
    inner: Rc<Inner>,
    key: Option<u64>,
    /// The child that waits for the others.
    but: Option<u64>,
    /// The scope takes no more meanwhile.
    ends: bool,
}

impl Join {
    pub(super) fn new(inner: &Rc<Inner>) -> Self {
        Self {
            inner: Rc::clone(inner),
            key: None,
            but: inner.caller(),
            ends: false,
        }
    }

    /// Takes no more children until this is dropped.
    pub(super) fn refusing(mut self) -> Self {
        self.ends = true;
        self.inner.enders.set(self.inner.enders.get() + 1);
        self
    }

    /// Whether nobody is waited for any more.
    pub(super) fn is_over(&self) -> bool {
        self.inner.others(self.but) == 0
    }
}

impl Future for Join {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if !this.is_over() {
            this.inner.joiners.register(&mut this.key, cx.waker());
        }
        // Looked at once more: a waker's clone is foreign code, and may have ended the last child.
        if this.is_over() {
            return Poll::Ready(());
        }
        asked::answer(|| format!("the children of {}", this.inner));
        Poll::Pending
    }
}

impl Drop for Join {
    fn drop(&mut self) {
        if self.ends {
            self.inner.enders.set(self.inner.enders.get() - 1);
        }
        self.inner.joiners.remove(&mut self.key);
    }
}

impl fmt::Debug for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join")
            .field("scope", &self.inner.name)
            .field("left", &self.inner.others(self.but))
            .finish()
    }
}
