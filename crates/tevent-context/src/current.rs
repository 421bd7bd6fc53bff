//! The loop that runs on this thread.

use std::cell::RefCell;
use std::fmt;

use crate::Handle;

thread_local! {
    static CURRENT: RefCell<Option<Handle>> = const { RefCell::new(None) };
}

/// Runs `f` with `handle` as the current one; the one before is back afterwards, also if `f` panics.
pub(crate) fn with<R>(handle: Handle, f: impl FnOnce() -> R) -> R {
    let _restore = Restore(replace(Some(handle)));
    f()
}

/// The current handle, if a loop runs on this thread (and the thread is not so near its end that nobody can tell).
pub(crate) fn get() -> Result<Handle, NoContext> {
    let current = CURRENT.try_with(|current| current.borrow().clone());
    current.ok().flatten().ok_or(NoContext(()))
}

struct Restore(Option<Handle>);

impl Drop for Restore {
    fn drop(&mut self) {
        drop(replace(self.0.take()));
    }
}

fn replace(handle: Option<Handle>) -> Option<Handle> {
    CURRENT
        .try_with(|current| current.replace(handle))
        .ok()
        .flatten()
}

/// No context runs on this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoContext(());

impl fmt::Display for NoContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "no tevent context runs on this thread: call this inside `Context::block_on` or a spawned task, or use the \
             method of a `Handle`",
        )
    }
}

impl std::error::Error for NoContext {}
