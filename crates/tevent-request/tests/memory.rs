//! What a request takes from the heap: nothing of its own, and no more when it is spawned than a bare task.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    future::Future,
    time::Duration,
};

use tevent_context::{Context, spawn, yield_now};
use tevent_request::{RequestExt, request};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches a thread-local that has neither a
// destructor nor an initialiser, so it does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and the block came from `System`.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of `make` and of awaiting what it makes, once all is warm.
async fn allocations<F: Future>(make: impl Fn() -> F) -> usize {
    for _ in 0..3 {
        make().await;
    }
    let before = ALLOCATIONS.get();
    make().await;
    ALLOCATIONS.get() - before
}

async fn work() -> Result<u32, String> {
    yield_now().await;
    Ok(1)
}

#[test]
fn a_request_allocates_nothing_beside_its_work() {
    let context = Context::new().expect("a context");
    let hour = Duration::from_secs(3600);
    context.block_on(async {
        assert_eq!(allocations(work).await, 0);
        assert_eq!(allocations(|| work().request("r")).await, 0);
        assert_eq!(allocations(|| work().request("r").timeout(hour)).await, 0);
        assert_eq!(allocations(|| work().request("r").boxed()).await, 1);
    });
}

#[test]
fn a_spawned_request_allocates_what_a_task_does() {
    let context = Context::new().expect("a context");
    context.block_on(async {
        let task = allocations(|| spawn(work())).await;
        assert_eq!(allocations(|| work().request("r").spawn()).await, task);
    });
}

#[test]
fn a_promise_allocates_once() {
    let context = Context::new().expect("a context");
    context.block_on(async {
        let promise = || async {
            let (completer, request) = request::<u32, String>("r");
            completer.done(1);
            request.await
        };
        assert_eq!(allocations(promise).await, 1);
    });
}
