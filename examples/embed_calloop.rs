//! A context inside calloop: its descriptor is a generic source like any other.
//!
//! Run it: `cargo run --example embed_calloop --features peers`

#[path = "embed/guest.rs"]
mod guest;

use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

use calloop::generic::Generic;
use calloop::timer::{TimeoutAction, Timer};
use calloop::{EventLoop, Interest, Mode, PostAction};
use tevent::Context;

fn main() -> Result<(), Box<dyn Error>> {
    let context = Rc::new(Context::new()?);
    let guest = guest::start(&context);
    let mut host = EventLoop::<()>::try_new()?;

    let source = Generic::new(Rc::clone(&context), Interest::READ, Mode::Edge);
    host.handle().insert_source(source, |_, context, ()| {
        while context.turn(Some(Duration::ZERO))?.more {}
        Ok(PostAction::Continue)
    })?;
    host.handle().insert_source(
        Timer::from_duration(Duration::from_millis(5)),
        |_, _, ()| {
            println!("calloop: its own timer");
            TimeoutAction::Drop
        },
    )?;

    while !guest.is_finished() {
        host.dispatch(None, &mut ())?;
    }
    context.block_on(guest)?;
    Ok(())
}
