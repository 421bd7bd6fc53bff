//! No descriptors left: an error, nothing leaked, no abort. Alone in its binary, as it lowers a limit of the process.

use std::fs::{self, File};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tevent_context::Context;
use tevent_thread::{Event, Posted, RawEvent};

fn open_descriptors() -> usize {
    let listed = fs::read_dir("/proc/self/fd").expect("a process has descriptors");
    listed.count()
}

#[test]
fn r5_b34_without_descriptors_a_raw_event_is_an_error_and_an_event_is_not() {
    let context = Context::new().expect("descriptors for one loop");
    let handle = context.handle();
    let limits = getrlimit(Resource::Nofile);
    let few = Rlimit {
        current: Some(64),
        ..limits
    };
    setrlimit(Resource::Nofile, few).expect("it may be lowered");
    let before = open_descriptors();
    let mut taken = Vec::new();
    let last = loop {
        match File::open("/dev/null") {
            Ok(file) => taken.push(file),
            Err(error) => break error,
        }
    };
    for _ in 0..100 {
        let refused = RawEvent::new(&handle, |_, _| ()).expect_err("none is left");
        assert_eq!(refused.raw_os_error(), last.raw_os_error());
        assert!(RawEvent::without_handler(&handle).is_err());
    }
    // E22: the loop would run for ever if a refused one were counted.
    context.run().expect("nothing is counted");
    let event = Event::new(&handle, |this| {
        let _ = this.close();
    })
    .expect("it needs none");
    assert_eq!(event.post(), Posted::Queued);
    context.run().expect("ends with the event");
    let spare = taken.pop();
    drop(spare);
    let event = RawEvent::new(&handle, |this, posts| {
        assert_eq!(posts, 1);
        this.keep_running(false);
    });
    let event = event.expect("one is free again");
    assert!(event.poster().inheritable().is_err(), "none for a copy");
    event.poster().post();
    context.run().expect("ends when it is not counted");
    drop((event, taken));
    assert_eq!(open_descriptors(), before);
}
