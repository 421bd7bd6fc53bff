//! Signals as a stream.

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures::Stream;
use tevent_core::panics::Panics;
use tevent_core::{asked, budget};
use tevent_reactor::{Delivery, SignalKind};

use super::{Listener, Seat};
use crate::Handle;

/// A signal as a stream of its deliveries: by [`Signal::recv`], or as a [`Stream`] (tevent has no such thing). Dropping
/// it cancels it.
///
/// All deliveries since the last one that was awaited come as one, with their number, unless siginfos were asked for.
/// Every listener gets all of them, also those that come while nobody awaits. The loop has to run for the stream to be
/// woken; it ends when the context does.
///
/// ```
/// use tevent_context::{Context, Signal, SignalKind, spawn};
///
/// # fn main() -> std::io::Result<()> {
/// let context = Context::new()?;
/// let mut hangups = Signal::new(&context.handle(), SignalKind::HANGUP)?;
/// context.block_on(async {
///     let reload = spawn(async move {
///         while let Some(hangup) = hangups.recv().await {
///             println!("reading the configuration: {} came", hangup.kind);
///         }
///     });
///     // ... the work of the program
///     # drop(reload);
/// });
/// # Ok(())
/// # }
/// ```
#[must_use = "a signal is listened to only as long as this lives"]
pub struct Signal {
    handle: Handle,
    waiting: Rc<Waiting>,
}

/// The loop's end of a stream.
pub(super) struct Waiting {
    seat: Seat,
    waker: Cell<Option<Waker>>,
}

impl Signal {
    /// Listens to a signal from now on.
    ///
    /// # Errors
    /// Those of [`Handle::signal`].
    pub fn new(handle: &Handle, kind: SignalKind) -> io::Result<Self> {
        Self::register(handle, kind, false)
    }

    /// Listens to a signal from now on, each delivery by itself, with its siginfo; see [`Handle::signal_with_info`].
    ///
    /// # Errors
    /// Those of [`Handle::signal`].
    pub fn with_info(handle: &Handle, kind: SignalKind) -> io::Result<Self> {
        Self::register(handle, kind, true)
    }

    fn register(handle: &Handle, kind: SignalKind, with_info: bool) -> io::Result<Self> {
        let waiting = Rc::new(Waiting {
            seat: Seat::new(handle, kind, with_info)?,
            waker: Cell::default(),
        });
        let listener = Listener::Wake(Rc::clone(&waiting));
        handle.core().signals.join(waiting.seat.place, listener);
        Ok(Self {
            handle: handle.clone(),
            waiting,
        })
    }

    /// Waits for the signal. `None` once the context has ended.
    ///
    /// Cancel safe: what has come is taken only when it is returned.
    pub async fn recv(&mut self) -> Option<Delivery> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Like [`recv`](Self::recv), for those who poll by hand.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        if self.handle.has_ended() {
            return Poll::Ready(None);
        }
        if budget::is_spent() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(delivery) = self.waiting.seat.take() else {
            asked::answer(|| format!("the signal {}", self.kind()));
            self.waiting.remember(cx.waker());
            return Poll::Pending;
        };
        budget::spend();
        Poll::Ready(Some(delivery))
    }

    /// The signal.
    #[must_use]
    pub fn kind(&self) -> SignalKind {
        self.waiting.seat.kind()
    }
}

impl Waiting {
    fn remember(&self, waker: &Waker) {
        // A waker's clone and drop are foreign code: the cell is empty meanwhile, and nobody looks.
        match self.waker.take() {
            Some(known) if known.will_wake(waker) => self.waker.set(Some(known)),
            known => {
                self.waker.set(Some(waker.clone()));
                drop(known);
            }
        }
    }

    /// Returns whether anybody was woken, as a number.
    pub(super) fn wake_if_pending(&self, panics: &mut Panics) -> usize {
        if self.seat.pending() == 0 {
            return 0;
        }
        let Some(waker) = self.waker.take() else {
            return 0;
        };
        panics.guard(|| waker.wake());
        1
    }

    /// The loop has ended.
    pub(super) fn end(&self) {
        self.seat.close();
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Stream for Signal {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.poll_recv(cx)
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        self.waiting.seat.close();
        let left = self.handle.core().signals.leave(self.waiting.seat.place);
        drop(left);
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal")
            .field("subscription", &self.waiting.seat)
            .finish_non_exhaustive()
    }
}
