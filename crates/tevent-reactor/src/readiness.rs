//! Readiness: what the kernel last said about a descriptor, as a small set of named bits.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// The direction of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Receiving: read, accept.
    Read,
    /// Sending: write, connect.
    Write,
}

/// What a descriptor is ready for.
///
/// `READABLE` and `WRITABLE` come and go. The others are **sticky**: a peer that closed or a connection that broke
/// stays so, and an operation in a direction they concern never waits before it has asked the kernel.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Readiness(u8);

impl Readiness {
    /// Ready for nothing.
    pub const EMPTY: Self = Self(0);
    /// Something can be read or accepted.
    pub const READABLE: Self = Self(1);
    /// Something can be written, or the connection stands.
    pub const WRITABLE: Self = Self(1 << 1);
    /// The peer will send nothing more (half-closed or hung up). Sticky.
    pub const READ_CLOSED: Self = Self(1 << 2);
    /// The peer will take nothing more (hung up). Sticky.
    pub const WRITE_CLOSED: Self = Self(1 << 3);
    /// The descriptor has an error to tell, to readers and writers. Sticky.
    pub const ERROR: Self = Self(1 << 4);

    /// Whether all of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether an operation in this direction should be tried.
    #[inline]
    #[must_use]
    pub const fn is_ready_for(self, direction: Direction) -> bool {
        let any_of = match direction {
            Direction::Read => Self::READABLE.0 | Self::READ_CLOSED.0,
            Direction::Write => Self::WRITABLE.0 | Self::WRITE_CLOSED.0,
        };
        self.0 & (any_of | Self::ERROR.0) != 0
    }

    /// This set after the kernel refused an operation in this direction: without its passing bit. Sticky bits stay.
    #[inline]
    pub(crate) const fn without(self, direction: Direction) -> Self {
        let passing = match direction {
            Direction::Read => Self::READABLE.0,
            Direction::Write => Self::WRITABLE.0,
        };
        Self(self.0 & !passing)
    }
}

impl From<&mio::event::Event> for Readiness {
    fn from(event: &mio::event::Event) -> Self {
        let said = |yes: bool, bit: Self| if yes { bit } else { Self::EMPTY };
        said(event.is_readable(), Self::READABLE)
            | said(event.is_writable(), Self::WRITABLE)
            | said(event.is_read_closed(), Self::READ_CLOSED)
            | said(event.is_write_closed(), Self::WRITE_CLOSED)
            | said(event.is_error(), Self::ERROR)
    }
}

impl BitOr for Readiness {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Readiness {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(Readiness, &str); 5] = [
            (Readiness::READABLE, "readable"),
            (Readiness::WRITABLE, "writable"),
            (Readiness::READ_CLOSED, "read-closed"),
            (Readiness::WRITE_CLOSED, "write-closed"),
            (Readiness::ERROR, "error"),
        ];
        f.debug_set()
            .entries(
                NAMES
                    .iter()
                    .filter(|(bit, _)| self.contains(*bit))
                    .map(|(_, name)| Name(name)),
            )
            .finish()
    }
}

/// Prints a name without quotes.
struct Name(&'static str);

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b33_errors_and_hang_ups_make_both_directions_ready_and_stay() {
        let hung_up = Readiness::READ_CLOSED | Readiness::WRITE_CLOSED;
        for sticky in [Readiness::ERROR, hung_up] {
            let refused = (sticky | Readiness::READABLE)
                .without(Direction::Read)
                .without(Direction::Write);
            assert_eq!(refused, sticky);
            assert!(
                refused.is_ready_for(Direction::Read) && refused.is_ready_for(Direction::Write)
            );
        }
    }

    #[test]
    fn b33_a_half_close_concerns_its_own_direction_only() {
        assert!(Readiness::READ_CLOSED.is_ready_for(Direction::Read));
        assert!(!Readiness::READ_CLOSED.is_ready_for(Direction::Write));
        assert!(!Readiness::WRITE_CLOSED.is_ready_for(Direction::Read));
        assert!(Readiness::WRITE_CLOSED.is_ready_for(Direction::Write));
    }

    #[test]
    fn a_refusal_takes_away_its_own_direction_only() {
        let both = Readiness::READABLE | Readiness::WRITABLE;
        assert_eq!(both.without(Direction::Read), Readiness::WRITABLE);
        assert_eq!(both.without(Direction::Write), Readiness::READABLE);
        assert_eq!(
            format!("{:?}", Readiness::READABLE | Readiness::ERROR),
            "{readable, error}"
        );
    }
}
