//! Posts from other threads: which bells of a loop have been posted, each once, in the order of the first post.
//!
//! A bell carries nothing: whoever posts it has published before what it is about. The states of a bell:
//!
//! ```text
//!   Idle --1--> Posted         1 post    by any thread; whoever takes this step puts the bell on the list
//!    |   <--2--   |            2 begin   by the owner, before it looks at what was published
//!    3            3            3 close   by the owner; or by a poster that finds the list closed
//!    +-> Closed <-+
//! ```
//!
//! A bell is on the list as often as it is `Posted`: once. That nothing is missed is up to two fences:
//!
//! ```text
//! poster:  publish; fence           Posted? then the owner has not begun, and will see it
//! owner:   Posted -> Idle; fence    look at what was published
//! ```

use std::fmt;
use std::sync::PoisonError;

use crate::doorbell::Doorbell;
use crate::line::Place;
use crate::sync::{Arc, AtomicBool, AtomicU32, Mutex, Ordering, fence};

const IDLE: u32 = 0;
const POSTED: u32 = 1;
const CLOSED: u32 = 2;

/// A list that is longer than this gives memory back when bells are closed.
const KEPT_POSTS: usize = 64;

/// What became of a post.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[must_use = "a closed bell calls nobody"]
pub enum Posted {
    /// The bell will be begun once, for this post and those that coalesce with it.
    Queued,
    /// It was posted already and has not been begun: one call serves both.
    Coalesced,
    /// Its owner is gone: nobody will be called.
    Closed,
}

/// The list of one loop. It may grow to one place for each bell, and has room for that many at any time: a post
/// allocates nothing.
pub struct Posts {
    doorbell: Arc<Doorbell>,
    /// Whether the list has a place on it: written under its lock.
    any: AtomicBool,
    list: Mutex<List>,
}

struct List {
    open: bool,
    bells: usize,
    posted: Vec<Place>,
}

impl Posts {
    /// An empty list; whoever makes it the contrary rings `doorbell`.
    #[must_use]
    pub fn new(doorbell: Arc<Doorbell>) -> Self {
        Self {
            doorbell,
            any: AtomicBool::new(false),
            list: Mutex::new(List {
                open: true,
                bells: 0,
                posted: Vec::new(),
            }),
        }
    }

    /// Whether a bell is on the list. The owner asks once more after it has parked, and does not sleep if there is.
    #[inline]
    #[must_use]
    pub fn has_any(&self) -> bool {
        // Ordering: none needed. Before a sleep the fence in `Doorbell::park` makes sure that this is seen, or the ring
        // heard.
        self.any.load(Ordering::Relaxed)
    }

    /// Takes the whole list, first posted first.
    pub fn accept(&self, into: &mut impl Extend<Place>) {
        if self.has_any() {
            self.with_list(|list| {
                self.any.store(false, Ordering::Relaxed);
                into.extend(list.posted.drain(..));
            });
        }
    }

    /// The end: no bell can be posted any more.
    pub fn close(&self) {
        self.with_list(|list| {
            self.any.store(false, Ordering::Relaxed);
            list.open = false;
            list.posted = Vec::new();
        });
    }

    /// `false` if the list is closed.
    fn push(&self, place: Place) -> bool {
        let (open, is_first) = self.with_list(|list| {
            let is_first = list.posted.is_empty();
            if list.open {
                list.posted.push(place);
                self.any.store(true, Ordering::Relaxed);
            }
            (list.open, is_first)
        });
        // Who came second leaves it to the first: until that one has rung, the owner sees the list before it sleeps.
        if open && is_first {
            self.doorbell.ring_if_parked();
        }
        open
    }

    fn with_list<R>(&self, act: impl FnOnce(&mut List) -> R) -> R {
        // Nothing panics under this lock.
        act(&mut self.list.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl List {
    fn add_bell(&mut self) {
        self.bells += 1;
        self.posted.reserve(self.bells);
    }

    fn remove_bell(&mut self) {
        self.bells -= 1;
        let needed = self.posted.len() + self.bells;
        if self.posted.capacity() > KEPT_POSTS.max(4 * needed) {
            self.posted.shrink_to(KEPT_POSTS.max(2 * needed));
        }
    }
}

/// One bell: the owner and any number of posters share it. A post that races with the end is answered
/// [`Posted::Closed`] or forgotten; it reaches nothing that is gone.
pub struct Bell {
    posts: Arc<Posts>,
    place: Place,
    state: AtomicU32,
}

impl Bell {
    /// A bell that the owner knows by `place`.
    #[must_use]
    pub fn new(posts: Arc<Posts>, place: Place) -> Self {
        posts.with_list(List::add_bell);
        Self {
            posts,
            place,
            state: AtomicU32::new(IDLE),
        }
    }

    /// Posts it: from any thread, without an allocation; a system call only if the loop sleeps.
    #[inline]
    pub fn post(&self) -> Posted {
        // Ordering: what was published comes before the fence, which pairs with the one in `begin`.
        fence(Ordering::SeqCst);
        match self.state.load(Ordering::Relaxed) {
            POSTED => Posted::Coalesced,
            CLOSED => Posted::Closed,
            _ => self.post_first(),
        }
    }

    fn post_first(&self) -> Posted {
        // Ordering: the lock of the list hands on what this thread has done.
        let before =
            self.state
                .compare_exchange(IDLE, POSTED, Ordering::Relaxed, Ordering::Relaxed);
        match before {
            Ok(_) if self.posts.push(self.place) => Posted::Queued,
            Err(POSTED) => Posted::Coalesced,
            _ => {
                self.state.store(CLOSED, Ordering::Relaxed);
                Posted::Closed
            }
        }
    }

    /// The owner took it off the list, and is about to look at what was published: whoever posts from now on queues it
    /// anew. `false` if it is closed.
    #[inline]
    pub fn begin(&self) -> bool {
        let before =
            self.state
                .compare_exchange(POSTED, IDLE, Ordering::Relaxed, Ordering::Relaxed);
        // Ordering: the step comes before the fence, which pairs with the one in `post`.
        fence(Ordering::SeqCst);
        before.is_ok()
    }

    /// The owner goes. If the bell is on the list, its place there leads nowhere.
    pub fn close(&self) {
        if self.state.swap(CLOSED, Ordering::Relaxed) != CLOSED {
            self.posts.with_list(List::remove_bell);
        }
    }

    /// Like [`close`](Self::close), in a forked child: there the list may be locked for ever, by a thread that only the
    /// parent has. The child does without it.
    pub fn abandon(&self) {
        self.state.store(CLOSED, Ordering::Relaxed);
    }

    /// Whether posts are answered [`Posted::Closed`].
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state.load(Ordering::Relaxed) == CLOSED
    }

    /// Whether it was posted and has not been begun.
    #[must_use]
    pub fn is_posted(&self) -> bool {
        self.state.load(Ordering::Relaxed) == POSTED
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state.load(Ordering::Relaxed) {
            IDLE => "idle",
            POSTED => "posted",
            _ => "closed",
        };
        f.debug_tuple("Bell").field(&state).finish()
    }
}

impl fmt::Debug for Posts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bells, posted) = self.with_list(|list| (list.bells, list.posted.len()));
        f.debug_struct("Posts")
            .field("bells", &bells)
            .field("posted", &posted)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn b55_the_list_has_room_for_every_bell_and_gives_it_back() {
        let doorbell = Doorbell::new(Waker::noop().clone());
        let posts = Arc::new(Posts::new(Arc::new(doorbell)));
        let room = || posts.with_list(|list| list.posted.capacity());
        let bells: Vec<Bell> = (0..1000)
            .map(|_| Bell::new(Arc::clone(&posts), Place::NOWHERE))
            .collect();
        let before = room();
        assert!(bells.iter().all(|bell| bell.post() == Posted::Queued));
        assert_eq!((before >= 1000, room()), (true, before), "it has grown");
        posts.accept(&mut Vec::new());
        bells.iter().for_each(Bell::close);
        assert!(room() <= KEPT_POSTS);
    }
}
