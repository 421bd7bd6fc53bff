//! Code of the user's that must not unwind through ours: wakers, destructors.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `f`; a panic ends here (the panic hook has reported it).
#[inline]
pub(super) fn guarded(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        // A payload may panic in its own destructor, and so on: what is left of the second one stays forgotten.
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(second);
        }
    }
}
