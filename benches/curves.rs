//! Curves: what an operation costs while the work grows.

mod plot;
mod sleeps;

use std::io;
use std::path::Path;

use crate::measure::{self, Measured};
use crate::row::{Load, Row};
use crate::verdict::Spread;
use crate::{echo, gate, spawn};

/// Measurements for each point.
const ROUNDS: u16 = 3;

/// A plot.
pub(crate) struct Curve {
    /// The name of the file.
    name: &'static str,
    title: &'static str,
    /// What grows, and what is measured.
    axes: [&'static str; 2],
    points: Vec<(u64, Row)>,
}

/// Who is drawn, and where.
struct Line {
    name: &'static str,
    points: Vec<(f64, f64)>,
}

/// All curves.
pub(crate) fn all() -> Vec<Curve> {
    vec![
        Curve {
            name: "entries",
            title: "A line of waiting tasks: spawn, join the line, have a turn",
            axes: ["entries in the line", "ns per entry"],
            points: points("entries", 6, |name, size| {
                let peers = ["tokio Mutex", "async-lock on smol", "local-sync on monoio"];
                only(gate::line(name, size), &peers)
            }),
        },
        Curve {
            name: "tasks",
            title: "Tasks that live at the same time: spawn and join",
            axes: ["live tasks", "ns per task"],
            points: points("tasks", 6, |name, size| {
                only(
                    spawn::live_tasks(name, size),
                    &["tokio", "monoio", "smol static"],
                )
            }),
        },
        Curve {
            name: "timers",
            title: "Sleeps that are cancelled while others wait: one goes, one comes",
            axes: ["pending sleeps", "ns per sleep"],
            points: points("timers", 6, sleeps::row),
        },
        Curve {
            name: "connections",
            title: "An echo of 64 bytes: the server\u{2019}s processor time",
            axes: ["connections", "ns per round trip"],
            points: points("connections", 4, |name, size| {
                let peers = ["bare epoll", "tokio", "monoio", "smol"];
                only(echo::cpu_of_connections(name, size as usize), &peers)
            }),
        },
    ]
}

/// The rows of all curves, for the processes that measure one.
pub(crate) fn rows() -> Vec<Row> {
    let points = all().into_iter().flat_map(|curve| curve.points);
    points.map(|(_, row)| row).collect()
}

/// Measures all curves and draws them into this folder.
pub(crate) fn draw(folder: &Path, load: Load) -> io::Result<()> {
    for curve in all() {
        let mut measured = Vec::new();
        for (_, row) in &curve.points {
            eprintln!("{}", row.name);
            measured.push(measure::measure(
                row,
                load,
                if load.quick { 1 } else { ROUNDS },
            )?);
        }
        let file = folder.join(format!("{}.svg", curve.name));
        plot::draw(&curve, &curve.lines(&measured), &file).map_err(io::Error::other)?;
        eprintln!("written to {}", file.display());
    }
    Ok(())
}

/// From 1 to 10 to the power of `decades`.
fn points(name: &str, decades: u32, row: impl Fn(String, u64) -> Row) -> Vec<(u64, Row)> {
    let sizes = (0..=decades).map(|decade| 10_u64.pow(decade));
    sizes
        .map(|size| (size, row(format!("curve of {name}, {size}"), size)))
        .collect()
}

fn only(mut row: Row, peers: &[&str]) -> Row {
    row.peers.retain(|peer| peers.contains(&peer.name));
    row
}

impl Curve {
    fn lines(&self, measured: &[Measured]) -> Vec<Line> {
        let names = self.points.first().into_iter();
        let names = names.flat_map(|(_, row)| row.contestants().map(|someone| someone.name));
        let line = |(index, name)| {
            let sizes = self.points.iter().map(|(size, _)| *size as f64);
            let figures = measured.iter().map(|all| match index {
                0 => &all.ours,
                peer => &all.peers[peer - 1],
            });
            let medians = figures.map(|figures| Spread::of(figures).median);
            let points = sizes.zip(medians).collect();
            Line { name, points }
        };
        names.enumerate().map(line).collect()
    }
}
