//! A timer that sets itself again until its time is over, as in chapter 2 of the tevent tutorial.
//!
//! The tutorial's program says its number every two seconds for a minute; here both can be chosen, and the clock, too.
//! Run it: `cargo run --example timer -- --for 10 --every 0.5`, or with `--virtual-clock`, which takes no time at all.

use std::io;
use std::time::Duration;

use clap::Parser;
use tevent::{Context, VirtualClock};

/// Says a number again and again, by a timer that sets itself anew.
#[derive(Parser)]
struct Options {
    /// For how many seconds after the first time
    #[arg(long = "for", value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    lasts: Duration,
    /// How many seconds there are between two times
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = period)]
    every: Duration,
    /// Use a clock that jumps to the next timer instead of waiting for it
    #[arg(long)]
    virtual_clock: bool,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    let builder = Context::builder();
    let context = match options.virtual_clock {
        true => builder.virtual_clock(&VirtualClock::new()).build()?,
        false => builder.build()?,
    };
    let handle = context.handle();
    let first = handle.read_clock() + options.every;
    let end = first + options.lasts;
    let mut counter = 0;
    let _timer = handle.timer(first, move |this, now| {
        println!("Data value: {counter}");
        counter += 1;
        if now < end {
            this.reset_after(options.every);
        }
    });
    context.run() // until no timer is set
}

/// Seconds, also parts of one, up to a thousand years: no clock comes to its end by that.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "this is no number".to_owned())?;
    let sensible = (0.0..=31_556_952_000.0).contains(&seconds);
    sensible
        .then(|| Duration::from_secs_f64(seconds))
        .ok_or_else(|| "give a number from zero to a thousand years".to_owned())
}

fn period(text: &str) -> Result<Duration, String> {
    let period = seconds(text)?;
    let passes = !period.is_zero();
    passes
        .then_some(period)
        .ok_or_else(|| "time has to pass between two times".to_owned())
}
