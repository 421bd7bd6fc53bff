//! A task whose future may borrow: it has ended before the borrows do.

use super::joint::Joint;
use super::shared::Owner;

/// Spawns the future, runs `body` with its joint, and ends the task before this returns or unwinds.
pub(crate) fn scoped<F: Future, R>(
    owner: &Owner,
    future: F,
    body: impl FnOnce(&mut Joint<F::Output>) -> R,
) -> R {
    struct EndNow<T>(Joint<T>);
    impl<T> Drop for EndNow<T> {
        fn drop(&mut self) {
            self.0.end_now();
        }
    }
    // SAFETY: whatever the future and its output borrow outlives this call, and the guard, which nobody else gets hold
    // of, calls `end_now` before this call is left.
    let mut task = EndNow(unsafe { owner.spawn_scoped(future) });
    body(&mut task.0)
}
