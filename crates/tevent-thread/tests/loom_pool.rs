//! Every interleaving of a pool's crew: no job is left while a worker sleeps, and each is done once.
#![cfg(loom)]

#[path = "../src/blocking/crew.rs"]
mod crew;
#[path = "../src/blocking/state.rs"]
mod state;

/// What the crew takes from the standard library, as loom has it. Its `wait_timeout` has no end but a call.
mod sync {
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
}

use std::time::Duration;

use loom::sync::{Arc, Notify};
use loom::thread::{self, JoinHandle};

use crew::Crew;
use state::Follow;

/// Never over in a model.
const PATIENT: Duration = Duration::from_secs(3600);

/// A worker leaves as soon as it finds no job.
const IMPATIENT: Duration = Duration::ZERO;

/// A job is a number, and so is its result.
struct Pool {
    crew: Arc<Crew<u32, u32>>,
    bell: Arc<Notify>,
    /// Each tells how many of its results came back.
    threads: Vec<JoinHandle<usize>>,
}

impl Pool {
    fn new(max: usize, keep_alive: Duration) -> Self {
        Self {
            crew: Arc::new(Crew::new(max, keep_alive)),
            bell: Arc::new(Notify::new()),
            threads: Vec::new(),
        }
    }

    fn submit(&mut self, job: u32) {
        let (_, follow) = self.crew.submit(job).expect("open");
        if follow == Follow::Hire {
            let (crew, bell) = (self.crew.clone(), self.bell.clone());
            self.threads.push(thread::spawn(move || {
                let mut unwanted = 0;
                while let Some(job) = crew.next() {
                    unwanted += usize::from(crew.hand_in(job).is_some());
                    bell.notify();
                }
                unwanted
            }));
        }
    }

    /// Waits for so many results. One that never comes is a deadlock, which loom reports.
    fn collect(&self, count: usize) -> Vec<u32> {
        let mut done = self.crew.take_done();
        while done.len() < count {
            self.bell.wait();
            done.extend(self.crew.take_done());
        }
        done.sort_unstable();
        done
    }

    fn end(self) {
        self.crew.close();
        assert!(!self.crew.is_open() && self.crew.submit(0).is_err());
        for worker in self.threads {
            worker.join().unwrap();
        }
        let numbers = self.crew.numbers();
        assert_eq!((numbers.threads, numbers.idle, numbers.waiting), (0, 0, 0));
        assert!(self.crew.take_done().is_empty(), "none is done twice");
    }
}

#[test]
fn b64_no_job_is_left_while_a_worker_sleeps() {
    loom::model(|| {
        let mut pool = Pool::new(1, PATIENT);
        pool.submit(1);
        pool.submit(2);
        assert_eq!(pool.collect(2), [1, 2]);
        pool.submit(3);
        assert_eq!(pool.collect(1), [3]);
        pool.end();
    });
}

#[test]
fn b64_two_workers_share_the_jobs() {
    loom::model(|| {
        let mut pool = Pool::new(2, PATIENT);
        pool.submit(1);
        pool.submit(2);
        assert_eq!(pool.collect(2), [1, 2]);
        pool.end();
    });
}

#[test]
fn b64_a_job_that_meets_a_worker_at_the_door_is_done() {
    loom::model(|| {
        let mut pool = Pool::new(1, IMPATIENT);
        pool.submit(1);
        pool.submit(2);
        assert_eq!(pool.collect(2), [1, 2]);
        pool.end();
    });
}

#[test]
fn b64_a_job_is_cancelled_or_done() {
    loom::model(|| {
        let mut pool = Pool::new(1, PATIENT);
        pool.submit(1);
        let (second, follow) = pool.crew.submit(2).expect("open");
        assert!(follow != Follow::Hire);
        let cancelled = pool.crew.cancel(second);
        let expected: &[u32] = if cancelled.is_some() { &[1] } else { &[1, 2] };
        assert_eq!(pool.collect(expected.len()), expected);
        assert!(pool.crew.cancel(second).is_none());
        pool.end();
    });
}

#[test]
fn b64_a_crew_that_is_disbanded_has_done_a_job_or_gives_it_back() {
    loom::model(|| {
        let mut pool = Pool::new(1, PATIENT);
        pool.submit(1);
        let (back, done) = (pool.crew.disband(), pool.crew.take_done());
        let ended = pool.threads.drain(..).map(|worker| worker.join().unwrap());
        let unwanted: usize = ended.sum();
        assert_eq!(back.len() + done.len() + unwanted, 1);
        assert!(pool.crew.take_done().is_empty(), "nobody would take it");
        pool.end();
    });
}

#[test]
fn b34_a_job_for_which_no_thread_is_found_is_done_by_another_or_comes_back() {
    loom::model(|| {
        let mut pool = Pool::new(2, IMPATIENT);
        pool.submit(1);
        let (second, follow) = pool.crew.submit(2).expect("open");
        let back = match follow {
            Follow::Hire => pool.crew.hire_failed(second),
            Follow::Call | Follow::Nothing => None,
        };
        let expected: &[u32] = if back.is_some() { &[1] } else { &[1, 2] };
        assert_eq!(pool.collect(expected.len()), expected);
        pool.end();
    });
}
