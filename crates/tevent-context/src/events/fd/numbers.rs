//! The nodes by descriptor number.

use std::os::fd::RawFd;
use std::rc::Rc;

use super::node::Node;

/// A list that becomes empty keeps room for so many: a page.
const KEPT_WHEN_EMPTY: usize = 512;

/// So many nodes that nobody needs any more are kept for those who come next, with the room of their lines: a few
/// kilobytes, and 200 at the worst.
const KEPT_NODES: usize = 64;

/// One node per number that an event lives on. A list, for the system always gives the lowest number that is free, and
/// each event of a descriptor is looked up here.
#[derive(Default)]
pub(super) struct Numbers {
    nodes: Vec<Option<Rc<Node>>>,
    taken: usize,
    spare: Vec<Rc<Node>>,
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
        let (taken, spare) = (&mut self.taken, &mut self.spare);
        self.nodes[index].get_or_insert_with(|| {
            *taken += 1;
            let used = spare.pop().and_then(|node| renewed(node, fd));
            used.unwrap_or_else(|| Rc::new(Node::new(fd)))
        })
    }

    /// Forgets a number.
    pub(super) fn remove(&mut self, fd: RawFd) {
        let place = self.nodes.get_mut(index(fd));
        if let Some(node) = place.and_then(Option::take) {
            self.taken -= 1;
            if self.spare.len() < KEPT_NODES {
                self.spare.push(node);
            }
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

/// The node of somebody who has gone, for another number; unless somebody still has it in his hands.
fn renewed(mut node: Rc<Node>, fd: RawFd) -> Option<Rc<Node>> {
    Rc::get_mut(&mut node)?.renew(fd);
    Some(node)
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
    fn a_node_is_used_again_once_nobody_has_it() {
        let mut numbers = Numbers::default();
        numbers.enter(5).is_dirty.set(true);
        let five = Rc::as_ptr(numbers.enter(5));
        numbers.remove(5);
        let seven = numbers.enter(7);
        assert_eq!((Rc::as_ptr(seven), seven.fd()), (five, 7));
        assert!(!seven.is_dirty.get(), "it is all new");
        for fd in 0..100 {
            numbers.enter(fd);
        }
        (0..100).for_each(|fd| numbers.remove(fd));
        assert_eq!(numbers.spare.len(), KEPT_NODES);
    }

    #[test]
    fn nodes_are_in_order_and_an_empty_list_gives_its_memory_back() {
        let mut numbers = Numbers::default();
        for fd in [1000, 3, 7] {
            numbers.enter(fd);
        }
        let order: Vec<_> = numbers.iter().map(|node| node.fd()).collect();
        assert_eq!(order, [3, 7, 1000]);
        for fd in [3, 3, 1000] {
            numbers.remove(fd);
        }
        assert!(numbers.nodes.capacity() > KEPT_WHEN_EMPTY);
        numbers.remove(7);
        assert_eq!(numbers.nodes.capacity(), 0);
    }
}
