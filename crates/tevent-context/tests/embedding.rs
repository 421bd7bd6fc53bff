//! Living inside another loop: a host that watches one descriptor misses nothing.

mod util;

use std::cell::Cell;
use std::hint;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use futures::channel::oneshot;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use tevent_context::{Context, FdEvent, FdFlags, FdHandle, Handle, Immediate, sleep};
use tevent_reactor::{Found, OsPoller, Poller};
use util::ms;

fn context() -> Context {
    Context::new().expect("descriptors for one loop")
}

/// Two descriptors each for so many sockets, where the usual limit is 1024.
fn raise_the_limit_of_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised).expect("up to the maximum");
}

/// Another program's loop, which watches the context's descriptor and nothing else.
struct Host {
    epoll: std::os::fd::OwnedFd,
    context: Context,
}

impl Host {
    fn new(context: Context, flags: EventFlags) -> Self {
        let epoll = epoll::create(CreateFlags::CLOEXEC).expect("a descriptor");
        epoll::add(&epoll, &context, EventData::new_u64(0), flags).expect("it can be watched");
        let host = Self { epoll, context };
        host.turns();
        host
    }

    fn turns(&self) {
        while self
            .context
            .turn(Some(Duration::ZERO))
            .expect("the poll works")
            .more
        {}
    }

    /// Sleeps on the descriptor, again and again, until `is_done`.
    #[track_caller]
    fn run_until(&self, is_done: impl Fn() -> bool) {
        let limit = rustix::event::Timespec {
            tv_sec: 20,
            tv_nsec: 0,
        };
        while !is_done() {
            let mut events = Vec::with_capacity(1);
            let found = epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                Some(&limit),
            );
            assert_eq!(found, Ok(1), "the host slept over it");
            self.turns();
        }
    }
}

/// Level-triggered and edge-triggered hosts.
fn hosts() -> [Host; 2] {
    [EventFlags::IN, EventFlags::IN | EventFlags::ET].map(|flags| Host::new(context(), flags))
}

/// Spawns a task and says whether it has ended.
fn spawn(host: &Host, task: impl Future<Output = ()> + 'static) -> impl Fn() -> bool {
    let task = host.context.spawn(task);
    move || task.is_finished()
}

#[test]
fn it_does_not_miss_a_timer() {
    for host in hosts() {
        let done = spawn(&host, async {
            for micros in [100, 1, 2500, 0, 700] {
                sleep(Duration::from_micros(micros)).await;
            }
        });
        host.run_until(done);
        let fired = Rc::new(Cell::new(0));
        let timers = [3, 1, 2].map(|millis| {
            let (handle, fired) = (host.context.handle(), Rc::clone(&fired));
            handle.timer(handle.read_clock() + ms(millis), move |_, _| {
                fired.set(fired.get() + 1)
            })
        });
        host.run_until(|| fired.get() == 3);
        drop(timers);
    }
}

#[test]
fn it_does_not_miss_a_timer_that_takes_the_place_of_an_earlier_one() {
    for host in hosts() {
        let (handle, fired) = (host.context.handle(), Rc::new(Cell::new(false)));
        let flag = Rc::clone(&fired);
        let early = handle.timer(handle.read_clock() + ms(5), |_, _| {
            panic!("it was cancelled")
        });
        host.turns();
        let late = handle.timer(handle.read_clock() + ms(20), move |_, _| flag.set(true));
        drop(early);
        host.run_until(|| fired.get());
        drop(late);
    }
}

#[test]
fn it_does_not_miss_what_is_spawned_scheduled_or_woken_between_turns() {
    for host in hosts() {
        host.run_until(spawn(&host, async {}));
        let called = Rc::new(Cell::new(false));
        let flag = Rc::clone(&called);
        let immediate = Immediate::new(&host.context.handle(), move |_| flag.set(true));
        immediate.schedule();
        host.run_until(|| called.get());
        let (sender, receiver) = oneshot::channel::<()>();
        let done = spawn(&host, async { receiver.await.expect("sent") });
        host.turns();
        sender.send(()).expect("received");
        host.run_until(done);
    }
}

#[test]
fn it_does_not_miss_a_message_from_another_thread() {
    for host in hosts() {
        let (sender, receiver) = oneshot::channel::<()>();
        let done = spawn(&host, async { receiver.await.expect("sent") });
        host.turns();
        let other = thread::spawn(move || sender.send(()));
        host.run_until(done);
        other.join().expect("no panic").expect("received");
    }
}

/// A socket whose near end belongs to the loop, and its far end.
fn pair(handle: &Handle) -> (FdEvent<UnixStream>, UnixStream) {
    let (near, far) = UnixStream::pair().expect("descriptors");
    let near = FdEvent::new(handle, near).expect("registered");
    (near, far)
}

#[test]
fn it_does_not_miss_descriptors_also_if_more_are_ready_than_one_poll_takes() {
    raise_the_limit_of_descriptors();
    for host in hosts() {
        let left = Rc::new(Cell::new(1500));
        let (mut near_ends, mut far_ends) = (Vec::new(), Vec::new());
        for _ in 0..left.get() {
            let (near, far) = UnixStream::pair().expect("descriptors");
            let left = Rc::clone(&left);
            // A handler, as a task that is woken would be a reason for another turn by itself.
            let read = move |near: &FdHandle<UnixStream>, _| {
                near.get_ref().read_exact(&mut [0]).expect("one byte");
                left.set(left.get() - 1);
            };
            let handle = host.context.handle();
            near_ends.push(handle.fd(near, FdFlags::READ, read).expect("registered"));
            far_ends.push(far);
        }
        host.turns();
        for far in &mut far_ends {
            far.write_all(b"x").expect("room in the socket");
        }
        host.run_until(|| left.get() == 0);
    }
}

#[test]
fn a_host_needs_no_first_turn() {
    let wants: [fn(&Context); 4] = [
        |context| context.spawn(async {}).detach(),
        |context| context.handle().immediate(|_| ()),
        |context| {
            let handle = context.handle();
            handle.timer(handle.read_clock(), |_, _| ()).detach();
        },
        |context| {
            let (_, far) = UnixStream::pair().expect("two descriptors");
            let event = context.handle().fd(far, FdFlags::READ, |_, _| ());
            event.expect("it can be watched").detach();
        },
    ];
    for want in wants {
        let context = context();
        assert!(!util::is_readable(&context));
        want(&context);
        util::assert_readable(&context);
        assert_eq!(context.as_raw_fd(), context.as_fd().as_raw_fd());
    }
}

/// Counts what the system's poll finds.
struct Counting(OsPoller, Rc<Cell<usize>>);

impl Poller for Counting {
    fn poll(&mut self, found: &mut Vec<Found>, timeout: Option<Duration>) -> io::Result<()> {
        let result = self.0.poll(found, timeout);
        self.1.set(self.1.get() + found.len());
        result
    }
}

#[test]
fn nobody_rings_between_two_turns_before_the_descriptor_is_asked_for() {
    let found = Rc::new(Cell::new(0));
    let seen = Rc::clone(&found);
    let context = Context::builder()
        .poller(move |os| Box::new(Counting(os, seen)))
        .build()
        .expect("descriptors for one loop");
    let (sender, receiver) = oneshot::channel::<()>();
    let task = context.spawn(async { receiver.await.expect("sent") });
    let handle = context.handle();
    let due = handle.read_clock() + ms(5);
    let _timer = handle.timer(due, |_, _| ());
    while context.turn(Some(Duration::ZERO)).expect("a turn").more {}
    while handle.read_clock() <= due {
        hint::spin_loop(); // an alarm would go off now
    }
    thread::spawn(move || sender.send(()))
        .join()
        .expect("no panic")
        .expect("received");
    while context.turn(Some(Duration::ZERO)).expect("a turn").more {}
    assert!(task.is_finished(), "and nothing is missed");
    assert_eq!(found.get(), 0);
    context.spawn(async {}).detach();
    util::assert_readable(&context);
    while context.turn(Some(Duration::ZERO)).expect("a turn").more {}
    context.spawn(async {}).detach();
    util::assert_readable(&context);
}

#[test]
fn an_idle_loop_does_not_wake_its_host() {
    let host = Host::new(context(), EventFlags::IN);
    let (near, _far) = pair(&host.context.handle());
    let reader = async move { near.readable().await.expect("alive") };
    host.context.spawn(reader).detach();
    let _timer = host.context.handle().timer(
        host.context.handle().read_clock() + ms(3_600_000),
        |_, _| (),
    );
    host.turns();
    host.turns();
    assert!(!util::is_readable(&host.context));
}

#[test]
fn f1_it_is_called_until_a_handler_has_read_all() {
    for host in hosts() {
        let (near, mut far) = UnixStream::pair().expect("descriptors");
        let read = Rc::new(Cell::new(0));
        let count = Rc::clone(&read);
        let byte = move |near: &FdHandle<UnixStream>, _| {
            near.get_ref().read_exact(&mut [0]).expect("a byte");
            count.set(count.get() + 1);
        };
        let handle = host.context.handle();
        let reader = handle.fd(near, FdFlags::READ, byte).expect("registered");
        for round in 1..4 {
            far.write_all(&[0; 10]).expect("room in the socket");
            host.run_until(|| read.get() == 10 * round);
            assert!(!util::is_readable(&host.context), "and then in peace");
        }
        drop(reader);
    }
}

#[test]
fn it_does_not_miss_the_rest_of_a_full_poll_when_a_handler_panics() {
    raise_the_limit_of_descriptors();
    for host in hosts() {
        let told = Rc::new(Cell::new(0));
        let (mut near_ends, mut far_ends) = (Vec::new(), Vec::new());
        for number in 0..1500 {
            let (near, far) = UnixStream::pair().expect("descriptors");
            let told = Rc::clone(&told);
            let once = move |near: &FdHandle<UnixStream>, _| {
                told.set(told.get() + 1);
                near.set_flags(FdFlags::EMPTY);
                assert!(number > 0, "the first handler panics");
            };
            let handle = host.context.handle();
            near_ends.push(handle.fd(near, FdFlags::READ, once).expect("registered"));
            far_ends.push(far);
        }
        host.turns();
        for far in &mut far_ends {
            far.write_all(b"x").expect("room in the socket");
        }
        let turn = || host.context.turn(Some(Duration::ZERO));
        catch_unwind(AssertUnwindSafe(turn)).expect_err("it panics");
        host.run_until(|| told.get() == 1500);
    }
}
