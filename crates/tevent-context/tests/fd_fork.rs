//! A forked child's copies of watched descriptors. Alone in its binary, as it forks.

use std::cell::Cell;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use tevent_context::{Context, FdEvent, FdFlags};

/// Runs `child` in a forked child. Whether it found everything as it should be.
fn forked(child: impl FnOnce() -> bool) -> bool {
    // SAFETY: the only other thread waits for this test to end and holds no lock that the child needs.
    let process = unsafe { libc::fork() };
    if process == 0 {
        let code = i32::from(!child());
        // SAFETY: ends the child at once, without running what belongs to its parent.
        unsafe { libc::_exit(code) };
    }
    let mut status = -1;
    // SAFETY: `status` is a valid place for the answer.
    assert_eq!(unsafe { libc::waitpid(process, &mut status, 0) }, process);
    status == 0
}

#[test]
fn b81_f9_a_child_can_neither_watch_nor_unwatch_on_its_parent_s_loop() {
    let context = Context::new().unwrap();
    let handle = context.handle();
    let (near, mut far) = UnixStream::pair().unwrap();
    let calls = Rc::new(Cell::new(0));
    let count = Rc::clone(&calls);
    let event = handle.fd(near, FdFlags::READ, move |_, _| count.set(count.get() + 1));
    let mut event = Some(event.unwrap());
    let turn = || context.turn(Some(Duration::ZERO)).unwrap().events;
    assert_eq!(turn(), 0);
    let is_refused = forked(|| {
        let (other, _peer) = UnixStream::pair().unwrap();
        let refused = FdEvent::new(&handle, other).is_err();
        let Some(event) = event.take() else {
            return false;
        };
        event.set_flags(FdFlags::EMPTY);
        refused && event.flags() == FdFlags::READ && context.turn(None).is_err()
    });
    assert!(is_refused);
    far.write_all(b"x").unwrap();
    assert_eq!((turn(), turn(), calls.get()), (1, 1, 2));
    drop(event);
    assert_eq!(turn(), 0);
}
