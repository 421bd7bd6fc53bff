//! Cores: where two threads take part, each has one of its own.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores that a thread may run on.
pub(crate) struct Cores(Vec<usize>);

impl Cores {
    /// Those of the calling thread, before it pins itself.
    pub(crate) fn allowed() -> io::Result<Self> {
        let set = sched_getaffinity(None)?;
        let cores = (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core));
        Ok(Self(cores.collect()))
    }

    /// Keeps the calling thread on the n-th of these cores from now on; with fewer cores, threads share them.
    pub(crate) fn pin(&self, nth: usize) -> io::Result<()> {
        let mut set = CpuSet::new();
        set.set(self.0[nth % self.0.len()]);
        Ok(sched_setaffinity(None, &set)?)
    }
}
