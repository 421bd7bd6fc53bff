//! A row of the table: who does which work, and what is aimed at.

use std::io;
use std::time::{Duration, Instant};

/// Fewer say too little about the spread.
pub(crate) const MIN_PAIRS: u16 = 5;

/// One line of the table.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) ours: Contestant,
    pub(crate) peers: Vec<Contestant>,
    pub(crate) aims: Vec<Aim>,
    /// How often ours and each peer are measured.
    pub(crate) pairs: u16,
    /// Whether a measurement has one core only, as a loop on one thread needs no more.
    pub(crate) is_pinned: bool,
    /// What a reader has to know to judge the figures: what is counted, where a peer does less or other work.
    pub(crate) note: &'static str,
}

/// Somebody who can do the work of a row.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    /// `None` where this machine has not what it is made of.
    run: Option<Box<Run>>,
}

/// Does the work once to warm up and once more to be counted; returns the figure in the row's unit.
type Run = dyn Fn(Load) -> io::Result<f64>;

/// How much work a measurement does. The same for all contestants of a row.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) quick: bool,
}

/// What a figure means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    NanosPerOp,
    WritesPerOp,
    KiloOpsPerSecond,
    GigabytesPerSecond,
    MicrosLate,
    BytesEach,
    AllocationsEach,
    AllocationsPerOp,
    Megabytes,
}

/// What is asked of a row.
#[derive(Clone, Copy)]
pub(crate) enum Aim {
    /// Our figure in parts of the fastest peer's: at most this where less is better, else at least this.
    OfFastest(f64),
    /// The same beside a certain peer.
    Of(&'static str, f64),
    /// Our figure itself.
    Absolute(f64),
}

impl Row {
    pub(crate) fn new(name: impl Into<String>, unit: Unit, ours: Contestant) -> Self {
        Self {
            name: name.into(),
            unit,
            ours,
            peers: Vec::new(),
            aims: Vec::new(),
            pairs: MIN_PAIRS,
            is_pinned: true,
            note: "",
        }
    }

    pub(crate) fn beside(mut self, peers: impl IntoIterator<Item = Contestant>) -> Self {
        self.peers.extend(peers);
        self
    }

    pub(crate) fn aims(mut self, aims: impl IntoIterator<Item = Aim>) -> Self {
        self.aims.extend(aims);
        self
    }

    pub(crate) fn pairs(mut self, pairs: u16) -> Self {
        self.pairs = pairs;
        self
    }

    /// For contestants that start threads of their own, which must not share one core.
    pub(crate) fn on_all_cores(mut self) -> Self {
        self.is_pinned = false;
        self
    }

    pub(crate) fn note(mut self, note: &'static str) -> Self {
        self.note = note;
        self
    }

    /// All who run in this row, ours first.
    pub(crate) fn contestants(&self) -> impl Iterator<Item = &Contestant> {
        std::iter::once(&self.ours).chain(&self.peers)
    }
}

impl Contestant {
    pub(crate) fn new(name: &'static str, run: impl Fn(Load) -> io::Result<f64> + 'static) -> Self {
        Self {
            name,
            run: Some(Box::new(run)),
        }
    }

    /// Somebody who is named in the table and not measured: not installed.
    pub(crate) fn absent(name: &'static str) -> Self {
        Self { name, run: None }
    }

    pub(crate) fn is_installed(&self) -> bool {
        self.run.is_some()
    }

    pub(crate) fn run(&self, load: Load) -> io::Result<f64> {
        match &self.run {
            Some(run) => run(load),
            None => Err(io::Error::other(format!("{} is not installed", self.name))),
        }
    }
}

impl Load {
    /// So many operations, or an eighth of them for a quick look.
    pub(crate) fn ops(self, full: u64) -> u64 {
        if self.quick { full / 8 } else { full }
    }
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NanosPerOp => "ns/op",
            Self::WritesPerOp => "writes/op",
            Self::KiloOpsPerSecond => "k op/s",
            Self::GigabytesPerSecond => "GB/s",
            Self::MicrosLate => "us late",
            Self::BytesEach => "bytes each",
            Self::AllocationsEach => "allocs each",
            Self::AllocationsPerOp => "allocs/op",
            Self::Megabytes => "MB",
        }
    }

    /// A figure that is counted, not measured, and the same every time.
    pub(crate) fn is_counted(self) -> bool {
        matches!(
            self,
            Self::BytesEach | Self::AllocationsEach | Self::AllocationsPerOp
        )
    }

    pub(crate) fn less_is_better(self) -> bool {
        !matches!(self, Self::KiloOpsPerSecond | Self::GigabytesPerSecond)
    }
}

impl Aim {
    pub(crate) fn text(self, unit: Unit) -> String {
        let sign = if unit.less_is_better() { "<=" } else { ">=" };
        match self {
            Self::OfFastest(limit) => format!("{sign} {limit} x fastest"),
            Self::Of(peer, limit) => format!("{sign} {limit} x {peer}"),
            Self::Absolute(limit) => format!("{sign} {limit} {}", unit.name()),
        }
    }
}

/// Nanoseconds for each of so many operations since `start`.
pub(crate) fn nanos_per_op(start: Instant, ops: u64) -> f64 {
    start.elapsed().as_nanos() as f64 / ops as f64
}

/// Thousands of operations per second.
pub(crate) fn kilo_ops_per_second(ops: u64, time: Duration) -> f64 {
    ops as f64 / time.as_secs_f64() / 1e3
}
