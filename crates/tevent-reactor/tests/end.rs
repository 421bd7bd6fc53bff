//! The end of a reactor: everybody is woken, and everything that comes later is refused.

mod support;

use std::io;
use std::task::Poll;

use support::{NOW, fill, idle_pair, live, reader, writer};
use tevent_reactor::{Ended, Initially, Reactor, Source};

fn is_ended<T: std::fmt::Debug>(result: io::Result<T>) -> bool {
    result
        .unwrap_err()
        .get_ref()
        .is_some_and(|inner| inner.is::<Ended>())
}

#[test]
fn b41_the_end_wakes_everybody_in_order_and_refuses_from_then_on() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let (source, far) = idle_pair(&handle);
    fill(source.get_ref());
    reactor.wait(NOW).unwrap();
    let (mut read, mut write) = (reader(&source), writer(&source));
    assert!(read.poll().is_pending() && write.poll().is_pending());
    reactor.end();
    assert!(read.is_woken() && write.is_woken());
    let Poll::Ready(result) = read.poll() else {
        panic!("an ended reactor answers at once");
    };
    assert!(is_ended(result));
    assert!(matches!(write.poll(), Poll::Ready(Err(_))));
    assert!(is_ended(Source::new(&handle, far, Initially::Ready)));
    assert!(
        is_ended(reactor.wait(None)),
        "an ended reactor does not sleep"
    );
}

#[test]
fn b41_sources_and_handles_may_outlive_their_reactor() {
    let reactor = Reactor::new().unwrap();
    let handle = reactor.handle();
    let (source, far) = idle_pair(&handle);
    let mut task = reader(&source);
    assert!(task.poll().is_pending());
    drop(reactor);
    assert!(task.is_woken());
    assert!(matches!(task.poll(), Poll::Ready(Err(_))));
    drop(task);
    assert!(is_ended(Source::new(&handle, far, Initially::Ready)));
    drop(source);
    assert_eq!(live(&handle), 0);
}
