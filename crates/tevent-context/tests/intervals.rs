//! Intervals: the rhythm, and what becomes of ticks that were missed.

mod util;

use std::time::Duration;

use futures::{FutureExt, StreamExt};
use tevent_context::{Handle, MissedTicks, interval, sleep};
use util::{Rig, ms};

/// Ticks every 10 ms, with 35 ms of work after the first tick; says when each of six ticks came.
fn ticks(missed: MissedTicks) -> Rig {
    let rig = Rig::new();
    let (trace, start) = (rig.trace.clone(), rig.at(0));
    rig.context.block_on(async move {
        let mut ticks = interval(ms(10)).missed(missed);
        for number in 0..6 {
            let due = ticks.tick().await - start;
            trace.say(format!("due {}", due.as_millis()));
            if number == 0 {
                sleep(ms(35)).await;
            }
        }
    });
    rig
}

#[test]
fn burst_makes_up_for_missed_ticks() {
    ticks(MissedTicks::Burst).trace.expect(&[
        "0: due 0",
        "35: due 10",
        "35: due 20",
        "35: due 30",
        "40: due 40",
        "50: due 50",
    ]);
}

#[test]
fn delay_counts_anew_from_the_late_tick() {
    ticks(MissedTicks::Delay).trace.expect(&[
        "0: due 0",
        "35: due 10",
        "45: due 45",
        "55: due 55",
        "65: due 65",
        "75: due 75",
    ]);
}

#[test]
fn skip_leaves_missed_ticks_out_and_keeps_the_rhythm() {
    ticks(MissedTicks::Skip).trace.expect(&[
        "0: due 0",
        "35: due 10",
        "40: due 40",
        "50: due 50",
        "60: due 60",
        "70: due 70",
    ]);
}

#[test]
fn a_dropped_tick_is_not_lost() {
    let rig = Rig::new();
    rig.context.block_on(async {
        let mut ticks = interval(ms(10));
        ticks.tick().await;
        assert!(ticks.tick().now_or_never().is_none());
        assert_eq!(ticks.tick().await, rig.at(10));
    });
}

#[test]
fn it_begins_where_it_is_told_to_restarts_and_is_a_stream() {
    let rig = Rig::new();
    let (handle, start) = (rig.context.handle(), rig.at(100));
    let mut ticks = handle.interval_at(start, ms(5));
    rig.context.block_on(async {
        assert_eq!(ticks.next().await, Some(start));
        sleep(ms(2)).await;
        ticks.restart();
        assert_eq!(ticks.tick().await, rig.at(107));
    });
}

#[test]
fn its_rhythm_may_begin_before_the_loop_was_made() {
    let rig = Rig::new();
    let start = rig.at(0) - ms(7);
    let mut ticks = rig.context.handle().interval_at(start, ms(5));
    rig.context.block_on(async {
        for tick in [0, 5, 10] {
            assert_eq!(ticks.tick().await, start + ms(tick));
        }
        assert_eq!(Handle::current().now(), rig.at(3));
    });
}

#[test]
fn b65_a_period_that_the_clock_cannot_tell_ticks_once() {
    let rig = Rig::new();
    rig.context.block_on(async {
        for missed in [MissedTicks::Burst, MissedTicks::Delay, MissedTicks::Skip] {
            let mut ticks = Handle::current().interval(Duration::MAX).missed(missed);
            ticks.tick().await;
            let second = tevent_context::timeout(Duration::from_secs(1 << 30), ticks.tick());
            assert!(second.await.is_err());
        }
    });
}

#[test]
#[should_panic(expected = "an interval needs a period longer than zero")]
fn a_period_of_zero_is_a_mistake() {
    let rig = Rig::new();
    let _interval = rig.context.handle().interval(Duration::ZERO);
}
