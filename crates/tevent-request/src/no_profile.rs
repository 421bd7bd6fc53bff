//! What stands in for the profile where the feature `profile` is off: nothing.

use crate::{State, head::Label};

pub(crate) struct Mark;

impl Mark {
    #[inline(always)]
    pub(crate) fn new(_label: &Label) -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn none() -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn enter(&self) -> Entered {
        Entered
    }

    #[inline(always)]
    pub(crate) fn end(&self, _state: State) {}

    #[inline(always)]
    pub(crate) fn is_watched() -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn cleanup(&self, _state: State, _label: &Label) {}

    #[inline(always)]
    pub(crate) fn notify(&self, _label: &Label) {}
}

/// As a value, so that both kinds are used alike.
pub(crate) struct Entered;

/// Whose place it is where a cancel is asked for: nobody wants to know.
#[derive(Default)]
pub(crate) struct Owner;

impl Owner {
    #[inline(always)]
    pub(crate) fn is(&self, _mark: &Mark, _label: &Label) {}

    #[inline(always)]
    pub(crate) fn cancelled(&self) {}

    #[inline(always)]
    pub(crate) fn forget(&self) {}
}
