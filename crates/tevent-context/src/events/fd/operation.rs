//! Whole operations on a watched descriptor: tried, and tried again once it is ready.

use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::task::Poll;

use tevent_core::budget;

use super::event::FdHandle;
use super::flags::FdFlags;
use super::wait::FdReady;
use crate::core_loop;

impl<F: AsFd + 'static> FdHandle<F> {
    /// Does something that may have to wait until the descriptor is readable: a read, an `accept`, a `recvmsg`. Tries
    /// `operation` at once; if it is refused (`WouldBlock`), waits and tries again. `Interrupted` is tried again at
    /// once. Whatever else it says is the result.
    ///
    /// A refusal has to be the descriptor's own word: from then on the next is awaited that comes. An `operation` that
    /// says `WouldBlock` though something is there is tried again when there is more.
    ///
    /// **The descriptor has to be non-blocking**: otherwise `operation` waits by itself, and all of the loop with it.
    /// (Or await [`readable`](Self::readable) before, if nobody else reads the descriptor.)
    ///
    /// Any number of tasks may do so on one descriptor: who comes too late waits on. Cancel safe: when the future is
    /// dropped, the last `operation` was refused. It keeps to the budget of its task: after 64 operations in one poll
    /// the others have their turn first.
    ///
    /// # Errors
    /// Those of `operation`; those of [`readable`](Self::readable). Once the context has ended, nothing is tried.
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    /// use tevent_context::{Context, FdEvent, spawn};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let context = Context::new()?;
    /// let handle = context.handle();
    /// let pair = UnixStream::pair()?;
    /// let (near, far) = (FdEvent::new(&handle, pair.0)?, FdEvent::new(&handle, pair.1)?);
    /// near.get_ref().set_nonblocking(true)?;
    /// far.get_ref().set_nonblocking(true)?;
    /// let echoed = context.block_on(async {
    ///     let echo = spawn(async move {
    ///         let mut text = [0; 16];
    ///         let length = far.read_with(|mut socket| socket.read(&mut text)).await?;
    ///         far.write_with(|mut socket| socket.write(&text[..length])).await
    ///     });
    ///     near.write_with(|mut socket| socket.write(b"hello")).await?;
    ///     let mut text = [0; 16];
    ///     let length = near.read_with(|mut socket| socket.read(&mut text)).await?;
    ///     assert_eq!(&text[..length], b"hello");
    ///     echo.await
    /// })?;
    /// assert_eq!(echoed, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn read_with<R>(&self, operation: impl FnMut(&F) -> io::Result<R>) -> io::Result<R> {
        self.operate(FdFlags::READ, operation).await
    }

    /// Does something that may have to wait until the descriptor is writable: a write, a `sendmsg`. Like
    /// [`read_with`](Self::read_with) in all else. A write that moves a part is done; what is left is the caller's.
    ///
    /// # Errors
    /// Those of `operation`; those of [`writable`](Self::writable). Once the context has ended, nothing is tried.
    pub async fn write_with<R>(&self, operation: impl FnMut(&F) -> io::Result<R>) -> io::Result<R> {
        self.operate(FdFlags::WRITE, operation).await
    }

    async fn operate<R>(
        &self,
        wanted: FdFlags,
        mut operation: impl FnMut(&F) -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            have_budget().await;
            if self.handle().core().has_ended() {
                return Err(core_loop::ended());
            }
            match operation(self.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.seat().node.refused(wanted);
                    FdReady::new(self.seat(), wanted).await?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => {
                    budget::spend_on_io();
                    return done;
                }
            }
        }
    }
}

/// Waits for the next poll of the task if this one has done enough.
async fn have_budget() {
    poll_fn(|cx| {
        if !budget::is_spent() {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
