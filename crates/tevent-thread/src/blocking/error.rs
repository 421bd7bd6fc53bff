//! Why a blocking job has no result.

use std::any::Any;
use std::fmt;
use std::io;

use tevent_core::panics;

/// Why a blocking job has no result.
#[non_exhaustive]
pub enum BlockingError {
    /// The job panicked. The payload is the panic's own: hand it to [`std::panic::resume_unwind`], or look at it with
    /// [`BlockingError::panic_message`].
    Panicked(Box<dyn Any + Send>),
    /// It was cancelled before it began; or the pool's shutdown or the context's end did not wait for it.
    Cancelled,
    /// The system gave no thread, and the pool has none. The job was not begun: try again later, with fewer threads.
    NoThread(io::Error),
}

impl BlockingError {
    /// The message of the panic, if the job panicked with one.
    #[must_use]
    pub fn panic_message(&self) -> Option<&str> {
        match self {
            Self::Panicked(payload) => panics::message(&**payload),
            _ => None,
        }
    }
}

impl fmt::Debug for BlockingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(_) => {
                let message = self.panic_message();
                f.debug_tuple("Panicked").field(&message).finish()
            }
            Self::Cancelled => f.write_str("Cancelled"),
            Self::NoThread(error) => f.debug_tuple("NoThread").field(error).finish(),
        }
    }
}

impl fmt::Display for BlockingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(_) => match self.panic_message() {
                Some(message) => write!(f, "the blocking job panicked: {message}"),
                None => f.write_str("the blocking job panicked"),
            },
            Self::Cancelled => f.write_str("the blocking job was cancelled"),
            Self::NoThread(error) => write!(f, "no thread for the blocking job: {error}"),
        }
    }
}

impl std::error::Error for BlockingError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoThread(error) => Some(error),
            Self::Panicked(_) | Self::Cancelled => None,
        }
    }
}

/// For functions that do input and output, so that `?` works on both results of a job.
impl From<BlockingError> for io::Error {
    fn from(error: BlockingError) -> Self {
        match error {
            BlockingError::NoThread(error) => error,
            other => Self::other(other.to_string()),
        }
    }
}
