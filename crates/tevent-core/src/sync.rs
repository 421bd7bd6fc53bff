//! The one place that knows whether atomics come from std or from the loom model checker.

#[cfg(not(loom))]
pub use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering, fence},
    },
    thread_local,
};

#[cfg(loom)]
pub use loom::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering, fence},
    },
    thread_local,
};
