//! What higher crates keep with a loop: a value of each type.

use std::any::Any;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use tevent_core::panics::Panics;

use crate::Handle;
use crate::core_loop::ended;

#[derive(Default)]
pub(crate) struct Extensions {
    kept: RefCell<Vec<Rc<dyn Any>>>,
}

impl Handle {
    /// The value of type `T` that is kept with this loop, made by `make` when it is first asked for, and dropped when
    /// the context ends. For crates that need one of something for each loop; name a type of your own.
    ///
    /// # Errors
    /// If the context has ended; those of `make`.
    pub fn extension<T: 'static>(
        &self,
        make: impl FnOnce(&Self) -> io::Result<T>,
    ) -> io::Result<Rc<T>> {
        self.core().check_process()?;
        if self.has_ended() {
            return Err(ended());
        }
        let extensions = &self.core().extensions;
        if let Some(kept) = extensions.get() {
            return Ok(kept);
        }
        // No borrow is held: it may ask for other extensions.
        let made = Rc::new(make(self)?);
        extensions
            .kept
            .borrow_mut()
            .push(Rc::clone(&made) as Rc<dyn Any>);
        Ok(made)
    }
}

impl Extensions {
    fn get<T: 'static>(&self) -> Option<Rc<T>> {
        let kept = self.kept.borrow();
        kept.iter().find_map(|kept| Rc::clone(kept).downcast().ok())
    }

    /// Drops all of them.
    ///
    /// # Panics
    /// With the first panic of a destructor, after all have been dropped.
    pub(crate) fn end(&self) {
        let (mut kept, mut panics) = (self.kept.take(), Panics::default());
        panics.drop_all(&mut kept);
        panics.resume();
    }
}
