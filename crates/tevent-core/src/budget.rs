//! The cooperative budget: how many operations a task may do in one poll before others get their turn.
//!
//! The executor grants a budget before each poll. An operation that is always ready (a read from a socket that never
//! runs dry, an uncontended queue entry) would otherwise keep its task in one poll for ever. The rule of use is
//! **charged after the effect**: an operation that is about to be tried asks [`is_spent`]; if so, it wakes its own task
//! and stays pending; an operation that succeeded calls [`spend`]. A place in a line is never refused for want of
//! budget: it is taken first.
//!
//! Outside a poll of our executor (on a foreign executor, in a plain test) the budget is unlimited.

use std::cell::Cell;

/// Operations that one task may do in one poll.
pub const PER_POLL: u32 = 64;

const UNLIMITED: u32 = u32::MAX;

thread_local! {
    static LEFT: Cell<u32> = const { Cell::new(UNLIMITED) };
    static IO: Cell<u32> = const { Cell::new(0) };
}

/// Grants a fresh budget of [`PER_POLL`] operations and returns what was left of the one before, for [`restore`].
#[inline]
pub fn grant() -> Saved {
    Saved(LEFT.replace(PER_POLL))
}

/// Puts back the budget that [`grant`] replaced, and tells how many operations the poll did.
#[inline]
pub fn restore(saved: Saved) -> u32 {
    let charged = PER_POLL - LEFT.get().min(PER_POLL);
    drop(saved);
    charged
}

/// The budget that was in force before a [`grant`].
#[derive(Debug)]
#[must_use = "the budget of the outer poll has to be restored"]
pub struct Saved(u32);

/// Also when the poll, or whoever is told of it, panics.
impl Drop for Saved {
    fn drop(&mut self) {
        put(self.0);
    }
}

/// Charges one operation of a descriptor. It takes as long as dozens of others, so a loop may want to know how many
/// there were: [`io_operations`].
#[inline]
pub fn spend_on_io() {
    spend();
    IO.with(|io| io.set(io.get().wrapping_add(1)));
}

/// Operations of descriptors that this thread has charged so far; it wraps.
#[inline]
#[must_use]
pub fn io_operations() -> u32 {
    IO.get()
}

/// Not `LEFT.set`, which is a call.
#[inline]
fn put(left: u32) {
    LEFT.with(|cell| cell.set(left));
}

/// Whether the current poll has used up its budget and should give way.
#[inline]
#[must_use]
pub fn is_spent() -> bool {
    LEFT.get() == 0
}

/// Charges one operation that has had its effect.
#[inline]
pub fn spend() {
    let left = LEFT.get();
    if left != UNLIMITED {
        put(left.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_a_poll_the_budget_is_unlimited() {
        (0..10 * PER_POLL).for_each(|_| spend());
        assert!(!is_spent());
    }

    #[test]
    fn b04_a_poll_is_spent_after_exactly_its_budget() {
        let saved = grant();
        (1..PER_POLL).for_each(|_| spend());
        assert!(!is_spent());
        spend();
        assert!(is_spent());
        spend();
        assert_eq!(restore(saved), PER_POLL);
        assert!(!is_spent());
    }

    #[test]
    fn operations_of_descriptors_are_charged_and_counted() {
        let (saved, before) = (grant(), io_operations());
        spend();
        (0..3).for_each(|_| spend_on_io());
        assert_eq!(io_operations().wrapping_sub(before), 3);
        assert_eq!(restore(saved), 4);
    }

    #[test]
    fn b23_a_nested_poll_leaves_the_outer_budget_as_it_was() {
        let outer = grant();
        spend();
        let inner = grant();
        (0..5).for_each(|_| spend());
        assert_eq!(restore(inner), 5);
        assert_eq!(restore(outer), 1);
    }
}
