//! The peers of a `TeventQueue`: what lets one task in at a time, all with the same face.

use std::rc::Rc;
use std::sync::Arc;

use tevent::TeventQueue;

/// Lets one task in at a time, until it drops what `enter` gave.
pub(crate) trait Lock: Clone + 'static {
    fn enter(&self) -> impl Future<Output = impl Sized>;
}

/// A peer that has to be shared by `Arc`.
macro_rules! shared {
    ($name:ident, $shared:ident, $lock:ty, $new:expr, $enter:ident) => {
        #[derive(Clone)]
        pub(crate) struct $name($shared<$lock>);

        impl Default for $name {
            fn default() -> Self {
                Self($shared::new($new))
            }
        }

        impl Lock for $name {
            #[inline]
            fn enter(&self) -> impl Future<Output = impl Sized> {
                self.0.$enter()
            }
        }
    };
}

shared!(
    TokioMutex,
    Arc,
    tokio::sync::Mutex<()>,
    tokio::sync::Mutex::new(()),
    lock
);
shared!(
    TokioSemaphore,
    Arc,
    tokio::sync::Semaphore,
    tokio::sync::Semaphore::new(1),
    acquire
);
shared!(
    SmolMutex,
    Arc,
    async_lock::Mutex<()>,
    async_lock::Mutex::new(()),
    lock
);
shared!(
    FuturesMutex,
    Arc,
    futures::lock::Mutex<()>,
    futures::lock::Mutex::new(()),
    lock
);
shared!(
    UnsyncSemaphore,
    Rc,
    async_unsync::semaphore::Semaphore,
    async_unsync::semaphore::Semaphore::new(1),
    acquire
);
shared!(
    LocalSemaphore,
    Rc,
    local_sync::semaphore::Semaphore,
    local_sync::semaphore::Semaphore::new(1),
    acquire
);

/// Ours: a handle already.
#[derive(Clone)]
pub(crate) struct Queue(TeventQueue);

impl Default for Queue {
    fn default() -> Self {
        Self(TeventQueue::new("bench"))
    }
}

impl Lock for Queue {
    #[inline]
    fn enter(&self) -> impl Future<Output = impl Sized> {
        self.0.entry()
    }
}
