//! Blocking work: pools, tasks, ends.

mod ends;
mod fairness;
mod hazards;
mod tasks;
mod util;
