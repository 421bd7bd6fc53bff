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

const FRESH: i64 = PER_POLL as i64;

/// So much that nobody ever uses it up: each operation is charged without a look at which budget it is.
const UNLIMITED: i64 = i64::MAX;

thread_local! {
    static LEFT: Cell<i64> = const { Cell::new(UNLIMITED) };
    static IO: Cell<u32> = const { Cell::new(0) };
}

/// Grants a budget of [`PER_POLL`] operations, until the returned value is dropped: then the one before is in force
/// again, also if a poll, or whoever is told of it, panics.
#[inline]
pub fn grant() -> Grant {
    Grant {
        before: LEFT.replace(FRESH),
    }
}

/// A budget that is in force: for one poll after the other.
#[derive(Debug)]
#[must_use = "the budget is in force as long as this lives"]
pub struct Grant {
    before: i64,
}

impl Grant {
    /// Grants a fresh budget for the next poll, and tells how many operations the last one did.
    #[inline]
    pub fn renew(&self) -> u32 {
        // Nobody does so many operations in one poll that this wraps.
        (FRESH - LEFT.replace(FRESH)) as u32
    }

    /// Does what is no part of a poll: with the budget that was in force before. The next poll has a fresh one.
    pub fn outside<R>(&mut self, act: impl FnOnce() -> R) -> R {
        put(self.before);
        let result = act();
        self.before = LEFT.replace(FRESH);
        result
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        put(self.before);
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
fn put(left: i64) {
    LEFT.with(|cell| cell.set(left));
}

/// Whether the current poll has used up its budget and should give way.
#[inline]
#[must_use]
pub fn is_spent() -> bool {
    LEFT.get() <= 0
}

/// Charges one operation that has had its effect.
#[inline]
pub fn spend() {
    put(LEFT.get() - 1);
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
        let grant = grant();
        (1..PER_POLL).for_each(|_| spend());
        assert!(!is_spent());
        spend();
        assert!(is_spent());
        spend();
        assert!(is_spent());
        assert_eq!(grant.renew(), PER_POLL + 1);
        assert!(!is_spent());
        assert_eq!(grant.renew(), 0);
    }

    #[test]
    fn what_is_done_between_two_polls_is_charged_to_the_budget_of_before() {
        let outer = grant();
        let mut inner = grant();
        inner.outside(|| (0..3).for_each(|_| spend()));
        assert_eq!(inner.renew(), 0);
        drop(inner);
        assert_eq!(outer.renew(), 3);
        drop(outer);
        grant().outside(|| {
            (0..10 * PER_POLL).for_each(|_| spend());
            assert!(!is_spent());
        });
    }

    #[test]
    fn operations_of_descriptors_are_charged_and_counted() {
        let (grant, before) = (grant(), io_operations());
        spend();
        (0..3).for_each(|_| spend_on_io());
        assert_eq!(io_operations().wrapping_sub(before), 3);
        assert_eq!(grant.renew(), 4);
    }

    #[test]
    fn b23_a_nested_poll_leaves_the_outer_budget_as_it_was() {
        let outer = grant();
        spend();
        let inner = grant();
        (0..5).for_each(|_| spend());
        assert_eq!(inner.renew(), 5);
        drop(inner);
        assert_eq!(outer.renew(), 1);
        drop(outer);
        (0..10 * PER_POLL).for_each(|_| spend());
        assert!(!is_spent());
    }
}
