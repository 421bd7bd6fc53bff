//! What a receiver counted: the body of its answer, and the last line of the output.

use std::fmt;

use super::frame::u64_at;

/// The counts of one connection. What the faults mean is said in `ledger.rs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Records that came whole.
    pub(crate) records: u64,
    /// Bytes of files in them.
    pub(crate) bytes: u64,
    /// Files whose every record came whole and in order, and whose digest is right.
    pub(crate) files: u64,
    pub(crate) torn: u64,
    pub(crate) lost: u64,
    pub(crate) out_of_order: u64,
}

impl Tally {
    const LEN: usize = 48;

    pub(crate) fn is_clean(&self) -> bool {
        self.torn == 0 && self.lost == 0 && self.out_of_order == 0
    }

    pub(crate) fn encode(&self) -> [u8; Self::LEN] {
        let numbers = [
            self.records,
            self.bytes,
            self.files,
            self.torn,
            self.lost,
            self.out_of_order,
        ];
        let mut body = [0; Self::LEN];
        for (place, number) in body.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        body
    }

    /// `None` if the body has another length.
    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        if body.len() != Self::LEN {
            return None;
        }
        Some(Self {
            records: u64_at(body, 0)?,
            bytes: u64_at(body, 8)?,
            files: u64_at(body, 16)?,
            torn: u64_at(body, 24)?,
            lost: u64_at(body, 32)?,
            out_of_order: u64_at(body, 40)?,
        })
    }
}

/// The last line of the output.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} torn, {} lost, {} out of order",
            self.torn, self.lost, self.out_of_order
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_comes_back_as_it_was_and_says_so() {
        let tally = Tally {
            records: 6,
            bytes: 5,
            files: 4,
            torn: 3,
            lost: 2,
            out_of_order: 1,
        };
        assert_eq!(Tally::decode(&tally.encode()), Some(tally));
        assert_eq!(Tally::decode(&tally.encode()[1..]), None);
        assert_eq!(tally.to_string(), "3 torn, 2 lost, 1 out of order");
        assert!(!tally.is_clean() && Tally::default().is_clean());
    }
}
