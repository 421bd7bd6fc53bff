//! A bucket of the wheel: which timers are in it, each at a place that it keeps until it leaves.
//!
//! A timer leaves a hole behind, which the next one fills; holes are chained. So nobody has to move, and the only
//! memory touched is that of the timer itself.

/// Marks a place that is empty. What else is in it is the next hole.
const HOLE: u32 = 1 << 31;

/// The end of the chain of holes: no bucket is so long.
const NO_HOLE: u32 = u32::MAX;

/// A bucket keeps memory for so many timers that it does not need. It begins with it: small steps take long.
pub(super) const KEPT_PLACES: usize = 32;

pub(super) struct Bucket {
    /// Numbers of slots, and holes.
    places: Vec<u32>,
    first_hole: u32,
    len: u32,
}

impl Bucket {
    pub(super) const fn new() -> Self {
        Self {
            places: Vec::new(),
            first_hole: NO_HOLE,
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts a timer in; returns its place.
    #[inline]
    pub(super) fn put(&mut self, slot: u32) -> u32 {
        self.len += 1;
        let position = self.first_hole & !HOLE;
        if let Some(place) = self.places.get_mut(position as usize) {
            self.first_hole = *place;
            *place = slot;
            return position;
        }
        if self.places.capacity() == 0 {
            self.places.reserve(KEPT_PLACES);
        }
        self.places.push(slot);
        // There are never more places than slots were taken at once.
        (self.places.len() - 1) as u32
    }

    /// Takes out the timer at `position`.
    #[inline]
    pub(super) fn take(&mut self, position: u32) {
        self.places[position as usize] = self.first_hole;
        self.first_hole = HOLE | position;
        self.len -= 1;
    }

    /// Whether it is mostly holes. Each time it was full in between, so closing them costs little for each.
    #[inline]
    pub(super) fn is_sparse(&self) -> bool {
        self.places.len() > KEPT_PLACES && self.len() < self.places.len() / 4
    }

    /// Closes the holes, and gives their memory back; says who is where now.
    pub(super) fn close_holes(&mut self, mut moved: impl FnMut(u32, u32)) {
        self.places.retain(|place| place & HOLE == 0);
        self.places.shrink_to(2 * self.places.len());
        self.first_hole = NO_HOLE;
        for (position, &slot) in self.places.iter().enumerate() {
            moved(slot, position as u32);
        }
    }

    /// The timers in it.
    pub(super) fn slots(&self) -> impl Iterator<Item = u32> {
        self.places
            .iter()
            .copied()
            .filter(|place| place & HOLE == 0)
    }

    /// The bucket is empty: keeps its memory, unless it is much, for the next timers.
    pub(super) fn give_memory_back(&mut self) {
        self.places.clear();
        self.places.shrink_to(KEPT_PLACES);
        self.first_hole = NO_HOLE;
    }

    /// Timers that there is memory for.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.places.capacity()
    }
}
