//! Who works and what is to be done: the state of a pool behind its lock. No threads, no clock, no waiting.
//!
//! A worker, and the job that it has:
//!
//! ```text
//!             +--3 rest--> Idle --4 rise--+       1 hire   for a job that no idle worker is there for; it counts
//!             |                           v                from here, before its thread exists
//!   ---1--> Working <---------------------+       2 take   the oldest job
//!             |  ^                                3 rest   no job is there
//!             |  +--2 take--+                     4 rise   called, or its patience is over: it looks for a job again
//!             5                                   5 leave  no job is there, and it need not wait for one
//!             v
//!            gone
//! ```
//!
//! **No job waits while a worker sleeps that was not called**: each job that joins calls one of those who sleep, or
//! hires, or finds all at work; and whoever works looks for a job before it rests or leaves, behind the same lock. The
//! jobs that wait are compared with the idle, since one who was called counts as idle until it has risen.

use tevent_core::line::{Line, Place};

/// `J` is a job, `D` what a worker hands in when it has done one.
pub(crate) struct State<J, D> {
    max: usize,
    open: bool,
    /// Whether nobody waits any more for those who work.
    disbanded: bool,
    threads: usize,
    idle: usize,
    jobs: Line<J>,
    done: Vec<D>,
}

/// What has to follow a submission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Follow {
    /// One of those who rest has to be called.
    Call,
    /// A thread has to be started.
    Hire,
    /// All are at work, and will come to it.
    Nothing,
}

/// A look at a pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Numbers {
    pub(crate) threads: usize,
    pub(crate) idle: usize,
    pub(crate) waiting: usize,
}

impl<J, D> State<J, D> {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            open: true,
            disbanded: false,
            threads: 0,
            idle: 0,
            jobs: Line::new(),
            done: Vec::new(),
        }
    }

    /// Puts a job in the line, and says what has to follow.
    ///
    /// # Errors
    /// With the job if the pool is closed.
    pub(crate) fn submit(&mut self, job: J) -> Result<(Place, Follow), J> {
        if !self.open {
            return Err(job);
        }
        let place = self.jobs.join(job);
        let follow = if self.jobs.len() > self.idle && self.threads < self.max {
            self.threads += 1;
            Follow::Hire
        } else if self.idle > 0 {
            Follow::Call
        } else {
            Follow::Nothing
        };
        Ok((place, follow))
    }

    /// The thread could not be started. The job comes back if nobody is left to do it.
    pub(crate) fn hire_failed(&mut self, place: Place) -> Option<J> {
        self.threads -= 1;
        if self.threads > 0 {
            return None;
        }
        self.jobs.leave(place)
    }

    /// Arrow 2.
    pub(crate) fn take(&mut self) -> Option<J> {
        let first = self.jobs.front()?;
        self.jobs.leave(first)
    }

    /// Takes a job out of the line that nobody has taken yet.
    pub(crate) fn cancel(&mut self, place: Place) -> Option<J> {
        self.jobs.leave(place)
    }

    /// Arrow 3.
    pub(crate) fn rest(&mut self) {
        self.idle += 1;
    }

    /// Arrow 4.
    pub(crate) fn rise(&mut self) {
        self.idle -= 1;
    }

    /// Arrow 5.
    pub(crate) fn leave(&mut self) {
        self.threads -= 1;
    }

    /// It comes back if nobody will take it.
    pub(crate) fn hand_in(&mut self, done: D) -> Option<D> {
        if self.disbanded {
            return Some(done);
        }
        self.done.push(done);
        None
    }

    pub(crate) fn take_done(&mut self) -> Vec<D> {
        std::mem::take(&mut self.done)
    }

    /// Takes no more jobs; those in the line are still done.
    pub(crate) fn close(&mut self) {
        self.open = false;
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Nobody waits any more: for what was done by now only. All jobs come out of the line.
    pub(crate) fn disband(&mut self) -> Vec<J> {
        self.open = false;
        self.disbanded = true;
        std::iter::from_fn(|| self.take()).collect()
    }

    pub(crate) fn numbers(&self) -> Numbers {
        Numbers {
            threads: self.threads,
            idle: self.idle,
            waiting: self.jobs.len(),
        }
    }
}
