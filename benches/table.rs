//! The table, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use comfy_table::{CellAlignment, ContentArrangement, presets};
use serde::Serialize;

use crate::row::{Contestant, Row};
use crate::verdict::{Spread, Verdict};

const HEAD: [&str; 7] = ["row", "unit", "ours", "peers", "ratio", "aim", "held"];

/// The lines of a Markdown file between which the table goes.
const BEGIN: &str = "<!-- table: begin -->";
const END: &str = "<!-- table: end -->";

/// The rows measured so far.
#[derive(Default)]
pub(crate) struct Table {
    lines: Vec<Line>,
    cells: Vec<[String; HEAD.len()]>,
    notes: Vec<(&'static str, Vec<usize>)>,
}

/// One row as JSON.
#[derive(Serialize)]
struct Line {
    row: String,
    unit: &'static str,
    ours: f64,
    /// `null` for those that are not installed.
    peers: BTreeMap<&'static str, Option<f64>>,
    fastest: Option<&'static str>,
    ratio: Option<f64>,
    aim: String,
    held: String,
}

impl Table {
    pub(crate) fn add(&mut self, row: &Row, verdict: &Verdict) {
        let number = self.lines.len() + 1;
        let aims: Vec<_> = row.aims.iter().map(|aim| aim.text(row.unit)).collect();
        let name = |peer: &Contestant| peer.name;
        let peers = row.peers.iter().map(name).zip(&verdict.peers);
        let medians: Vec<_> = peers
            .clone()
            .map(|(name, figures)| match figures {
                Some(figures) => format!("{name} {}", short(figures.median)),
                None => format!("{name} not installed"),
            })
            .collect();
        self.cells.push([
            format!("{number} {}", row.name),
            row.unit.name().to_owned(),
            with_spread(verdict.ours),
            medians.join("\n"),
            verdict.ratio.map_or("-".to_owned(), with_spread),
            aims.join("\n"),
            verdict.held.to_string(),
        ]);
        match self.notes.iter_mut().find(|(note, _)| *note == row.note) {
            Some((_, numbers)) => numbers.push(number),
            None => self.notes.push((row.note, vec![number])),
        }
        self.lines.push(Line {
            row: row.name.clone(),
            unit: row.unit.name(),
            ours: verdict.ours.median,
            peers: peers
                .map(|(name, all)| (name, all.map(|all| all.median)))
                .collect(),
            fastest: verdict.fastest.map(|index| row.peers[index].name),
            ratio: verdict.ratio.map(|ratio| ratio.median),
            aim: aims.join(", "),
            held: verdict.held.to_string(),
        });
    }

    pub(crate) fn write_json(&self, path: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(&self.lines)?;
        fs::write(path, text + "\n")
    }

    /// Puts the table between the marks in a Markdown file, in place of what is there.
    pub(crate) fn write_markdown(&self, path: &Path) -> io::Result<()> {
        let text = fs::read_to_string(path)?;
        let place = text.split_once(BEGIN).and_then(|(before, rest)| {
            let (_, after) = rest.split_once(END)?;
            Some((before, after))
        });
        let Some((before, after)) = place else {
            let asked = format!(
                "{}: put the lines `{BEGIN}` and `{END}` where the table goes",
                path.display()
            );
            return Err(io::Error::other(asked));
        };
        fs::write(
            path,
            format!("{before}{BEGIN}\n{}{END}{after}", self.markdown()),
        )
    }

    fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells = cells.iter().map(|cell| cell.replace('\n', "<br>"));
            format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
        };
        let notes = self.notes.iter();
        let notes = notes.map(|(note, rows)| format!("- {}: {note}\n", numbers(rows)));
        [
            line(&HEAD.map(str::to_owned)),
            "|---|---|---:|---|---:|---|---|\n".to_owned(),
        ]
        .into_iter()
        .chain(self.cells.iter().map(|cells| line(cells)))
        .chain(["\n".to_owned()])
        .chain(notes)
        .collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = comfy_table::Table::new();
        table
            .load_style(presets::ASCII_HORIZONTAL_ONLY)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(HEAD)
            .add_rows(&self.cells);
        for index in [2, 4] {
            if let Some(column) = table.column_mut(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        writeln!(f, "{table}")?;
        writeln!(
            f,
            "ratio: ours / the fastest peer's; in brackets the middle half of the measurements."
        )?;
        for (note, rows) in &self.notes {
            writeln!(f, "{}: {note}", numbers(rows))?;
        }
        Ok(())
    }
}

fn numbers(rows: &[usize]) -> String {
    let rows: Vec<_> = rows.iter().map(usize::to_string).collect();
    rows.join(", ")
}

fn with_spread(figures: Spread) -> String {
    let Spread { low, median, high } = figures;
    format!("{} [{}..{}]", short(median), short(low), short(high))
}

/// Three digits that count.
fn short(figure: f64) -> String {
    let decimals = match figure.abs() {
        0.0 => 0,
        below if below < 0.1 => 4,
        below if below < 1.0 => 3,
        below if below < 10.0 => 2,
        below if below < 100.0 => 1,
        _ => 0,
    };
    format!("{figure:.decimals$}")
}
