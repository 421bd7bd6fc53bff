//! Signals: the listeners of one loop, and the phase of the turn in which they are told.

mod handler;
mod stream;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::rc::Rc;

use tevent_core::panics::Panics;
use tevent_reactor::{Delivery, ReactorHandle, SignalKind, Subscription, signals_arrived};

use crate::Handle;
use crate::core_loop::Loop;

pub use handler::SignalHandler;
pub use stream::Signal;

/// The order in which listeners are told: by signal, then first registered first.
type Place = (SignalKind, u64);

/// The signal listeners of one loop. May grow: each belongs to a value that somebody holds or has detached.
#[derive(Default)]
pub(crate) struct Signals {
    listeners: RefCell<BTreeMap<Place, Listener>>,
    next: Cell<u64>,
    /// How many signals had come to the process when the listeners were told.
    seen: Cell<u64>,
}

/// Somebody who waits for a signal.
#[derive(Clone)]
enum Listener {
    Call(handler::Listening),
    Wake(Rc<stream::Waiting>),
}

impl Signals {
    /// Calls the handlers and wakes the streams of all signals that have come, in ascending order of the signals.
    /// Returns how many handlers and streams were told.
    ///
    /// # Panics
    /// With the first panic of a handler or a waker, after the others have been told.
    #[inline]
    pub(crate) fn dispatch(&self, reactor: &ReactorHandle) -> usize {
        if self.has_pending() {
            self.dispatch_pending(reactor)
        } else {
            0
        }
    }

    fn dispatch_pending(&self, reactor: &ReactorHandle) -> usize {
        // Others are found by the look before the next sleep.
        reactor.await_signals(false);
        // Before anybody looks: what comes meanwhile is for the next turn, unless it is found by chance.
        self.seen.set(signals_arrived());
        let mut panics = Panics::default();
        let told = self.tell_all(&mut panics);
        panics.resume();
        told
    }

    /// Whether there is a listener.
    #[inline]
    pub(crate) fn is_listening(&self) -> bool {
        !self.listeners.borrow().is_empty()
    }

    /// Whether a signal has come that [`dispatch`](Self::dispatch) would tell somebody of, or at least look for whom.
    #[inline]
    pub(crate) fn has_pending(&self) -> bool {
        self.is_listening() && self.seen.get() != signals_arrived()
    }

    /// The loop is about to sleep: from now on signals ring. `false` if one has come already: then it must not.
    #[inline]
    pub(crate) fn park(&self, reactor: &ReactorHandle) -> bool {
        if self.is_listening() {
            reactor.await_signals(true);
        }
        !self.has_pending()
    }

    /// The loop has ended: drops the handlers, wakes the streams.
    ///
    /// # Panics
    /// With the first panic of a destructor or a waker, after the others had their turn.
    pub(crate) fn end(&self, handle: &Handle) {
        let listeners = self.listeners.take();
        let mut panics = Panics::default();
        for listener in listeners.into_values() {
            panics.guard(|| listener.end(handle.core()));
        }
        panics.resume();
    }

    /// Those who are registered meanwhile have nothing to be told, and are left out.
    fn tell_all(&self, panics: &mut Panics) -> usize {
        let (mut told, last) = (0, self.next.get());
        let mut place = None;
        while let Some((next, listener)) = self.after(place) {
            place = Some(next);
            if next.1 < last {
                told += listener.tell(panics);
            }
            panics.guard(|| drop(listener));
        }
        told
    }

    fn after(&self, place: Option<Place>) -> Option<(Place, Listener)> {
        let listeners = self.listeners.borrow();
        let mut rest = match place {
            Some((kind, number)) => listeners.range((kind, number + 1)..),
            None => listeners.range(..),
        };
        rest.next()
            .map(|(place, listener)| (*place, listener.clone()))
    }

    fn join(&self, place: Place, listener: Listener) {
        self.listeners.borrow_mut().insert(place, listener);
    }

    fn leave(&self, place: Place) -> Option<Listener> {
        self.listeners.borrow_mut().remove(&place)
    }

    /// The next place among the listeners of a signal.
    fn place(&self, kind: SignalKind) -> Place {
        if !self.is_listening() {
            self.seen.set(signals_arrived());
        }
        let number = self.next.get();
        self.next.set(number + 1);
        (kind, number)
    }
}

impl Listener {
    fn tell(&self, panics: &mut Panics) -> usize {
        match self {
            Self::Call(listening) => listening.call(panics),
            Self::Wake(waiting) => waiting.wake_if_pending(panics),
        }
    }

    fn end(self, core: &Loop) {
        match self {
            Self::Call(listening) => listening.end(core),
            Self::Wake(waiting) => waiting.end(),
        }
    }
}

/// A subscription and its place in the loop: what handlers and streams have in common.
struct Seat {
    place: Place,
    /// Given back before its holder goes, when it is cancelled or when the loop ends.
    subscription: RefCell<Option<Subscription>>,
}

impl Seat {
    /// # Errors
    /// As [`Subscription::new`]; the context has ended.
    fn new(handle: &Handle, kind: SignalKind, with_info: bool) -> io::Result<Self> {
        let reactor = handle.reactor()?;
        let place = handle.core().signals.place(kind);
        let subscription = Subscription::new(&reactor, kind, with_info)?;
        Ok(Self {
            place,
            subscription: RefCell::new(Some(subscription)),
        })
    }

    fn kind(&self) -> SignalKind {
        self.place.0
    }

    fn pending(&self) -> u64 {
        let subscription = self.subscription.borrow();
        subscription.as_ref().map_or(0, Subscription::pending)
    }

    fn take(&self) -> Option<Delivery> {
        self.subscription.borrow().as_ref()?.take()
    }

    /// Whether it is still subscribed.
    fn is_open(&self) -> bool {
        self.subscription.borrow().is_some()
    }

    /// Gives the subscription back: the last one's handler is taken away now. Calls no foreign code.
    fn close(&self) {
        self.subscription.take();
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.subscription.borrow().fmt(f)
    }
}
