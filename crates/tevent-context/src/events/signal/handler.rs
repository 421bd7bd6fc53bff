//! Signals that call a handler.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;

use tevent_core::panics::Panics;
use tevent_reactor::{Delivery, SignalKind};

use super::{Listener, Seat};
use crate::Handle;
use crate::core_loop::Loop;
use crate::events::{Event, EventKind};

/// A handler that is called after a signal has come (C: `tevent_signal`). Made by [`Handle::signal`] and its kin.
/// Dropping it cancels it, also inside the handler; [`SignalHandler::detach`] lets it stay as long as the loop.
///
/// It is called by the loop, first thing in a turn, never in the middle of other code: it may do whatever a handler
/// may. Handlers are called in ascending order of the signals, and first registered first among those of one signal (C:
/// newest first). Every loop calls its own handlers on its own thread (C: the loop that is first calls all of them).
///
/// The first listener of a signal in the process replaces what was installed for it, which is not called any more; the
/// last one puts it back, unless another handler has been installed meanwhile (a thread that installs one at that very
/// moment may lose it). A forked child keeps what is installed until it drops its copies of the listeners or calls
/// `exec`: until then a signal that the parent listens to does nothing there.
#[must_use = "a handler is cancelled when it is dropped: keep it, or `detach` it"]
pub struct SignalHandler(Rc<State<Handler>>);

type Handler = dyn FnMut(&Handle, Delivery);

struct State<H: ?Sized> {
    handle: Handle,
    event: Event,
    seat: Seat,
    form: Form,
    /// Whether the drop of the `SignalHandler` leaves it in place.
    detached: Cell<bool>,
    handler: RefCell<H>,
}

/// What a handler wants to be told, and how often.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Counted,
    WithInfo,
    /// The first call is the last.
    Once,
}

/// The loop's end of it.
#[derive(Clone)]
pub(super) struct Listening(Rc<State<Handler>>);

impl Handle {
    /// Calls `handler` whenever the signal has come: once for all deliveries since its last call, with their number (C:
    /// `tevent_add_signal`). Any number of handlers may be registered for one signal; each is told of all deliveries.
    ///
    /// ```
    /// use tevent_context::{Context, SignalKind};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let context = Context::new()?;
    /// let stop = context.handle().signal(SignalKind::TERMINATE, |handle, delivery| {
    ///     println!("{} came {} times", delivery.kind, delivery.count);
    ///     handle.stop();
    /// })?;
    /// # context.handle().stop();
    /// context.run()?; // until SIGTERM comes
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `InvalidInput` if the signal cannot be listened to: there is none of that number, or the kernel or the C library
    /// keeps it, or it tells of a fault (C: `EINVAL`). The context has ended or is the parent's of this forked process;
    /// no descriptors left.
    #[track_caller]
    pub fn signal(
        &self,
        kind: SignalKind,
        handler: impl FnMut(&Handle, Delivery) + 'static,
    ) -> io::Result<SignalHandler> {
        SignalHandler::register(self, kind, Form::Counted, handler)
    }

    /// Like [`Handle::signal`], with one call per delivery, in order of arrival, each with its siginfo (C:
    /// `SA_SIGINFO`).
    ///
    /// If more than 256 are pending, the oldest lose their siginfo: the next call says [how many](Delivery::lost) (C:
    /// the signal is blocked meanwhile). So does a siginfo that comes while more than 256 others are being written.
    ///
    /// # Errors
    /// Those of [`Handle::signal`].
    #[track_caller]
    pub fn signal_with_info(
        &self,
        kind: SignalKind,
        handler: impl FnMut(&Handle, Delivery) + 'static,
    ) -> io::Result<SignalHandler> {
        SignalHandler::register(self, kind, Form::WithInfo, handler)
    }

    /// Like [`Handle::signal`], for one call: the handler is cancelled after it (C: `SA_RESETHAND`).
    ///
    /// # Errors
    /// Those of [`Handle::signal`].
    #[track_caller]
    pub fn signal_once(
        &self,
        kind: SignalKind,
        handler: impl FnOnce(&Handle, Delivery) + 'static,
    ) -> io::Result<SignalHandler> {
        let mut handler = Some(handler);
        SignalHandler::register(self, kind, Form::Once, move |handle, delivery| {
            if let Some(handler) = handler.take() {
                handler(handle, delivery);
            }
        })
    }
}

impl SignalHandler {
    #[track_caller]
    fn register(
        handle: &Handle,
        kind: SignalKind,
        form: Form,
        handler: impl FnMut(&Handle, Delivery) + 'static,
    ) -> io::Result<Self> {
        let state: Rc<State<Handler>> = Rc::new(State {
            handle: handle.clone(),
            event: Event::new(EventKind::Signal),
            seat: Seat::new(handle, kind, form == Form::WithInfo)?,
            form,
            detached: Cell::new(false),
            handler: RefCell::new(handler),
        });
        let core = handle.core();
        let listener = Listener::Call(Listening(Rc::clone(&state)));
        core.signals.join(state.seat.place, listener);
        state.event.attach(core);
        Ok(Self(state))
    }

    /// Takes the handler away: it is not called again, and what has come but was not told yet is forgotten. `false` if
    /// it was taken away already.
    pub fn cancel(&self) -> bool {
        self.0.cancel()
    }

    /// Whether the handler may still be called.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.0.seat.is_open()
    }

    /// Lets the handler stay until the context ends; nobody can cancel it any more.
    pub fn detach(self) {
        self.0.detached.set(true);
    }

    /// Whether [`Context::run`](crate::Context::run) goes on while this handler may be called; at first it does.
    pub fn keep_running(&self, keeps: bool) {
        self.0.event.set_counted(self.0.handle.core(), keeps);
    }

    /// The signal.
    #[must_use]
    pub fn kind(&self) -> SignalKind {
        self.0.seat.kind()
    }

    /// The tag, for those who trace; 0 at first.
    #[must_use]
    pub fn tag(&self) -> u64 {
        self.0.event.tag()
    }

    /// Gives it a tag.
    pub fn set_tag(&self, tag: u64) {
        self.0.event.set_tag(tag);
    }
}

impl State<Handler> {
    fn cancel(&self) -> bool {
        let core = self.handle.core();
        self.seat.close();
        let left = core.signals.leave(self.seat.place);
        self.event.detach(core);
        // Dropped with no borrow held, and last: a handler is foreign code.
        left.is_some()
    }
}

impl Listening {
    /// Calls the handler for all that is pending now; what comes meanwhile rings for another turn. Returns whether it
    /// was called, as a number.
    pub(super) fn call(&self, panics: &mut Panics) -> usize {
        let state = &*self.0;
        let mut left = state.seat.pending();
        let mut told = 0;
        while left > 0
            && let Some(delivery) = state.seat.take()
        {
            left -= 1;
            told = 1;
            panics.guard(|| state.call(delivery));
            if state.form == Form::Once {
                panics.guard(|| {
                    state.cancel();
                });
            }
        }
        told
    }

    /// The loop has ended.
    pub(super) fn end(self, core: &Loop) {
        self.0.seat.close();
        self.0.event.detach(core);
    }
}

impl State<Handler> {
    fn call(&self, delivery: Delivery) {
        let core = self.handle.core();
        // Not borrowed: a handler runs on a loop that it cannot run itself.
        self.event.call(core, || {
            (self.handler.borrow_mut())(&self.handle, delivery);
        });
    }
}

impl Drop for SignalHandler {
    fn drop(&mut self) {
        if !self.0.detached.get() {
            self.cancel();
        }
    }
}

impl fmt::Debug for SignalHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalHandler")
            .field("subscription", &self.0.seat)
            .field("event", &self.0.event)
            .finish_non_exhaustive()
    }
}
