//! Memory of finished tasks, kept for the next ones: a spawn then need not ask the allocator.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::{self, NonNull};

use super::header::Header;

/// So many cells are kept for good, of whatever length.
const KEPT: usize = 256;

/// Lists of cells that are longer than a header by 0, 8, 16 bytes, and so on. Longer ones are not kept.
const LISTS: usize = 32;

/// Cells that are in use nowhere, in a list for each length. Their first word links them. There are never more of a
/// length than there were tasks of it at a time, and they go back when the loop is at rest.
pub(super) struct Pool {
    lists: [*mut Link; LISTS],
    kept: usize,
    /// Whoever looks for uses of freed memory has none kept.
    keeps: bool,
}

struct Link(*mut Link);

impl Pool {
    /// Memory for a cell, from the lists or from the allocator.
    #[inline]
    pub(super) fn take(&mut self, layout: Layout) -> NonNull<u8> {
        if let Some(list) = Self::list_of(layout)
            && let Some(first) = NonNull::new(self.lists[list])
        {
            // SAFETY: what is in the list is nobody else's, and begins with its link.
            self.lists[list] = unsafe { first.read() }.0;
            self.kept -= 1;
            return first.cast();
        }
        // SAFETY: a cell has a header, so its length is not zero.
        NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
    }

    /// Takes memory that nobody uses any more, for the lists or for the allocator.
    ///
    /// # Safety
    /// It comes from [`take`](Self::take) with this layout, of any pool, and nobody uses it any more.
    #[inline]
    pub(super) unsafe fn put(&mut self, memory: NonNull<u8>, layout: Layout) {
        match Self::list_of(layout) {
            Some(list) if self.keeps => {
                let first = memory.cast::<Link>();
                // SAFETY: it is long enough and aligned, see `list_of`, and the caller's to give.
                unsafe { first.write(Link(self.lists[list])) };
                self.lists[list] = first.as_ptr();
                self.kept += 1;
            }
            // SAFETY: by the caller's promise.
            _ => unsafe { free(memory, layout) },
        }
    }

    /// The executor has ended: nothing will be taken any more, so nothing is kept.
    pub(super) fn end(&mut self) {
        self.keeps = false;
        self.give_back(usize::MAX);
    }

    /// Keeps memory, whoever looks.
    #[cfg(all(test, not(loom)))]
    pub(super) fn keep(&mut self) {
        self.keeps = true;
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn kept(&self) -> usize {
        self.kept
    }

    /// The loop goes to sleep, and so many tasks have come or been woken since it did last: of cells that are far more
    /// than that, a quarter is given back. Not all at once: so it takes a fraction of what the burst has taken.
    #[inline]
    pub(super) fn rest(&mut self, woken: usize) {
        let some = self.kept / 4;
        if self.kept > KEPT && woken < some {
            self.give_back(some);
        }
    }

    /// Gives so many cells back, or all there are, the longest first.
    pub(super) fn give_back(&mut self, mut cells: usize) {
        for (list, first) in self.lists.iter_mut().enumerate().rev() {
            while cells > 0
                && let Some(memory) = NonNull::new(*first)
            {
                // SAFETY: as in `take`; it came here with the layout of its list.
                unsafe {
                    *first = memory.read().0;
                    free(memory.cast(), Self::layout_of(list));
                }
                cells -= 1;
                self.kept -= 1;
            }
        }
    }

    /// Where cells of this layout are kept. Of a type that is known it is known to the compiler.
    #[inline]
    const fn list_of(layout: Layout) -> Option<usize> {
        let list = (layout.size() - size_of::<Header>()) / align_of::<Header>();
        if layout.align() == align_of::<Header>() && list < LISTS {
            Some(list)
        } else {
            None
        }
    }

    fn layout_of(list: usize) -> Layout {
        let header = Layout::new::<Header>();
        let length = header.size() + list * header.align();
        Layout::from_size_align(length, header.align()).expect("a few words")
    }
}

/// Gives the memory of a cell back to the allocator.
///
/// # Safety
/// As for [`Pool::put`].
#[inline]
pub(super) unsafe fn free(memory: NonNull<u8>, layout: Layout) {
    // SAFETY: `Pool::take` has it from the allocator.
    unsafe { dealloc(memory.as_ptr(), layout) };
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            lists: [ptr::null_mut(); LISTS],
            kept: 0,
            keeps: !cfg!(any(miri, loom, sanitized)),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.give_back(usize::MAX);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn layout(words: usize) -> Layout {
        Layout::from_size_align(size_of::<Header>() + 8 * words, 8).expect("a few words")
    }

    fn pool() -> Pool {
        let mut pool = Pool::default();
        pool.keep();
        pool
    }

    #[test]
    fn what_was_put_last_is_taken_first_and_only_for_its_length() {
        let mut pool = pool();
        let [long, short, other] = [3, 2, 2].map(|words| pool.take(layout(words)));
        for (memory, words) in [(long, 3), (other, 2), (short, 2)] {
            // SAFETY: it was taken with this layout and is not used.
            unsafe { pool.put(memory, layout(words)) };
        }
        assert_eq!(pool.kept, 3);
        let again = [2, 2, 3].map(|words| pool.take(layout(words)));
        assert_eq!(again, [short, other, long]);
        assert_eq!(pool.kept, 0);
        for (memory, words) in again.into_iter().zip([2, 2, 3]) {
            // SAFETY: as above.
            unsafe { pool.put(memory, layout(words)) };
        }
    }

    #[test]
    fn what_is_long_or_aligned_otherwise_is_not_kept() {
        let mut pool = pool();
        let strange = [
            layout(LISTS),
            layout(0).align_to(16).expect("a power of two"),
        ];
        for layout in strange {
            let memory = pool.take(layout);
            // SAFETY: it was taken with this layout and is not used.
            unsafe { pool.put(memory, layout) };
        }
        assert_eq!(pool.kept, 0);
    }

    #[test]
    fn b55_what_a_burst_leaves_is_given_back_step_by_step() {
        let mut pool = pool();
        let all: Vec<_> = (0..3 * KEPT)
            .map(|n| (pool.take(layout(n % 3)), layout(n % 3)))
            .collect();
        for (memory, layout) in all {
            // SAFETY: it was taken with this layout and is not used.
            unsafe { pool.put(memory, layout) };
        }
        for left in [768, 576, 432, 324, 243, 243] {
            assert_eq!(pool.kept, left);
            pool.rest(left / 4);
            assert_eq!(pool.kept, left);
            pool.rest(left / 4 - 1);
        }
        pool.give_back(usize::MAX);
        assert!(pool.kept == 0 && pool.lists.iter().all(|first| first.is_null()));
    }
}
