//! Who wants to know what happens in a queue: the hooks of the user, the clock of the statistics, the detector.

use std::{cell::RefCell, fmt, rc::Rc};

use tevent_core::{gate::Ticket, line::Place};

use crate::trace::{Hook, TracePoint};

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
    /// It is about to leave.
    Detached,
}

/// One moment of one entry.
pub(crate) struct Seen<'a> {
    pub(crate) queue: &'a str,
    pub(crate) moment: Moment,
    #[expect(dead_code, reason = "the detector and the clocks will ask")]
    pub(crate) place: Place,
    pub(crate) ticket: Ticket,
}

/// Those who watch one queue. Made when the first of them comes: a queue that nobody watches pays one look for it.
#[derive(Default)]
pub struct Watch {
    hooks: RefCell<Vec<Hook>>,
}

impl Watch {
    pub(crate) fn add_hook(&self, hook: Hook) {
        self.hooks.borrow_mut().push(hook);
    }

    /// Calls everybody who watches. No borrow is held while a hook runs; one that is added meanwhile is called from the
    /// next time on.
    pub(crate) fn tell(&self, seen: &Seen<'_>) {
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

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
