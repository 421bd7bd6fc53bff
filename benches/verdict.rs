//! From figures to a verdict: medians, ratios of pairs, their spread, and whether the aims hold.

use std::fmt;

use crate::measure::Measured;
use crate::row::{Aim, Row, Unit};

/// What the figures of a row say.
pub(crate) struct Verdict {
    pub(crate) ours: Spread,
    /// As the row's peers; `None` for those that are not installed.
    pub(crate) peers: Vec<Option<Spread>>,
    /// Which of the peers has the best median.
    pub(crate) fastest: Option<usize>,
    /// Ours divided by the fastest's, pair by pair.
    pub(crate) ratio: Option<Spread>,
    pub(crate) held: Held,
}

/// A median and the middle half of the values around it.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

/// Fewer measurements have no spread to speak of.
const MIN_FIGURES: usize = 3;

/// Whether an aim holds. The order is the one of precedence among several aims: the last wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Held {
    /// The row has no aim.
    NoAim,
    /// The peer of the aim is not here.
    NotInstalled,
    Yes,
    /// The spread is wider than the distance to the aim: the figures do not decide.
    Noisy,
    No,
}

impl Verdict {
    pub(crate) fn of(row: &Row, measured: &Measured) -> Self {
        let spread = |all: &Vec<f64>| (!all.is_empty()).then(|| Spread::of(all));
        let peers: Vec<_> = measured.peers.iter().map(spread).collect();
        let fastest = fastest(row.unit, &peers);
        let ratio_to = |peer: usize| ratios(&measured.ours, &measured.peers[peer]);
        let mut verdict = Self {
            ours: Spread::of(&measured.ours),
            ratio: fastest.and_then(ratio_to),
            fastest,
            peers,
            held: Held::NoAim,
        };
        let judge = |aim: &Aim| match *aim {
            Aim::OfFastest(_) if fastest.is_none() => Held::NotInstalled,
            Aim::OfFastest(limit) => judged(verdict.ratio, limit, row.unit),
            Aim::Of(name, limit) => match row.peers.iter().position(|peer| peer.name == name) {
                Some(peer) if verdict.peers[peer].is_none() => Held::NotInstalled,
                peer => judged(peer.and_then(ratio_to), limit, row.unit),
            },
            Aim::Absolute(limit) => judged(Some(verdict.ours), limit, row.unit),
        };
        verdict.held = row.aims.iter().map(judge).max().unwrap_or(Held::NoAim);
        let is_enough = row.unit.is_counted() || measured.ours.len() >= MIN_FIGURES;
        if !is_enough && verdict.held > Held::NotInstalled {
            verdict.held = Held::Noisy;
        }
        verdict
    }
}

impl Spread {
    pub(crate) fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self {
            low: quantile(&sorted, 0.25),
            median: quantile(&sorted, 0.5),
            high: quantile(&sorted, 0.75),
        }
    }

    fn width(self) -> f64 {
        self.high - self.low
    }
}

/// The value below which such a part of the sorted values lies, between two neighbours in proportion.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = part * sorted.len().saturating_sub(1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    match (sorted.get(below), sorted.get(above)) {
        (Some(low), Some(high)) => low + (high - low) * place.fract(),
        _ => f64::NAN,
    }
}

fn fastest(unit: Unit, peers: &[Option<Spread>]) -> Option<usize> {
    let numbered = peers.iter().enumerate();
    let medians = numbered.filter_map(|(index, peer)| Some((index, (*peer)?.median)));
    let by_median = |a: &(usize, f64), b: &(usize, f64)| a.1.total_cmp(&b.1);
    let fastest = if unit.less_is_better() {
        medians.min_by(by_median)
    } else {
        medians.max_by(by_median)
    };
    fastest.map(|(index, _)| index)
}

/// `None` where the peer's figure is zero, which has no ratio.
fn ratios(ours: &[f64], peer: &[f64]) -> Option<Spread> {
    let ratios: Vec<f64> = ours.iter().zip(peer).map(|(a, b)| a / b).collect();
    let all_finite = ratios.iter().all(|ratio| ratio.is_finite());
    (all_finite && !ratios.is_empty()).then(|| Spread::of(&ratios))
}

/// What cannot be judged does not hold.
fn judged(value: Option<Spread>, limit: f64, unit: Unit) -> Held {
    let Some(value) = value else { return Held::No };
    let margin = if unit.less_is_better() {
        limit - value.median
    } else {
        value.median - limit
    };
    if value.width() > margin.abs() {
        Held::Noisy
    } else if margin >= 0.0 {
        Held::Yes
    } else {
        Held::No
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAim => "-",
            Self::NotInstalled => "not installed",
            Self::Yes => "held",
            Self::Noisy => "noisy",
            Self::No => "not held",
        })
    }
}
