//! Watched descriptors, by their rules.

mod ends;
mod futures;
mod hazards;
mod host;
mod operations;
mod rules;
mod util;
