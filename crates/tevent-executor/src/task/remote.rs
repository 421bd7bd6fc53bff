//! The remote stack: tasks woken from outside the running loop, taken whole by the owner in order of arrival.

use std::ptr::{self, NonNull};

use tevent_core::sync::{AtomicPtr, Ordering};

use super::header::Header;

/// An intrusive stack. Each task is on it at most once (its `remote` flag sees to that), and with one reference.
pub(super) struct RemoteStack {
    head: AtomicPtr<Header>,
}

/// What `head` points to once the executor has ended: no header has this address.
fn closed() -> *mut Header {
    ptr::without_provenance_mut(1)
}

impl RemoteStack {
    pub(super) fn new() -> Self {
        Self {
            head: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Pushes a task with the reference that the caller gives. `false`: the stack is closed, the reference is still the
    /// caller's.
    ///
    /// # Safety
    /// The caller set the task's `remote` flag, which makes the link its own, and gives a reference to the task.
    pub(super) unsafe fn push(&self, task: NonNull<Header>) -> bool {
        // Ordering: Relaxed reads of the head suffice, its task is not looked into. Release on success publishes the
        // link, and what the waker wrote, to `take_all`.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head == closed() {
                return false;
            }
            // SAFETY: the caller's reference keeps the header alive until the exchange succeeds.
            unsafe { task.as_ref() }
                .remote_next
                .store(head, Ordering::Relaxed);
            match self.head.compare_exchange_weak(
                head,
                task.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => head = now,
            }
        }
    }

    /// Whether there is anything to take.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        let head = self.head.load(Ordering::Relaxed);
        head.is_null() || head == closed()
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
            head if head == closed() => Chain(None),
            head => Chain::reversed(head),
        }
    }
}

/// Tasks taken off the stack; each comes with the reference that the stack held, which the receiver takes over.
pub(super) struct Chain(Option<NonNull<Header>>);

impl Chain {
    /// Turns the newest-first list into one in order of arrival.
    fn reversed(head: *mut Header) -> Self {
        let mut newest = NonNull::new(head);
        let mut oldest: Option<NonNull<Header>> = None;
        while let Some(task) = newest {
            // SAFETY: a task in the chain is alive by the stack's reference, and its link is ours while its `remote`
            // flag is set.
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
