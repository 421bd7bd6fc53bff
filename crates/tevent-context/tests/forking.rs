//! A forked child: the parent's context is no context of its own. Alone in its binary, as it forks.

mod util;

use std::cell::Cell;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::exit;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tevent_context::{Context, Immediate, TaskError, sleep};
use util::{is_readable, ms};

/// Forks of one process come one after another: a child has only the thread that forked.
static ALONE: Mutex<()> = Mutex::new(());

/// What the child that panics answers.
const PANICKED: i32 = 100;

/// Runs `child` in a forked child and gives its answer.
fn forked(child: impl FnOnce() -> i32) -> i32 {
    // SAFETY: other tests of this binary wait for the lock, so no other thread holds anything that the child needs.
    let process = unsafe { libc::fork() };
    assert!(process >= 0, "no process left");
    if process == 0 {
        let answer = catch_unwind(AssertUnwindSafe(child)).unwrap_or(PANICKED);
        // SAFETY: ends the child at once, without running what belongs to its parent.
        unsafe { libc::_exit(answer) };
    }
    let mut status = -1;
    // SAFETY: `status` is a valid place for the answer.
    assert_eq!(unsafe { libc::waitpid(process, &mut status, 0) }, process);
    libc::WEXITSTATUS(status)
}

fn says_forked(error: &std::io::Error) -> bool {
    error
        .to_string()
        .contains("make a new `Context` in the child")
}

#[test]
fn b81_in_the_child_every_use_of_the_parent_s_context_is_an_error_or_inert() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let context = Context::new().expect("descriptors for one loop");
    let handle = context.handle();
    let immediate = Immediate::new(&handle, |_| exit(7));
    let timer = handle.timer(handle.now(), |_, _| ());
    timer.cancel();
    let wrong = forked(|| {
        let mut verdicts = vec![
            says_forked(&context.run().expect_err("not ours")),
            says_forked(&context.turn(Some(Duration::ZERO)).expect_err("not ours")),
            says_forked(&handle.reactor().expect_err("not ours")),
            handle.has_ended(),
        ];
        let blocked = catch_unwind(AssertUnwindSafe(|| context.block_on(async {})));
        let panic = blocked.expect_err("not ours");
        let text = panic.downcast_ref::<String>().expect("a text");
        verdicts.push(text.contains("make a new `Context` in the child"));
        immediate.schedule();
        timer.reset(handle.now());
        verdicts.push(!immediate.is_scheduled() && !timer.is_armed());
        let own = Context::new().expect("descriptors for one loop");
        let task = handle.spawn(async { exit(8) });
        verdicts.push(
            own.block_on(task.outcome())
                .is_err_and(|error| matches!(error, TaskError::Cancelled)),
        );
        own.block_on(async { sleep(ms(1)).await });
        drop(context);
        let wrong = verdicts.iter().position(|verdict| !verdict);
        wrong.map_or(0, |first| 1 + first as i32)
    });
    assert_eq!(
        wrong, 0,
        "the number of the child's first verdict that is wrong"
    );
}

#[test]
fn b81_a_thousand_children_that_drop_everything_disturb_their_parent_not_at_all() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let context = Context::new().expect("descriptors for one loop");
    let (handle, fired) = (context.handle(), Rc::new(Cell::new(false)));
    let flag = Rc::clone(&fired);
    let timer = handle.timer(handle.now() + ms(3_600_000), move |_, _| flag.set(true));
    let task = context.spawn(std::future::pending::<()>());
    assert!(is_readable(&context), "from now on it rings for a host");
    while context
        .turn(Some(Duration::ZERO))
        .expect("the poll works")
        .more
    {}
    let mut kept = Some((context, timer, task));
    for _ in 0..1000 {
        let all_dropped = forked(|| {
            let (context, timer, task) = kept.take().expect("a copy for each child");
            drop((task, timer));
            drop(context);
            0
        });
        assert_eq!(all_dropped, 0);
    }
    let (context, timer, task) = kept.expect("the parent keeps its own");
    assert!(!is_readable(&context), "a child rang its parent");
    assert!(timer.is_armed() && !task.is_finished());
    timer.reset(handle.read_clock() + ms(1));
    context.block_on(async { sleep(ms(5)).await });
    assert!(fired.get(), "the parent's timers go on");
}

#[test]
fn b81_a_child_that_returns_into_its_parent_s_loop_is_stopped_there() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let context = Context::new().expect("descriptors for one loop");
    let survived = forked(|| {
        // Stands for a fork inside a task: the loop was the parent's when it was entered, and is the child's copy now.
        let inner = Context::new().expect("descriptors for one loop");
        let grandchild = inner.block_on(async {
            // SAFETY: this child has a single thread.
            let process = unsafe { libc::fork() };
            sleep(ms(1)).await;
            process
        });
        let mut status = -1;
        // SAFETY: `status` is a valid place for the answer.
        unsafe { libc::waitpid(grandchild, &mut status, 0) };
        // The grandchild's `block_on` panicked, which ends it with a failure.
        i32::from(grandchild <= 0 || status == 0)
    });
    assert_eq!(survived, 0);
    drop(context);
}

#[test]
fn b81_tasks_that_are_ready_are_not_polled_in_a_child_that_comes_back_from_its_own() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let polls_in_each_process = forked(|| {
        let context = Context::new().expect("descriptors for one loop");
        let (mut told, tell) = UnixStream::pair().expect("a pair");
        let first = context.spawn(async {
            // SAFETY: this child has a single thread.
            unsafe { libc::fork() }
        });
        for _ in 0..3 {
            let mut tell = tell.try_clone().expect("a descriptor");
            context
                .spawn(async move { tell.write_all(b".").expect("room for it") })
                .detach();
        }
        drop(tell);
        let ran = context.run();
        let grandchild = context.block_on(first); // a panic in the grandchild: that is its end
        // SAFETY: no more than a wait for a child of ours.
        unsafe { libc::waitpid(grandchild, &mut 0, 0) };
        drop(context);
        let mut polls = String::new();
        told.read_to_string(&mut polls).expect("it ends");
        i32::from(ran.is_err() || polls != "...")
    });
    assert_eq!(polls_in_each_process, 0);
}

#[test]
fn b81_a_child_drops_its_parent_s_inboxes_also_if_another_thread_was_posting_to_them() {
    const INBOXES: usize = 2_000;
    let _alone = ALONE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let context = Context::new().expect("descriptors for one loop");
    let inboxes: Vec<_> = (0..INBOXES)
        .map(|_| context.handle().inbox(|_, _| 1).expect("a living loop"))
        .collect();
    let posters: Vec<_> = inboxes.iter().map(|inbox| inbox.poster()).collect();
    let mut kept = Some((context, inboxes));
    for _ in 0..200 {
        let posted = AtomicUsize::new(0);
        let dropped = thread::scope(|scope| {
            scope.spawn(|| {
                for poster in &posters {
                    let _ = poster.post();
                    posted.fetch_add(1, Ordering::Relaxed);
                }
            });
            while posted.load(Ordering::Relaxed) < 10 {}
            forked(|| {
                // SAFETY: ends the child if it hangs.
                unsafe { libc::alarm(2) };
                let (context, mut inboxes) = kept.take().expect("a copy for each child");
                inboxes.truncate(INBOXES - 1);
                drop(context);
                drop(inboxes);
                42
            })
        });
        assert_eq!(dropped, 42, "it waited for a lock that nobody holds");
        let (context, _) = kept.as_ref().expect("the parent keeps its own");
        while context
            .turn(Some(Duration::ZERO))
            .expect("the poll works")
            .more
        {}
    }
}
