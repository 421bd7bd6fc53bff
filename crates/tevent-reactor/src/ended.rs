//! The error of everything that is asked of a reactor that has ended.

use std::error::Error;
use std::fmt;
use std::io;

/// The reactor has ended: no event will reach its sources any more. Stands inside the [`io::Error`] of kind `Other`
/// that operations on a source return from then on.
///
/// ```
/// # use tevent_reactor::{Ended, Reactor};
/// let reactor = Reactor::new().unwrap();
/// reactor.end();
/// let error = reactor.wait(None).unwrap_err();
/// assert!(error.get_ref().is_some_and(|inner| inner.is::<Ended>()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended;

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the context of this socket has ended")
    }
}

impl Error for Ended {}

impl From<Ended> for io::Error {
    #[cold]
    fn from(ended: Ended) -> Self {
        Self::other(ended)
    }
}
