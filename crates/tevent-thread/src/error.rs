//! Why something did not reach the other thread, with what was sent.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;

use tevent_context::TaskError;
use tevent_core::panics;

/// The owner's end is gone, or its loop has ended: the value comes back.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Closed<T>(pub T);

/// Why a value was not taken at once; it comes back.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrySendError<T> {
    /// There is no room, or others wait for room and come first.
    Full(T),
    /// The owner's end is gone, or its loop has ended.
    Closed(T),
}

/// Why a call has no result.
#[non_exhaustive]
pub enum CallError {
    /// The proxy was closed already: the function was not sent.
    Closed,
    /// The proxy was closed, or its loop ended, before the function was called: it was dropped on the loop's thread.
    Abandoned,
    /// The function panicked. The payload is the panic's own: hand it to [`std::panic::resume_unwind`], or look at it
    /// with [`CallError::panic_message`].
    Panicked(Box<dyn Any + Send>),
}

impl<T> Closed<T> {
    /// What was sent.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> TrySendError<T> {
    /// What was sent.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value) | Self::Closed(value) => value,
        }
    }

    /// Whether it may help to try again later.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }

    /// The same with another value inside.
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> TrySendError<U> {
        match self {
            Self::Full(value) => TrySendError::Full(map(value)),
            Self::Closed(value) => TrySendError::Closed(map(value)),
        }
    }
}

impl CallError {
    /// The message of the panic, if the function panicked with one.
    #[must_use]
    pub fn panic_message(&self) -> Option<&str> {
        match self {
            Self::Panicked(payload) => panics::message(&**payload),
            _ => None,
        }
    }
}

impl From<TaskError> for CallError {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::Panicked(payload) => Self::Panicked(payload),
            _ => Self::Abandoned,
        }
    }
}

impl<T> fmt::Debug for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closed(..)")
    }
}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl fmt::Debug for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("Closed"),
            Self::Abandoned => f.write_str("Abandoned"),
            Self::Panicked(_) => f
                .debug_tuple("Panicked")
                .field(&self.panic_message())
                .finish(),
        }
    }
}

const CLOSED: &str =
    "the receiving end was closed or its loop has ended: keep both alive, or take the value back";

impl<T> fmt::Display for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CLOSED)
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "there is no room: wait for it, try again later, or drop the value",
            Self::Closed(_) => CLOSED,
        })
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.panic_message()) {
            (Self::Panicked(_), Some(message)) => {
                write!(f, "the called function panicked: {message}")
            }
            (Self::Panicked(_), None) => f.write_str("the called function panicked"),
            (Self::Closed, _) => {
                f.write_str("the proxy is closed: keep it and its context alive while others call")
            }
            (Self::Abandoned, _) => f.write_str(
                "the proxy was closed before the function was called: keep it and its context alive until then",
            ),
        }
    }
}

impl<T> Error for Closed<T> {}

impl<T> Error for TrySendError<T> {}

impl Error for CallError {}

/// For functions that do input and output, so that `?` works on the outcome of a call.
impl From<CallError> for io::Error {
    fn from(error: CallError) -> Self {
        // What a panic has thrown may not be shared between threads, as the source of an `io::Error` is.
        Self::other(error.to_string())
    }
}
