//! The parked flag: lets producers ring a loop that sleeps, and spares the ring while it runs.
//!
//! ```text
//! loop:      park: flag = true; fence     look again at what producers fill      sleep      unpark: flag = false
//! producer:  publish; fence               flag set? swap it off; the one who swapped it rings
//! ```
//!
//! The two fences make it impossible that the loop misses the publication **and** the producer misses the flag. The
//! flag stays set while a host may sleep in the loop's stead, so a publication from outside a turn rings once, too.

use std::fmt;
use std::task::Waker;

use crate::sync::{AtomicBool, Ordering, fence};

/// The parked flag of one loop and the bell that wakes it. Share it as an `Arc`: a producer that holds its own
/// reference may ring after the loop has ended, and reaches nothing.
pub struct Doorbell {
    parked: AtomicBool,
    ringer: Waker,
}

impl Doorbell {
    /// A doorbell whose loop is not running: the first publication rings. `ringer` wakes the loop from its sleep; it
    /// may be called from any thread.
    #[must_use]
    pub fn new(ringer: Waker) -> Self {
        Self {
            parked: AtomicBool::new(true),
            ringer,
        }
    }

    /// The loop says that it is about to sleep, or to return to its host. It must look at everything producers fill
    /// **after** this call and not sleep if it finds anything.
    #[inline]
    pub fn park(&self) {
        // Ordering: the flag comes before the fence, which pairs with the one in `ring_if_parked`. A swap, for swaps of
        // producers come all before or all after it; a plain store would have to be argued for.
        self.parked.swap(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The loop says that it runs, and will look at what producers fill before it parks again.
    #[inline]
    pub fn unpark(&self) {
        // Ordering: none needed. A producer that still sees the flag rings once too often, and no more.
        self.parked.store(false, Ordering::Relaxed);
    }

    /// A producer says that it has published something. Rings if, and only if, the loop is parked and nobody else has
    /// rung since it parked.
    #[inline]
    pub fn ring_if_parked(&self) {
        // Ordering: the publication comes before the fence, which pairs with the one in `park`.
        fence(Ordering::SeqCst);
        if self.parked.load(Ordering::Relaxed) && self.parked.swap(false, Ordering::Relaxed) {
            self.ringer.wake_by_ref();
        }
    }

    /// Like [`ring_if_parked`](Self::ring_if_parked), for the thread that runs the loop: it does not sleep while it
    /// calls this, and reads what it has stored itself, so there is nothing to fence.
    #[inline]
    pub fn ring_own_if_parked(&self) {
        // Ordering: none needed. Another producer who swaps the flag off has rung.
        if self.parked.load(Ordering::Relaxed) && self.parked.swap(false, Ordering::Relaxed) {
            self.ringer.wake_by_ref();
        }
    }
}

impl fmt::Debug for Doorbell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doorbell")
            .field("parked", &self.parked)
            .finish_non_exhaustive()
    }
}
