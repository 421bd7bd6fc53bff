//! One batch: what the stream is offered by one system call.
//!
//! Small records are copied behind one another, because the kernel's price for one more slice is higher than that of a
//! short copy. Large ones are lent by the state and offered where they lie.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::io::AsyncWrite;
use tevent_core::line::Place;

use super::node::Body;
use super::state::State;

/// Up to so many bytes are copied.
pub(super) const COPY_MAX: usize = 1024;

/// Slices that one system call is offered.
const MAX_SLICES: usize = 64;

/// The bounds of one batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) bytes: usize,
    pub(super) records: usize,
}

/// Two buffers that are used again, empty between two calls of the stream.
#[derive(Default)]
pub(super) struct Batch {
    copied: Vec<u8>,
    pieces: Vec<Piece>,
}

enum Piece {
    Copied(Range<usize>),
    Lent {
        place: Place,
        body: Body,
        range: Range<usize>,
    },
}

impl Batch {
    /// Takes from the front of the line as much as the bounds allow, and returns how many bytes that are.
    pub(super) fn gather(&mut self, state: &mut State, bounds: Bounds) -> usize {
        let (mut room, mut records) = (bounds.bytes, bounds.records);
        let mut next = state.line.front();
        while let Some(place) = next
            && room > 0
            && records > 0
            && self.pieces.len() < MAX_SLICES
        {
            room -= self.add(state, place, room);
            records -= 1;
            next = state.line.next(place);
        }
        state.lent = true;
        bounds.bytes - room
    }

    /// Offers the batch to the stream. No borrow is held meanwhile: the stream is foreign code.
    pub(super) fn poll_write(
        &self,
        stream: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if let [only] = &self.pieces[..] {
            return stream.poll_write(cx, self.slice(only));
        }
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(self.slice(piece));
        }
        stream.poll_write_vectored(cx, &slices[..self.pieces.len()])
    }

    /// Gives back what was lent.
    pub(super) fn give_back(&mut self, state: &mut State) {
        for piece in self.pieces.drain(..) {
            if let Piece::Lent { place, body, .. } = piece
                && let Some(node) = state.line.get_mut(place)
            {
                node.body = body;
            }
        }
        self.copied.clear();
        state.lent = false;
    }

    /// Adds what a node has left, up to `room` bytes, and returns how many bytes that are.
    fn add(&mut self, state: &mut State, place: Place, room: usize) -> usize {
        let Some(node) = state.line.get_mut(place) else {
            return 0;
        };
        let (start, rest) = (node.taken, node.rest());
        if rest == 0 {
            return 0;
        }
        let end = start + rest.min(room);
        if rest <= COPY_MAX {
            self.copy(&node.body.bytes()[start..end]);
        } else {
            self.pieces.push(Piece::Lent {
                place,
                body: std::mem::replace(&mut node.body, Body::Lent),
                range: start..end,
            });
        }
        end - start
    }

    fn copy(&mut self, bytes: &[u8]) {
        let start = self.copied.len();
        self.copied.extend_from_slice(bytes);
        let end = self.copied.len();
        match self.pieces.last_mut() {
            Some(Piece::Copied(range)) => range.end = end,
            _ => self.pieces.push(Piece::Copied(start..end)),
        }
    }

    fn slice<'a>(&'a self, piece: &'a Piece) -> &'a [u8] {
        match piece {
            Piece::Copied(range) => &self.copied[range.clone()],
            Piece::Lent { body, range, .. } => &body.bytes()[range.clone()],
        }
    }
}
