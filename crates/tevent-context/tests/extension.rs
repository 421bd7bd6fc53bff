//! Extensions: what higher crates keep with a loop.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use tevent_context::{Context, Handle};

struct Counted(Rc<Cell<u32>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

struct Outer(Rc<Counted>);

#[test]
fn a_value_of_each_type_is_made_once_for_each_loop_and_dropped_at_its_end() {
    let dropped = Rc::new(Cell::new(0));
    let make = |_: &Handle| Ok(Counted(Rc::clone(&dropped)));
    let contexts = [(); 2].map(|()| Context::new().expect("descriptors for one loop"));
    let [first, second] = contexts.each_ref().map(Context::handle);
    let kept = first.extension(make).expect("a living loop");
    let again = first.extension::<Counted>(|_| unreachable!("it is there"));
    assert!(again.is_ok_and(|again| Rc::ptr_eq(&again, &kept)));
    // One asks for another while it is made.
    let outer = first.extension(|handle| handle.extension(make).map(Outer));
    assert!(outer.is_ok_and(|outer| Rc::ptr_eq(&outer.0, &kept)));
    let other = second.extension(make).expect("a living loop");
    assert!(!Rc::ptr_eq(&other, &kept));
    drop((kept, other));
    assert_eq!(dropped.get(), 0);
    drop(contexts);
    assert_eq!(dropped.get(), 2);
    assert!(first.extension(make).is_err());
}

#[test]
fn what_could_not_be_made_is_not_kept() {
    let context = Context::new().expect("descriptors for one loop");
    let handle = context.handle();
    let failed = handle.extension::<u32>(|_| Err(io::Error::other("on purpose")));
    assert_eq!(failed.expect_err("it says so").to_string(), "on purpose");
    assert_eq!(handle.extension(|_| Ok(7_u32)).ok().as_deref(), Some(&7));
}

#[test]
fn b21_a_destructor_at_the_end_is_refused_extensions() {
    struct Last(Handle, Rc<Cell<bool>>);
    impl Drop for Last {
        fn drop(&mut self) {
            self.1.set(self.0.extension(|_| Ok(())).is_err());
        }
    }
    let context = Context::new().expect("descriptors for one loop");
    let (handle, refused) = (context.handle(), Rc::new(Cell::new(false)));
    let last = Last(handle.clone(), Rc::clone(&refused));
    handle
        .extension(|_| Ok(last))
        .map(drop)
        .expect("a living loop");
    drop(context);
    assert!(refused.get());
}
