//! A cloneable handle that spawns.

use std::fmt;
use std::panic::Location;

use futures::future::LocalFutureObj;
use futures::task::{LocalSpawn, SpawnError};

use crate::Task;
use crate::task::Owner;

/// Spawns tasks on an [`Executor`](crate::Executor) without owning it. Not `Send`: another thread reaches the executor
/// through wakers only.
///
/// It is a [`LocalSpawn`] of the `futures` crate: what is spawned so runs detached.
#[derive(Clone)]
pub struct Spawner {
    owner: Owner,
}

impl Spawner {
    pub(crate) fn new(owner: Owner) -> Self {
        Self { owner }
    }

    /// Spawns a task, as [`Executor::spawn`](crate::Executor::spawn).
    #[track_caller]
    pub fn spawn<F: Future + 'static>(&self, future: F) -> Task<F::Output> {
        Task::spawned(self.owner.spawn(future), &self.owner, Location::caller())
    }
}

impl LocalSpawn for Spawner {
    fn spawn_local_obj(&self, future: LocalFutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.status_local()?;
        self.spawn(future).detach();
        Ok(())
    }

    fn status_local(&self) -> Result<(), SpawnError> {
        if self.owner.is_closed() {
            return Err(SpawnError::shutdown());
        }
        Ok(())
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner").finish_non_exhaustive()
    }
}
