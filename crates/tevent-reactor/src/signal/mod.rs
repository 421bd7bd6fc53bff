//! What the system does behind a program's back: forks, and signals.
//!
//! ```text
//!   kernel --on_signal--> ring, count, total --write--> bell --edge--> every poll with listeners
//!                              ^                                              |
//!                              +------------- subscriptions look -------------+
//! ```
#![expect(
    unsafe_code,
    reason = "handlers of forks and signals are registered with the C library"
)]

#[cfg(not(any(target_os = "linux", target_os = "android")))]
compile_error!(
    "tevent needs Linux or Android: its signals rest on eventfd, and on the signal numbers of Linux"
);

mod arrival;
pub(crate) mod bell;
pub(crate) mod fork;
mod installed;
mod kind;
mod ring;
mod subscription;

pub use arrival::signals_arrived;
pub use kind::SignalKind;
pub use ring::SignalInfo;
pub use subscription::{Delivery, Subscription};

/// The atomics of the ring, which is also compiled into its model with those of the model checker.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
}
