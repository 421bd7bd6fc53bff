//! The line against a plain list, by random operations.

use proptest::{collection::vec, prelude::*};
use tevent_core::line::{Line, Place};

#[derive(Clone, Debug)]
enum Op {
    Join,
    Leave(usize),
    Detach(usize),
    Mark(usize),
    Stale(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => Just(Op::Join),
        4 => any::<usize>().prop_map(Op::Leave),
        1 => any::<usize>().prop_map(Op::Detach),
        1 => any::<usize>().prop_map(Op::Mark),
        1 => any::<usize>().prop_map(Op::Stale),
    ]
}

/// What a place should hold: its value, whether it is still in the order, its mark.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Member {
    place: Place,
    value: u32,
    linked: bool,
    mark: u8,
}

#[derive(Default)]
struct Pair {
    line: Line<u32, u8>,
    /// In the order of joining.
    model: Vec<Member>,
    gone: Vec<Place>,
    next: u32,
}

impl Pair {
    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Join => {
                let (value, place) = (self.next, self.line.join(self.next));
                self.next += 1;
                self.model.push(Member {
                    place,
                    value,
                    linked: true,
                    mark: 0,
                });
            }
            Op::Leave(n) if !self.model.is_empty() => {
                let member = self.model.remove(n % self.model.len());
                assert_eq!(
                    self.line.leave_with_mark(member.place),
                    Some((member.mark, member.value))
                );
                self.gone.push(member.place);
            }
            Op::Detach(n) if !self.model.is_empty() => {
                let n = n % self.model.len();
                let member = &mut self.model[n];
                assert_eq!(self.line.detach(member.place), member.linked);
                member.linked = false;
            }
            Op::Mark(n) if !self.model.is_empty() => {
                let n = n % self.model.len();
                let (mark, value) = self.line.both_mut(self.model[n].place).unwrap();
                (*mark, *value) = (*mark + 1, *value + 1000);
                (self.model[n].mark, self.model[n].value) = (*mark, *value);
            }
            Op::Stale(n) if !self.gone.is_empty() => self.stale(self.gone[n % self.gone.len()]),
            _ => {}
        }
    }

    fn stale(&mut self, place: Place) {
        assert_eq!(self.line.leave(place), None);
        assert!(!self.line.detach(place));
        assert_eq!(
            (
                self.line.get(place),
                self.line.both(place).map(|(mark, _)| mark),
                self.line.next(place)
            ),
            (None, None, None)
        );
        assert!(self.line.get_mut(place).is_none() && self.line.both_mut(place).is_none());
    }

    fn compare(&mut self) {
        let linked: Vec<_> = self.model.iter().filter(|member| member.linked).collect();
        let places: Vec<_> = linked.iter().map(|member| member.place).collect();
        assert_eq!(self.line.places().collect::<Vec<_>>(), places);
        assert_eq!(
            (self.line.len(), self.line.is_empty()),
            (places.len(), places.is_empty())
        );
        assert_eq!(self.line.front(), places.first().copied());
        assert_eq!(self.line.front(), places.first().copied());
        for member in &self.model {
            assert_eq!(self.line.get(member.place), Some(&member.value));
            assert_eq!(
                self.line.both(member.place).map(|(mark, _)| mark),
                Some(member.mark)
            );
        }
        let values: Vec<_> = linked.iter().map(|member| member.value).collect();
        assert_eq!(format!("{:?}", self.line), format!("{values:?}"));
    }
}

fn config() -> ProptestConfig {
    let cases = if cfg!(miri) { 8 } else { 512 };
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_line_is_a_list_that_can_be_left_from_anywhere(ops in vec(op(), 0..if cfg!(miri) { 40 } else { 300 })) {
        let mut pair = Pair::default();
        for op in &ops {
            pair.apply(op);
            pair.compare();
        }
    }
}

#[test]
fn q02_places_come_out_in_the_order_of_joining() {
    let mut line: Line<u32> = Line::new();
    let places: Vec<_> = (0..1000).map(|value| line.join(value)).collect();
    for (value, place) in (0..).zip(places) {
        assert_eq!(line.front(), Some(place));
        assert_eq!(line.leave(place), Some(value));
    }
    assert!(line.is_empty());
}
