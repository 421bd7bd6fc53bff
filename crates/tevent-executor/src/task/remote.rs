//! The remote stack: tasks woken from outside the running loop, taken whole by the owner in order of arrival.
//!
//! Its head also says whether the loop sleeps: one compare-exchange both pushes and tells the producer who has to ring.
//!
//! ```text
//!   PARKED <---1--- (empty) ---2---> tasks ---3---> (empty)      1 park      2 push      3 take_all
//!      |                               ^
//!      +------4 push: ring-------------+               any ---5 close---> CLOSED, for good
//! ```

use std::ptr::{self, NonNull};

use tevent_core::sync::{AtomicPtr, Ordering};

use super::header::Header;

/// An intrusive stack. Each task is on it at most once: the flag `REMOTE` in its reference count sees to that, and
/// keeps the task alive.
///
/// On cache lines of its own: producers write here while the owner works on what lies beside.
#[repr(align(128))]
pub(super) struct RemoteStack {
    head: AtomicPtr<Header>,
}

/// What `head` points to once the executor has ended: no header has this address.
fn closed() -> *mut Header {
    ptr::without_provenance_mut(1)
}

/// What `head` points to while nothing is on the stack and the loop sleeps, or is about to.
fn parked() -> *mut Header {
    ptr::without_provenance_mut(2)
}

/// What became of a push.
pub(super) enum Pushed {
    /// The loop runs, or somebody has come before who had to ring.
    Quietly,
    /// The loop was parked: the producer has to ring if it still is.
    Parked,
    /// The executor has ended; nothing was pushed.
    Refused,
}

impl RemoteStack {
    pub(super) fn new() -> Self {
        Self {
            head: AtomicPtr::new(parked()),
        }
    }

    /// Pushes a task.
    ///
    /// # Safety
    /// The caller set the task's flag `REMOTE`, which makes the link its own and keeps the task alive on the stack, and
    /// keeps the task alive until this returns.
    pub(super) unsafe fn push(&self, task: NonNull<Header>) -> Pushed {
        // Ordering: Relaxed reads of the head suffice, its task is not looked into. Release on success publishes the
        // link, and what the waker wrote, to `take_all`.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            let next = match head {
                head if head == closed() => return Pushed::Refused,
                head if head == parked() => ptr::null_mut(),
                head => head,
            };
            // SAFETY: the caller keeps the header alive.
            unsafe { task.as_ref() }
                .remote_next
                .store(next, Ordering::Relaxed);
            match self.head.compare_exchange_weak(
                head,
                task.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) if head == parked() => return Pushed::Parked,
                Ok(_) => return Pushed::Quietly,
                Err(now) => head = now,
            }
        }
    }

    /// Says that the loop is about to sleep: the next push has to ring. `false`: there is something to take, and
    /// nothing has changed. The doorbell is parked before: a producer that meets the mark looks at its flag. Owner
    /// only.
    pub(super) fn park(&self) -> bool {
        // Ordering: the exchange reads the latest head, so a push cannot slip in between look and mark. If the mark is
        // still there from before, the fences of the doorbell order this look and the flag.
        let parking = self.head.compare_exchange(
            ptr::null_mut(),
            parked(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        parking.is_ok() || self.is_empty()
    }

    /// Whether there is nothing to take.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        let head = self.head.load(Ordering::Relaxed);
        head.is_null() || head == parked() || head == closed()
    }

    /// Takes everything, oldest first. Owner only.
    pub(super) fn take_all(&self) -> Chain {
        if self.is_empty() {
            return Chain(None);
        }
        // Ordering: Acquire pairs with the Release of each push in the stack (they form one release sequence).
        Chain::reversed(self.head.swap(ptr::null_mut(), Ordering::Acquire))
    }

    /// Takes everything and refuses all pushes from now on. Owner only.
    pub(super) fn close(&self) -> Chain {
        match self.head.swap(closed(), Ordering::AcqRel) {
            head if head == closed() || head == parked() => Chain(None),
            head => Chain::reversed(head),
        }
    }
}

/// Tasks taken off the stack; each is kept alive by its flag `REMOTE`, which the receiver has to clear.
pub(super) struct Chain(Option<NonNull<Header>>);

impl Chain {
    /// Turns the newest-first list into one in order of arrival.
    fn reversed(head: *mut Header) -> Self {
        let mut newest = NonNull::new(head);
        let mut oldest: Option<NonNull<Header>> = None;
        while let Some(task) = newest {
            // SAFETY: its flag `REMOTE` keeps a task in the chain alive and makes its link ours.
            let link = &unsafe { task.as_ref() }.remote_next;
            newest = NonNull::new(link.load(Ordering::Relaxed));
            link.store(
                oldest.map_or(ptr::null_mut(), NonNull::as_ptr),
                Ordering::Relaxed,
            );
            oldest = Some(task);
        }
        Self(oldest)
    }
}

impl Iterator for Chain {
    type Item = NonNull<Header>;

    /// The next task. Its link is read here, before the receiver may clear the flag that makes the link ours.
    fn next(&mut self) -> Option<NonNull<Header>> {
        let task = self.0?;
        // SAFETY: as in `reversed`.
        self.0 = NonNull::new(unsafe { task.as_ref() }.remote_next.load(Ordering::Relaxed));
        Some(task)
    }
}
