//! Memory: what idle things take, each, and that a loop at work takes nothing more.

mod connections;
mod steady;
mod things;

use std::io;

use crate::allocator::Taken;
use crate::row::{Aim, Contestant, Row, Unit};

pub(crate) fn rows() -> Vec<Row> {
    let things = things::all().into_iter().chain([connections::idle()]);
    things
        .flat_map(Thing::rows)
        .chain([things::resident()])
        .chain(steady::rows())
        .collect()
}

/// Something that is idle, many times.
struct Thing {
    name: &'static str,
    /// How many are made, also for a quick look.
    count: u64,
    /// The most bytes that one of ours may take.
    aim: Option<f64>,
    note: &'static str,
    ours: Maker,
    peers: Vec<(&'static str, Maker)>,
}

/// Makes so many and says what they have taken, all together.
type Maker = fn(u64) -> io::Result<Taken>;

impl Thing {
    /// A row of bytes and one of allocations.
    fn rows(self) -> [Row; 2] {
        let bytes = self.row("bytes", Unit::BytesEach, |taken| taken.bytes as f64);
        let allocations = self.row("allocations", Unit::AllocationsEach, |taken| {
            taken.allocations as f64
        });
        [
            bytes.aims(self.aim.map(Aim::Absolute)),
            allocations.aims(self.aim.map(|_| Aim::Absolute(1.0))),
        ]
    }

    fn row(&self, what: &str, unit: Unit, figure: fn(Taken) -> f64) -> Row {
        let count = self.count;
        let contestant = |name, maker: Maker| {
            Contestant::new(name, move |_| {
                let each = figure(maker(count)?) / count as f64;
                Ok((each * 100.0).round() / 100.0)
            })
        };
        let peers = self
            .peers
            .iter()
            .map(|(name, maker)| contestant(name, *maker));
        Row::new(
            format!("{}, {what}", self.name),
            unit,
            contestant("tevent", self.ours),
        )
        .beside(peers)
        .pairs(1)
        .note(self.note)
    }
}
