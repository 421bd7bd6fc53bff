//! The two faces of a queue: for the tasks of one thread, and for those of many.
//!
//! Both are the same gate under the same rules. They differ in what stands around it: a borrow or a lock, a plain or an
//! atomic count of owners.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
    sync::{PoisonError, TryLockError},
};

use tevent_core::{
    gate::Lane,
    sync::{Arc, Mutex},
};

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

    use tevent_core::gate::Lane;

    use super::{Inside, Shared, Watch};

    pub trait Face: Sized + 'static {
        /// What handles, entries and guards of a queue share.
        type Shared: Deref<Target = Shared<Self>> + Clone;
        /// What stands around the inside.
        type Room;
        /// How many handles live.
        type Handles;
        /// Who wants to know what happens.
        type Watching: Default;
        /// Driven work that has the turn.
        type Driven: Default;

        /// Whether the queue's wakers are woken by tasks of one thread alone.
        const IS_LOCAL: bool;

        fn share(shared: Shared<Self>) -> Self::Shared;

        /// Whether nobody else shares.
        fn is_last(shared: &Self::Shared) -> bool;

        fn room(inside: Inside) -> Self::Room;

        fn handles(count: usize) -> Self::Handles;

        /// Changes the number of handles, and tells the new one.
        fn count(handles: &Self::Handles, change: impl FnOnce(usize) -> usize) -> usize;

        /// The way past the room, for who comes alone.
        fn lane(room: &Self::Room) -> Option<&Lane>;

        /// Works on the inside; `work` calls no foreign code.
        fn with<R>(room: &Self::Room, work: impl FnOnce(&mut Inside) -> R) -> R;

        /// The same, unless somebody is in the middle of it: for those who only want to show it.
        fn try_with<R>(room: &Self::Room, work: impl FnOnce(&mut Inside) -> R) -> Option<R>;

        fn watch(watching: &Self::Watching) -> Option<&Watch>;
    }
}

/// The room of one thread. Who comes alone goes past it; everybody else finds the lane shut, and the gate knows all.
#[repr(C)] // the lane first: in the cache line that everybody reads anyway
pub struct LocalRoom {
    lane: Lane,
    inside: RefCell<Inside>,
}

impl LocalRoom {
    #[inline]
    fn enter<R>(&self, inside: &mut Inside, work: impl FnOnce(&mut Inside) -> R) -> R {
        self.lane.shut(&mut inside.gate);
        let result = work(inside);
        if inside.gate.is_idle() && inside.is_unobserved() {
            self.lane.open(&inside.gate);
        }
        result
    }
}

impl sealed::Face for Local {
    type Shared = Rc<Shared<Self>>;
    type Room = LocalRoom;
    type Handles = Cell<usize>;
    type Watching = OnceCell<Box<Watch>>;
    type Driven = RefCell<Holders>;

    const IS_LOCAL: bool = true;

    fn share(shared: Shared<Self>) -> Self::Shared {
        Rc::new(shared)
    }

    #[inline]
    fn is_last(shared: &Self::Shared) -> bool {
        Rc::strong_count(shared) == 1
    }

    fn room(inside: Inside) -> Self::Room {
        LocalRoom {
            lane: Lane::new(),
            inside: RefCell::new(inside),
        }
    }

    fn handles(count: usize) -> Self::Handles {
        Cell::new(count)
    }

    #[inline]
    fn count(handles: &Self::Handles, change: impl FnOnce(usize) -> usize) -> usize {
        handles.set(change(handles.get()));
        handles.get()
    }

    #[inline]
    fn lane(room: &Self::Room) -> Option<&Lane> {
        Some(&room.lane)
    }

    #[inline]
    fn with<R>(room: &Self::Room, work: impl FnOnce(&mut Inside) -> R) -> R {
        room.enter(&mut room.inside.borrow_mut(), work)
    }

    fn try_with<R>(room: &Self::Room, work: impl FnOnce(&mut Inside) -> R) -> Option<R> {
        let mut inside = room.inside.try_borrow_mut().ok()?;
        Some(room.enter(&mut inside, work))
    }

    #[inline]
    fn watch(watching: &Self::Watching) -> Option<&Watch> {
        watching.get().map(AsRef::as_ref)
    }
}

impl sealed::Face for Threads {
    type Shared = Arc<Shared<Self>>;
    type Room = Mutex<Inside>;
    type Handles = Mutex<usize>;
    type Watching = ();
    type Driven = ();

    const IS_LOCAL: bool = false;

    fn share(shared: Shared<Self>) -> Self::Shared {
        Arc::new(shared)
    }

    #[inline]
    fn is_last(shared: &Self::Shared) -> bool {
        Arc::strong_count(shared) == 1
    }

    fn room(inside: Inside) -> Self::Room {
        Mutex::new(inside)
    }

    fn handles(count: usize) -> Self::Handles {
        Mutex::new(count)
    }

    fn count(handles: &Self::Handles, change: impl FnOnce(usize) -> usize) -> usize {
        let mut count = handles.lock().unwrap_or_else(PoisonError::into_inner);
        *count = change(*count);
        *count
    }

    #[inline]
    fn lane(_: &Self::Room) -> Option<&Lane> {
        None
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
