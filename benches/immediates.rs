//! A handler that schedules itself again, over and over.

use std::io;
use std::time::Instant;

use tevent_context::{Context, Immediate};

use crate::c_peers;
use crate::row::{Aim, Contestant, Load, Row, Unit, nanos_per_op};

const TIMES: u64 = 4_000_000;

/// ivykis looks at the descriptors in every round, so it is asked for less.
const TIMES_WITH_POLL: u64 = TIMES / 40;

const C_TEVENT: &str = "C tevent";

pub(crate) fn rows() -> Vec<Row> {
    let ours = Contestant::new("tevent", |load| {
        run(TIMES / 10)?;
        let start = Instant::now();
        run(load.ops(TIMES))?;
        Ok(nanos_per_op(start, load.ops(TIMES)))
    });
    let times = |ops| move |load: Load| vec![load.ops(ops).to_string()];
    let c_tevent = c_peers::peer(C_TEVENT, "immediate_tevent", times(TIMES));
    let ivykis = c_peers::peer("ivykis", "immediate_ivykis", times(TIMES_WITH_POLL));
    let row = Row::new("self-rescheduling immediate", Unit::NanosPerOp, ours)
        .beside([c_tevent, ivykis])
        .aims([Aim::Of(C_TEVENT, 0.33)])
        .note(
            "All peers are in C: the feature `c-peers`. ivykis looks at the descriptors in every round, C tevent in \
             none, ours after 256 calls.",
        );
    vec![row]
}

/// The same as in `c/immediate_tevent.c`: a loop of its own, until the handler does not come again.
fn run(times: u64) -> io::Result<()> {
    let context = Context::new()?;
    let mut left = times;
    let immediate = Immediate::new(&context.handle(), move |this| {
        left -= 1;
        if left > 0 {
            this.schedule();
        }
    });
    immediate.schedule();
    context.run()
}
