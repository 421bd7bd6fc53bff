//! A stream, what was read ahead of it, and how it has ended.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures::io::AsyncRead;

use super::ReadError;

/// Bytes that are asked of the stream at once. What comes beyond a PDU is kept for the next one.
const READ_SIZE: usize = 8 * 1024;

/// The stream of a reader, from which PDUs are cut.
///
/// ```text
///            +--1--+
///            |     v    2
///   (new) --> Open -------> Ended      1 bytes come, a PDU goes      2 the end, or an error
/// ```
pub(super) struct Buffered<R> {
    stream: R,
    /// Has come, and has gone to nobody.
    ahead: BytesMut,
    read_into: Box<[u8]>,
    /// Bytes that have come so far.
    received: u64,
    /// No more comes: `Ok` at the end of the stream.
    end: Option<Result<(), ReadError>>,
}

impl<R: AsyncRead + Unpin> Buffered<R> {
    pub(super) fn new(stream: R) -> Self {
        Self {
            stream,
            ahead: BytesMut::new(),
            read_into: vec![0; READ_SIZE].into(),
            received: 0,
            end: None,
        }
    }

    /// Cuts off one PDU. Its length is kept in `known` once `length` has told it.
    pub(super) fn poll_pdu(
        &mut self,
        cx: &mut Context<'_>,
        limit: usize,
        known: &mut Option<usize>,
        length: &mut impl FnMut(&[u8]) -> Option<usize>,
    ) -> Poll<Result<Option<Bytes>, ReadError>> {
        loop {
            if let Some(Err(error)) = &self.end {
                return Poll::Ready(Err(error.clone()));
            }
            *known = known.or_else(|| length(&self.ahead));
            match *known {
                Some(length) if length > limit => return too_long(length, limit),
                Some(length) if length <= self.ahead.len() => {
                    return Poll::Ready(Ok(Some(self.ahead.split_to(length).freeze())));
                }
                None if self.ahead.len() > limit => return too_long(self.ahead.len(), limit),
                _ if self.end.is_some() => return Poll::Ready(self.at_the_end()),
                _ => ready!(self.poll_more(cx)),
            }
        }
    }

    /// Reads once; an end is noted.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut self.read_into)) {
            Ok(0) => self.end = Some(Ok(())),
            Ok(count) => match self.read_into.get(..count) {
                Some(come) => {
                    self.ahead.extend_from_slice(come);
                    self.received += come.len() as u64;
                }
                None => self.end_with(read_more_than_asked()),
            },
            Err(error) => self.end_with(error),
        }
        Poll::Ready(())
    }

    /// The stream is at its end, and there is no whole PDU.
    fn at_the_end(&mut self) -> Result<Option<Bytes>, ReadError> {
        if self.ahead.is_empty() {
            return Ok(None);
        }
        let error = ReadError::Torn {
            left: self.ahead.len(),
        };
        self.end = Some(Err(error.clone()));
        Err(error)
    }

    fn end_with(&mut self, error: io::Error) {
        self.end = Some(Err(ReadError::Io {
            error: Arc::new(error),
            received: self.received,
        }));
    }
}

/// Ends nothing: what has come stays, and the next call looks at it anew.
#[cold]
fn too_long<T>(length: usize, limit: usize) -> Poll<Result<T, ReadError>> {
    Poll::Ready(Err(ReadError::TooLong { length, limit }))
}

#[cold]
fn read_more_than_asked() -> io::Error {
    let message = "the stream says that it read more bytes than it was asked for";
    io::Error::new(io::ErrorKind::InvalidData, message)
}
