//! An inbox whose calls go to the value that owns it.

use std::cell::OnceCell;
use std::io;
use std::rc::{Rc, Weak};

use tevent_context::{Handle, Inbox};

/// The owner of an inbox.
pub(crate) trait Served {
    /// Somebody has posted. May look at so many messages; returns how many it did.
    fn serve(self: &Rc<Self>, allowance: usize) -> usize;

    /// The inbox is closed: by its owner, or by the end of the loop. Nobody will be served any more.
    fn closed(&self);
}

/// Makes an inbox, and then its owner. The inbox holds the owner weakly, so it is no reason to live.
#[track_caller]
pub(crate) fn serve<T: Served + 'static>(
    handle: &Handle,
    make: impl FnOnce(Inbox) -> T,
) -> io::Result<Rc<T>> {
    let link = Rc::new(Link::<T>(OnceCell::new()));
    let called = Rc::clone(&link);
    let inbox = handle.inbox(move |_, allowance| {
        let owner = called.owner();
        owner.map_or(0, |owner| owner.serve(allowance))
    })?;
    let owner = Rc::new(make(inbox));
    let linked = link.0.set(Rc::downgrade(&owner));
    debug_assert!(linked.is_ok(), "nobody else knows the link");
    Ok(owner)
}

/// Lives as long as the handler of the inbox does.
struct Link<T: Served>(OnceCell<Weak<T>>);

impl<T: Served> Link<T> {
    fn owner(&self) -> Option<Rc<T>> {
        self.0.get().and_then(Weak::upgrade)
    }
}

impl<T: Served> Drop for Link<T> {
    fn drop(&mut self) {
        if let Some(owner) = self.owner() {
            owner.closed();
        }
    }
}
