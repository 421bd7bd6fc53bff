//! A road: its channel, the bell that tells the loop, and what the two ends say of it.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::process;
use std::sync::OnceLock;
use std::task::Waker;
use std::thread::{self, ThreadId};

use tevent_context::InboxPoster;
use tevent_core::panics::Panics;

use super::channel::{Channel, Messages, channel};
use super::room::Refusal;
use crate::TrySendError;

/// Shared by the owner's end, the loop and all senders; so each sender may ring for as long as it likes.
pub(super) struct Road<T> {
    pub(super) channel: Channel<T>,
    /// Set before there is a sender.
    bell: OnceLock<InboxPoster>,
    room: Option<usize>,
    name: OnceLock<Cow<'static, str>>,
    place: &'static Location<'static>,
    owner: ThreadId,
    process: u32,
}

impl<T> Road<T> {
    #[track_caller]
    pub(super) fn new(room: Option<usize>) -> (Self, Messages<T>) {
        let (channel, messages) = channel(room);
        let road = Self {
            channel,
            bell: OnceLock::new(),
            room,
            name: OnceLock::new(),
            place: Location::caller(),
            owner: thread::current().id(),
            process: process::id(),
        };
        (road, messages)
    }

    pub(super) fn connect(&self, bell: InboxPoster) {
        let _is_first = self.bell.set(bell);
    }

    pub(super) fn name(&self, name: Cow<'static, str>) {
        let _is_first = self.name.set(name);
    }

    #[inline]
    pub(super) fn send(&self, message: T) -> Result<(), TrySendError<T>> {
        match self.channel.push(message) {
            Ok(()) => {
                self.ring();
                Ok(())
            }
            Err((Refusal::Full, message)) => Err(TrySendError::Full(message)),
            Err((Refusal::Closed, message)) => Err(TrySendError::Closed(message)),
        }
    }

    /// The loop will look at the channel. If it is closed just now, its owner finds what was sent, and counts it.
    pub(super) fn ring(&self) {
        if let Some(bell) = self.bell.get() {
            let _ = bell.post();
        }
    }

    /// Whether the loop looks at the channel no more.
    #[inline]
    pub(super) fn is_deaf(&self) -> bool {
        self.bell.get().is_some_and(InboxPoster::is_closed)
    }

    pub(super) fn close(&self) {
        if !self.is_parents() {
            wake_all(self.channel.close());
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        !self.channel.is_open()
    }

    pub(super) fn queued(&self) -> usize {
        self.channel.len()
    }

    pub(super) fn owner(&self) -> ThreadId {
        self.owner
    }

    /// Whether this is a forked child of the loop's process. There any of its locks may be held, and any of its places
    /// be claimed, by a thread that only the parent has: the child does without it.
    pub(super) fn is_parents(&self) -> bool {
        self.process != process::id()
    }

    pub(super) fn place(&self) -> &'static Location<'static> {
        self.place
    }

    pub(super) fn describe<'a, 'b>(
        &self,
        mut described: fmt::DebugStruct<'a, 'b>,
    ) -> fmt::DebugStruct<'a, 'b> {
        if let Some(name) = self.name.get() {
            described.field("name", name);
        }
        described
            .field("place", &format_args!("{}", self.place))
            .field("queued", &self.queued());
        if let Some(room) = self.room {
            described.field("room", &room);
        }
        described.field("open", &!self.is_closed());
        described
    }
}

/// Wakes all.
///
/// # Panics
/// With the first panic of a waker, after the others have been woken.
pub(super) fn wake_all(wakers: Vec<Waker>) {
    let mut panics = Panics::default();
    for waker in wakers {
        panics.guard(|| waker.wake());
    }
    panics.resume();
}
