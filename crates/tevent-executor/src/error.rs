//! Why a task ended without an output.

use std::any::Any;
use std::fmt;
use std::io;
use std::panic;

use tevent_core::panics;

/// Why a task has no output.
#[non_exhaustive]
pub enum TaskError {
    /// The task panicked. The payload is the panic's own: hand it to [`std::panic::resume_unwind`], or look at it with
    /// [`TaskError::panic_message`].
    Panicked(Box<dyn Any + Send>),
    /// The task was cancelled before it finished: its executor ended.
    Cancelled,
}

impl TaskError {
    /// The message of the panic, if the task panicked with one.
    #[must_use]
    pub fn panic_message(&self) -> Option<&str> {
        match self {
            Self::Panicked(payload) => panics::message(&**payload),
            _ => None,
        }
    }

    /// Raises the error in the caller: a panic goes on with its payload, a cancellation panics with the cure.
    pub(crate) fn raise(self) -> ! {
        match self {
            Self::Panicked(payload) => panic::resume_unwind(payload),
            Self::Cancelled => panic!(
                "the awaited task was cancelled because its context ended (or its output had been taken before); \
                 await `task.outcome()` to get that as a value"
            ),
        }
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(_) => f
                .debug_tuple("Panicked")
                .field(&self.panic_message())
                .finish(),
            Self::Cancelled => f.write_str("Cancelled"),
        }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.panic_message()) {
            (Self::Panicked(_), Some(message)) => write!(f, "the task panicked: {message}"),
            (Self::Panicked(_), None) => f.write_str("the task panicked"),
            (Self::Cancelled, _) => f.write_str("the task was cancelled before it finished"),
        }
    }
}

impl std::error::Error for TaskError {}

/// For functions that do input and output, so that `?` works on the outcome of a task.
impl From<TaskError> for io::Error {
    fn from(error: TaskError) -> Self {
        // What a panic has thrown may not be shared between threads, as the source of an `io::Error` is.
        Self::other(error.to_string())
    }
}
