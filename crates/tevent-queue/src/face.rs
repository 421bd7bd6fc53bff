//! The two faces of a queue: for the tasks of one thread, and for those of many.
//!
//! Both are the same gate under the same rules. They differ in what stands around it: a borrow or a lock, a plain or an
//! atomic count of owners.

use std::{
    cell::{OnceCell, RefCell},
    rc::Rc,
    sync::{PoisonError, TryLockError},
};

use tevent_core::sync::{Arc, Mutex};

use crate::{
    driven::Holders,
    inside::{Inside, Shared},
    watch::Watch,
};

/// Where a queue may be used: [`Local`] or [`Threads`]. Sealed: these two are all there are.
pub trait Face: sealed::Face {}

/// The face of a [`TeventQueue`](crate::TeventQueue): one thread, plain memory.
#[derive(Clone, Copy, Debug)]
pub struct Local;

/// The face of a [`SyncTeventQueue`](crate::SyncTeventQueue): any thread, behind a lock that is never held while code
/// of others runs.
#[derive(Clone, Copy, Debug)]
pub struct Threads;

impl Face for Local {}
impl Face for Threads {}

pub(crate) mod sealed {
    use std::ops::Deref;

    use super::{Inside, Shared, Watch};

    pub trait Face: Sized + 'static {
        /// What handles, entries and guards of a queue share.
        type Shared: Deref<Target = Shared<Self>> + Clone;
        /// What stands around the inside.
        type Room;
        /// Who wants to know what happens.
        type Watching: Default;
        /// Driven work that has the turn.
        type Driven: Default;

        /// Whether each look inside takes a lock: then one is better than a fast one before a slow one.
        const IS_LOCKED: bool;

        fn share(shared: Shared<Self>) -> Self::Shared;

        fn room(inside: Inside) -> Self::Room;

        /// Works on the inside; `work` calls no foreign code.
        fn with<R>(room: &Self::Room, work: impl FnOnce(&mut Inside) -> R) -> R;

        /// The same, unless somebody is in the middle of it: for those who only want to show it.
        fn try_with<R>(room: &Self::Room, work: impl FnOnce(&mut Inside) -> R) -> Option<R>;

        fn watch(watching: &Self::Watching) -> Option<&Watch>;
    }
}

impl sealed::Face for Local {
    type Shared = Rc<Shared<Self>>;
    type Room = RefCell<Inside>;
    type Watching = OnceCell<Box<Watch>>;
    type Driven = RefCell<Holders>;

    const IS_LOCKED: bool = false;

    fn share(shared: Shared<Self>) -> Self::Shared {
        Rc::new(shared)
    }

    fn room(inside: Inside) -> Self::Room {
        RefCell::new(inside)
    }

    #[inline]
    fn with<R>(room: &Self::Room, work: impl FnOnce(&mut Inside) -> R) -> R {
        work(&mut room.borrow_mut())
    }

    fn try_with<R>(room: &Self::Room, work: impl FnOnce(&mut Inside) -> R) -> Option<R> {
        room.try_borrow_mut()
            .ok()
            .map(|mut inside| work(&mut inside))
    }

    #[inline]
    fn watch(watching: &Self::Watching) -> Option<&Watch> {
        watching.get().map(AsRef::as_ref)
    }
}

impl sealed::Face for Threads {
    type Shared = Arc<Shared<Self>>;
    type Room = Mutex<Inside>;
    type Watching = ();
    type Driven = ();

    const IS_LOCKED: bool = true;

    fn share(shared: Shared<Self>) -> Self::Shared {
        Arc::new(shared)
    }

    fn room(inside: Inside) -> Self::Room {
        Mutex::new(inside)
    }

    /// No foreign code runs under the lock, so it cannot be poisoned halfway through a change.
    #[inline]
    fn with<R>(room: &Self::Room, work: impl FnOnce(&mut Inside) -> R) -> R {
        work(&mut room.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn try_with<R>(room: &Self::Room, work: impl FnOnce(&mut Inside) -> R) -> Option<R> {
        let mut inside = match room.try_lock() {
            Ok(inside) => inside,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(work(&mut inside))
    }

    #[inline]
    fn watch((): &Self::Watching) -> Option<&Watch> {
        None
    }
}
