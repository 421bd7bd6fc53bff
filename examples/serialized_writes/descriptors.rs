//! How many files may be open at once: asked for before anything is sent, so that the job does not fail half-way.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::failure::Failure;

/// What the process has open besides the files that are sent: standard streams, two loops, both ends of the connection,
/// and what whoever started it left open.
const BESIDES: u64 = 32;

/// Makes sure that so many files can be open at once. Raises the soft limit of this process if need be.
///
/// # Errors
/// If the hard limit is too low.
pub(crate) fn reserve(files: u64) -> Result<(), Failure> {
    let limit = getrlimit(Resource::Nofile);
    let needed = files.saturating_add(BESIDES);
    let suffices = |most: Option<u64>| most.is_none_or(|most| needed <= most);
    if suffices(limit.current) || (suffices(limit.maximum) && raise(needed, limit)) {
        return Ok(());
    }
    let most = limit.maximum.or(limit.current).unwrap_or(u64::MAX);
    Err(Failure::refused(format!(
        "{files} files would be open at once: that takes a limit of {needed} open files (ulimit -n), and it cannot be \
         raised above {most}; take fewer --senders"
    )))
}

fn raise(needed: u64, limit: Rlimit) -> bool {
    let raised = Rlimit {
        current: Some(needed),
        ..limit
    };
    setrlimit(Resource::Nofile, raised).is_ok()
}
