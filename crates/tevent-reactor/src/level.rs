//! Level-triggered registrations in mio's poll, which mio itself does not make.

use std::io;
use std::os::fd::BorrowedFd;

use mio::Registry;
use rustix::event::epoll::{self, EventData, EventFlags};

use crate::token::Token;
use crate::watch::Interest;

pub(crate) fn register(
    registry: &Registry,
    fd: BorrowedFd<'_>,
    token: Token,
    interest: Interest,
) -> io::Result<()> {
    Ok(epoll::add(registry, fd, data(token), flags(interest))?)
}

pub(crate) fn reregister(
    registry: &Registry,
    fd: BorrowedFd<'_>,
    token: Token,
    interest: Interest,
) -> io::Result<()> {
    Ok(epoll::modify(registry, fd, data(token), flags(interest))?)
}

fn data(token: Token) -> EventData {
    EventData::new_u64(mio::Token::from(token).0 as u64)
}

/// What mio asks for, but not `ET`.
fn flags(interest: Interest) -> EventFlags {
    let read = EventFlags::IN | EventFlags::RDHUP;
    match interest {
        Interest::Readable => read,
        Interest::Writable => EventFlags::OUT,
        Interest::Both => read | EventFlags::OUT,
    }
}
