//! The frame of a record: a header of fixed length that guards itself and the body behind it.
//!
//! ```text
//!  0      4      8        12       16         24     32         40           48
//!  | magic | kind | length | sender | sequence | file | body sum | header sum | body ...
//! ```
//! All numbers are little-endian; the sums are xxh3 (64 bits). The header's sum covers the 40 bytes before it, so a
//! length is believed only if the whole header came as it was sent.

use xxhash_rust::xxh3::xxh3_64;

/// Bytes of an encoded header.
pub(crate) const HEADER_LEN: usize = 48;

/// The longest body; a header that says more is no header.
pub(crate) const MAX_BODY: usize = 16 << 20;

/// Most senders on one connection; a receiver keeps a few words for each.
pub(crate) const MAX_SENDERS: u32 = 4096;

/// The first bytes of every header. No text in UTF-8 holds the first one.
pub(crate) const MAGIC: [u8; 4] = [0xf5, b't', b'v', 1];

/// Where the header's own sum stands.
const SUM_AT: usize = HEADER_LEN - 8;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The first record of a connection: how many senders there are. Not numbered.
    Start = 1,
    /// The next part of a file.
    Data = 2,
    /// The end of a file: its digest and length.
    FileEnd = 3,
    /// The last record of a sender: how many came before, which is its own number too.
    SenderEnd = 4,
    /// The receiver's answer: what it counted. Not numbered.
    Answer = 5,
}

impl Kind {
    fn from_code(code: u32) -> Option<Self> {
        let all = [
            Self::Start,
            Self::Data,
            Self::FileEnd,
            Self::SenderEnd,
            Self::Answer,
        ];
        all.into_iter().find(|kind| *kind as u32 == code)
    }
}

/// Whose record this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) kind: Kind,
    /// Senders count from 0.
    pub(crate) sender: u32,
    /// The record's number: each sender counts its own, from 0.
    pub(crate) sequence: u64,
    /// The file's number in the whole input; 0 for records that belong to none.
    pub(crate) file: u64,
}

impl Label {
    /// The label of a record that speaks for the connection and is not numbered.
    pub(crate) fn of_connection(kind: Kind) -> Self {
        Self {
            kind,
            sender: 0,
            sequence: 0,
            file: 0,
        }
    }
}

/// A header whose sum was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) label: Label,
    pub(crate) length: usize,
    body_sum: u64,
}

impl Header {
    /// The header for a body of at most [`MAX_BODY`] bytes.
    pub(crate) fn new(label: Label, body: &[u8]) -> Self {
        debug_assert!(body.len() <= MAX_BODY);
        Self {
            label,
            length: body.len(),
            body_sum: xxh3_64(body),
        }
    }

    pub(crate) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&(self.label.kind as u32).to_le_bytes());
        bytes[8..12].copy_from_slice(&(self.length as u32).to_le_bytes());
        bytes[12..16].copy_from_slice(&self.label.sender.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.label.sequence.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.label.file.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.body_sum.to_le_bytes());
        let sum = xxh3_64(&bytes[..SUM_AT]);
        bytes[SUM_AT..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// `None` if these bytes are no header, or not as they were sent.
    pub(crate) fn decode(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        if bytes[..4] != MAGIC || xxh3_64(&bytes[..SUM_AT]) != u64_at(bytes, SUM_AT)? {
            return None;
        }
        let length = u32_at(bytes, 8)? as usize;
        if length > MAX_BODY {
            return None;
        }
        Some(Self {
            label: Label {
                kind: Kind::from_code(u32_at(bytes, 4)?)?,
                sender: u32_at(bytes, 12)?,
                sequence: u64_at(bytes, 16)?,
                file: u64_at(bytes, 24)?,
            },
            length,
            body_sum: u64_at(bytes, 32)?,
        })
    }

    /// Whether this is the body that the header was made for.
    pub(crate) fn fits(&self, body: &[u8]) -> bool {
        body.len() == self.length && xxh3_64(body) == self.body_sum
    }
}

/// A whole record in one piece: header and body.
pub(crate) fn record(label: Label, body: &[u8]) -> Vec<u8> {
    [&Header::new(label, body).encode(), body].concat()
}

/// The little-endian number at this place; `None` if the bytes end before.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let number = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*number))
}

/// The little-endian number at this place; `None` if the bytes end before.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let number = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: Label = Label {
        kind: Kind::FileEnd,
        sender: 63,
        sequence: u64::MAX,
        file: 7,
    };

    #[test]
    fn a_header_comes_back_as_it_was() {
        let header = Header::new(LABEL, b"body");
        assert_eq!(Header::decode(&header.encode()), Some(header));
        assert_eq!((header.label, header.length), (LABEL, 4));
        assert!(header.fits(b"body"));
        assert!(!header.fits(b"bodY") && !header.fits(b"bod"));
    }

    #[test]
    fn a_header_with_one_flipped_bit_is_none() {
        let good = Header::new(LABEL, b"body").encode();
        for bit in 0..HEADER_LEN * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&bad), None, "bit {bit}");
        }
    }

    #[test]
    fn a_length_or_kind_out_of_bounds_is_refused_even_with_a_right_sum() {
        let forge = |at: usize, number: u32| {
            let mut bytes = Header::new(LABEL, b"body").encode();
            bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
            let sum = xxh3_64(&bytes[..SUM_AT]);
            bytes[SUM_AT..].copy_from_slice(&sum.to_le_bytes());
            Header::decode(&bytes)
        };
        assert!(forge(8, MAX_BODY as u32).is_some());
        assert_eq!(forge(8, MAX_BODY as u32 + 1), None);
        assert_eq!(forge(4, 0), None);
        assert_eq!(forge(4, 6), None);
    }
}
