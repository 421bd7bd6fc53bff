//! The watchdog: who held the loop for too long is reported by name and line.

mod util;

use std::cell::RefCell;
use std::rc::Rc;

use tevent_context::{Context, Culprit, EventKind, Slow, VirtualClock, yield_now};
use util::ms;

struct Watched {
    context: Context,
    clock: VirtualClock,
    reports: Rc<RefCell<Vec<Slow>>>,
}

/// A context that reports what takes longer than 10 ms of its clock.
fn watched() -> Watched {
    let (clock, reports) = (VirtualClock::new(), Rc::new(RefCell::new(Vec::new())));
    let log = Rc::clone(&reports);
    let context = Context::builder()
        .virtual_clock(&clock)
        .slow_after(ms(10), move |slow| log.borrow_mut().push(slow.clone()))
        .build()
        .expect("descriptors for one loop");
    Watched {
        context,
        clock,
        reports,
    }
}

#[test]
fn a_slow_poll_is_reported_with_the_task_s_name_and_the_line_that_spawned_it() {
    let Watched {
        context,
        clock,
        reports,
    } = watched();
    let line = line!() + 1;
    let slow = context.spawn(async move {
        clock.advance(ms(10));
        yield_now().await;
        clock.advance(ms(11));
    });
    context.block_on(slow.named("cook"));
    let reports = reports.borrow();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert_eq!(reports[0].took, ms(11));
    let Culprit::Task { name, spawned } = &reports[0].culprit else {
        panic!("{reports:?}");
    };
    assert_eq!(name.as_deref(), Some("cook"));
    assert_eq!(spawned.map(|place| place.line()), Some(line));
    let text = reports[0].to_string();
    assert!(
        text.starts_with("one poll of task `cook` (spawned at ")
            && text.ends_with("held the loop for 11ms"),
        "{text}"
    );
}

#[test]
fn a_slow_handler_is_reported_with_its_kind_its_line_and_its_tag() {
    let Watched {
        context,
        clock,
        reports,
    } = watched();
    let slow = clock.clone();
    let timer = context
        .handle()
        .timer(clock.now(), move |_, _| slow.advance(ms(300)));
    timer.set_tag(9);
    context.handle().immediate(|_| ());
    context.run().expect("the poll works");
    let reports = reports.borrow();
    let [
        Slow {
            culprit: Culprit::Handler(event),
            took,
            ..
        },
    ] = &reports[..]
    else {
        panic!("{reports:?}");
    };
    assert_eq!(
        (event.kind, event.tag, *took),
        (EventKind::Timer, 9, ms(300))
    );
    assert!(event.place.file().ends_with("slow.rs"));
}

#[test]
fn a_task_that_ends_in_its_slow_poll_is_known_all_the_same() {
    let Watched {
        context,
        clock,
        reports,
    } = watched();
    context
        .spawn(async move { clock.advance(ms(50)) })
        .named("one-shot")
        .detach();
    context.run().expect("the poll works");
    let text = reports.borrow()[0].to_string();
    assert!(text.contains("`one-shot`"), "{text}");
}
