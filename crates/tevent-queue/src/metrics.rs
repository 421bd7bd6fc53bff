//! Numbers of a queue for the `metrics` crate.

use ::metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tevent_core::gate::State;

use crate::{
    timing::Lap,
    watch::{Moment, Seen},
};

/// The instruments of one queue. They are those of the recorder that is installed when the queue is made.
pub(crate) struct Meter {
    length: Gauge,
    grants: Counter,
    cancellations: Counter,
    wait: Histogram,
    hold: Histogram,
}

impl Meter {
    pub(crate) fn new(queue: &str) -> Self {
        let queue = || queue.to_owned();
        Self {
            length: gauge!("tevent_queue_length", "queue" => queue()),
            grants: counter!("tevent_queue_grants", "queue" => queue()),
            cancellations: counter!("tevent_queue_cancellations", "queue" => queue()),
            wait: histogram!("tevent_queue_wait_seconds", "queue" => queue()),
            hold: histogram!("tevent_queue_hold_seconds", "queue" => queue()),
        }
    }

    pub(crate) fn tell(&self, seen: &Seen<'_>, lap: Option<Lap>) {
        match seen.moment {
            Moment::Attached => self.length.increment(1.0),
            Moment::Triggered => self.grants.increment(1),
            Moment::Detached => {
                self.length.decrement(1.0);
                if matches!(seen.state, State::Waiting | State::Granted) {
                    self.cancellations.increment(1);
                }
            }
            Moment::Waits | Moment::Granted | Moment::GivenBack => {}
        }
        match lap {
            Some(Lap::Wait(time)) => self.wait.record(time),
            Some(Lap::Hold(time)) => self.hold.record(time),
            None => {}
        }
    }
}
