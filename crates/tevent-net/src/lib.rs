//! Sockets of tevent, and the queued writer that many tasks share.
//!
//! A [`TcpListener`] accepts and a [`TcpStream`] connects, reads and writes, on the context that runs on this thread. A
//! [`QueuedWriter`] takes whole records from many tasks and puts them on one stream in the order of their calls, one
//! system call for all that wait. A [`QueuedReader`] gives whole records to many tasks, in the order of their calls.
//!
//! ```
//! use futures::AsyncReadExt;
//! use tevent_context::{Context, spawn};
//! use tevent_net::{QueuedWriter, TcpListener, TcpStream};
//!
//! # fn main() -> std::io::Result<()> {
//! let context = Context::new()?;
//! let received = context.block_on(async {
//!     let listener = TcpListener::bind("127.0.0.1:0")?;
//!     let near = TcpStream::connect(listener.local_addr()?).await?;
//!     let (mut far, _) = listener.accept().await?;
//!
//!     let writer = QueuedWriter::new(near);
//!     let tasks = ["one ", "two ", "three"].map(|record| spawn(writer.write(record)));
//!     for task in tasks {
//!         task.await?;
//!     }
//!     writer.close().await?;
//!
//!     let mut received = String::new();
//!     far.read_to_string(&mut received).await?;
//!     std::io::Result::Ok(received)
//! })?;
//! assert_eq!(received, "one two three");
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod reader;
mod tcp;
pub mod writer;

pub use reader::{QueuedReader, ReadError};
pub use tcp::{TcpListener, TcpStream};
pub use writer::{QueuedWriter, TrySendError, WriteError, WriterStats};
