//! What to do about a hung queue.

use std::{fmt, io::Write, rc::Rc};

use super::Finding;

/// What a queue does when the detector finds that it hangs; set by [`Builder::detector`](crate::Builder::detector).
///
/// What is found is a fact about wakers and polls, but for one guess: a guard belongs to the task that took it, until
/// that task spawns another (the guard may have moved into it), or ends, or says [`handed_over`]. A guard that goes
/// through a channel to a task that exists already, or into a task of a foreign executor, has to be `handed_over()`, or
/// its taker may be named. See [`Finding`].
///
/// [`handed_over`]: crate::QueueGuard::handed_over
///
/// The default is [`Log`](Self::Log) in a build with debug assertions, and [`Off`](Self::Off) in others.
#[non_exhaustive]
#[derive(Clone)]
pub enum Policy {
    /// Nobody looks, and it costs nothing.
    Off,
    /// Prints one line to the standard error; if that cannot be written, nothing happens.
    Log,
    /// Calls a function. It runs between two polls, outside of every task, and may use the queue; a panic of it goes
    /// through the loop.
    ///
    /// A handle of the queue that the function has captured keeps the queue open for ever, as the queue keeps the
    /// function: capture what finds the queue, not the queue.
    Call(Rc<dyn Fn(&Finding)>),
    /// Panics through the loop, out of `block_on` or `run`: for tests.
    Panic,
}

impl Policy {
    /// Calls this function; short for [`Policy::Call`].
    pub fn call(act: impl Fn(&Finding) + 'static) -> Self {
        Self::Call(Rc::new(act))
    }

    pub(super) fn apply(&self, finding: &Finding) {
        match self {
            Self::Off => {}
            Self::Log => {
                // `eprintln!` would panic if nobody can read it.
                let _ = writeln!(std::io::stderr(), "tevent: {finding}");
            }
            Self::Call(act) => act(finding),
            Self::Panic => panic!("{finding}"),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        if cfg!(debug_assertions) {
            Self::Log
        } else {
            Self::Off
        }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "Off",
            Self::Log => "Log",
            Self::Call(_) => "Call(..)",
            Self::Panic => "Panic",
        })
    }
}
