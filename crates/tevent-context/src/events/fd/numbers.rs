//! The nodes by descriptor number.

use std::os::fd::RawFd;
use std::rc::Rc;

use super::node::Node;

/// A list that becomes empty keeps room for so many.
const KEPT_WHEN_EMPTY: usize = 64;

/// One node per number that an event lives on. A list, for the system always gives the lowest number that is free, and
/// each event of a descriptor is looked up here.
#[derive(Default)]
pub(super) struct Numbers {
    nodes: Vec<Option<Rc<Node>>>,
    taken: usize,
}

impl Numbers {
    pub(super) fn get(&self, fd: RawFd) -> Option<&Rc<Node>> {
        self.nodes.get(index(fd))?.as_ref()
    }

    /// The node of a number, made if there is none.
    pub(super) fn enter(&mut self, fd: RawFd) -> &Rc<Node> {
        let index = index(fd);
        if index >= self.nodes.len() {
            self.nodes.resize(index + 1, None);
        }
        let taken = &mut self.taken;
        self.nodes[index].get_or_insert_with(|| {
            *taken += 1;
            Rc::new(Node::new(fd))
        })
    }

    /// Forgets a number.
    pub(super) fn remove(&mut self, fd: RawFd) {
        let place = self.nodes.get_mut(index(fd));
        if place.is_some_and(|place| place.take().is_some()) {
            self.taken -= 1;
        }
        if self.taken == 0 && self.nodes.capacity() > KEPT_WHEN_EMPTY {
            self.nodes = Vec::new();
        }
    }

    /// All nodes, in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Rc<Node>> {
        self.nodes.iter().flatten()
    }
}

/// A descriptor that is lent is open, so its number is small and not negative.
fn index(fd: RawFd) -> usize {
    usize::try_from(fd).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_node_until_it_is_removed() {
        let mut numbers = Numbers::default();
        let five = Rc::clone(numbers.enter(5));
        assert!(Rc::ptr_eq(&five, numbers.enter(5)));
        assert!(numbers.get(4).is_none() && numbers.get(6).is_none() && numbers.get(-1).is_none());
        numbers.remove(4);
        numbers.remove(6);
        assert!(numbers.get(5).is_some_and(|node| Rc::ptr_eq(node, &five)));
        numbers.remove(5);
        assert!(numbers.get(5).is_none());
        assert!(!Rc::ptr_eq(&five, numbers.enter(5)));
    }

    #[test]
    fn nodes_are_in_order_and_an_empty_list_gives_its_memory_back() {
        let mut numbers = Numbers::default();
        for fd in [100, 3, 7] {
            numbers.enter(fd);
        }
        let order: Vec<_> = numbers.iter().map(|node| node.fd()).collect();
        assert_eq!(order, [3, 7, 100]);
        for fd in [3, 3, 100] {
            numbers.remove(fd);
        }
        assert!(numbers.nodes.capacity() > KEPT_WHEN_EMPTY);
        numbers.remove(7);
        assert_eq!(numbers.nodes.capacity(), 0);
    }
}
