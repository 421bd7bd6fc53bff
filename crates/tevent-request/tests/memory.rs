//! What a request takes from the heap: nothing of its own, and no more when it is spawned than a bare task.

use std::{
    future::{Future, pending},
    time::Duration,
};

use futures::{FutureExt, StreamExt};
use tevent_context::{Context, spawn, yield_now};
use tevent_request::{CancelToken, Request, RequestExt, RequestScope, request, request_stream};
use tevent_testing::{Counting, allocations_so_far, bytes_held};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of `make` and of awaiting what it makes, once all is warm.
async fn allocations<F: Future>(make: impl Fn() -> F) -> usize {
    for _ in 0..3 {
        make().await;
    }
    let before = allocations_so_far();
    make().await;
    allocations_so_far() - before
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

/// One of each that comes and goes below a scope and a token that stay.
async fn come_and_go(scope: &RequestScope, token: &CancelToken) {
    let listens = Request::<u32, String, _>::new("listens", |own| async move {
        let helper = own.child();
        yield_now().await;
        Ok(u32::from(helper.is_cancelled()))
    });
    let (completer, promised) = request::<u32, String>("promised");
    let listens = scope.spawn(listens.under(token));
    let promised = scope.spawn(promised.under(token));
    let asked = scope.spawn(pending::<Result<u32, String>>().request("asked").boxed());
    let late = scope.spawn(work().request("late").timeout(Duration::from_secs(3600)));
    assert!(completer.done(1));
    asked.cancel();
    drop((listens.await, promised.await, late.await));
    let below = token.child();
    assert_eq!(below.child().unless(work()).now_or_never(), None);
    let (_completer, notifier, mut values) = request_stream::<u32, String>("values", 1);
    let mut gives = [Box::pin(notifier.notify(1)), Box::pin(notifier.notify(2))];
    assert_eq!(
        gives.each_mut().map(|give| give.now_or_never()),
        [Some(Ok(())), None]
    );
    assert_eq!(values.next().await, Some(Ok(1)));
}

#[test]
fn what_comes_and_goes_leaves_nothing_with_those_who_stay() {
    let context = Context::new().expect("a context");
    context.block_on(async {
        let (scope, token) = (RequestScope::new("stays").at_most(4), CancelToken::new());
        let mut sizes = [0; 3];
        for (size, round) in sizes.iter_mut().zip([100, 1000, 1000]) {
            for _ in 0..round {
                come_and_go(&scope, &token).await;
            }
            scope.join().await;
            *size = bytes_held();
        }
        assert_eq!(sizes, [sizes[0]; 3]);
    });
}
