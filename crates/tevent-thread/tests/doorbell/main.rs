//! Events and raw events, as their users see them. Rules E1 to E24 and R1 to R9 are those of `iv_event` and its kin.

mod awaiting;
mod event;
mod hazards;
mod races;
mod raw;
mod util;
