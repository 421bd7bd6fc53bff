//! Somebody who has to be told, collected in one go and told with no borrow held.

use std::rc::Weak;
use std::task::Waker;

use super::flags::FdFlags;
use super::seat::Watcher;

/// One call or wake of a dispatch. Weak: what is dropped before its turn is not called, and not kept alive.
pub(super) enum Tell {
    Call(Weak<dyn Watcher>, FdFlags),
    Fail(Weak<dyn Watcher>),
    Wake(Waker),
}

impl Tell {
    /// Foreign code runs. Whether somebody was told.
    pub(super) fn run(self) -> bool {
        match self {
            Self::Wake(waker) => {
                waker.wake();
                true
            }
            Self::Call(watcher, ready) => {
                let Some(watcher) = watcher.upgrade() else {
                    return false;
                };
                // What was taken away meanwhile is not told; what was added has to be found first.
                let ready = ready & watcher.seat().flags();
                if ready.is_empty() {
                    return false;
                }
                watcher.call(ready);
                true
            }
            Self::Fail(watcher) => {
                let Some(watcher) = watcher.upgrade().filter(|watcher| watcher.seat().disarm())
                else {
                    return false;
                };
                watcher.call(FdFlags::ERROR);
                true
            }
        }
    }
}
