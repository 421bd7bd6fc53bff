//! The pure state of tevent: no input or output, no clock, nothing that blocks.
//!
//! Everything here is data that other floors share: they hand in the time and the wakers, and get back what is to be
//! done. That makes each room testable as a model, without a loop.
#![forbid(unsafe_code)]

pub mod asked;
pub mod budget;
pub mod doorbell;
pub mod gate;
pub mod line;
pub mod observe;
pub mod panics;
pub mod post;
pub mod sync;
pub mod timers;
pub mod wake;
