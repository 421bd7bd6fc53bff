//! The owner's side of a pool: where jobs are given out, and where results come in.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use tevent_context::{Handle, Inbox};
use tevent_core::line::{Line, Place};
use tevent_core::panics::Panics;

use super::Choices;
use super::crew::Crew;
use super::error::BlockingError;
use super::job::{Done, Job, Seat};
use super::state::{Follow, Numbers};
use crate::served::{Served, serve};

/// It lives as long as its pool, and on while a result is waited for.
pub(super) struct Desk {
    inbox: Inbox,
    choices: Choices,
    crew: Arc<Crew<Job, Done>>,
    seats: RefCell<Line<Outstanding>>,
    /// What was handed in and not delivered yet.
    results: RefCell<VecDeque<Done>>,
    /// Of who waits for the last worker to leave.
    waker: Cell<Option<Waker>>,
}

/// A job whose result has not come. It keeps the desk; the circle is broken by the result, or by the loop's end.
struct Outstanding {
    seat: Rc<dyn Seat>,
    _desk: Rc<Desk>,
}

/// Where a job and its result are to be found.
#[derive(Clone, Copy)]
pub(super) struct Ticket {
    job: Place,
}

/// What became of the jobs that a shutdown has not waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
#[must_use = "says what was not finished"]
pub struct Shutdown {
    /// Jobs that were not begun; they never will be.
    pub cancelled: usize,
    /// Jobs that still run. They run to their end on their threads, and their results are dropped there.
    pub abandoned: usize,
}

impl Desk {
    #[track_caller]
    pub(super) fn new(handle: &Handle, choices: Choices) -> io::Result<Rc<Self>> {
        let crew = Arc::new(Crew::new(choices.max_threads, choices.keep_alive));
        let desk = serve(handle, |inbox| Self {
            inbox,
            choices,
            crew,
            seats: RefCell::default(),
            results: RefCell::default(),
            waker: Cell::default(),
        })?;
        desk.inbox.keep_running(false);
        Ok(desk)
    }

    pub(super) fn handle(&self) -> &Handle {
        self.inbox.handle()
    }

    pub(super) fn name(&self) -> &str {
        &self.choices.name
    }

    /// Gives a job out. `make` is told its seat.
    ///
    /// # Errors
    /// If it is never done: the pool is closed, or there is no thread.
    pub(super) fn submit(
        self: &Rc<Self>,
        seat: Rc<dyn Seat>,
        make: impl FnOnce(Place) -> Job,
    ) -> Result<Ticket, BlockingError> {
        if self.handle().has_ended() {
            return Err(BlockingError::Cancelled);
        }
        let place = self.seats.borrow_mut().join(Outstanding {
            seat,
            _desk: Rc::clone(self),
        });
        self.inbox.keep_running(true);
        let submitted = match self.crew.submit(make(place)) {
            Ok((job, Follow::Hire)) => self.hire(job).map(|()| Ticket { job }),
            Ok((job, Follow::Call | Follow::Nothing)) => Ok(Ticket { job }),
            Err(job) => {
                drop(job);
                Err(BlockingError::Cancelled)
            }
        };
        if submitted.is_err() {
            let outstanding = self.leave(place);
            drop(outstanding);
        }
        submitted
    }

    /// Starts a thread. If there is none, the job waits for those who are there.
    fn hire(&self, job: Place) -> Result<(), BlockingError> {
        let (crew, bell) = (Arc::clone(&self.crew), self.inbox.poster());
        let work = move || {
            while let Some(job) = crew.next() {
                let unwanted = crew.hand_in(job.run());
                let mut panics = Panics::default();
                panics.guard(|| drop(unwanted));
                panics.discard();
                let _ = bell.post();
            }
            if !crew.is_open() {
                // Somebody may wait for the last to leave.
                let _ = bell.post();
            }
        };
        let Err(error) = self.choices.thread().spawn(work) else {
            return Ok(());
        };
        match self.crew.hire_failed(job) {
            Some(job) => {
                drop(job);
                Err(BlockingError::NoThread(error))
            }
            None => Ok(()),
        }
    }

    /// Takes a job back that was not begun; its awaiter is told.
    pub(super) fn cancel(&self, ticket: Ticket) -> bool {
        // In a forked child the lock may be held by a thread that is not there.
        if self.handle().has_ended() {
            return false;
        }
        let Some(job) = self.crew.cancel(ticket.job) else {
            return false;
        };
        let mut panics = Panics::default();
        panics.guard(|| self.deliver(job.cancelled()));
        panics.guard(|| drop(job));
        panics.resume();
        true
    }

    /// Takes no more jobs. What was accepted is done.
    pub(super) fn close(&self) {
        if !self.handle().has_ended() {
            self.crew.close();
        }
    }

    /// Ready when the last worker has left, or there is no loop to be told by.
    pub(super) fn poll_gone(&self, cx: &Context<'_>) -> Poll<()> {
        if self.handle().has_ended() || self.crew.numbers().threads == 0 {
            return Poll::Ready(());
        }
        let former = self.waker.replace(Some(cx.waker().clone()));
        drop(former);
        Poll::Pending
    }

    /// Waits no longer: not for those that were not begun, not for those that run.
    pub(super) fn abandon(&self) -> Shutdown {
        if self.handle().has_ended() {
            return Shutdown::default();
        }
        let mut panics = Panics::default();
        let jobs = self.crew.disband();
        // What was handed in by now is not lost.
        self.accept();
        while let Some(done) = self.next_result() {
            panics.guard(|| self.deliver(done));
        }
        let cancelled = jobs.len();
        let abandoned = self.seats.borrow().len() - cancelled;
        self.cancel_all(jobs, &mut panics);
        panics.resume();
        Shutdown {
            cancelled,
            abandoned,
        }
    }

    pub(super) fn numbers(&self) -> Option<Numbers> {
        (!self.handle().has_ended()).then(|| self.crew.numbers())
    }

    fn accept(&self) {
        let done = self.crew.take_done();
        self.results.borrow_mut().extend(done);
    }

    fn next_result(&self) -> Option<Done> {
        self.results.borrow_mut().pop_front()
    }

    fn deliver(&self, Done { seat, outcome }: Done) {
        if let Some(outstanding) = self.leave(seat) {
            outstanding.seat.deliver(outcome);
        }
    }

    /// A job less to wait for. Drop what comes back with no borrow held.
    #[must_use]
    fn leave(&self, seat: Place) -> Option<Outstanding> {
        let mut seats = self.seats.borrow_mut();
        let outstanding = seats.leave(seat);
        if seats.is_empty() {
            self.inbox.keep_running(false);
        }
        outstanding
    }

    fn cancel_all(&self, jobs: Vec<Job>, panics: &mut Panics) {
        let seats = mem::take(&mut *self.seats.borrow_mut());
        self.inbox.keep_running(false);
        for place in seats.places() {
            let seat = seats.get(place).map(|outstanding| &outstanding.seat);
            panics.guard(|| {
                seat.into_iter()
                    .for_each(|seat| seat.deliver(Err(BlockingError::Cancelled)))
            });
        }
        let mut jobs = jobs;
        panics.drop_all(&mut jobs);
        panics.guard(|| drop(seats));
    }

    fn wake_if_gone(&self) {
        if self.crew.numbers().threads == 0
            && let Some(waker) = self.waker.take()
        {
            waker.wake();
        }
    }
}

impl Served for Desk {
    fn serve(self: &Rc<Self>, allowance: usize) -> usize {
        self.accept();
        let (mut delivered, mut panics) = (0, Panics::default());
        while delivered < allowance
            && let Some(done) = self.next_result()
        {
            panics.guard(|| self.deliver(done));
            delivered += 1;
        }
        if !self.results.borrow().is_empty() {
            let _ = self.inbox.post();
        }
        panics.guard(|| self.wake_if_gone());
        panics.resume();
        delivered
    }

    /// The loop has ended: those who wait are told, and what was not begun never is.
    fn closed(&self) {
        let mut panics = Panics::default();
        let (jobs, done) = if self.handle().is_parents() {
            // A forked child has a copy of the crew's lock, but not of its threads.
            Default::default()
        } else {
            (self.crew.disband(), self.crew.take_done())
        };
        let mut results: Vec<Done> = self.results.take().into_iter().chain(done).collect();
        self.cancel_all(jobs, &mut panics);
        panics.drop_all(&mut results);
        let waker = self.waker.take();
        panics.guard(|| waker.into_iter().for_each(Waker::wake));
        panics.resume();
    }
}

impl Choices {
    fn thread(&self) -> thread::Builder {
        let thread = thread::Builder::new().name(self.name.clone());
        match self.stack_size {
            Some(bytes) => thread.stack_size(bytes),
            None => thread,
        }
    }
}
