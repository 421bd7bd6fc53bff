//! TCP: a listener and a stream.

mod connect;
mod listener;
mod stream;

use std::io;

use tevent_context::Handle;

pub use listener::TcpListener;
pub use stream::TcpStream;

/// The context that a new socket belongs to.
fn current() -> io::Result<Handle> {
    Handle::try_current().map_err(io::Error::other)
}
