//! What somebody who uses requests for the first time expects.

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::FutureExt;
use tevent_context::{Context, VirtualClock};
use tevent_request::{
    CancelToken, Request, RequestError, RequestExt, RequestScope, State, request, request_stream,
};

fn context() -> Context {
    let builder = Context::builder().virtual_clock(&VirtualClock::new());
    builder.build().expect("a loop")
}

#[test]
fn r5_a_cancel_between_done_and_the_awaiter_s_look_is_false_and_has_no_effect() {
    context().block_on(async {
        for boxed in [false, true] {
            let (completer, request) = request::<u32, String>("promise");
            let parent = CancelToken::new();
            let request = request.under(&parent);
            let canceller = request.canceller();
            let token = completer.token();
            let below = token.child();
            assert!(completer.done(1));
            let (state, is_asked, result) = if boxed {
                let request = request.boxed();
                (request.state(), request.cancel(), request.await)
            } else {
                (request.state(), request.cancel(), {
                    assert!(!canceller.cancel() && !token.cancel());
                    assert!(parent.cancel());
                    assert!(!token.is_cancelled() && !below.is_cancelled());
                    request.await
                })
            };
            assert_eq!((state, is_asked, result), (State::Done, false, Ok(1)));
            assert!(token.is_cancelled() && below.is_cancelled(), "it is taken");
        }
    });
}

#[test]
fn r5_a_token_that_is_asked_for_after_the_end_knows_it() {
    let (completer, request) = request::<u32, String>("promise");
    assert!(completer.error("no".to_string()));
    assert_eq!(request.state(), State::UserError);
    assert!(!request.cancel() && !request.canceller().cancel());
    let token = completer.token();
    assert!(!token.cancel() && !token.is_cancelled());
    drop(request);
    assert!(token.is_cancelled());
}

#[test]
fn work_that_is_awaited_in_place_may_borrow() {
    let word = String::from("word");
    let len = context().block_on(async {
        let read = async { Ok::<_, String>(word.len()) }.request("read");
        let listens = Request::new("listens", |token| {
            let word = &word;
            async move {
                token
                    .unless(async { word.len() })
                    .await
                    .ok_or(RequestError::Cancelled)
            }
        });
        Request::<_, String, _>::full("both", async { Ok(read.await? + listens.await?) }).await
    });
    assert_eq!(len, Ok(8));
}

#[track_caller]
fn panics<R>(misuse: impl FnOnce() -> R, words: &[&str]) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(misuse)) else {
        panic!("it did not panic");
    };
    let literal = panic.downcast_ref::<&str>().copied().unwrap_or("");
    let said = panic.downcast_ref::<String>().map_or(literal, |said| said);
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
}

#[test]
fn misuse_is_told_by_name() {
    let context = context();
    let again = ["request `read` (created at", "newcomer.rs", "await it once"];
    let mut read = async { Ok::<_, String>(1) }.request("read").boxed();
    assert_eq!((&mut read).now_or_never(), Some(Ok(1)));
    panics(|| read.now_or_never(), &again);
    let read = async { Ok::<_, String>(1) }.request("read");
    let mut read = read.spawn_on(&context.handle());
    assert_eq!(context.block_on(&mut read), Ok(1));
    panics(|| read.now_or_never(), &again);
    let scope = RequestScope::on(&context.handle(), "s");
    panics(|| scope.at_most(0), &["a scope needs a place"]);
    panics(|| request_stream::<u32, String>("s", 0), &["room for one"]);
}
