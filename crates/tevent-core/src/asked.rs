//! Asking a task what it waits for: it is polled once more, and every future of ours that is not ready says why.
//!
//! A poll that nobody asked for is always allowed, so this needs no list of who waits for what, and costs nothing but a
//! look at a flag where a future is not ready anyway.

use std::cell::{Cell, RefCell};

thread_local! {
    static IS_ASKED: Cell<bool> = const { Cell::new(false) };
    static ANSWERS: RefCell<Answers> = const { RefCell::new(Answers::none()) };
}

/// What one poll has answered.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Answers {
    /// What is waited for, to follow the words "waits for".
    pub waits_for: Vec<String>,
    /// How many wakers lie where nobody but tasks of this thread can wake them.
    pub local_wakers: usize,
}

impl Answers {
    const fn none() -> Self {
        Self {
            waits_for: Vec::new(),
            local_wakers: 0,
        }
    }
}

/// Polls, by `poll`, and collects the answers of all futures that were found waiting.
///
/// ```
/// use tevent_core::asked;
///
/// let ((), answers) = asked::ask(|| asked::answer(|| "a better time".into()));
/// assert_eq!(answers.waits_for, ["a better time"]);
/// asked::answer(|| unreachable!("nobody asks"));
/// ```
pub fn ask<R>(poll: impl FnOnce() -> R) -> (R, Answers) {
    let _asking = Asking(IS_ASKED.replace(true));
    let before = ANSWERS.take();
    let result = poll();
    (result, ANSWERS.replace(before))
}

/// A future is about to be pending: if somebody asks, it says what it waits for.
#[inline]
pub fn answer(what: impl FnOnce() -> String) {
    answer_local(|| (what(), 0));
}

/// The same for a future whose wakers, so many, lie where nobody but tasks of this thread can wake them.
#[inline]
pub fn answer_local(what: impl FnOnce() -> (String, usize)) {
    if IS_ASKED.get() {
        note(what());
    }
}

#[cold]
fn note((what, wakers): (String, usize)) {
    // Polled by a destructor while the thread ends, there may be nobody left to tell.
    let _ = ANSWERS.try_with(|answers| {
        let mut answers = answers.borrow_mut();
        answers.waits_for.push(what);
        answers.local_wakers += wakers;
    });
}

/// Puts the flag back, also if the poll panics.
struct Asking(bool);

impl Drop for Asking {
    fn drop(&mut self) {
        IS_ASKED.set(self.0);
    }
}
