//! Roads between threads: everything by which another thread reaches a loop, and by which a loop reaches other threads.
#![forbid(unsafe_code)]
