//! The crew of a pool: the state behind its lock, and the place where workers rest.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tevent_core::line::Place;

use super::state::{Follow, Numbers, State};
use super::sync::{Condvar, Mutex, MutexGuard};

/// What owner and workers share. Jobs and results are foreign values: they come out of the lock before they are
/// dropped.
pub(crate) struct Crew<J, D> {
    state: Mutex<State<J, D>>,
    /// Where those who rest are called.
    called: Condvar,
    /// How long a worker rests before it leaves.
    keep_alive: Duration,
}

impl<J, D> Crew<J, D> {
    pub(crate) fn new(max: usize, keep_alive: Duration) -> Self {
        Self {
            state: Mutex::new(State::new(max)),
            called: Condvar::new(),
            keep_alive,
        }
    }

    /// Gives a job to the crew. If that says `Hire`, the caller starts a thread that asks for the [`next`](Self::next)
    /// job, or says that it [could not](Self::hire_failed).
    pub(crate) fn submit(&self, job: J) -> Result<(Place, Follow), J> {
        let submitted = self.lock().submit(job)?;
        if submitted.1 == Follow::Call {
            self.called.notify_one();
        }
        Ok(submitted)
    }

    /// The job comes back if nobody is left to do it.
    pub(crate) fn hire_failed(&self, place: Place) -> Option<J> {
        self.lock().hire_failed(place)
    }

    /// The next job for a worker, which may have to rest until there is one. `None`: it leaves.
    pub(crate) fn next(&self) -> Option<J> {
        let mut state = self.lock();
        let mut rested = Duration::ZERO;
        loop {
            let job = state.take();
            if job.is_some() {
                return job;
            }
            if !state.is_open() || rested >= self.keep_alive {
                state.leave();
                return None;
            }
            let start = Instant::now();
            state.rest();
            // Woken for nothing, it rests on for what is left of its time.
            let waited = self.called.wait_timeout(state, self.keep_alive - rested);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.rise();
            rested += start.elapsed();
        }
    }

    /// Takes a job back that nobody has begun.
    pub(crate) fn cancel(&self, place: Place) -> Option<J> {
        self.lock().cancel(place)
    }

    /// A worker hands in what it has done, and tells the owner afterwards. It comes back once the crew was disbanded.
    #[must_use]
    pub(crate) fn hand_in(&self, done: D) -> Option<D> {
        self.lock().hand_in(done)
    }

    /// The owner takes what was handed in.
    pub(crate) fn take_done(&self) -> Vec<D> {
        self.lock().take_done()
    }

    /// No more jobs: the workers do what is there, and leave.
    pub(crate) fn close(&self) {
        self.lock().close();
        self.called.notify_all();
    }

    /// No more jobs, and those that nobody has begun come back. What was handed in by now is still to be taken.
    pub(crate) fn disband(&self) -> Vec<J> {
        let jobs = self.lock().disband();
        self.called.notify_all();
        jobs
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lock().is_open()
    }

    pub(crate) fn numbers(&self) -> Numbers {
        self.lock().numbers()
    }

    fn lock(&self) -> MutexGuard<'_, State<J, D>> {
        // Nothing panics behind this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
