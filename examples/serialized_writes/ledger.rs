//! What the receiver writes down: which records came, and what is wrong with them.
//!
//! Each sender numbers its records 0, 1, 2, ..., and its last one says that it is the last. Every number is in exactly
//! one of these classes, and each fault counts once:
//!
//! - **torn**: the header came and the body did not, or not whole. A stretch of bytes that belongs to no record counts
//!   as one torn record too: it is what is left of a record that was torn through its header.
//! - **lost**: nothing of the record was recognised: no header with this number came. As many as there were stretches
//!   of the kind above are taken off, for they have been counted. If a sender's last record did not come, it is at
//!   least that one that is lost; the same holds for the first record of the connection.
//! - **out of order**: the record came whole, but after one of the same sender with a higher number, or once more.
//! - fine: whole, and after all those of its sender with lower numbers that came.
//!
//! A file is compared by its digest only if all its records came whole and in order. If the digests differ then, or the
//! file has no end, it counts as one torn record. A record that contradicts the protocol counts as torn too: one of a
//! sender that was not announced, one after its sender's last, a second last one, a first one that announces nobody.
//!
//! Records are counted, not listed, so that the ledger stays small whatever comes: `arrivals.rs` bounds what is kept of
//! each sender, at about 2 KiB.

use super::arrivals::{Arrival, Arrivals};
use super::digest::{Digest, Seal};
use super::frame::{Header, Kind, Label, MAX_SENDERS, u32_at, u64_at};
use super::splitter::Found;
use super::tally::Tally;

/// All that is known about one connection.
#[derive(Default)]
pub(crate) struct Ledger {
    tally: Tally,
    /// Stretches of bytes that belong to no record.
    stretches: u64,
    /// The senders that the first record announced.
    senders: Option<Vec<Sender>>,
}

/// All that is known about one sender.
#[derive(Default)]
struct Sender {
    arrivals: Arrivals,
    /// The last record came: it has the highest number.
    ended: bool,
    file: Option<OpenFile>,
}

/// A file between its first and its last record.
struct OpenFile {
    number: u64,
    digest: Digest,
    /// All of it came, whole and in order, so far.
    intact: bool,
}

impl Ledger {
    /// Writes down the next thing in the stream.
    pub(crate) fn add(&mut self, found: Found<'_>) {
        match found {
            Found::Whole(header, body) if header.label.kind == Kind::Start => self.start(body),
            Found::Whole(header, body) => self.whole(header, body),
            Found::Torn(header) => self.torn(header),
            Found::Garbage => {
                self.stretches += 1;
                self.tally.torn += 1;
            }
        }
    }

    /// The counts, once the connection has ended.
    pub(crate) fn close(mut self) -> Tally {
        let senders = self.senders.as_deref().unwrap_or_default();
        let open = senders.iter().filter(|sender| sender.has_intact_file());
        self.tally.torn += open.count() as u64;
        let missing = senders.iter().map(Sender::missing);
        let first = u64::from(self.senders.is_none());
        self.tally.lost = missing
            .fold(first, u64::saturating_add)
            .saturating_sub(self.stretches);
        self.tally
    }

    fn start(&mut self, body: &[u8]) {
        let count = u32_at(body, 0).filter(|count| (1..=MAX_SENDERS).contains(count));
        match (count, &self.senders) {
            (Some(count), None) => {
                self.senders = Some((0..count).map(|_| Sender::default()).collect())
            }
            _ => self.tally.torn += 1,
        }
    }

    fn whole(&mut self, header: Header, body: &[u8]) {
        let Some(sender) = sender(&mut self.senders, header.label) else {
            self.tally.torn += 1;
            return;
        };
        self.tally.records += 1;
        if header.label.kind == Kind::Data {
            self.tally.bytes += body.len() as u64;
        }
        match sender.arrive(header.label) {
            None => self.tally.torn += 1,
            Some(Arrival::Late | Arrival::Again) => self.tally.out_of_order += 1,
            Some(Arrival::Due) => sender.read(header.label, body, true, &mut self.tally),
            Some(Arrival::Early) => sender.read(header.label, body, false, &mut self.tally),
        }
    }

    fn torn(&mut self, header: Header) {
        self.tally.torn += 1;
        let Some(sender) = sender(&mut self.senders, header.label) else {
            return;
        };
        if let Some(Arrival::Due | Arrival::Early) = sender.arrive(header.label) {
            sender.skip(header.label);
        }
    }
}

/// The sender of a record; `None` if it has none, or one that was not announced, or a number after which none can come.
fn sender(senders: &mut Option<Vec<Sender>>, label: Label) -> Option<&mut Sender> {
    if matches!(label.kind, Kind::Start | Kind::Answer) || label.sequence == u64::MAX {
        return None;
    }
    senders.as_mut()?.get_mut(label.sender as usize)
}

impl Sender {
    /// Writes down that a header came; `None` if none can come at this place.
    fn arrive(&mut self, label: Label) -> Option<Arrival> {
        if self.ended && label.sequence >= self.arrivals.next() {
            return None;
        }
        let arrival = self.arrivals.add(label.sequence);
        match (label.kind, arrival) {
            // It says that it is the last one, but one with a higher number came.
            (Kind::SenderEnd, Arrival::Late) => return None,
            (Kind::SenderEnd, Arrival::Due | Arrival::Early) => self.ended = true,
            _ => {}
        }
        Some(arrival)
    }

    /// Numbers of which no header came. Without the last record at least that one is missing.
    fn missing(&self) -> u64 {
        self.arrivals.missing() + u64::from(!self.ended)
    }

    /// Whether a file is open of which nothing is missing but its end.
    fn has_intact_file(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.intact)
    }

    /// Reads a whole record that is not late.
    fn read(&mut self, label: Label, body: &[u8], in_order: bool, tally: &mut Tally) {
        if self.abandon(label) && in_order {
            tally.torn += 1;
        }
        if label.kind == Kind::SenderEnd {
            tally.torn += u64::from(u64_at(body, 0) != Some(label.sequence));
            return;
        }
        let file = self.open(label, in_order);
        if label.kind == Kind::Data {
            file.digest.update(body);
            return;
        }
        let right = Seal::decode(body) == Some(file.digest.seal());
        match (file.intact, right) {
            (true, true) => tally.files += 1,
            (true, false) => tally.torn += 1,
            (false, _) => {}
        }
        self.file = None;
    }

    /// Goes past a torn record that is not late: its file cannot be compared any more.
    fn skip(&mut self, label: Label) {
        self.abandon(label);
        self.open(label, false);
        if label.kind != Kind::Data {
            self.file = None;
        }
    }

    /// Gives up the open file if this record is not one of it, and says whether that file was intact: its end should
    /// have come first then.
    fn abandon(&mut self, label: Label) -> bool {
        let is_other =
            |file: &mut OpenFile| label.kind == Kind::SenderEnd || file.number != label.file;
        let other = self.file.take_if(is_other);
        other.is_some_and(|file| file.intact)
    }

    /// The record's file, opened if it is not open yet.
    fn open(&mut self, label: Label, as_it_should_be: bool) -> &mut OpenFile {
        let file = self.file.get_or_insert_with(|| OpenFile {
            number: label.file,
            digest: Digest::new(),
            intact: true,
        });
        file.intact &= as_it_should_be;
        file
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::record;
    use super::super::splitter::Splitter;
    use super::*;

    fn start(senders: u32) -> Vec<u8> {
        record(Label::of_connection(Kind::Start), &senders.to_le_bytes())
    }

    fn of(sender: u32, sequence: u64, kind: Kind, file: u64, body: &[u8]) -> Vec<u8> {
        let label = Label {
            kind,
            sender,
            sequence,
            file,
        };
        record(label, body)
    }

    fn seal(text: &str) -> [u8; Seal::LEN] {
        let mut digest = Digest::new();
        digest.update(text.as_bytes());
        digest.seal().encode()
    }

    /// One sender, two files: six records, and the start before them.
    fn good() -> Vec<Vec<u8>> {
        vec![
            start(1),
            of(0, 0, Kind::Data, 0, b"ab"),
            of(0, 1, Kind::Data, 0, b"cd"),
            of(0, 2, Kind::FileEnd, 0, &seal("abcd")),
            of(0, 3, Kind::Data, 1, b"ef"),
            of(0, 4, Kind::FileEnd, 1, &seal("ef")),
            of(0, 5, Kind::SenderEnd, 0, &5_u64.to_le_bytes()),
        ]
    }

    fn tally(stream: &[Vec<u8>]) -> Tally {
        let mut splitter = Splitter::new();
        let mut ledger = Ledger::default();
        let stream = stream.concat();
        for piece in stream.chunks(10).chain([&[][..]]) {
            splitter.space()[..piece.len()].copy_from_slice(piece);
            splitter.filled(piece.len());
            while let Some(found) = splitter.next() {
                ledger.add(found);
            }
        }
        ledger.close()
    }

    fn faults(stream: &[Vec<u8>]) -> (u64, u64, u64) {
        let tally = tally(stream);
        (tally.torn, tally.lost, tally.out_of_order)
    }

    #[test]
    fn a_good_connection_has_no_faults() {
        let good = tally(&good());
        assert!(good.is_clean(), "{good}");
        assert_eq!((good.records, good.bytes, good.files), (6, 6, 2));
    }

    #[test]
    fn each_record_torn_counts_once() {
        for at in 1..good().len() {
            let mut stream = good();
            let half = (48 + stream[at].len()) / 2;
            stream[at].truncate(half);
            assert_eq!(faults(&stream), (1, 0, 0), "record {at} cut short");
            let mut stream = good();
            stream[at][48] ^= 1;
            assert_eq!(faults(&stream), (1, 0, 0), "record {at} damaged");
        }
    }

    #[test]
    fn a_record_torn_through_its_header_counts_once() {
        for at in 1..good().len() {
            let mut stream = good();
            stream[at][20] ^= 1;
            assert_eq!(faults(&stream), (1, 0, 0), "record {at}");
        }
    }

    #[test]
    fn each_record_missing_counts_once() {
        for at in 1..good().len() {
            let mut stream = good();
            stream.remove(at);
            assert_eq!(faults(&stream), (0, 1, 0), "without record {at}");
        }
    }

    #[test]
    fn each_pair_swapped_counts_once() {
        for at in 1..good().len() - 1 {
            let mut stream = good();
            stream.swap(at, at + 1);
            assert_eq!(faults(&stream), (0, 0, 1), "records {at} and the next");
        }
    }

    #[test]
    fn a_record_that_comes_twice_is_out_of_order_once() {
        for at in 1..good().len() {
            let mut stream = good();
            stream.push(stream[at].clone());
            assert_eq!(faults(&stream), (0, 0, 1), "record {at}");
        }
    }

    #[test]
    fn a_wrong_digest_of_a_file_that_came_whole_is_one_torn_record() {
        let mut stream = good();
        stream[3] = of(0, 2, Kind::FileEnd, 0, &seal("abcx"));
        assert_eq!(faults(&stream), (1, 0, 0));
        stream[3] = of(0, 2, Kind::FileEnd, 0, b"no seal");
        assert_eq!(faults(&stream), (1, 0, 0));
        assert_eq!(tally(&stream).files, 1);
    }

    #[test]
    fn a_file_without_its_end_is_one_torn_record() {
        let next_file = [
            start(1),
            of(0, 0, Kind::Data, 0, b"ab"),
            of(0, 1, Kind::Data, 1, b"ef"),
            of(0, 2, Kind::FileEnd, 1, &seal("ef")),
            of(0, 3, Kind::SenderEnd, 0, &3_u64.to_le_bytes()),
        ];
        assert_eq!(faults(&next_file), (1, 0, 0));
        let end = [
            start(1),
            of(0, 0, Kind::Data, 0, b"ab"),
            of(0, 1, Kind::SenderEnd, 0, &1_u64.to_le_bytes()),
        ];
        assert_eq!(faults(&end), (1, 0, 0));
        // The connection breaks off inside the file: the sender's end is lost besides.
        assert_eq!(faults(&good()[..5]), (1, 1, 0));
    }

    #[test]
    fn a_record_that_comes_twice_does_not_make_up_for_a_missing_one() {
        for at in 2..good().len() {
            let mut stream = good();
            stream[at] = stream[1].clone();
            assert_eq!(faults(&stream), (0, 1, 1), "instead of record {at}");
        }
    }

    #[test]
    fn nothing_comes_after_the_last_record_of_a_sender() {
        let end = |number: u64| of(0, number, Kind::SenderEnd, 0, &number.to_le_bytes());
        for after in [of(0, 6, Kind::Data, 2, b"gh"), end(6), end(7)] {
            assert_eq!(faults(&[good(), vec![after]].concat()), (1, 0, 0));
        }
        let mut early = good();
        early[5] = end(4); // The numbers before it came, and one comes after it.
        assert_eq!(faults(&early), (2, 0, 0));
        early.swap(5, 6); // The last one comes first, and is right.
        assert_eq!(faults(&early), (1, 0, 0));
    }

    #[test]
    fn a_connection_without_its_end_has_lost_something() {
        assert_eq!(faults(&[]), (0, 1, 0));
        assert_eq!(faults(&good()[..4]), (0, 1, 0));
        assert_eq!(faults(&[start(64)]), (0, 64, 0));
        let mut cut = good();
        cut[5].truncate(60);
        assert_eq!(faults(&cut[..6]), (1, 1, 0));
    }

    #[test]
    fn what_contradicts_the_protocol_is_torn_and_overflows_nothing() {
        let with = |record: Vec<u8>| {
            let mut stream = good();
            stream.push(record);
            faults(&stream)
        };
        assert_eq!(with(of(1, 0, Kind::Data, 0, b"")), (1, 0, 0));
        assert_eq!(with(start(1)), (1, 0, 0));
        assert_eq!(with(of(0, 6, Kind::Answer, 0, b"")), (1, 0, 0));
        assert_eq!(faults(&[start(MAX_SENDERS + 1)]), (1, 1, 0));
        assert_eq!(faults(&[start(0)]), (1, 1, 0));
        assert_eq!(with(of(0, u64::MAX, Kind::Data, 0, b"")), (1, 0, 0));
        let last = |sender| of(sender, u64::MAX - 1, Kind::Data, 0, b"x");
        let (torn, lost, late) = faults(&[start(2), last(0), last(1), last(1)]);
        assert_eq!((torn, late), (0, 1));
        assert_eq!(lost, u64::MAX);
    }
}
