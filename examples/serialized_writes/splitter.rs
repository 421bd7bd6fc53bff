//! Splits a stream of bytes into records, and finds the next record again where the stream is damaged.
//!
//! ```text
//!            1 header and body right                2 header right, body not
//!   whole <--------------------------- [ bytes ] ---------------------------> torn, go on right behind the header
//!                                          |
//!                                          | 3 no header here
//!                                          v
//!                             garbage, go on at the next possible one
//! ```
//! Going on *inside* the damaged body (2) is what finds the records that were written into the middle of it. (A file
//! that holds such records itself is no danger: nobody looks inside a body that came whole.) Bytes that belong to no
//! record are put down to the torn ones before them, as many as their headers announced; a stretch of bytes beyond that
//! is garbage, found once.

use std::mem;

use super::frame::{HEADER_LEN, Header, MAGIC};
use super::window::Window;

/// Bytes of torn bodies that are looked through before more than twice what has come; see [`Splitter::patience`].
const PATIENCE: u64 = 64 << 20;

/// The next thing in the stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A record as it was sent.
    Whole(Header, &'a [u8]),
    /// A header as it was sent, and not the body that belongs to it.
    Torn(Header),
    /// A stretch of bytes that belong to no record.
    Garbage,
}

/// What the front of the unread bytes is.
enum Front {
    /// Too few bytes to say.
    Unknown,
    /// Arrow 1.
    Whole(Header),
    /// Arrow 2.
    Torn(Header),
    /// Arrow 3: so many bytes.
    Garbage(usize),
}

/// The stream so far. Memory: at most four times the longest record.
pub(crate) struct Splitter {
    window: Window,
    /// No more bytes will come.
    ended: bool,
    /// Bytes that torn headers announced and that have not turned up yet.
    owed: usize,
    /// The last thing found was garbage: what follows it is the same stretch.
    in_garbage: bool,
    /// How many bytes of torn bodies may still be checked. Every honest header sent its body too, somewhere, so this
    /// runs out only if somebody forges headers to keep the receiver busy. All that comes after is garbage.
    patience: u64,
}

impl Splitter {
    pub(crate) fn new() -> Self {
        Self {
            window: Window::new(),
            ended: false,
            owed: 0,
            in_garbage: false,
            patience: PATIENCE,
        }
    }

    /// Where the next bytes of the stream are to be put; never empty.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        self.window.space()
    }

    /// So many bytes have been put into the [`space`](Self::space); 0 says that the stream has ended.
    pub(crate) fn filled(&mut self, count: usize) {
        self.ended |= count == 0;
        self.patience = self.patience.saturating_add(2 * count as u64);
        self.window.filled(count);
    }

    /// The next thing; `None` until more bytes come, or for good if the stream has ended.
    pub(crate) fn next(&mut self) -> Option<Found<'_>> {
        loop {
            match self.front() {
                Front::Unknown => return None,
                Front::Whole(header) => {
                    self.in_garbage = false;
                    self.window.take(HEADER_LEN);
                    return Some(Found::Whole(header, self.window.take(header.length)));
                }
                Front::Torn(header) => {
                    self.in_garbage = false;
                    self.owed = self.owed.saturating_add(header.length);
                    self.patience = self.patience.saturating_sub(header.length as u64);
                    self.window.take(HEADER_LEN);
                    return Some(Found::Torn(header));
                }
                Front::Garbage(count) => {
                    self.window.take(count);
                    let unclaimed = count > self.owed;
                    self.owed = self.owed.saturating_sub(count);
                    if unclaimed && !mem::replace(&mut self.in_garbage, true) {
                        return Some(Found::Garbage);
                    }
                }
            }
        }
    }

    fn front(&self) -> Front {
        let bytes = self.window.unread();
        let Some(head) = bytes.first_chunk::<HEADER_LEN>() else {
            if self.ended && !bytes.is_empty() {
                return Front::Garbage(bytes.len());
            }
            return Front::Unknown;
        };
        let Some(header) = Header::decode(head).filter(|_| self.patience > 0) else {
            return Front::Garbage(until_next_candidate(bytes));
        };
        match bytes[HEADER_LEN..].get(..header.length) {
            Some(body) if header.fits(body) => Front::Whole(header),
            None if !self.ended => Front::Unknown,
            _ => Front::Torn(header),
        }
    }
}

/// How far it is to the next byte, not counting the first, with which a header could begin.
fn until_next_candidate(bytes: &[u8]) -> usize {
    let next = bytes.iter().skip(1).position(|byte| *byte == MAGIC[0]);
    next.map_or(bytes.len(), |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::super::frame::{Kind, Label, MAX_BODY, record};
    use super::*;

    fn label(sequence: u64) -> Label {
        Label {
            kind: Kind::Data,
            sender: 1,
            sequence,
            file: 2,
        }
    }

    fn data(sequence: u64, body: &[u8]) -> Vec<u8> {
        record(label(sequence), body)
    }

    /// What is found: `w3` for record 3 whole, `t3` torn, `g` for garbage.
    fn found(stream: &[u8], piece: usize) -> String {
        let mut splitter = Splitter::new();
        let mut names = Vec::new();
        for bytes in stream.chunks(piece).chain([&[][..]]) {
            splitter.space()[..bytes.len()].copy_from_slice(bytes);
            splitter.filled(bytes.len());
            while let Some(found) = splitter.next() {
                names.push(match found {
                    Found::Whole(header, body) => {
                        assert!(header.fits(body));
                        format!("w{}", header.label.sequence)
                    }
                    Found::Torn(header) => format!("t{}", header.label.sequence),
                    Found::Garbage => "g".to_owned(),
                });
            }
        }
        names.join(" ")
    }

    fn check(parts: &[&[u8]], expected: &str) {
        let stream = parts.concat();
        for piece in [1, 7, 48, 1000] {
            assert_eq!(found(&stream, piece), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn whole_records_come_out_however_the_stream_is_cut() {
        check(
            &[&data(0, b"a"), &data(1, b""), &data(2, &[7; 300])],
            "w0 w1 w2",
        );
        check(&[], "");
    }

    #[test]
    fn a_record_inside_a_torn_body_is_found() {
        let (first, second) = (data(0, &[b'a'; 100]), data(1, b"second"));
        check(
            &[&first[..60], &second, &first[60..], &data(2, b"c")],
            "t0 w1 w2",
        );
        check(
            &[&first[..48], &second[..48], &first[48..], &second[48..]],
            "t0 t1",
        );
    }

    #[test]
    fn a_body_that_was_cut_short_costs_one_record() {
        let first = data(0, &[b'a'; 100]);
        check(&[&first[..98], &data(1, b"b"), &data(2, b"c")], "t0 w1 w2");
        check(&[&data(0, b"a"), &data(1, b"bb")[..49]], "w0 t1");
    }

    #[test]
    fn garbage_counts_once_per_stretch() {
        let noise = [MAGIC[0]; 200];
        check(
            &[&noise, &data(0, b"a"), b"xy", &data(1, b"b"), &noise],
            "g w0 g w1 g",
        );
        check(&[&data(0, b"a")[1..], &data(1, b"b")], "g w1");
        check(&[&noise], "g");
    }

    #[test]
    fn the_bytes_of_a_torn_body_are_no_garbage_but_what_goes_beyond_is() {
        let mut first = data(0, &[b'a'; 100]);
        first[48] ^= 1;
        check(&[&first, &data(1, b"b")], "t0 w1");
        check(&[&first, b"x", &data(1, b"b")], "t0 g w1");
        check(&[&first, &data(1, b"b")[1..], &data(2, b"c")], "t0 g w2");
    }

    #[test]
    fn a_forged_length_allocates_nothing_and_forged_headers_cost_little() {
        let claims_much = Header::new(label(0), &vec![0; MAX_BODY]).encode();
        let mut splitter = Splitter::new();
        splitter.space()[..HEADER_LEN].copy_from_slice(&claims_much);
        splitter.filled(HEADER_LEN);
        assert_eq!(splitter.next(), None);
        assert!(splitter.space().len() < 1 << 20);

        // Each header claims all that follows it: looked through in full, that would be work in the square.
        splitter.patience = 5 * MAX_BODY as u64;
        let mut torn = 0;
        for _ in 0..2000 {
            splitter.space()[..HEADER_LEN].copy_from_slice(&claims_much);
            splitter.window.filled(HEADER_LEN);
        }
        splitter.ended = true;
        while let Some(found) = splitter.next() {
            torn += u32::from(matches!(found, Found::Torn(_)));
        }
        assert_eq!(torn, 5);
    }
}
