//! The state of a request and the data of its callback, as in chapter 3 of the tevent tutorial: both have a type.
//!
//! Run it: `cargo run --example data`

use std::any::Any;
use std::convert::Infallible;
use std::io;
use std::rc::Rc;

use tevent::request::{Promised, request};
use tevent::{Context, Handle};

/// The request's own data: from `foo_send` on it belongs to the request, at the end to whoever awaits the result.
struct FooState {
    x: i32,
}

/// What the one who starts the request gives to its own callback.
struct TestA {
    y: i32,
}

/// Begins the request. What finishes it has its data meanwhile, and gives it with the result.
fn foo_send() -> (Promised<FooState, Infallible>, impl FnOnce() -> bool) {
    let (completer, request) = request("foo");
    let state = FooState { x: 10 };
    (request, move || completer.done(state))
}

/// The callback. No pointer is cast: what it gets are its parameters.
fn foo_done(a: &FooState, b: &TestA, data: &dyn Any) {
    println!("a->x: {}", a.x); // from `foo_send`
    println!("b->y: {}", b.y); // from `run`
    // The other way: data that has forgotten its type. Whoever asks for a wrong one gets `None`, not a wrong number.
    if let Some(c) = data.downcast_ref::<TestA>() {
        println!("c->y: {}", c.y);
    }
}

/// The timer's handler. It does not use its own data, like the tutorial's.
fn run(handle: &Handle, _data: &TestA) {
    let tmp = Rc::new(TestA { y: 9 });
    let (request, finish) = foo_send();
    let callback = async move {
        let Ok(state) = request.await else { return };
        foo_done(&state, &tmp, &*tmp);
    };
    handle.spawn(callback).detach();
    finish(); // a wake: the callback runs when the loop comes to it, not in here
}

fn main() -> io::Result<()> {
    let context = Context::new()?;
    let handle = context.handle();
    let data = TestA { y: 11 };
    handle
        .timer(handle.now(), move |this, _| run(this.handle(), &data))
        .detach();
    context.run()?;
    println!("Quit");
    Ok(())
}
