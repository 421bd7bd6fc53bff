//! The ready queue: pointers to tasks, first in, first out, in a ring.
//!
//! Its length is a power of two, and both ends are counts that only go up, so that neither end has to be wrapped with a
//! branch: every switch between tasks goes through here twice.

use std::ptr::{self, NonNull};

use super::header::Header;

/// How long the first ring is.
const FIRST: usize = 64;

/// A ring of this length is kept, however little of it is used.
const KEPT: usize = 1024;

#[derive(Default)]
pub(super) struct ReadyQueue {
    /// Empty at first. What stands outside of `taken..put` is stale.
    ring: Box<[*mut Header]>,
    taken: usize,
    put: usize,
}

impl ReadyQueue {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.put.wrapping_sub(self.taken)
    }

    /// Puts a task at the tail.
    #[inline]
    pub(super) fn push(&mut self, task: NonNull<Header>) {
        if self.len() == self.ring.len() {
            return self.push_and_grow(task);
        }
        let place = self.place(self.put);
        self.ring[place] = task.as_ptr();
        self.put = self.put.wrapping_add(1);
    }

    /// Takes the task at the head.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<NonNull<Header>> {
        let task = self.first()?;
        self.taken = self.taken.wrapping_add(1);
        Some(task)
    }

    /// The task at the head.
    #[inline]
    pub(super) fn first(&self) -> Option<NonNull<Header>> {
        if self.taken == self.put {
            return None;
        }
        NonNull::new(self.ring[self.place(self.taken)])
    }

    /// Lets the task behind so many others change places with the head.
    pub(super) fn bring_forward(&mut self, index: usize) {
        let (head, other) = (self.place(self.taken), self.taken.wrapping_add(index));
        self.ring.swap(head, self.place(other));
    }

    /// Where in the ring that count stands.
    #[inline]
    fn place(&self, count: usize) -> usize {
        count & self.ring.len().wrapping_sub(1)
    }

    #[cold]
    #[inline(never)]
    fn push_and_grow(&mut self, task: NonNull<Header>) {
        self.resize((2 * self.ring.len()).max(FIRST));
        self.push(task);
    }

    /// How many places there are.
    #[inline]
    pub(super) fn room(&self) -> usize {
        self.ring.len()
    }

    /// A count that goes up with each task that is put in.
    #[inline]
    pub(super) fn put(&self) -> usize {
        self.put
    }

    /// Whether little of the ring is used.
    #[inline]
    pub(super) fn is_roomy(&self) -> bool {
        self.ring.len() > KEPT && self.len() < self.ring.len() / 4
    }

    /// Gives back what is not needed.
    pub(super) fn shrink(&mut self) {
        if self.is_roomy() {
            self.resize((2 * self.len()).next_power_of_two().max(KEPT));
        }
    }

    #[cold]
    fn resize(&mut self, length: usize) {
        let mut ring = Vec::with_capacity(length);
        ring.extend(
            (0..self.len()).map(|index| self.ring[self.place(self.taken.wrapping_add(index))]),
        );
        ring.resize(length, ptr::null_mut());
        (self.taken, self.put) = (0, self.len());
        self.ring = ring.into_boxed_slice();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Push,
        Pop,
        BringForward(usize),
        /// Many come or go at once.
        Burst(usize),
        Shrink,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => Just(Step::Push),
            3 => Just(Step::Pop),
            1 => any::<usize>().prop_map(Step::BringForward),
            1 => (0..5_000_usize).prop_map(Step::Burst),
            1 => Just(Step::Shrink),
        ];
        prop::collection::vec(step, 0..if cfg!(miri) { 200 } else { 2_000 })
    }

    fn effort() -> ProptestConfig {
        ProptestConfig {
            cases: if cfg!(miri) { 4 } else { 256 },
            failure_persistence: None,
            ..ProptestConfig::default()
        }
    }

    /// The `n`th of many addresses; nobody looks there.
    fn task(n: usize) -> NonNull<Header> {
        NonNull::new(ptr::without_provenance_mut(8 * (n + 1)))
            .expect("eight times a number above zero is not null")
    }

    proptest! {
        #![proptest_config(effort())]

        #[test]
        fn the_ring_is_a_queue(start in prop_oneof![Just(0), Just(usize::MAX - 100)], steps in steps()) {
            let mut ring = ReadyQueue { taken: start, put: start, ..ReadyQueue::default() };
            let mut model = VecDeque::new();
            for (n, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Push => {
                        ring.push(task(n));
                        model.push_back(task(n));
                    }
                    Step::Pop => prop_assert_eq!(ring.pop(), model.pop_front()),
                    Step::BringForward(index) if !model.is_empty() => {
                        let index = index % model.len();
                        ring.bring_forward(index);
                        model.swap(0, index);
                    }
                    Step::BringForward(_) => {}
                    Step::Burst(length) if model.len() < length => {
                        let tasks = (model.len()..length).map(task);
                        tasks.clone().for_each(|task| ring.push(task));
                        model.extend(tasks);
                    }
                    Step::Burst(length) => {
                        let taken: Vec<_> = (length..model.len()).map_while(|_| ring.pop()).collect();
                        let expected: Vec<_> = model.drain(..model.len() - length).collect();
                        prop_assert_eq!(taken, expected);
                    }
                    Step::Shrink => ring.shrink(),
                }
                prop_assert_eq!(ring.len(), model.len());
                prop_assert_eq!(ring.first(), model.front().copied());
            }
        }
    }
    #[test]
    fn b55_the_memory_of_a_burst_comes_back() {
        let mut ring = ReadyQueue::default();
        (0..100_000).for_each(|n| ring.push(task(n)));
        (0..99_000).for_each(|n| assert_eq!(ring.pop(), Some(task(n))));
        ring.shrink();
        assert_eq!(ring.ring.len(), 2048);
        (99_000..100_000).for_each(|n| assert_eq!(ring.pop(), Some(task(n))));
        ring.shrink();
        assert_eq!((ring.len(), ring.ring.len()), (0, KEPT));
    }
}
