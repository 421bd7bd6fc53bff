//! The rules of a queue, as plainly as they can be said.

/// One step of a history; a number chooses among those who are there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Join,
    JoinIfFewerThan(usize),
    TryEntry,
    Block,
    Poll(usize),
    Drop(usize),
    Untrigger(usize),
    Stop,
    Start,
    Close,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum State {
    Waiting,
    Granted,
    Held,
    Closed,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Entry {
    pub(crate) id: usize,
    pub(crate) state: State,
    pub(crate) is_block: bool,
    /// Its task has left a waker.
    pub(crate) polled: bool,
    /// Its task has been woken since.
    pub(crate) woken: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    Busy,
    Stopped,
    Closed,
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) permits: usize,
    pub(crate) capacity: usize,
    /// Everybody who has not left, in order of joining.
    pub(crate) entries: Vec<Entry>,
    pub(crate) running: bool,
    pub(crate) closed: bool,
    pub(crate) high_water: usize,
    pub(crate) grants: u64,
    pub(crate) cancellations: u64,
}

impl Model {
    pub(crate) fn new(permits: usize, capacity: usize) -> Self {
        Self {
            permits,
            capacity,
            entries: Vec::new(),
            running: true,
            closed: false,
            high_water: 0,
            grants: 0,
            cancellations: 0,
        }
    }

    /// `false`: there was no room.
    pub(crate) fn join(&mut self, id: usize, limit: usize) -> bool {
        if !self.closed && self.len() >= limit.min(self.capacity) {
            return false;
        }
        self.add(id, State::Waiting, false);
        true
    }

    pub(crate) fn block(&mut self, id: usize) {
        self.add(id, State::Waiting, true);
    }

    pub(crate) fn try_entry(&mut self, id: usize) -> Result<(), Refused> {
        let (turns, len) = (self.turns(), self.len());
        match (self.closed, self.running) {
            (true, _) => Err(Refused::Closed),
            (_, false) => Err(Refused::Stopped),
            _ if turns == self.permits || len > turns || len >= self.capacity => Err(Refused::Busy),
            _ => {
                self.grants += 1;
                self.add(id, State::Held, false);
                Ok(())
            }
        }
    }

    /// The state found by a poll; the woken flag is taken.
    pub(crate) fn poll(&mut self, n: usize) -> State {
        let entry = &mut self.entries[n];
        (entry.polled, entry.woken) = (true, false);
        if entry.state == State::Granted {
            entry.state = State::Held;
            self.grants += 1;
        }
        let state = entry.state;
        if state == State::Closed {
            self.entries.remove(n);
        }
        state
    }

    pub(crate) fn leave(&mut self, n: usize) {
        let entry = self.entries.remove(n);
        let is_early = matches!(entry.state, State::Waiting | State::Granted);
        self.cancellations += u64::from(is_early && !self.closed);
        self.grant();
    }

    /// `false`: the queue is running.
    pub(crate) fn untrigger(&mut self, n: usize) -> bool {
        if self.running {
            return false;
        }
        let entry = &mut self.entries[n];
        (entry.polled, entry.woken) = (false, false);
        entry.state = match self.closed {
            true => State::Closed,
            false => State::Waiting,
        };
        true
    }

    pub(crate) fn stop(&mut self) {
        self.running = false;
        self.each(State::Granted, |entry| entry.state = State::Waiting);
    }

    pub(crate) fn start(&mut self) {
        self.running = true;
        self.grant();
    }

    pub(crate) fn close(&mut self) {
        self.closed = true;
        for state in [State::Waiting, State::Granted] {
            self.each(state, |entry| {
                (entry.state, entry.woken) = (State::Closed, entry.woken | entry.polled)
            });
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.count(|state| state != State::Closed)
    }

    pub(crate) fn turns(&self) -> usize {
        self.count(|state| matches!(state, State::Granted | State::Held))
    }

    pub(crate) fn position(&self, n: usize) -> Option<usize> {
        let before = self.entries[..n].iter();
        let before = before.filter(|entry| entry.state != State::Closed).count();
        (self.entries[n].state != State::Closed).then_some(before)
    }

    fn add(&mut self, id: usize, state: State, is_block: bool) {
        self.entries.push(Entry {
            id,
            state: if self.closed { State::Closed } else { state },
            is_block,
            polled: false,
            woken: false,
        });
        self.high_water = self.high_water.max(self.len());
        self.grant();
    }

    fn grant(&mut self) {
        while self.running && !self.closed && self.turns() < self.permits {
            let waiting = |entry: &&mut Entry| entry.state == State::Waiting;
            let Some(head) = self.entries.iter_mut().find(waiting) else {
                return;
            };
            if head.is_block {
                head.state = State::Held;
                self.grants += 1;
            } else {
                (head.state, head.woken) = (State::Granted, head.woken | head.polled);
            }
        }
    }

    fn count(&self, which: impl Fn(State) -> bool) -> usize {
        self.entries
            .iter()
            .filter(|entry| which(entry.state))
            .count()
    }

    fn each(&mut self, state: State, change: impl Fn(&mut Entry)) {
        self.entries
            .iter_mut()
            .filter(|entry| entry.state == state)
            .for_each(change);
    }
}
