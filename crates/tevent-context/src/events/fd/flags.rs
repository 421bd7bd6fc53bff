//! What a watched descriptor is asked for, and what is told of it.

use std::fmt;
use std::ops::{BitAnd, BitAndAssign, BitOr, BitOrAssign, Sub, SubAssign};

use tevent_reactor::{Direction, Interest, Readiness};

/// What a descriptor is watched for, and what it is ready for (C: `TEVENT_FD_READ` and its kin).
///
/// A set: `|` adds (C: `TEVENT_FD_WRITEABLE`), `-` takes away (C: `TEVENT_FD_NOT_WRITEABLE`), `&` is what both have.
///
/// ```
/// use tevent_context::FdFlags;
///
/// let flags = FdFlags::READ | FdFlags::ERROR;
/// assert!(flags.contains(FdFlags::READ) && !flags.contains(FdFlags::WRITE));
/// assert_eq!(format!("{flags:?}"), "{read, error}");
///
/// let mut flags = flags | FdFlags::WRITE;
/// flags -= FdFlags::READ | FdFlags::WRITE;
/// assert_eq!(flags, FdFlags::ERROR);
/// assert_eq!(flags - FdFlags::READ, flags); // was not in it
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct FdFlags(u8);

impl FdFlags {
    /// Nothing: no call, no wake-up, and no reason for `run` to go on.
    pub const EMPTY: Self = Self(0);
    /// A read would not wait: there is data, or the end of it, or an error to be told.
    pub const READ: Self = Self(1);
    /// A write would not wait: there is room, or an error or a hang-up that the write will tell.
    pub const WRITE: Self = Self(1 << 1);
    /// An error, a hang-up, or the end of what the peer sends. While nothing else is watched for, data that comes in
    /// wakes the loop once each time, but calls nobody: the system tells of the end with the data only.
    pub const ERROR: Self = Self(1 << 2);

    /// What a descriptor that cannot be watched is always ready for.
    pub(super) const ALWAYS: Self = Self(Self::READ.0 | Self::WRITE.0);

    /// Whether this is nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is in this set.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// What the kernel has to be asked for, unless nothing.
    pub(super) fn interest(self) -> Option<Interest> {
        let reads = self.intersects(Self::READ | Self::ERROR);
        match (reads, self.contains(Self::WRITE)) {
            (true, true) => Some(Interest::Both),
            (true, false) => Some(Interest::Readable),
            (false, true) => Some(Interest::Writable),
            (false, false) => None,
        }
    }
}

impl From<Readiness> for FdFlags {
    fn from(readiness: Readiness) -> Self {
        const FAULTS: [Readiness; 3] = [
            Readiness::ERROR,
            Readiness::READ_CLOSED,
            Readiness::WRITE_CLOSED,
        ];
        let said = |yes: bool, flag: Self| if yes { flag } else { Self::EMPTY };
        let has_fault = FAULTS.iter().any(|fault| readiness.contains(*fault));
        said(readiness.is_ready_for(Direction::Read), Self::READ)
            | said(readiness.is_ready_for(Direction::Write), Self::WRITE)
            | said(has_fault, Self::ERROR)
    }
}

impl BitOr for FdFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for FdFlags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for FdFlags {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitAndAssign for FdFlags {
    fn bitand_assign(&mut self, other: Self) {
        self.0 &= other.0;
    }
}

/// What is in the first set and not in the second.
impl Sub for FdFlags {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl SubAssign for FdFlags {
    fn sub_assign(&mut self, other: Self) {
        self.0 &= !other.0;
    }
}

impl fmt::Debug for FdFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(FdFlags, &str); 3] = [
            (FdFlags::READ, "read"),
            (FdFlags::WRITE, "write"),
            (FdFlags::ERROR, "error"),
        ];
        let names = NAMES.iter().filter(|(flag, _)| self.contains(*flag));
        f.debug_set()
            .entries(names.map(|(_, name)| Name(name)))
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
    fn flags_are_sets() {
        let all = [0, 1, 2, 3, 4, 5, 6, 7].map(FdFlags);
        for (a, b) in all.into_iter().flat_map(|a| all.map(|b| (a, b))) {
            let (mut both, mut less, mut more) = (a, a, a);
            both &= b;
            less -= b;
            more |= b;
            assert_eq!((both, less, more), (a & b, a - b, a | b));
            assert_eq!((both | less, less & b), (a, FdFlags::EMPTY));
            assert_eq!((a | b) - b, less);
            assert!(more.contains(b) && b.contains(both) && !less.intersects(b));
        }
    }
}
