//! What the tests of several crates need: an allocator that counts.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, which counts for each thread what it is asked.
///
/// ```
/// use tevent_testing::{Counting, allocations_so_far, bytes_held};
///
/// #[global_allocator]
/// static ALLOCATOR: Counting = Counting;
///
/// let (calls, held) = (allocations_so_far(), bytes_held());
/// let boxed = Box::new([0_u8; 100]);
/// assert_eq!((allocations_so_far() - calls, bytes_held() - held), (1, 100));
/// drop(boxed);
/// assert_eq!((allocations_so_far() - calls, bytes_held() - held), (1, 0));
/// ```
#[derive(Debug)]
pub struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

/// How often this thread has asked for memory; asking for more of it in the same place counts, too.
#[must_use]
pub fn allocations_so_far() -> usize {
    ALLOCATIONS.get()
}

/// The bytes that this thread has asked for, without those that it has given back: also a negative number, if it gives
/// back what another has asked for.
#[must_use]
pub fn bytes_held() -> isize {
    BYTES.get()
}

fn count(allocations: usize, bytes: isize) {
    ALLOCATIONS.set(ALLOCATIONS.get() + allocations);
    BYTES.set(BYTES.get() + bytes);
}

// SAFETY: every call goes on to the system's allocator as it came; counting touches two thread-locals that have neither
// a destructor nor an initialiser, so it does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size().cast_signed());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(0, -layout.size().cast_signed());
        // SAFETY: the caller keeps the contract of `dealloc`, and the memory came from `System`.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size.cast_signed() - layout.size().cast_signed());
        // SAFETY: the caller keeps the contract of `realloc`, and the memory came from `System`.
        unsafe { System.realloc(memory, layout, size) }
    }
}
