//! What is held of the heap when all is over.

use std::time::Duration;

use tevent_context::{Context, sleep};
use tevent_testing::{Counting, bytes_held};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Also while others wait.
#[test]
fn b55_a_sleep_that_has_come_leaves_nothing_behind() {
    let context = Context::new().expect("a context");
    context.block_on(async {
        let mut waits = Box::pin(sleep(Duration::from_secs(3600)));
        assert!(futures::poll!(&mut waits).is_pending());
        sleep(Duration::ZERO).await;
        let before = bytes_held();
        for _ in 0..500 {
            sleep(Duration::ZERO).await;
        }
        assert_eq!(bytes_held(), before);
    });
}

#[test]
fn b55_the_line_of_a_burst_of_immediates_is_given_back() {
    let context = Context::new().expect("a context");
    let handle = context.handle();
    context.block_on(async {
        sleep(Duration::ZERO).await;
        let before = bytes_held();
        (0..10_000).for_each(|_| handle.immediate(|_| ()));
        // A turn each.
        for _ in 0..100 {
            sleep(Duration::ZERO).await;
        }
        assert!(bytes_held() - before < 4096);
    });
}

#[test]
fn b55_the_table_of_a_burst_of_sleeps_is_given_back_when_the_loop_has_rested() {
    let context = Context::new().expect("a context");
    context.block_on(async {
        sleep(Duration::ZERO).await;
        let before = bytes_held();
        let mut burst: Vec<_> = (0..10_000)
            .map(|_| Box::pin(sleep(Duration::from_secs(3600))))
            .collect();
        for sleep in &mut burst {
            assert!(futures::poll!(sleep).is_pending());
        }
        drop(burst);
        for _ in 0..30 {
            sleep(Duration::from_micros(1)).await;
        }
        assert!(bytes_held() - before < 8192);
    });
}

#[test]
fn b55_a_burst_is_given_back_also_if_the_loop_is_turned_by_a_host_and_never_sleeps() {
    let context = Context::new().expect("a context");
    let before = bytes_held();
    for _ in 0..10_000 {
        let nap = async { sleep(Duration::from_nanos(1)).await };
        context.spawn(nap).detach();
    }
    for _ in 0..1000 {
        context.spawn(async {}).detach();
        context.turn(Some(Duration::ZERO)).expect("a turn");
    }
    assert!(bytes_held() - before < 64 * 1024);
}
