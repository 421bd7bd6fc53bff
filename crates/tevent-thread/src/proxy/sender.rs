//! The senders' end of a proxy.

use std::fmt;
use std::panic::Location;

use tevent_context::Handle;

use super::errand::Errand;
use super::job::Job;
use super::{RemoteTask, Scheduling};
use crate::mailbox::{Bounded, MailSender, Unbounded};
use crate::{CallError, Closed, TrySendError};

/// The end of a [`ThreadProxy`](crate::ThreadProxy) for other threads, and for its own. Cheap to clone; it may outlive
/// the proxy and its loop.
///
/// Not for a forked child, nor for a signal handler.
pub struct ProxySender<L = Unbounded> {
    mail: MailSender<Job, L>,
}

impl ProxySender {
    /// Runs a closure on the loop (C: `tevent_thread_proxy_schedule`). Never waits.
    ///
    /// # Errors
    /// [`Closed`], with the closure.
    pub fn schedule<F>(&self, closure: F) -> Result<(), Closed<F>>
    where
        F: FnOnce(&Handle) + Send + 'static,
    {
        let sent = self.mail.send(Job::boxed(closure));
        sent.map_err(|Closed(job)| Closed(job.unbox()))
    }

    /// Spawns a future on the loop. If the proxy is closed, it is dropped here, and the task counts as cancelled.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> RemoteTask<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.spawn_with(move || future)
    }

    /// Spawns a future that is made on the loop, and may hold what must not leave its thread. If the proxy is closed,
    /// `make` is dropped here, and the task counts as cancelled. A panic of `make` is one of the task.
    #[track_caller]
    pub fn spawn_with<M, F>(&self, make: M) -> RemoteTask<F::Output>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output: Send + 'static> + 'static,
    {
        let place = Location::caller();
        let (errand, reply) = Errand::spawn(make, place);
        // Refused, it is dropped, and says so.
        drop(self.mail.send(Job::Errand(errand)));
        RemoteTask::new(reply, self.mail.owner(), place)
    }
}

impl ProxySender<Bounded> {
    /// Runs a closure on the loop, if there is room for it and nobody waits for room.
    ///
    /// # Errors
    /// [`TrySendError`], with the closure.
    pub fn try_schedule<F>(&self, closure: F) -> Result<(), TrySendError<F>>
    where
        F: FnOnce(&Handle) + Send + 'static,
    {
        let sent = self.mail.try_send(Job::boxed(closure));
        sent.map_err(|error| error.map(Job::unbox))
    }

    /// Runs a closure on the loop, once there is room for it: whoever was polled first comes first. On any executor.
    ///
    /// The future does nothing until it is polled. Cancel safety: dropped before it is ready, nothing has been
    /// scheduled.
    ///
    /// # Errors
    /// [`Closed`], with the closure.
    pub fn schedule_async<F>(&self, closure: F) -> Scheduling<F>
    where
        F: FnOnce(&Handle) + Send + 'static,
    {
        Scheduling::new(self.mail.send_async(Job::boxed(closure)))
    }
}

impl<L> ProxySender<L> {
    pub(super) fn new(mail: MailSender<Job, L>) -> Self {
        Self { mail }
    }

    /// Calls a function on the loop and gives what it returns: a request from one loop to another, and the reply. If
    /// the proxy is bounded, it waits for room first.
    ///
    /// The future does nothing until it is polled. Cancel safety: dropped before the function was called, it is not
    /// called, but dropped on the loop's thread; dropped later, its result is.
    ///
    /// # Errors
    /// [`CallError`]: if the proxy is closed, if it is closed before the function is called, if the function panics.
    ///
    /// ```
    /// use std::thread;
    /// use futures::executor::block_on;
    /// use tevent_context::Context;
    /// use tevent_thread::ThreadProxy;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let context = Context::new()?;
    /// let proxy = ThreadProxy::new(&context.handle())?;
    /// let sender = proxy.sender();
    /// let child = thread::spawn(move || {
    ///     let its_name = sender.call(|_handle| thread::current().name().map(str::to_owned));
    ///     let reply = block_on(its_name); // or: on a loop of its own, `.await`
    ///     let stopped = sender.schedule(|handle| handle.stop());
    ///     (reply.ok(), stopped.is_ok())
    /// });
    /// proxy.keep_running(true);
    /// context.run()?;
    /// let name = thread::current().name().map(str::to_owned);
    /// assert!(child.join().is_ok_and(|told| told == (Some(name), true)));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn call<F, T>(
        &self,
        function: F,
    ) -> impl Future<Output = Result<T, CallError>> + Send + use<F, T, L>
    where
        F: FnOnce(&Handle) -> T + Send + 'static,
        T: Send + 'static,
    {
        let (errand, reply) = Errand::call(function);
        let sending = self.mail.sending(Job::Errand(errand));
        let reply = RemoteTask::new(reply, self.mail.owner(), Location::caller());
        async move {
            sending.await.map_err(|_closed| CallError::Closed)?;
            Ok(reply.await?)
        }
    }

    /// Whether messages are refused for ever.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.mail.is_closed()
    }

    /// Messages that have been sent, and that the loop has not come to.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.mail.queued()
    }
}

impl<L> Clone for ProxySender<L> {
    fn clone(&self) -> Self {
        Self::new(self.mail.clone())
    }
}

impl<L> fmt::Debug for ProxySender<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mail.describe("ProxySender", f)
    }
}
