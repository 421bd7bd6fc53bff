//! Why a request has no value.

use std::{error::Error, fmt, io};

use crate::State;

/// Why a request ended without a value. `?` turns an error of the work's own into [`RequestError::User`], and passes
/// the error of an inner request on as it is.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RequestError<E> {
    /// The work's own error. C: `TEVENT_REQ_USER_ERROR`.
    User(E),
    /// The deadline came first. The work has been dropped; it holds no turn and stands in no queue.
    TimedOut,
    /// The work was asked to end early, and did.
    Cancelled,
    /// Nobody is left who could finish the request: its completer was dropped, its loop has ended, or its scope took no
    /// more children, or dropped this one.
    Abandoned,
}

impl<E> RequestError<E> {
    /// The work's own error, if it is one.
    pub fn into_user(self) -> Option<E> {
        match self {
            Self::User(error) => Some(error),
            _ => None,
        }
    }

    /// The same with another kind of error inside.
    pub fn map<F>(self, map: impl FnOnce(E) -> F) -> RequestError<F> {
        match self {
            Self::User(error) => RequestError::User(map(error)),
            Self::TimedOut => RequestError::TimedOut,
            Self::Cancelled => RequestError::Cancelled,
            Self::Abandoned => RequestError::Abandoned,
        }
    }

    /// The state that a request with this error ends in.
    #[must_use]
    pub fn state(&self) -> State {
        match self {
            Self::User(_) => State::UserError,
            Self::TimedOut => State::TimedOut,
            Self::Cancelled => State::Cancelled,
            Self::Abandoned => State::Abandoned,
        }
    }
}

/// The state that a request with this result ends in.
#[inline]
pub(crate) fn state_of<T, E>(result: &Result<T, RequestError<E>>) -> State {
    match result {
        Ok(_) => State::Done,
        Err(error) => error.state(),
    }
}

impl<E> From<E> for RequestError<E> {
    fn from(error: E) -> Self {
        Self::User(error)
    }
}

/// For requests inside functions of [`io::Result`]: the work's own error as it is, a timeout as
/// [`TimedOut`](io::ErrorKind::TimedOut), all else as [`Other`](io::ErrorKind::Other) with the error inside.
///
/// ```
/// use std::io;
/// use tevent_request::RequestError;
///
/// let error = io::Error::from(RequestError::<io::Error>::TimedOut);
/// assert_eq!(error.kind(), io::ErrorKind::TimedOut);
/// ```
impl From<RequestError<Self>> for io::Error {
    fn from(error: RequestError<Self>) -> Self {
        match error {
            RequestError::User(error) => error,
            RequestError::TimedOut => Self::new(io::ErrorKind::TimedOut, error),
            RequestError::Cancelled | RequestError::Abandoned => Self::other(error),
        }
    }
}

impl<E: fmt::Display> fmt::Display for RequestError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(error) => error.fmt(f),
            Self::TimedOut => f.write_str(
                "the request timed out and its work was dropped: try again, or give it a later deadline",
            ),
            Self::Cancelled => f.write_str("the request was cancelled, as somebody had asked"),
            Self::Abandoned => f.write_str(
                "the request was abandoned: keep its completer until it has been used, its scope open and its context \
                 alive",
            ),
        }
    }
}

impl<E: Error> Error for RequestError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::User(error) => error.source(),
            _ => None,
        }
    }
}
