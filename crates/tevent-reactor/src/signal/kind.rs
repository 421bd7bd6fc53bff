//! The numbers of signals, and which of them can be listened to.

use std::fmt;
use std::io;

use libc::c_int;

/// A signal, by its number.
///
/// ```
/// use tevent_reactor::SignalKind;
///
/// assert_eq!(SignalKind::TERMINATE.to_string(), "SIGTERM");
/// assert_eq!(SignalKind::from_raw(15), SignalKind::TERMINATE);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignalKind(c_int);

impl SignalKind {
    /// `SIGHUP`: the terminal is gone; by custom, read the configuration anew.
    pub const HANGUP: Self = Self(libc::SIGHUP);
    /// `SIGINT`: Ctrl-C.
    pub const INTERRUPT: Self = Self(libc::SIGINT);
    /// `SIGQUIT`: Ctrl-\.
    pub const QUIT: Self = Self(libc::SIGQUIT);
    /// `SIGUSR1`.
    pub const USER1: Self = Self(libc::SIGUSR1);
    /// `SIGUSR2`.
    pub const USER2: Self = Self(libc::SIGUSR2);
    /// `SIGPIPE`: a write to somebody who does not read any more.
    pub const PIPE: Self = Self(libc::SIGPIPE);
    /// `SIGALRM`: the timer of `alarm` and `setitimer`.
    pub const ALARM: Self = Self(libc::SIGALRM);
    /// `SIGTERM`: the polite request to end.
    pub const TERMINATE: Self = Self(libc::SIGTERM);
    /// `SIGCHLD`: a child has ended, stopped or gone on.
    pub const CHILD: Self = Self(libc::SIGCHLD);
    /// `SIGCONT`: this process goes on after a stop.
    pub const CONTINUE: Self = Self(libc::SIGCONT);
    /// `SIGIO`: a descriptor is ready, for those who asked.
    pub const IO: Self = Self(libc::SIGIO);
    /// `SIGWINCH`: the window of the terminal has another size.
    pub const WINDOW_CHANGE: Self = Self(libc::SIGWINCH);

    /// The highest number, and the size of all tables of signals.
    pub(crate) const HIGHEST: usize = 64;

    /// The signal of this number. Whether it can be listened to is found out by those who listen.
    #[must_use]
    pub const fn from_raw(number: c_int) -> Self {
        Self(number)
    }

    /// The `n`-th real-time signal, counted from `SIGRTMIN`. Of each of them, as many are delivered as were sent.
    #[must_use]
    pub fn real_time(n: c_int) -> Self {
        Self(libc::SIGRTMIN().saturating_add(n))
    }

    /// Its number.
    #[must_use]
    pub const fn as_raw(self) -> c_int {
        self.0
    }

    /// Its place in a table of signals.
    ///
    /// # Errors
    /// `InvalidInput` if it cannot be listened to, with the reason.
    pub(crate) fn index(self) -> io::Result<usize> {
        let refused = match self.0 {
            libc::SIGKILL | libc::SIGSTOP => "the kernel does not let anybody handle it",
            libc::SIGSEGV | libc::SIGBUS | libc::SIGFPE | libc::SIGILL => {
                "it tells of a fault in the very instruction that runs: a handler that returns would repeat it for ever"
            }
            number if number < 1 || number > libc::SIGRTMAX() => "there is no such signal",
            number if number > libc::SIGSYS && number < libc::SIGRTMIN() => {
                "the C library needs it for itself"
            }
            number => return Ok(number as usize),
        };
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("cannot listen to {self}: {refused}"),
        ))
    }

    fn name(self) -> Option<&'static str> {
        NAMES
            .iter()
            .find(|(number, _)| *number == self.0)
            .map(|(_, name)| *name)
    }
}

const NAMES: [(c_int, &str); 31] = [
    (libc::SIGHUP, "SIGHUP"),
    (libc::SIGINT, "SIGINT"),
    (libc::SIGQUIT, "SIGQUIT"),
    (libc::SIGILL, "SIGILL"),
    (libc::SIGTRAP, "SIGTRAP"),
    (libc::SIGABRT, "SIGABRT"),
    (libc::SIGBUS, "SIGBUS"),
    (libc::SIGFPE, "SIGFPE"),
    (libc::SIGKILL, "SIGKILL"),
    (libc::SIGUSR1, "SIGUSR1"),
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGUSR2, "SIGUSR2"),
    (libc::SIGPIPE, "SIGPIPE"),
    (libc::SIGALRM, "SIGALRM"),
    (libc::SIGTERM, "SIGTERM"),
    (libc::SIGSTKFLT, "SIGSTKFLT"),
    (libc::SIGCHLD, "SIGCHLD"),
    (libc::SIGCONT, "SIGCONT"),
    (libc::SIGSTOP, "SIGSTOP"),
    (libc::SIGTSTP, "SIGTSTP"),
    (libc::SIGTTIN, "SIGTTIN"),
    (libc::SIGTTOU, "SIGTTOU"),
    (libc::SIGURG, "SIGURG"),
    (libc::SIGXCPU, "SIGXCPU"),
    (libc::SIGXFSZ, "SIGXFSZ"),
    (libc::SIGVTALRM, "SIGVTALRM"),
    (libc::SIGPROF, "SIGPROF"),
    (libc::SIGWINCH, "SIGWINCH"),
    (libc::SIGIO, "SIGIO"),
    (libc::SIGPWR, "SIGPWR"),
    (libc::SIGSYS, "SIGSYS"),
];

/// Its name, such as `SIGTERM` or `SIGRTMIN+3`; `signal 99` if it has none.
impl fmt::Display for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = libc::SIGRTMIN();
        match self.name() {
            Some(name) => f.write_str(name),
            None if self.0 == first => f.write_str("SIGRTMIN"),
            None if self.0 > first && self.0 <= libc::SIGRTMAX() => {
                write!(f, "SIGRTMIN+{}", self.0 - first)
            }
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_listened_to_is_named_with_the_reason() {
        for (number, words) in [
            (libc::SIGKILL, "SIGKILL: the kernel"),
            (libc::SIGSTOP, "SIGSTOP: the kernel"),
            (libc::SIGSEGV, "SIGSEGV: it tells of a fault"),
            (libc::SIGBUS, "SIGBUS: it tells of a fault"),
            (libc::SIGFPE, "SIGFPE: it tells of a fault"),
            (libc::SIGILL, "SIGILL: it tells of a fault"),
            (0, "signal 0: there is no such"),
            (-1, "signal -1: there is no such"),
            (65, "signal 65: there is no such"),
            (c_int::MAX, "signal 2147483647: there is no such"),
            (32, "signal 32: the C library"),
        ] {
            let error = SignalKind::from_raw(number).index().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn names_are_those_of_the_system() {
        assert_eq!(SignalKind::CHILD.to_string(), "SIGCHLD");
        assert_eq!(SignalKind::real_time(0).to_string(), "SIGRTMIN");
        assert_eq!(SignalKind::real_time(3).to_string(), "SIGRTMIN+3");
        assert_eq!(SignalKind::from_raw(99).to_string(), "signal 99");
        let last = SignalKind::from_raw(libc::SIGRTMAX()).index().unwrap();
        assert!(last <= SignalKind::HIGHEST);
    }
}
