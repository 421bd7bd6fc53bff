//! Who wants to know what happens in a queue: the hooks of the user, the clock of the statistics, the detector.

use std::{
    cell::{OnceCell, RefCell},
    fmt,
    rc::Rc,
};

use tevent_core::{
    gate::{State, Ticket},
    line::Place,
};

#[cfg(feature = "stats")]
use tevent_core::panics::Panics;

#[cfg(feature = "metrics")]
use crate::metrics::Meter;
#[cfg(feature = "stats")]
use crate::timing::Stopwatch;
use crate::{
    detector::Link,
    trace::{Hook, TracePoint},
};

/// What has become of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Moment {
    /// It has taken its place.
    Attached,
    /// It was polled, and has to wait.
    Waits,
    /// It has been given the turn, and its task is about to be woken.
    Granted,
    /// It takes its turn.
    Triggered,
    /// It has given its turn back, and waits again.
    GivenBack,
    /// It is about to leave.
    Detached,
}

/// One moment of one entry.
pub(crate) struct Seen<'a> {
    pub(crate) queue: &'a str,
    pub(crate) moment: Moment,
    pub(crate) place: Place,
    #[cfg_attr(not(feature = "metrics"), expect(dead_code, reason = "the meter asks"))]
    pub(crate) state: State,
    pub(crate) ticket: Ticket,
}

/// Those who watch one queue. Made when the first of them comes: a queue that nobody watches pays one look for it.
#[derive(Default)]
pub struct Watch {
    detector: OnceCell<Link>,
    #[cfg(feature = "stats")]
    stopwatch: OnceCell<Stopwatch>,
    #[cfg(feature = "metrics")]
    meter: OnceCell<Meter>,
    hooks: RefCell<Vec<Hook>>,
}

impl Watch {
    /// Ties the queue to the detector of its thread; done once, when the queue is made.
    pub(crate) fn set_detector(&self, link: Link) {
        let again = self.detector.set(link);
        debug_assert!(again.is_ok(), "a queue has one detector");
    }

    /// Takes the times from now on; done once, when the queue is made.
    #[cfg(feature = "stats")]
    pub(crate) fn set_stopwatch(&self, stopwatch: Stopwatch) {
        let again = self.stopwatch.set(stopwatch);
        debug_assert!(again.is_ok(), "a queue has one clock");
    }

    #[cfg(feature = "stats")]
    pub(crate) fn stopwatch(&self) -> Option<&Stopwatch> {
        self.stopwatch.get()
    }

    /// Counts from now on; done once, when the queue is made.
    #[cfg(feature = "metrics")]
    pub(crate) fn set_meter(&self, meter: Meter) {
        let again = self.meter.set(meter);
        debug_assert!(again.is_ok(), "a queue has one meter");
    }

    /// The guard at this place counts as nobody's.
    pub(crate) fn hand_over(&self, place: Place) {
        if let Some(detector) = self.detector.get() {
            detector.hand_over(place);
        }
    }

    pub(crate) fn add_hook(&self, hook: Hook) {
        self.hooks.borrow_mut().push(hook);
    }

    /// Tells everybody who watches, the hooks last: they are foreign code. No borrow is held while a hook runs; one
    /// that is added meanwhile is called from the next time on.
    pub(crate) fn tell(&self, seen: &Seen<'_>) {
        if let Some(detector) = self.detector.get() {
            detector.tell(seen.moment, seen.place);
        }
        #[cfg(feature = "stats")]
        self.measure(seen);
        let Some(point) = TracePoint::of(seen) else {
            return;
        };
        let hooks = self.hooks.borrow().len();
        for index in 0..hooks {
            let hook = self.hooks.borrow().get(index).map(Rc::clone);
            if let Some(hook) = hook {
                hook(&point);
            }
        }
    }
}

#[cfg(feature = "stats")]
impl Watch {
    fn measure(&self, seen: &Seen<'_>) {
        let (mut panics, mut _lap) = (Panics::default(), None);
        if let Some(stopwatch) = self.stopwatch.get() {
            panics.guard(|| _lap = stopwatch.tell(seen.moment, seen.place));
        }
        // What is counted does not depend on the clock.
        #[cfg(feature = "metrics")]
        if let Some(meter) = self.meter.get() {
            meter.tell(seen, _lap);
        }
        panics.resume();
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
