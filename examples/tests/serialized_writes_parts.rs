//! Runs the unit tests of the example `serialized_writes`: `cargo test` builds examples and runs no tests inside them.

#[allow(
    dead_code,
    reason = "nobody calls the example's `main` here; what it uses is checked where it is built"
)]
#[path = "../serialized_writes.rs"]
mod serialized_writes;
