//! The system's allocator, which counts in the processes that ask for it.
//!
//! All contestants in Rust pay for the switch, one predictable branch per call; those in C do not have it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

static IS_COUNTING: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static TAKEN: AtomicU64 = AtomicU64::new(0);
static GIVEN_BACK: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Counting;

/// What was taken from the allocator between two moments.
#[derive(Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) allocations: u64,
    /// Asked for and not given back.
    pub(crate) bytes: i64,
}

impl Taken {
    /// Since counting began; the first call begins it.
    pub(crate) fn so_far() -> Self {
        IS_COUNTING.store(true, Relaxed);
        Self {
            allocations: ALLOCATIONS.load(Relaxed),
            bytes: TAKEN.load(Relaxed).wrapping_sub(GIVEN_BACK.load(Relaxed)) as i64,
        }
    }

    pub(crate) fn since(before: Self) -> Self {
        let now = Self::so_far();
        Self {
            allocations: now.allocations - before.allocations,
            bytes: now.bytes - before.bytes,
        }
    }
}

fn count(allocations: u64, taken: usize, given_back: usize) {
    if IS_COUNTING.load(Relaxed) {
        ALLOCATIONS.fetch_add(allocations, Relaxed);
        TAKEN.fetch_add(taken as u64, Relaxed);
        GIVEN_BACK.fetch_add(given_back as u64, Relaxed);
    }
}

// SAFETY: hands every call on to the system's allocator, unchanged.
unsafe impl GlobalAlloc for Counting {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size(), 0);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size(), 0);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(0, 0, layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(memory, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size, layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(memory, layout, size) }
    }
}
