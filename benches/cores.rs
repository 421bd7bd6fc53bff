//! Cores: where two threads take part, each has one of its own.

use std::io;
use std::sync::OnceLock;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores that a thread may run on.
pub(crate) struct Cores(Vec<usize>);

/// What the process was allowed when it was first asked for.
static AT_START: OnceLock<Vec<usize>> = OnceLock::new();

impl Cores {
    /// Those of this process, also after the calling thread has pinned itself. To be asked for once before.
    pub(crate) fn allowed() -> io::Result<Self> {
        if let Some(cores) = AT_START.get() {
            return Ok(Self(cores.clone()));
        }
        let set = sched_getaffinity(None)?;
        let allowed = (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core));
        Ok(Self(AT_START.get_or_init(|| allowed.collect()).clone()))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Keeps the calling thread on the n-th of these cores from now on; with fewer cores, threads share them.
    pub(crate) fn pin(&self, nth: usize) -> io::Result<()> {
        let mut set = CpuSet::new();
        set.set(self.0[nth % self.0.len()]);
        Ok(sched_setaffinity(None, &set)?)
    }
}
