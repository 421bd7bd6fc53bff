//! Call flow: hooks of this thread that are told what becomes of its requests.

use std::{
    cell::{Cell, RefCell},
    fmt,
    panic::Location,
    rc::{Rc, Weak},
};

use tevent_core::panics::Panics;
use tevent_queue::{TraceKind, TracePoint};

use super::{Mark, current};
use crate::{State, head::Label};

/// A moment in the life of a request, as a hook sees it ([`on_flow`]).
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowPoint<'a> {
    /// What happens.
    pub kind: FlowKind,
    /// The number of the call that the request belongs to; see [`request_id`](crate::request_id).
    pub id: u64,
    /// How many requests deep: 1 for one that was made outside of others, 2 for one that was made inside that.
    pub depth: usize,
    /// The name of the request; of the queue, where a place in a queue is meant.
    pub name: &'a str,
    /// The line that made the request, or that asked for the place in the queue.
    pub place: &'static Location<'static>,
}

/// Which moment it is.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FlowKind {
    /// The request has been made. C: `TEVENT_THREAD_CALL_FLOW_REQ_CREATE`.
    Create,
    /// Somebody asks it to end early, for the first time, and it can hear that: it alone, or with all below one token.
    /// Told if the hook was there when the request was made, or when whoever asks got hold of it: a canceller that is
    /// older than the hook, or the token of a completer, may ask unseen.
    /// C: `TEVENT_THREAD_CALL_FLOW_REQ_CANCEL`.
    Cancel,
    /// It has ended in this state ([`State::Received`]: dropped, or its work panicked); right after this its cleanups
    /// run, if it has any. Told once. C: `TEVENT_THREAD_CALL_FLOW_REQ_CLEANUP`.
    Cleanup(State),
    /// The awaiter is told the result, right after this. C: `TEVENT_THREAD_CALL_FLOW_REQ_NOTIFY_CB`.
    Notify,
    /// The request has taken a place in a queue. This and the two below are told of queues that are watched by
    /// [`profile_waits`](crate::profile_waits), while a request is worked for: the number and the depth are its.
    /// C: `TEVENT_THREAD_CALL_FLOW_REQ_QUEUE_ENTER`.
    QueueEnter,
    /// It takes its turn in the queue. C: `TEVENT_THREAD_CALL_FLOW_REQ_QUEUE_TRIGGER`.
    QueueTrigger,
    /// It leaves the queue. C: `TEVENT_THREAD_CALL_FLOW_REQ_QUEUE_LEAVE`.
    QueueLeave,
}

type Hook = dyn Fn(&FlowPoint<'_>);

thread_local! {
    /// How many hooks are told: the one look that a request takes where there is none.
    static LIVE: Cell<usize> = const { Cell::new(0) };
    /// In the order in which they were added. A list is never changed but replaced, so that no borrow is held while
    /// hooks are called.
    static HOOKS: RefCell<Rc<[Weak<Hook>]>> = RefCell::new(Rc::new([]));
}

/// Tells `hook` what becomes of the requests of this thread, until the returned value is dropped. There may be many:
/// they are told one after another, in the order in which they were added. C: `tevent_thread_call_depth_set_callback`,
/// of which there is one.
///
/// A hook that is added while hooks are told hears of the next moment first. One that makes requests hears of those,
/// too. A panic of a hook goes on in whoever made the moment happen: a request that is made is not made, one that ends
/// comes to its end all the same, and the awaiter gets the panic for the result.
///
/// ```
/// use std::{cell::RefCell, rc::Rc};
/// use futures::executor::block_on;
/// use tevent_request::{FlowKind, RequestExt, State, on_flow};
///
/// let seen = Rc::new(RefCell::new(Vec::new()));
/// let log = Rc::clone(&seen);
/// let hook = on_flow(move |point| {
///     let name = point.name.to_string();
///     log.borrow_mut().push((point.depth, name, point.kind));
/// });
/// let outer = async { async { Ok::<_, String>(1) }.request("inner").await }.request("outer");
/// assert!(block_on(outer).is_ok());
/// drop(hook); // nobody is told any more
///
/// let seen: Vec<_> = seen.borrow().iter().map(|(depth, name, kind)| format!("{depth} {name} {kind:?}")).collect();
/// assert_eq!(seen, [
///     "1 outer Create",
///     "2 inner Create",
///     "2 inner Cleanup(Done)",
///     "2 inner Notify",
///     "1 outer Cleanup(Done)",
///     "1 outer Notify",
/// ]);
/// ```
pub fn on_flow(hook: impl Fn(&FlowPoint<'_>) + 'static) -> FlowHook {
    let hook: Rc<Hook> = Rc::new(hook);
    HOOKS.with(|hooks| {
        let before = Rc::clone(&hooks.borrow());
        let kept = before.iter().filter(|hook| hook.strong_count() > 0);
        let with_it = kept.cloned().chain([Rc::downgrade(&hook)]).collect();
        drop(hooks.replace(with_it));
    });
    LIVE.set(LIVE.get() + 1);
    FlowHook { _hook: hook }
}

/// A hook that is told what becomes of requests, until this is dropped: from [`on_flow`].
#[must_use = "the hook is taken away when this is dropped"]
pub struct FlowHook {
    _hook: Rc<Hook>,
}

impl Drop for FlowHook {
    fn drop(&mut self) {
        LIVE.set(LIVE.get() - 1);
    }
}

impl fmt::Debug for FlowHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlowHook").finish_non_exhaustive()
    }
}

/// Whether anybody is told.
#[inline]
pub(super) fn is_watched() -> bool {
    LIVE.get() > 0
}

#[cold]
fn tell(point: &FlowPoint<'_>) {
    // While the thread ends there may be nobody left to tell.
    let hooks = HOOKS.try_with(|hooks| Rc::clone(&hooks.borrow()));
    let Ok(hooks) = hooks else { return };
    let mut panics = Panics::default();
    for hook in hooks.iter().filter_map(Weak::upgrade) {
        panics.guard(move || hook(point));
    }
    panics.resume();
}

impl Mark {
    /// Tells of the request that this mark and this label are of.
    #[inline]
    pub(super) fn tell(&self, kind: FlowKind, label: &Label) {
        if is_watched() {
            tell(&FlowPoint {
                kind,
                id: self.id,
                depth: self.depth,
                name: &label.name,
                place: label.created,
            });
        }
    }
}

/// Tells of the request that is worked for: what it does in a queue.
pub(super) fn tell_of_queue(point: &TracePoint<'_>) {
    if !is_watched() {
        return;
    }
    let Some(mark) = current() else { return };
    let kind = match point.kind {
        TraceKind::Attach => FlowKind::QueueEnter,
        TraceKind::BeforeTrigger => FlowKind::QueueTrigger,
        TraceKind::Detach => FlowKind::QueueLeave,
        _ => return,
    };
    tell(&FlowPoint {
        kind,
        id: mark.id,
        depth: mark.depth,
        name: point.queue,
        place: point.origin,
    });
}

/// Whose place it is where a cancel is asked for; known if hooks were told when somebody last came by.
#[derive(Default)]
pub(crate) struct Owner(Cell<Option<Box<(Mark, Label)>>>);

impl Owner {
    /// The place is that request's.
    #[inline]
    pub(crate) fn is(&self, mark: &Mark, label: &Label) {
        if is_watched() {
            let owner = (mark.clone(), label.clone());
            self.0.set(Some(Box::new(owner)));
        }
    }

    /// It was asked to end early.
    #[inline]
    pub(crate) fn cancelled(&self) {
        if let Some(owner) = self.0.take() {
            owner.0.tell(FlowKind::Cancel, &owner.1);
        }
    }

    /// It is over: nobody is asked any more.
    pub(crate) fn forget(&self) {
        drop(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_look_no_further_when_the_last_hook_is_gone() {
        let hooks = (on_flow(|_| ()), on_flow(|_| ()));
        drop(hooks.0);
        assert!(is_watched());
        drop(hooks.1);
        assert!(!is_watched());
    }
}
