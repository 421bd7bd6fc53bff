//! Loops that talk to each other across threads, as in chapter 6 of the tevent tutorial: a master, and its children.
//!
//! Each child has a loop of its own. It asks the master twice: once as in C, by a closure that brings the proxy for the
//! reply along, and once by a call, which is the same in one word. A mailbox tells the master who has ended. Run it:
//! `cargo run --example thread_proxy`

use std::collections::BTreeSet;
use std::io;
use std::thread;

use tevent::{Context, MailSender, Mailbox, ProxySender, ThreadProxy};

const CHILDREN: [&str; 3] = ["anna", "bert", "carl"];

/// Asks the master and waits for the reply: two closures, each for the loop of the other.
fn ask_by_hand(child: &Context, name: &'static str, master: &ProxySender) -> io::Result<()> {
    let own = ThreadProxy::new(&child.handle())?;
    let reply_to = own.sender();
    let asked = master.schedule(move |_master| {
        println!("master: callback from {name}");
        let replied = reply_to.schedule(move |child| {
            println!("{name}: the master has replied");
            child.stop();
        });
        if replied.is_err() {
            println!("master: {name} is gone"); // in C: memory that is used after it was freed
        }
    });
    asked.map_err(io::Error::other)?;
    own.keep_running(true); // or the loop would end at once: it has nothing else to do
    child.run()
}

/// The same as a call: a future, which ends even if the master does.
fn ask_by_call(child: &Context, name: &'static str, master: &ProxySender) -> io::Result<()> {
    let length = child.block_on(master.call(move |_master| name.len()))?;
    println!("{name}: my name has {length} letters");
    Ok(())
}

fn child(
    name: &'static str,
    master: ProxySender,
    ended: MailSender<&'static str>,
) -> io::Result<()> {
    let context = Context::new()?;
    ask_by_hand(&context, name, &master)?;
    ask_by_call(&context, name, &master)?;
    ended.send(name).map_err(io::Error::other)
}

fn main() -> io::Result<()> {
    let context = Context::new()?;
    let proxy = ThreadProxy::new(&context.handle())?.named("master");
    let mut alive = BTreeSet::from(CHILDREN);
    let ended = Mailbox::new(&context.handle(), move |master, name| {
        println!("master: {name} has ended");
        alive.remove(name);
        if alive.is_empty() {
            master.stop();
        }
    })?;
    let threads = CHILDREN.map(|name| {
        let (master, ended) = (proxy.sender(), ended.sender());
        thread::spawn(move || child(name, master, ended))
    });
    ended.keep_running(true);
    context.run()?;
    for thread in threads {
        thread
            .join()
            .map_err(|_| io::Error::other("a child has panicked"))??;
    }
    println!("master: {} messages, none lost", proxy.stats().received);
    Ok(())
}
