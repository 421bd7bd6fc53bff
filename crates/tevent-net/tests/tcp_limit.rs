//! Accepting at the descriptor limit. Alone in its process, whose limit it lowers.

use std::cell::Cell;
use std::fs::File;
use std::rc::Rc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tevent_context::{Context, VirtualClock, sleep, spawn};
use tevent_net::TcpListener;
use tevent_reactor::Ended;

/// Opens descriptors until there are none left.
fn exhaust() -> Vec<File> {
    let lowered = Rlimit {
        current: Some(64),
        ..getrlimit(Resource::Nofile)
    };
    setrlimit(Resource::Nofile, lowered).unwrap();
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

#[test]
fn b34_at_the_descriptor_limit_an_accept_loop_wakes_20_times_a_second_and_recovers() {
    let clock = VirtualClock::new();
    let context = Context::builder().virtual_clock(&clock).build().unwrap();
    let other = Context::new().unwrap();
    let listener = context.block_on(async {
        let listener = Rc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let addr = listener.local_addr().unwrap();
        let clients = [(); 4].map(|()| std::net::TcpStream::connect(addr).unwrap());
        let mut filler = exhaust();

        let (errors, accepted) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let acceptors = [(); 3].map(|()| {
            let (listener, errors, accepted) = (listener.clone(), errors.clone(), accepted.clone());
            spawn(async move {
                let mut streams = Vec::new();
                loop {
                    match listener.accept().await {
                        Ok(stream) => {
                            accepted.set(accepted.get() + 1);
                            streams.push(stream);
                        }
                        Err(error) => {
                            assert_eq!(
                                error.raw_os_error(),
                                Some(rustix::io::Errno::MFILE.raw_os_error())
                            );
                            errors.set(errors.get() + 1);
                        }
                    }
                }
            })
        });
        // However many accept: the listener tries once in 50 ms.
        sleep(Duration::from_millis(10_001)).await;
        assert_eq!((errors.get(), accepted.get()), (201, 0));

        drop(filler.pop());
        sleep(Duration::from_millis(50)).await;
        assert_eq!(accepted.get(), 1);
        // One more than there are to accept: without a free one the kernel cannot say that nobody is left.
        filler.truncate(filler.len() - 4);
        sleep(Duration::from_millis(50)).await;
        assert_eq!(accepted.get(), 4);
        let after = errors.get();
        sleep(Duration::from_secs(10)).await;
        assert_eq!(errors.get(), after, "nobody to accept, nothing to try");
        for acceptor in acceptors {
            acceptor.cancel().await;
        }
        drop(clients);
        let _client = std::net::TcpStream::connect(addr).unwrap();
        let _filler = exhaust();
        listener.accept().await.unwrap_err();
        listener
    });

    // The pause ends with the context.
    drop(context);
    let error = other.block_on(listener.accept()).unwrap_err();
    assert!(
        error.get_ref().is_some_and(|inner| inner.is::<Ended>()),
        "{error:?}"
    );
}
