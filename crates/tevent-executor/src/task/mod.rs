//! The task cell: one allocation that holds a future, then its output, and is woken from any thread.
//!
//! # Life of a task
//!
//! Only the owner's thread moves a task through its life. The state is a plain cell of flags:
//!
//! ```text
//!             1 spawn                 2 run                    3 poll: Pending
//!   (nothing) -------> QUEUED -----------------> RUNNING ---------------------------> (idle: no flag)
//!                        ^                          |                                     |
//!                        |                          | 4 poll: Ready, or a panic           |
//!                        |                          v                                     |
//!                        |                     DONE | OUTPUT                              |
//!                        +----------------------------------------------------------------+
//!                                 5 wake, from idle or RUNNING; nothing if DONE or QUEUED
//!
//!   any --- 6 cancel: CANCELLED, and a wake ---> QUEUED --- 2 run: drop the future ---> DONE
//! ```
//!
//! 1 [`TaskRef::spawn`], 2-4 [`TaskRef::run`], 5 [`TaskRef::wake_local`], 6 [`Joint::cancel`]. A wake during the task's
//! own poll queues it at once, so it is polled once more (arrows 5 and 3 commute). The end of the executor walks every
//! task through arrow 6 without the queue: [`TaskRef::cancel_now`].
//!
//! # Who keeps the allocation
//!
//! A count of references: one is the **owner's**, held until the future *and* an untaken output are dropped and neither
//! the ready queue nor a [`Joint`] point here; it is given back in one place, [`TaskRef::settle`]. Each waker holds
//! one, and so does the flag `REMOTE`, for the remote stack. So the last waker, on whatever thread, can only ever free
//! memory: destructors of the user's run on the owner's thread, before the owner's reference is gone.
//!
//! # Wakes from elsewhere
//!
//! One atomic flag, `REMOTE`, beside the count of references: the first foreign wake sets it and pushes the task on the
//! executor's stack; the owner takes the stack whole, and for each task clears the flag **before** it does the local
//! wake, so that a wake which comes later pushes again. Flag and push are all that such a wake costs: the flag is the
//! stack's reference, and the push finds out whether the loop sleeps ([`remote`]).
#![allow(unsafe_code)]

mod cell;
mod guarded;
mod header;
mod joint;
mod life;
mod live;
mod pool;
mod ready;
mod remote;
mod scoped;
mod shared;
mod task_ref;
mod waker;

pub(crate) use joint::Joint;
pub(crate) use scoped::scoped;
pub(crate) use shared::{Owner, enter};
