//! The rules of the queued reader, on streams of a script.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use futures::{FutureExt, executor::block_on, io::AsyncRead};
use tevent_net::reader::ReadPdu;
use tevent_net::{QueuedReader, ReadError};

#[derive(Clone)]
enum Act {
    Give(Vec<u8>),
    Pend,
    Fail(io::ErrorKind),
    Panic,
    /// Says that it read so many bytes.
    Claim(usize),
}

/// A stream that does what its script says; at the end of the script it is at its end.
#[derive(Clone, Default)]
struct Wire {
    script: Rc<RefCell<VecDeque<Act>>>,
    polls: Rc<RefCell<u32>>,
}

impl Wire {
    fn new(script: impl IntoIterator<Item = Act>) -> Self {
        let wire = Self::default();
        wire.script.borrow_mut().extend(script);
        wire
    }

    fn reader(&self) -> QueuedReader<Self> {
        QueuedReader::new(self.clone(), LIMIT)
    }

    fn polls(&self) -> u32 {
        self.polls.take()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        *self.polls.borrow_mut() += 1;
        let act = self.script.borrow_mut().pop_front();
        match act {
            None => Poll::Ready(Ok(0)),
            Some(Act::Give(mut bytes)) => {
                let rest = bytes.split_off(bytes.len().min(buf.len()));
                if !rest.is_empty() {
                    self.script.borrow_mut().push_front(Act::Give(rest));
                }
                buf[..bytes.len()].copy_from_slice(&bytes);
                Poll::Ready(Ok(bytes.len()))
            }
            Some(Act::Pend) => Poll::Pending,
            Some(Act::Fail(kind)) => Poll::Ready(Err(kind.into())),
            Some(Act::Panic) => panic!("the script says so"),
            Some(Act::Claim(count)) => Poll::Ready(Ok(count)),
        }
    }
}

const LIMIT: usize = 20_000;

fn give(bytes: impl AsRef<[u8]>) -> Act {
    Act::Give(bytes.as_ref().into())
}

/// A length of two bytes stands before the body.
fn framed(come: &[u8]) -> Option<usize> {
    let header = come.first_chunk::<2>()?;
    Some(2 + usize::from(u16::from_be_bytes(*header)))
}

fn frame(body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = u16::try_from(body.len()).unwrap();
    [&length.to_be_bytes()[..], body].concat()
}

type Read<D> = ReadPdu<Wire, D>;

fn poll<D>(read: &mut Read<D>) -> Poll<Result<Option<Bytes>, ReadError>>
where
    D: FnMut(&[u8]) -> Option<usize>,
{
    read.poll_unpin(&mut Context::from_waker(Waker::noop()))
}

/// The whole PDU that a read has got.
#[track_caller]
fn pdu<D>(read: &mut Read<D>) -> Vec<u8>
where
    D: FnMut(&[u8]) -> Option<usize>,
{
    match poll(read) {
        Poll::Ready(Ok(Some(pdu))) => pdu.into(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn error<D>(read: Read<D>) -> ReadError
where
    D: FnMut(&[u8]) -> Option<usize>,
{
    block_on(read).unwrap_err()
}

#[test]
fn pdus_go_to_the_calls_in_the_order_of_the_calls() {
    let reader = Wire::new([give(frame("one")), give(frame("two")), give(frame("three"))]).reader();
    let mut reads = [0; 3].map(|_| reader.read_pdu(framed));
    assert!(poll(&mut reads[2]).is_pending() && poll(&mut reads[1]).is_pending());
    let found = reads.each_mut().map(pdu);
    assert_eq!(found, ["one", "two", "three"].map(frame));
}

#[test]
fn what_comes_together_is_read_at_once_and_kept() {
    let wire = Wire::new([give([frame("one"), frame("two"), frame("x")].concat())]);
    let reader = wire.reader();
    let found = [0; 3].map(|_| pdu(&mut reader.read_pdu(framed)));
    assert_eq!(found, ["one", "two", "x"].map(frame));
    assert_eq!(wire.polls(), 1);
}

#[test]
fn calls_may_read_in_different_ways() {
    let reader = Wire::new([give(b"HELO me\nxyz"), give(frame("body"))]).reader();
    let line = |come: &[u8]| Some(come.iter().position(|byte| *byte == b'\n')? + 1);
    let mut reads = (
        reader.read_pdu(line),
        reader.read_exact(3),
        reader.read_pdu(framed),
    );
    let found = (pdu(&mut reads.0), pdu(&mut reads.1), pdu(&mut reads.2));
    assert_eq!(found, (b"HELO me\n".into(), b"xyz".into(), frame("body")));
}

#[test]
fn a_length_is_asked_for_until_it_is_told_and_not_again() {
    let reader = Wire::new([give([0]), give([3]), give(b"a"), give(b"bc")]).reader();
    let mut asked = Vec::new();
    let found = block_on(reader.read_pdu(|come| {
        asked.push(come.len());
        framed(come)
    }));
    assert_eq!(found.unwrap().unwrap(), frame("abc"));
    assert_eq!(asked, [0, 1, 2]);
}

/// Every byte comes by itself, with a pause before it, and the call is dropped at each of its await points.
#[test]
fn a_call_that_is_dropped_anywhere_leaves_its_pdu_whole_to_the_next() {
    let stream = [frame("one"), frame("two")].concat();
    let script = || stream.iter().flat_map(|byte| [Act::Pend, give([*byte])]);
    for polls in 0..=frame("one").len() {
        let reader = Wire::new(script()).reader();
        let mut first = reader.read_pdu(framed);
        let (mut second, mut third) = (reader.read_pdu(framed), reader.read_pdu(framed));
        for _ in 0..polls {
            assert!(poll(&mut first).is_pending());
        }
        assert!(poll(&mut second).is_pending(), "it waits for its turn");
        drop(first);
        let whole = |read: &mut Read<_>| loop {
            if let Poll::Ready(found) = poll(read) {
                return found.unwrap().unwrap();
            }
        };
        assert_eq!(whole(&mut second), frame("one"), "after {polls} polls");
        assert_eq!(whole(&mut third), frame("two"), "after {polls} polls");
    }
}

#[test]
fn a_call_that_is_dropped_in_its_turn_wakes_the_next() {
    let reader = Wire::new([give([0]), Act::Pend, give([1]), give(b"x")]).reader();
    let mut first = reader.read_pdu(framed);
    let mut second = task(reader.read_pdu(framed));
    assert!(poll(&mut first).is_pending());
    assert!(second.poll().is_pending() && !second.is_woken());
    drop(first);
    assert!(second.is_woken());
    let found = second.poll();
    assert!(matches!(found, Poll::Ready(Ok(Some(pdu))) if pdu == frame("x")));
}

#[test]
fn the_end_between_pdus_is_none_for_all() {
    let reader = Wire::new([give(frame("one"))]).reader();
    let mut reads = [0; 3].map(|_| reader.read_pdu(framed));
    assert_eq!(pdu(&mut reads[0]), frame("one"));
    for read in &mut reads[1..] {
        assert!(matches!(poll(read), Poll::Ready(Ok(None))));
    }
    assert_eq!(block_on(reader.read_exact(4)).unwrap(), None);
}

#[test]
fn the_end_inside_a_pdu_is_an_error_for_its_call_and_all_later_ones() {
    let reader = Wire::new([give(frame("one")), give([0, 3, b't'])]).reader();
    let mut reads = [0; 3].map(|_| reader.read_pdu(framed));
    assert_eq!(pdu(&mut reads[0]), frame("one"));
    let [_, second, third] = reads;
    for read in [second, third, reader.read_pdu(framed)] {
        let torn = error(read);
        assert!(matches!(torn, ReadError::Torn { left: 3 }), "{torn:?}");
        assert_eq!(io::Error::from(torn).kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[test]
fn an_error_of_the_stream_fails_all_that_need_more_of_it() {
    let both = [frame("one"), frame("two")].concat();
    let reader = Wire::new([give(both), Act::Fail(io::ErrorKind::ConnectionReset)]).reader();
    let mut reads = [0; 4].map(|_| reader.read_pdu(framed));
    assert_eq!(pdu(&mut reads[0]), frame("one"));
    assert_eq!(pdu(&mut reads[1]), frame("two"), "it had come before");
    let [_, _, third, fourth] = reads;
    for read in [third, fourth] {
        let failed = error(read);
        assert!(
            matches!(failed, ReadError::Io { received: 10, .. }),
            "{failed:?}"
        );
        assert_eq!(
            io::Error::from(failed).kind(),
            io::ErrorKind::ConnectionReset
        );
    }
}

#[test]
fn a_pdu_over_the_limit_is_an_error_before_it_comes() {
    let wire = Wire::new([give(60_000_u16.to_be_bytes()), give([0; 100])]);
    let reader = wire.reader();
    for _ in 0..2 {
        let error = error(reader.read_pdu(framed));
        let expected = matches!(
            error,
            ReadError::TooLong {
                length: 60_002,
                limit: LIMIT
            }
        );
        assert!(expected, "{error:?}");
    }
    assert_eq!(wire.polls(), 1, "nothing of its body was read");
}

#[test]
fn a_header_without_end_is_an_error_at_the_limit() {
    let wire = Wire::new([give(vec![b'x'; 10 * LIMIT])]);
    let error = error(wire.reader().read_pdu(|_| None));
    assert!(
        matches!(error, ReadError::TooLong { length, .. } if length < 2 * LIMIT),
        "{error:?}"
    );
    assert_eq!(wire.polls(), 3, "8 KiB each");
}

#[test]
fn a_pdu_of_the_limit_passes_and_one_of_nothing_too() {
    let body = vec![7; LIMIT - 2];
    let reader = Wire::new([give(frame(&body))]).reader();
    assert_eq!(pdu(&mut reader.read_exact(0)), b"");
    assert_eq!(pdu(&mut reader.read_pdu(framed)), frame(&body));
    assert!(matches!(
        error(reader.read_exact(LIMIT + 1)),
        ReadError::TooLong { .. }
    ));
    assert_eq!(
        pdu(&mut reader.read_exact(0)),
        b"",
        "that has ended nothing"
    );
}

#[test]
fn closing_lets_the_call_with_the_turn_finish() {
    let reader = Wire::new([Act::Pend, give(frame("one"))]).reader();
    let mut first = reader.read_pdu(framed);
    let waiting = reader.read_pdu(framed);
    assert!(poll(&mut first).is_pending());
    assert_eq!(reader.waiting(), 2);
    reader.close();
    assert!(matches!(error(waiting), ReadError::Closed));
    assert!(matches!(error(reader.read_pdu(framed)), ReadError::Closed));
    assert_eq!(pdu(&mut first), frame("one"));
}

#[test]
fn calls_keep_the_reader_and_the_last_one_drops_the_stream() {
    let wire = Wire::new([give(frame("one"))]);
    let reader = wire.reader();
    let mut read = reader.read_pdu(framed);
    drop(reader);
    assert_eq!(pdu(&mut read), frame("one"));
    assert_eq!(Rc::strong_count(&wire.script), 2);
    drop(read);
    assert_eq!(Rc::strong_count(&wire.script), 1);
}

#[test]
fn a_panic_of_the_stream_fails_the_others_and_hangs_nobody() {
    let reader = Wire::new([Act::Panic]).reader();
    let (mut first, second) = (reader.read_pdu(framed), reader.read_pdu(framed));
    assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut first).is_ready())).is_err());
    drop(first);
    assert!(matches!(error(second), ReadError::Panicked));
}

#[test]
fn a_stream_that_lies_about_its_count_is_an_error() {
    let error = error(
        Wire::new([Act::Claim(usize::MAX)])
            .reader()
            .read_pdu(framed),
    );
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::InvalidData);
}

/// A decoder is foreign code: it may come back to the reader that asks it.
#[test]
fn a_decoder_may_use_the_reader() {
    let reader = Wire::new([give(frame("one")), give(frame("two"))]).reader();
    let mut late = None;
    let again = reader.clone();
    let mut first = reader.read_pdu(|come| {
        let mut read = again.read_pdu(framed);
        assert!(poll(&mut read).is_pending());
        late = Some(read);
        framed(come)
    });
    assert_eq!(pdu(&mut first), frame("one"));
    drop(first);
    assert_eq!(pdu(&mut late.unwrap()), frame("two"));
}

/// A future with a waker that tells whether it was woken.
struct Task<F> {
    future: F,
    woken: Arc<AtomicBool>,
}

struct Flag(Arc<AtomicBool>);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn task<F: Future + Unpin>(future: F) -> Task<F> {
    let woken = Arc::default();
    Task { future, woken }
}

impl<F: Future + Unpin> Task<F> {
    fn poll(&mut self) -> Poll<F::Output> {
        let waker = Arc::new(Flag(self.woken.clone())).into();
        self.future.poll_unpin(&mut Context::from_waker(&waker))
    }

    fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Relaxed)
    }
}
