//! A context inside other people's loops: all that lives in it is served, by the host's one thread.

mod util;

use util::story;

/// What the guest of every host says, in the order of the alphabet: the order in which things happen is the system's.
const GUEST: [&str; 6] = [
    "other thread: I was answered \"ping\"",
    "socket: ping",
    "threads: 2", // the host's, and the client's
    "timer: tick 1",
    "timer: tick 2",
    "timer: tick 3",
];

/// The host's own line, after it was seen that the guest has said everything.
#[track_caller]
fn host_of_a_served_guest(example: &str) -> String {
    let (mut guest, mut host): (Vec<_>, Vec<_>) = story(example)
        .into_iter()
        .partition(|line| GUEST.iter().any(|said| said == line));
    guest.sort();
    if cfg!(not(any(target_os = "linux", target_os = "android"))) {
        guest.insert(2, "threads: 2".into()); // it cannot count them
    }
    assert_eq!(guest, GUEST);
    assert_eq!(host.len(), 1, "{host:?}");
    host.remove(0)
}

#[test]
fn a_bare_poll_serves_its_guest_and_sleeps_in_between() {
    let line = host_of_a_served_guest("embed_poll");
    let sleeps = line
        .strip_prefix("poll: slept ")
        .and_then(|rest| rest.strip_suffix(" times"));
    let sleeps: u32 = sleeps.and_then(|n| n.parse().ok()).expect("a number");
    assert!((1..=50).contains(&sleeps), "it spins: {sleeps}");
}

#[cfg(feature = "peers")]
#[test]
fn tokio_serves_its_guest_and_itself() {
    let line = host_of_a_served_guest("embed_tokio");
    assert_eq!(line, "tokio: its own timer");
}

#[cfg(feature = "peers")]
#[test]
fn calloop_serves_its_guest_and_itself() {
    let line = host_of_a_served_guest("embed_calloop");
    assert_eq!(line, "calloop: its own timer");
}
