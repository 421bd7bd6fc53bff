//! Signals: what a handler may do in the middle of anything, who is told, what is put back.
//!
//! The tests of a binary share their process, so each has signals of its own.

mod support;

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use libc::c_int;
use support::NOW;
use tevent_reactor::{Delivery, Reactor, SignalKind, Subscription, signals_arrived};

fn raise(kind: SignalKind) {
    // SAFETY: the signal has a handler; it has run when this returns.
    assert_eq!(unsafe { libc::raise(kind.as_raw()) }, 0);
}

/// Sends a signal with a number to this thread; it has come when this returns.
fn queue(kind: SignalKind, value: usize) {
    let mut info = MaybeUninit::<[c_int; 32]>::zeroed();
    // SAFETY: a siginfo for `rt_tgsigqueueinfo`: number, errno, code, padding, pid, uid, value.
    let sent = unsafe {
        let words = info.assume_init_mut();
        words[0] = kind.as_raw();
        words[2] = libc::SI_QUEUE;
        words[4] = libc::getpid();
        words[5] = libc::getuid().cast_signed();
        (&raw mut words[6]).cast::<usize>().write(value);
        let number = libc::SYS_rt_tgsigqueueinfo;
        libc::syscall(number, libc::getpid(), libc::gettid(), kind.as_raw(), words)
    };
    assert_eq!(sent, 0);
}

fn errno() -> &'static mut c_int {
    // SAFETY: this thread's own, and used for one expression at a time.
    unsafe { &mut *libc::__errno_location() }
}

fn listen(reactor: &Reactor, kind: SignalKind) -> Subscription {
    Subscription::new(&reactor.handle(), kind, false).unwrap()
}

fn listen_with_info(reactor: &Reactor, kind: SignalKind) -> Subscription {
    Subscription::new(&reactor.handle(), kind, true).unwrap()
}

fn all(subscription: &Subscription) -> Vec<Delivery> {
    std::iter::from_fn(|| subscription.take()).collect()
}

fn counts(subscription: &Subscription) -> u64 {
    all(subscription).iter().map(|told| told.count).sum()
}

fn values(deliveries: &[Delivery]) -> Vec<usize> {
    let infos = deliveries.iter().filter_map(|told| told.info);
    infos.map(|info| info.value).collect()
}

/// What is installed, but for the flag that the C library sets by itself.
fn installed(kind: SignalKind) -> (usize, c_int) {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: nothing is installed, and the answer has a valid place.
    let action = unsafe {
        assert_eq!(
            libc::sigaction(kind.as_raw(), std::ptr::null(), action.as_mut_ptr()),
            0
        );
        action.assume_init()
    };
    const SA_RESTORER: c_int = 0x0400_0000;
    (action.sa_sigaction, action.sa_flags & !SA_RESTORER)
}

fn install(kind: SignalKind, handler: extern "C" fn(c_int)) {
    // SAFETY: a handler that does nothing may run at any time.
    let before = unsafe { libc::signal(kind.as_raw(), handler as libc::sighandler_t) };
    assert_ne!(before, libc::SIG_ERR);
}

extern "C" fn nothing(_: c_int) {}

extern "C" fn foreign(_: c_int) {}

#[test]
fn b75_signals_in_the_middle_of_allocations_keep_errno_and_harm_nothing() {
    const MARK: c_int = 77;
    let kind = SignalKind::real_time(0);
    let reactor = Reactor::new().unwrap();
    let plain = listen(&reactor, kind);
    let with_info = listen_with_info(&reactor, kind);
    let stop = Arc::new(AtomicBool::new(false));
    let rounds = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (stop, rounds) = (Arc::clone(&stop), Arc::clone(&rounds));
            thread::spawn(move || {
                *errno() = MARK;
                while !stop.load(Ordering::Relaxed) {
                    for size in [16, 300, 5000] {
                        drop(black_box(vec![1_u8; size]));
                    }
                    assert_eq!(*errno(), MARK);
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let (mut sent, mut told) = (0, 0);
    for _ in 0..100_000 {
        for thread in &threads {
            // SAFETY: the thread has not been joined. A full queue of pending signals refuses some.
            let result = unsafe { libc::pthread_kill(thread.as_pthread_t(), kind.as_raw()) };
            sent += u64::from(result == 0);
        }
        told += counts(&with_info);
    }
    stop.store(true, Ordering::Relaxed);
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    told += counts(&with_info);
    assert!(sent > 0 && rounds.load(Ordering::Relaxed) > 0);
    assert_eq!(counts(&plain), told);
    if HOLDS_SIGNALS_BACK {
        assert!(0 < told && told <= sent);
    } else {
        assert_eq!(told, sent);
    }
}

/// ThreadSanitizer delivers signals when it suits it, many as one.
const HOLDS_SIGNALS_BACK: bool = match option_env!("RUSTFLAGS") {
    Some(flags) => contains(flags.as_bytes(), b"sanitizer=thread"),
    None => false,
};

const fn contains(text: &[u8], word: &[u8]) -> bool {
    let mut start = 0;
    while start + word.len() <= text.len() {
        let mut same = 0;
        while same < word.len() && text[start + same] == word[same] {
            same += 1;
        }
        if same == word.len() {
            return true;
        }
        start += 1;
    }
    false
}

#[test]
fn b76_a_million_signals_block_nobody_while_nobody_looks() {
    const SIGNALS: u64 = 1_000_000;
    let kind = SignalKind::real_time(1);
    let reactor = Reactor::new().unwrap();
    let plain = listen(&reactor, kind);
    let with_info = listen_with_info(&reactor, kind);
    (0..SIGNALS).for_each(|_| raise(kind));
    assert_eq!((plain.pending(), counts(&plain)), (1, SIGNALS));
    let told = all(&with_info);
    assert_eq!(
        (told.len(), told[0].lost, told[0].count),
        (256, SIGNALS - 256, SIGNALS - 255)
    );
    assert!(reactor.wait(NOW).unwrap().events > 0, "and it is woken");
}

#[test]
fn b77_a_listener_that_goes_takes_nothing_from_the_others() {
    let kind = SignalKind::real_time(2);
    let reactor = Reactor::new().unwrap();
    let (first, second) = (listen(&reactor, kind), listen(&reactor, kind));
    raise(kind);
    drop(first);
    raise(kind);
    assert_eq!(counts(&second), 2);
}

#[test]
fn b80_each_loop_is_woken_and_told() {
    let both_listen = Arc::new(Barrier::new(3));
    let loops: Vec<_> = (0..2)
        .map(|_| {
            let both_listen = Arc::clone(&both_listen);
            thread::spawn(move || {
                let reactor = Reactor::new().unwrap();
                let usr1 = listen(&reactor, SignalKind::USER1);
                both_listen.wait();
                loop {
                    if let Some(told) = usr1.take() {
                        return told.count;
                    }
                    reactor.wait(None).unwrap();
                }
            })
        })
        .collect();
    both_listen.wait();
    raise(SignalKind::USER1);
    let told = loops.into_iter().map(|told| told.join().unwrap());
    assert_eq!(told.collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn b80_each_signal_wakes_anew_though_the_bell_is_never_read() {
    let kind = SignalKind::real_time(3);
    let reactor = Reactor::new().unwrap();
    let subscription = listen(&reactor, kind);
    for _ in 0..3 {
        raise(kind);
        while subscription.take().is_none() {
            reactor.wait(None).unwrap();
        }
    }
    let arrived = signals_arrived();
    raise(kind);
    assert!(signals_arrived() > arrived);
    assert!(reactor.wait(None).unwrap().events > 0);
}

#[test]
fn b82_the_last_listener_puts_back_what_was_installed() {
    let kind = SignalKind::real_time(4);
    install(kind, nothing);
    let original = installed(kind);
    let reactor = Reactor::new().unwrap();
    for _ in 0..2 {
        let first = listen(&reactor, kind);
        let ours = installed(kind);
        assert_ne!(ours, original);
        assert_eq!(
            ours.1,
            libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK
        );
        let second = listen_with_info(&reactor, kind);
        drop(first);
        assert_eq!(installed(kind), ours);
        drop(second);
        assert_eq!(installed(kind), original);
    }
}

#[test]
fn b82_the_default_is_put_back_too() {
    let kind = SignalKind::WINDOW_CHANGE;
    let reactor = Reactor::new().unwrap();
    let subscription = listen(&reactor, kind);
    assert_ne!(installed(kind).0, libc::SIG_DFL);
    drop((reactor, subscription));
    assert_eq!(installed(kind).0, libc::SIG_DFL);
}

#[test]
fn b82_a_handler_that_somebody_else_installed_meanwhile_stays() {
    let kind = SignalKind::real_time(5);
    install(kind, nothing);
    let reactor = Reactor::new().unwrap();
    let subscription = listen(&reactor, kind);
    install(kind, foreign);
    let theirs = installed(kind);
    drop(subscription);
    assert_eq!(installed(kind), theirs);
    let subscription = listen(&reactor, kind);
    raise(kind);
    assert_eq!(counts(&subscription), 1, "the next first listener installs");
    drop(subscription);
    assert_eq!(installed(kind), theirs);
}

#[test]
fn s2_siginfos_come_one_by_one_in_order() {
    let kind = SignalKind::real_time(6);
    let reactor = Reactor::new().unwrap();
    let subscription = listen_with_info(&reactor, kind);
    (0..5).for_each(|value| queue(kind, value));
    assert_eq!(subscription.pending(), 5);
    let told = all(&subscription);
    assert_eq!(values(&told), [0, 1, 2, 3, 4]);
    assert!(told.iter().all(|told| (told.count, told.lost) == (1, 0)));
    let info = told[4].info.unwrap();
    // SAFETY: neither can fail or harm.
    let (pid, uid) = unsafe { (libc::getpid(), libc::getuid()) };
    assert_eq!(
        (info.pid, info.uid, info.code, info.int()),
        (pid, uid, libc::SI_QUEUE, 4)
    );
    assert_eq!((subscription.pending(), subscription.take()), (0, None));
}

#[test]
fn s2_a_plain_listener_gets_one_count_for_all() {
    let kind = SignalKind::real_time(7);
    let reactor = Reactor::new().unwrap();
    let subscription = listen(&reactor, kind);
    (0..5).for_each(|_| raise(kind));
    let told = subscription.take().unwrap();
    assert_eq!((told.kind, told.count, told.info), (kind, 5, None));
    raise(kind);
    assert_eq!(subscription.take().unwrap().count, 1);
    assert_eq!(subscription.take(), None);
}

#[test]
fn s5_who_asks_second_for_siginfos_gets_real_ones() {
    let kind = SignalKind::real_time(8);
    let reactor = Reactor::new().unwrap();
    let plain = listen(&reactor, kind);
    queue(kind, 1);
    let with_info = listen_with_info(&reactor, kind);
    queue(kind, 2);
    assert_eq!(values(&all(&with_info)), [2]);
    assert_eq!(counts(&plain), 2);
}

#[test]
fn s6_of_too_many_siginfos_the_newest_are_kept_and_the_others_counted() {
    let kind = SignalKind::real_time(9);
    let reactor = Reactor::new().unwrap();
    let subscription = listen_with_info(&reactor, kind);
    (0..300).for_each(|value| queue(kind, value));
    let told = all(&subscription);
    assert_eq!(values(&told), (44..300).collect::<Vec<_>>());
    assert_eq!((told[0].lost, told[0].count), (44, 45));
    assert!(told[1..].iter().all(|told| told.lost == 0));
}

#[test]
fn what_cannot_be_listened_to_is_refused_and_leaves_nothing_behind() {
    let reactor = Reactor::new().unwrap();
    for number in [
        0,
        -1,
        65,
        32,
        libc::SIGKILL,
        libc::SIGSTOP,
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
    ] {
        let kind = SignalKind::from_raw(number);
        let refused = Subscription::new(&reactor.handle(), kind, false).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
        assert!(refused.to_string().contains(&kind.to_string()), "{refused}");
    }
}

#[test]
fn an_ended_reactor_takes_no_listeners_and_installs_nothing() {
    let kind = SignalKind::real_time(10);
    let original = installed(kind);
    let reactor = Reactor::new().unwrap();
    reactor.end();
    assert!(Subscription::new(&reactor.handle(), kind, true).is_err());
    let handle = reactor.handle();
    drop(reactor);
    assert!(Subscription::new(&handle, kind, true).is_err());
    assert_eq!(installed(kind), original);
}
